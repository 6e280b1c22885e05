/**
 * An in-memory stand-in for the server, for looking at pages while they are built and for component tests.
 * Never shipped, never part of an end-to-end test; goes away once the console runs on the real server alone.
 */
import { parse as parseYaml } from 'yaml';
import type { Schemas } from '../src/api/types.ts';
import * as data from './data.ts';
import { ago, DAY, HOUR, MIN, newId, ref } from './data.ts';
import { executions, followRun, startRun } from './runs.ts';

type Handler = (context: Context) => Response | Promise<Response>;
interface Context {
  request: Request;
  url: URL;
  params: string[];
  body: <T>() => Promise<T>;
}
const B = '/api/v1';
let loggedIn = false;

export const json = (body: unknown, status = 200, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json', ...headers } });
const none = () => new Response(null, { status: 204 });
export const problem = (status: number, code: string, title: string, detail: string, more: object = {}) =>
  json({ type: `/docs/problems#${code}`, code, title, status, detail, ...more }, status, {
    'content-type': 'application/problem+json',
  });
const missing = () => problem(404, 'not-found', 'Not found', 'no such resource');

function page<T>(items: T[], url: URL): Response {
  const at = Number(url.searchParams.get('cursor') ?? 0);
  const limit = Number(url.searchParams.get('limit') ?? 50);
  const next = at + limit < items.length ? String(at + limit) : null;
  return json({ items: items.slice(at, at + limit), next_cursor: next });
}
const session = (): Schemas['Session'] => ({
  access_token: 'mock',
  token_type: 'Bearer',
  expires_in: 900,
  user: data.user,
  organization: data.organization,
});

const workflow = (source: string, version: number, days: number): Schemas['Workflow'] => {
  const definition = parseYaml(source) as Record<string, unknown>;
  return {
    id: newId('wf'),
    name: String(definition.name),
    description: String(definition.description ?? ''),
    version,
    created_at: ago(days * DAY),
    updated_at: ago(days * HOUR),
    updated_by: ref,
    source,
    format: 'yaml',
    definition,
    input_schema: (definition.input as Record<string, unknown>) ?? null,
  };
};
export const workflows = [workflow(data.triage, 7, 30), workflow(data.nightly, 2, 12)];
for (const [i, state] of (['waiting', 'succeeded', 'failed', 'succeeded', 'cancelled'] as const).entries()) {
  const owner = workflows[0];
  if (owner) startRun(owner, { source: 'birdstrikes.csv' }, { state, startedAgo: (i * 7 + 0.2) * HOUR });
}
const summary = (one: Schemas['Workflow']): Schemas['WorkflowSummary'] => {
  const runs = [...executions.values()].filter((run) => run.workflow.id === one.id);
  const last = runs.toSorted((a, b) => b.created_at.localeCompare(a.created_at))[0];
  const { id, name, description, version, created_at, updated_at, updated_by } = one;
  const node_count = Object.keys((one.definition.nodes as object) ?? {}).length;
  const last_execution = last ? { id: last.id, state: last.state, created_at: last.created_at } : null;
  return {
    id,
    name,
    description,
    version,
    created_at,
    updated_at,
    updated_by,
    node_count,
    last_execution,
    execution_count: runs.length,
  };
};
const execution = (run: Schemas['Execution']): Schemas['ExecutionSummary'] => {
  const {
    input: _,
    output: __,
    definition: ___,
    steps: ____,
    ...rest
  } = run as Schemas['Execution'] & { steps: unknown };
  return rest;
};

function validate(text: string): Schemas['Fault'][] {
  const faults: Schemas['Fault'][] = [];
  const at = (needle: string) => {
    const offset = text.indexOf(needle);
    const before = text.slice(0, Math.max(0, offset)).split('\n');
    return {
      line: before.length,
      column: (before.at(-1)?.length ?? 0) + 1,
      end_line: before.length,
      end_column: (before.at(-1)?.length ?? 0) + 1 + needle.length,
    };
  };
  let definition: {
    name?: string;
    nodes?: Record<string, { type?: string }>;
    edges?: { from?: string; to?: string }[];
  };
  try {
    definition = parseYaml(text) ?? {};
  } catch (error) {
    const { line = 1, col = 1 } = (error as { linePos?: { line: number; col: number }[] }).linePos?.[0] ?? {};
    return [
      {
        code: 'yaml-syntax',
        severity: 'error',
        message: String((error as Error).message.split('\n')[0]),
        pointer: '',
        line,
        column: col,
        suggestion: null,
      },
    ];
  }
  const nodes = new Set(['start', 'end', ...Object.keys(definition.nodes ?? {})]);
  if (!definition.name)
    faults.push({
      code: 'missing-field',
      severity: 'error',
      message: 'the workflow has no name',
      pointer: '/name',
      line: 1,
      column: 1,
      suggestion: 'name: my-workflow',
    });
  for (const [i, edge] of (definition.edges ?? []).entries()) {
    for (const end of ['from', 'to'] as const) {
      const id = edge[end];
      if (id && !nodes.has(id))
        faults.push({
          code: 'unknown-node',
          severity: 'error',
          message: `edge names node ‘${id}’, which does not exist`,
          pointer: `/edges/${i}/${end}`,
          ...at(`${end}: ${id}`),
          suggestion: [...nodes].find((n) => n[0] === id[0]) ?? null,
        });
    }
  }
  const reached = new Set((definition.edges ?? []).map((edge) => edge.to));
  for (const id of Object.keys(definition.nodes ?? {})) {
    if (!reached.has(id))
      faults.push({
        code: 'unreachable-node',
        severity: 'warning',
        message: `nothing leads to node ‘${id}’`,
        pointer: `/nodes/${id}`,
        ...at(id),
        suggestion: `{ from: start, to: ${id} }`,
      });
  }
  return faults;
}

const approvals: Schemas['Approval'][] = [...executions.values()].slice(0, 1).map((run) => ({
  id: newId('apr'),
  workflow: run.workflow,
  execution_id: run.id,
  step: 'review',
  state: 'pending',
  title: 'Publish 14 strikes that cost over 100,000 dollars',
  shown: [
    {
      operator: 'UNITED AIRLINES',
      state: 'Colorado',
      phase: 'Climb',
      species: 'Canada goose',
      cost: 1_483_000,
    },
    { operator: 'BUSINESS', state: 'Florida', phase: 'Approach', species: 'Turkey vulture', cost: 412_700 },
    {
      operator: 'SOUTHWEST AIRLINES',
      state: 'Missouri',
      phase: 'Take-off run',
      species: 'Snow goose',
      cost: 220_150,
    },
  ],
  shown_digest: '6b3a0c9e',
  approvers: { roles: ['operator'], teams: [], users: [], at_least: 1 },
  not_requester: true,
  requested_by: { id: 'usr_b', name: 'Bruno Lindqvist' },
  created_at: ago(12 * MIN),
  expires_at: new Date(Date.now() + 47 * HOUR).toISOString(),
  decisions: [],
  can_decide: true,
  refusal: null,
}));

const routes: [string, RegExp, Handler][] = [];
const on = (method: string, path: string, handler: Handler) =>
  routes.push([method, new RegExp(`^${B}${path.replaceAll('*', '([^/]+)')}$`), handler]);

on('GET', '/instance', () =>
  json({
    version: '0.1.0',
    environment: 'development',
    registration: 'open',
    auth: 'on',
    password_min_length: 12,
  } satisfies Schemas['Instance']),
);
on('POST', '/auth/login', async ({ body }) => {
  const { password } = await body<Schemas['Login']>();
  if (password === 'wrong')
    return problem(401, 'bad-credentials', 'Log-in refused', 'the name or the password is wrong');
  loggedIn = true;
  return json(session());
});
on('POST', '/auth/register', async ({ body }) => {
  const { email, full_name, username, organization_name } = await body<Schemas['Registration']>();
  if (username === 'ada')
    return problem(422, 'invalid', 'Registration refused', 'one field needs a change', {
      errors: [{ pointer: '/username', detail: 'this user name is taken', code: 'taken' }],
    });
  Object.assign(data.user, { email, full_name, username });
  data.organization.name = organization_name;
  loggedIn = true;
  return json(session(), 201);
});
on('POST', '/auth/refresh', () =>
  loggedIn ? json(session()) : problem(401, 'no-session', 'No session', 'log in again'),
);
on('POST', '/auth/logout', () => {
  loggedIn = false;
  return none();
});
on('GET', '/auth/me', () =>
  json({
    user: data.user,
    organization: data.organization,
    roles: ['admin'],
    permissions: ['*'],
    organizations: [data.organization],
  } satisfies Schemas['Me']),
);

on('GET', '/teams', ({ url }) =>
  page(
    data.teams.toSorted((a, b) => a.name.localeCompare(b.name)),
    url,
  ),
);
on('POST', '/teams', async ({ body }) => {
  const { name, description = '' } = await body<Schemas['NewTeam']>();
  if (data.teams.some((team) => team.name === name))
    return problem(409, 'name-taken', 'Team not created', `a team called ‘${name}’ exists`, {
      errors: [{ pointer: '/name', detail: 'choose another name', code: 'taken' }],
    });
  const team = {
    id: newId('team'),
    name,
    description,
    created_at: ago(0),
    updated_at: ago(0),
  };
  data.teams.push(team);
  return json(team, 201);
});
on('PATCH', '/teams/*', async ({ params: [id], body }) => {
  const team = data.teams.find((one) => one.id === id);
  return team ? json(Object.assign(team, await body<object>())) : missing();
});
on('DELETE', '/teams/*', ({ params: [id] }) => {
  const index = data.teams.findIndex((one) => one.id === id);
  if (index < 0) return missing();
  data.teams.splice(index, 1);
  return none();
});
on('GET', '/users', ({ url }) => page(data.members, url));
on('POST', '/users', async ({ body }) => {
  const { email, full_name, username, roles } = await body<Schemas['NewMember']>();
  const member: Schemas['Member'] = {
    id: newId('usr'),
    email,
    full_name,
    username,
    roles,
    status: 'active',
    created_at: ago(0),
  };
  data.members.push(member);
  return json(member, 201);
});
on('PATCH', '/users/*', async ({ params: [id], body }) => {
  const member = data.members.find((one) => one.id === id);
  return member ? json(Object.assign(member, await body<object>())) : missing();
});

on('GET', '/workflows', ({ url }) =>
  page(
    workflows.map(summary).filter((w) => w.name.includes(url.searchParams.get('search') ?? '')),
    url,
  ),
);
on('POST', '/workflows', async ({ request }) => {
  const text = await request.text();
  const faults = validate(text).filter((fault) => fault.severity === 'error');
  if (faults.length)
    return problem(422, 'invalid-definition', 'Workflow not saved', 'the definition has faults', {
      errors: faults.map(({ pointer, message, code }) => ({ pointer, detail: message, code })),
    });
  const made = workflow(text, 1, 0);
  workflows.push(made);
  return json(made, 201);
});
on('POST', '/workflows/validate', async ({ request }) => {
  const faults = validate(await request.text());
  return json({
    valid: !faults.some((fault) => fault.severity === 'error'),
    faults,
  } satisfies Schemas['Validation']);
});
const find = (id: string | undefined) => workflows.find((one) => one.id === id);
on('GET', '/workflows/*', ({ params: [id] }) => json(find(id) ?? null, find(id) ? 200 : 404));
on('DELETE', '/workflows/*', ({ params: [id] }) => {
  workflows.splice(
    workflows.findIndex((one) => one.id === id),
    1,
  );
  return none();
});
on('GET', '/workflows/*/versions', ({ params: [id], url }) => {
  const one = find(id);
  if (!one) return missing();
  const versions = Array.from({ length: one.version }, (_, i) => ({
    version: one.version - i,
    message: i === 0 ? 'Ask before publishing' : null,
    author: ref,
    created_at: ago(i * 3 * DAY + HOUR),
    digest: '9f2c'.repeat(16),
  }));
  return page(versions, url);
});
on('POST', '/workflows/*/versions', async ({ params: [id], request }) => {
  const one = find(id);
  if (!one) return missing();
  const source = await request.text();
  if (validate(source).some((fault) => fault.severity === 'error'))
    return problem(422, 'invalid-definition', 'Version not saved', 'the definition has faults');
  const definition = parseYaml(source) as Record<string, unknown>;
  return json(
    Object.assign(one, {
      source,
      definition,
      input_schema: definition.input ?? null,
      version: one.version + 1,
      updated_at: ago(0),
    }),
    201,
  );
});
on('GET', '/workflows/*/versions/*', ({ params: [id, version] }) => {
  const one = find(id);
  return one
    ? json({
        version: Number(version),
        message: null,
        author: ref,
        created_at: ago(DAY),
        digest: '',
        source: one.source,
        format: 'yaml',
        definition: one.definition,
        input_schema: one.input_schema,
      })
    : missing();
});
on('POST', '/workflows/*/executions', async ({ params: [id], body }) => {
  const one = find(id);
  if (!one) return missing();
  const { input } = await body<{ input: unknown }>();
  const run = startRun(one, input, { state: 'running', startedAgo: 0 });
  return json(execution(run), 202, { location: `${B}/executions/${run.id}` });
});

on('GET', '/executions', ({ url }) => {
  const states = url.searchParams.getAll('state');
  const of = url.searchParams.get('workflow_id');
  const runs = [...executions.values()].filter(
    (run) => (!states.length || states.includes(run.state)) && (!of || run.workflow.id === of),
  );
  return page(runs.toSorted((a, b) => b.created_at.localeCompare(a.created_at)).map(execution), url);
});
on('GET', '/executions/*', ({ params: [id = ''] }) => {
  const run = executions.get(id);
  if (!run) return missing();
  const { steps: _, ...rest } = run;
  return json(rest);
});
on('GET', '/executions/*/steps', ({ params: [id = ''], url }) =>
  page([...(executions.get(id)?.steps.values() ?? [])], url),
);
on('GET', '/executions/*/steps/*', ({ params: [id = '', name = ''] }) => {
  const step = executions.get(id)?.steps.get(decodeURIComponent(name));
  if (!step) return missing();
  const at = step.started_at ?? ago(0);
  return json({
    ...step,
    input: { rows: 500, first: { operator: 'UNITED AIRLINES', cost: 1_483_000 } },
    output: step.state === 'succeeded' ? { graded: 500, worst: 5, total_cost: 2_214_880 } : null,
    logs:
      step.type === 'plugin'
        ? [
            { at, level: 'info', message: 'read 500 rows' },
            { at, level: 'warn', message: 'row 212 has no cost; counted as 0' },
          ]
        : [],
  } satisfies Schemas['Step']);
});
on('GET', '/executions/*/events', ({ params: [id = ''], request }) => followRun(id, request) ?? missing());
on('POST', '/executions/*/cancel', ({ params: [id = ''] }) => {
  const run = executions.get(id);
  if (!run) return missing();
  run.state = 'cancelled';
  run.finished_at = ago(0);
  for (const step of run.steps.values())
    if (step.state === 'running' || step.state === 'waiting' || step.state === 'queued')
      Object.assign(step, { state: 'cancelled', finished_at: ago(0) });
  return json(execution(run), 202);
});

on('GET', '/approvals', ({ url }) =>
  page(
    approvals.filter((one) => [null, one.state].includes(url.searchParams.get('state') as typeof one.state)),
    url,
  ),
);
on('GET', '/approvals/*', ({ params: [id] }) => json(approvals.find((one) => one.id === id)));
on('POST', '/approvals/*/decision', async ({ params: [id], body }) => {
  const one = approvals.find((candidate) => candidate.id === id);
  if (!one) return missing();
  const { decision, comment } = await body<Schemas['NewDecision']>();
  Object.assign(one, { state: decision === 'approve' ? 'approved' : 'rejected', can_decide: false });
  one.decisions.push({ decision, by: ref, at: ago(0), comment: comment ?? null });
  return json(one);
});

on('GET', '/plugins', ({ url }) => page(data.plugins, url));
on('POST', '/plugins', async ({ body }) => {
  const upload = await body<{ manifest: string; source: string }>();
  const manifest = parseYaml(upload.manifest) as { name: string; version: string };
  const text = upload.source;
  if (/import (os|socket)/.test(text))
    return problem(
      422,
      'plugin-rejected',
      'Plugin refused',
      'stage source: the module ‘os’ cannot be imported',
      {
        errors: [
          {
            pointer: '/source',
            detail: 'line 1: module ‘os’ is not available in the sandbox',
            code: 'forbidden-import',
          },
        ],
      },
    );
  const existing = data.plugins.find((one) => one.name === manifest.name);
  const plugin =
    existing ??
    ({
      ...data.plugins[1],
      id: newId('plg'),
      name: manifest.name,
      status: 'draft',
      used_by: [],
    } as Schemas['Plugin']);
  plugin.version = manifest.version;
  if (!existing) data.plugins.push(plugin);
  const stages = (
    [
      'archive',
      'manifest',
      'signature',
      'interface',
      'config-schema',
      'capabilities',
      'source',
      'examples',
    ] as const
  ).map((stage) => ({
    stage,
    outcome: stage === 'signature' ? ('skipped' as const) : ('passed' as const),
    detail: stage === 'signature' ? 'not signed' : null,
  }));
  const version = pluginVersion(plugin, manifest.version, plugin.status);
  return json({ version, stages } satisfies Schemas['PluginUpload'], 201);
});
function pluginVersion(
  { id, name }: Schemas['Plugin'],
  version: string,
  status: Schemas['PluginStatus'],
): Schemas['PluginVersion'] {
  return {
    plugin_id: id,
    name,
    version,
    status,
    digest: 'c0ffee12'.repeat(8),
    size: 1834,
    signed: false,
    author: ref.id,
    created_at: ago(3 * DAY),
  };
}
const plugin = (id: string | undefined) => data.plugins.find((one) => one.id === id);
on('GET', '/plugins/*', ({ params: [id] }) => json(plugin(id) ?? null, plugin(id) ? 200 : 404));
on('DELETE', '/plugins/*', ({ params: [id] }) => {
  const one = plugin(id);
  if (!one) return missing();
  if (one.used_by.length)
    return problem(409, 'in-use', 'Plugin not deleted', 'workflows use it', { used_by: one.used_by });
  data.plugins.splice(data.plugins.indexOf(one), 1);
  return none();
});
on('GET', '/plugins/*/versions', ({ params: [id], url }) =>
  page(
    [plugin(id)?.version ?? '1.0.0', '1.0.0'].map((version, i) => ({
      version,
      status: i ? 'deprecated' : (plugin(id)?.status ?? 'draft'),
      digest: 'c0ffee12'.repeat(8),
      size: 1834,
      signed: false,
      author: ref.id,
      created_at: ago((3 + i * 9) * DAY),
    })),
    url,
  ),
);
on('GET', '/plugins/*/versions/*/code', ({ params: [id] }) =>
  json({ version: plugin(id)?.version ?? '', language: 'python', source: data.source }),
);
on('POST', '/plugins/*/versions/*/test', async ({ body }) => {
  const { state } = await body<{ state: { input?: { cost?: number } } }>();
  const cost = state.input?.cost;
  if (cost === undefined)
    return json({
      outcome: 'failed',
      output: null,
      error: { class: 'plugin', message: "KeyError: 'cost'", line: 7 },
      logs: [],
      duration_ms: 12.1,
      peak_memory_bytes: 41_000_000,
      fuel: 120_000,
    });
  return json({
    outcome: 'succeeded',
    output: { grade: Math.min(5, Math.floor(Math.log10(cost + 1))), cost },
    error: null,
    logs: [{ at: ago(0), level: 'info', message: 'graded 4711' }],
    duration_ms: 13.4,
    peak_memory_bytes: 42_467_328,
    fuel: 1_843_211,
  } satisfies Schemas['PluginTestResult']);
});
on('PUT', '/plugins/*/versions/*/status', async ({ params: [id], body }) =>
  json(Object.assign(plugin(id) ?? {}, await body<object>())),
);

on('GET', '/secrets', ({ url }) => page(data.secrets, url));
on('PUT', '/secrets/*', async ({ params: [name = ''], body }) => {
  const { description } = await body<Schemas['SecretValue']>();
  let one = data.secrets.find((secret) => secret.name === name);
  if (!one) {
    one = {
      id: newId('sec'),
      name,
      description: null,
      version: 0,
      grants: [],
      created_at: ago(0),
      updated_at: ago(0),
      updated_by: ref,
    };
    data.secrets.push(one);
  }
  return json(
    Object.assign(one, {
      version: one.version + 1,
      updated_at: ago(0),
      description: description ?? one.description,
    }),
  );
});
on('DELETE', '/secrets/*', ({ params: [name] }) => {
  data.secrets.splice(
    data.secrets.findIndex((one) => one.name === name),
    1,
  );
  return none();
});
on('PUT', '/secrets/*/grants', async ({ params: [name], body }) => {
  const { workflow_ids } = await body<Schemas['SecretGrants']>();
  const grants = workflow_ids.map((id) => ({ id, name: find(id)?.name ?? id }));
  return json(Object.assign(data.secrets.find((one) => one.name === name) ?? {}, { grants }));
});

on('GET', '/audit/events', ({ url }) => {
  const q = url.searchParams;
  const is = (name: string, value: string | undefined) => !q.get(name) || q.get(name) === value;
  return page(
    data.events.filter(
      (e) =>
        is('outcome', e.outcome) &&
        is('actor_id', e.actor.id) &&
        is('resource_type', e.resource?.type) &&
        (!q.get('action') ||
          e.action === q.get('action') ||
          (q.get('action')?.endsWith('.') && e.action.startsWith(q.get('action') ?? ''))),
    ),
    url,
  );
});
const checkpoint = {
  size: 2841,
  root_hash: 'k7vq0xJ4mN8r2sYw5eTzB1cHuD9aLfPgQoRiXkVjM3E=',
  time: ago(700),
  note: 'tenure.example/acme\n2841\nk7vq0xJ4mN8r2sYw5eTzB1cHuD9aLfPgQoRiXkVjM3E=\n\n— tenure.example/acme 4f1c…\n',
};
on('GET', '/audit/checkpoints', ({ url }) => page([checkpoint], url));
on('POST', '/audit/verify', () =>
  json({
    ok: true,
    events_checked: 2841,
    unsealed: 1,
    checkpoint,
    duration_ms: 212,
    verified_at: ago(0),
    first_fault: null,
  } satisfies Schemas['Verification']),
);
const month = new Date(Date.UTC(new Date().getUTCFullYear(), new Date().getUTCMonth() + 1, 1)).toISOString();
on('GET', '/quotas', () =>
  json({
    plan: 'pro',
    items: [
      { name: 'workflows', limit: 50, used: workflows.length, resets_at: null },
      { name: 'executions_per_month', limit: 10_000, used: 8214, resets_at: month },
      { name: 'concurrent_executions', limit: 10, used: 1, resets_at: null },
      { name: 'provider_calls_per_month', limit: 100_000, used: 100_000, resets_at: month },
      { name: 'teams', limit: null, used: data.teams.length, resets_at: null },
    ],
  } satisfies Schemas['Quotas']),
);
on('GET', '/quotas/executions', () =>
  json({
    items: Array.from({ length: 30 }, (_, i) => ({
      date: ago((29 - i) * DAY).slice(0, 10),
      succeeded: Math.round(220 + 90 * Math.sin(i / 2.2)),
      failed: (i * 7) % 13,
      cancelled: i % 4,
    })),
  }),
);

/** Answers one request. */
export async function handle(request: Request): Promise<Response> {
  const url = new URL(request.url);
  const open = /^\/api\/v1\/(instance|auth\/(login|register|refresh))$/.test(url.pathname);
  if (!open && !request.headers.get('authorization'))
    return problem(401, 'unauthenticated', 'Log in first', 'this needs an access token');
  for (const [method, pattern, handler] of routes) {
    const match = pattern.exec(url.pathname);
    if (method === request.method && match)
      return handler({ request, url, params: match.slice(1), body: <T>() => request.json() as Promise<T> });
  }
  return missing();
}
