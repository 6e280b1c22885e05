/** Invented data for looking at the console while it is built. */
import type { Schemas } from '../src/api/types.ts';

export const ago = (ms: number) => new Date(Date.now() - ms).toISOString();
export const MIN = 60_000;
export const HOUR = 60 * MIN;
export const DAY = 24 * HOUR;

let serial = 1;
export const newId = (prefix: string) =>
  `${prefix}_01jd${(serial++).toString(36).padStart(6, '0')}${'kx9q2m7v4t8r3w'}`;

export const organization: Schemas['Organization'] = {
  id: newId('ten'),
  name: 'Acme Corporation',
  slug: 'acme',
  plan: 'pro',
  status: 'active',
};
export const user: Schemas['User'] = {
  id: newId('usr'),
  email: 'ada@acme.example',
  username: 'ada',
  full_name: 'Ada Okonkwo',
  created_at: ago(90 * DAY),
};
export const ref = { id: user.id, name: user.full_name };

export const teams: Schemas['Team'][] = [
  ['Flight safety', 'Owns strike triage and its plugins.'],
  ['Data platform', 'Sources, imports and quotas.'],
  ['Customer operations', ''],
].map(([name, description], i) => ({
  id: newId('team'),
  name: String(name),
  description: String(description),
  created_at: ago((40 - i * 9) * DAY),
  updated_at: ago((40 - i * 9) * DAY),
}));

const people: [string, string, Schemas['Role'], Schemas['Member']['status']][] = [
  ['Ada Okonkwo', 'ada', 'admin', 'active'],
  ['Bruno Lindqvist', 'bruno', 'developer', 'active'],
  ['Chandra Rao', 'chandra', 'operator', 'active'],
  ['Dmitri Ivanov', 'dmitri', 'executor', 'deactivated'],
  ['Elena García', 'elena', 'viewer', 'invited'],
  ['Femi Adeyemi', 'femi', 'auditor', 'active'],
];
export const members: Schemas['Member'][] = people.map(([full_name, username, role, status], i) => ({
  id: i === 0 ? user.id : newId('usr'),
  email: `${username}@acme.example`,
  username: status === 'invited' ? null : username,
  full_name,
  status,
  roles: [role],
  created_at: ago((60 - i) * DAY),
}));

export const triage = `# Grades wildlife strikes and asks a person about the expensive ones.
name: strike-triage
description: Grade wildlife strikes reported to the FAA, and ask before the costly ones are published
input:
  type: object
  required: [source]
  properties:
    source: { type: string, title: File, description: Path of the report file, default: birdstrikes.csv }
    threshold: { type: number, title: Threshold, description: Dollars above which a person decides, minimum: 0, default: 100000 }
    phases:
      type: array
      title: Phases of flight
      uniqueItems: true
      items: { type: string, enum: [Take-off, Climb, Approach, Landing Roll] }
    notify: { type: boolean, title: Post the summary, default: true }
state:
  graded: { reduce: append }
nodes:
  parse:   { type: plugin, plugin: acme/strike-parser@^1 }
  grade:
    type: map
    over: .state.parse.rows
    batch: 500
    concurrency: 4
    do: { type: plugin, plugin: acme/grade@^1 }
  totals:  { type: transform, jq: "[.state.grade[]] | group_by(.operator) | map({operator: .[0].operator, cost: (map(.cost) | add)})" }
  review:  { type: approval, approvers: { roles: [operator], at_least: 1 }, show: ".state.grade | map(select(.cost > 100000))", expires: 48h }
  publish: { type: http, request: { method: POST, url: "{{ secrets.report_hook }}", json: "{{ state.totals }}" } }
edges:
  - { from: start, to: parse }
  - { from: parse, to: grade }
  - { from: grade, to: totals }
  - { from: totals, to: review, when: "state.totals.exists(t, t.cost > 100000)" }
  - { from: totals, to: publish, when: else }
  - { from: review, to: publish }
  - { from: publish, to: end }
limits: { timeout: 10m, parallelism: 5 }
`;
export const nightly = `name: nightly-digest
description: Mail yesterday’s figures to each team
nodes:
  collect: { type: transform, jq: ".input" }
  send:    { type: http, request: { method: POST, url: "https://hooks.acme.example/digest", json: "{{ state.collect }}" } }
edges:
  - { from: start, to: collect }
  - { from: collect, to: send }
  - { from: send, to: end }
`;

const plugin = (
  name: string,
  description: string,
  status: Schemas['PluginStatus'],
  version: string,
  used: boolean,
): Schemas['Plugin'] => ({
  id: newId('plg'),
  name,
  display_name: name.split('/')[1]?.replaceAll('-', ' ') ?? name,
  description,
  kind: 'node',
  language: 'python',
  version,
  status,
  used_by: used ? [{ id: 'wf_x', name: 'strike-triage' }] : [],
  created_at: ago(20 * DAY),
  updated_at: ago(3 * DAY),
});
export const plugins = [
  plugin('acme/grade', 'Grades one strike report by damage, cost and injuries', 'active', '1.4.0', true),
  plugin('acme/redact', 'Removes names and addresses from free text', 'draft', '0.3.1', false),
  plugin('acme/strike-parser', 'Parses the FAA wildlife strike file', 'active', '1.0.2', true),
];
export const source = `import json, math


def execute(state, config):
    """Grade one report: 0 (nothing) to 5 (write-off)."""
    report = state["input"]
    cost = float(report.get("cost") or 0)
    log("graded", report.get("id"))
    return {"grade": min(5, int(math.log10(cost + 1))), "cost": cost}
`;

export const secrets: Schemas['Secret'][] = ['report_hook', 'warehouse_token'].map((name, i) => ({
  id: newId('sec'),
  name,
  description: i === 0 ? 'Where the weekly summary is posted' : null,
  version: 3 - i,
  grants: i === 0 ? [{ id: 'wf_x', name: 'strike-triage' }] : [],
  created_at: ago(30 * DAY),
  updated_at: ago((2 + i * 40) * DAY),
  updated_by: ref,
}));

const actions: [string, string, Schemas['AuditEvent']['outcome'], string | null][] = [
  ['execution.started', 'strike-triage', 'success', null],
  ['approval.decided', 'strike-triage', 'denied', 'the requester may not decide'],
  ['secret.set', 'report_hook', 'success', null],
  ['session.login', '', 'failure', 'wrong password'],
  ['workflow.version-created', 'strike-triage', 'success', null],
  ['team.renamed', 'Flight safety', 'success', null],
  ['plugin.status-set', 'acme/redact', 'denied', 'unsigned plugins cannot be activated here'],
  ['user.roles-changed', 'Elena García', 'success', null],
];
export const events: Schemas['AuditEvent'][] = Array.from({ length: 130 }, (_, i) => {
  const [action, name, outcome, reason] = actions[i % actions.length] ?? ['x.y', '', 'success', null];
  const person = members[i % 3] ?? members[0];
  return {
    id: newId('evt'),
    index: i === 0 ? null : 2841 - i,
    time: ago(i * 17 * MIN + 800),
    actor:
      outcome === 'failure'
        ? { id: '', type: 'anonymous', name: 'unknown' }
        : { id: person?.id ?? '', type: 'user', name: person?.full_name ?? '' },
    action,
    resource: name ? { id: newId('res'), name, type: action.split('.')[0] ?? '' } : null,
    outcome,
    reason,
    diff:
      action === 'team.renamed'
        ? [{ op: 'replace', path: '/name', value: 'Flight safety', before: 'Safety' }]
        : null,
    address: '203.0.113.24',
    user_agent: 'Mozilla/5.0 (X11; Linux x86_64)',
    request_id: newId('req'),
  };
});
