import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import { Trash2 } from 'lucide-react';
import { useState } from 'react';
import { useMay } from '~/api/query';
import type { Plugin } from '~/api/types';
import { useTeamNames } from '~/features/teams/api';
import { MoveForm } from '~/features/teams/MoveForm';
import { Button } from '~/ui/button';
import { Confirm, Dialog } from '~/ui/dialog';
import { Editor } from '~/ui/editor';
import { Page, Panel } from '~/ui/page';
import { Empty, Loaded, ProblemNotice } from '~/ui/states';
import { List } from '~/ui/table';
import { Time } from '~/ui/time';
import {
  pluginQuery,
  pluginVersionQuery,
  useDeletePlugin,
  usePluginCode,
  usePluginVersions,
  useSetPluginStatus,
  useSetPluginTeam,
} from './api';
import { PluginStatusBadge } from './PluginsPage';
import { TestBench } from './TestBench';
import './plugins.css';

const BACK = <Link to="/plugins">Plugins</Link>;

export function PluginPage() {
  const { pluginId } = useParams({ from: '/shell/plugins/$pluginId' });
  const query = useQuery(pluginQuery(pluginId));
  if (query.data) return <Detail key={pluginId} plugin={query.data} />;
  return (
    <Page title="Plugin" back={BACK}>
      <Loaded query={query} label="this plugin">
        {() => null}
      </Loaded>
    </Page>
  );
}

function Detail({ plugin }: { plugin: Plugin }) {
  const mayUpdate = useMay('plugin:update');
  const mayDelete = useMay('plugin:delete');
  const status = useSetPluginStatus(plugin.id, plugin.version);
  const remove = useDeletePlugin();
  const move = useSetPluginTeam(plugin.id);
  const navigate = useNavigate();
  const [deleting, setDeleting] = useState(false);
  const [moving, setMoving] = useState(false);
  const teamName = useTeamNames();
  const next = plugin.status === 'active' ? 'deprecated' : 'active';
  return (
    <Page
      title={plugin.name}
      back={BACK}
      badge={<PluginStatusBadge status={plugin.status} />}
      description={plugin.description}
      actions={
        <>
          <Button
            tone={next === 'active' ? 'primary' : 'plain'}
            isDisabled={!mayUpdate}
            isPending={status.isPending}
            onPress={() => status.mutate(next)}
          >
            {next === 'active' ? 'Activate' : 'Deprecate'}
          </Button>
          <Button isDisabled={!mayDelete} onPress={() => setDeleting(true)}>
            <Trash2 aria-hidden /> Delete
          </Button>
        </>
      }
    >
      {status.error && <ProblemNotice problem={status.error} />}
      <dl className="facts">
        <dt>Use it as</dt>
        <dd>
          <code>{`{ type: plugin, plugin: ${plugin.name}@^${plugin.version} }`}</code>
        </dd>
        <dt>May</dt>
        <dd>
          <Capabilities plugin={plugin} />
        </dd>
        <dt>Used by</dt>
        <dd>{usedBy(plugin)}</dd>
        <dt>Seen by</dt>
        <dd>
          {plugin.team_id ? `Team ${teamName(plugin.team_id)}` : 'Everybody'}{' '}
          <Button
            small
            isDisabled={!mayUpdate}
            onPress={() => {
              move.reset();
              setMoving(true);
            }}
          >
            Change team
          </Button>
        </dd>
        <dt>Changed</dt>
        <dd>
          <Time iso={plugin.updated_at} />
        </dd>
      </dl>
      {moving && (
        <Dialog title={`Who sees ${plugin.name}`} isOpen onClose={() => setMoving(false)}>
          <MoveForm
            team={plugin.team_id}
            problem={move.error}
            isPending={move.isPending}
            onSave={(team) => move.mutate(team, { onSuccess: () => setMoving(false) })}
            onClose={() => setMoving(false)}
          />
        </Dialog>
      )}
      <TestBench plugin={plugin} />
      <Code plugin={plugin} />
      <Versions plugin={plugin} />
      <Confirm
        title={`Delete ${plugin.name}?`}
        action="Delete plugin"
        isOpen={deleting}
        change={remove}
        onClose={() => setDeleting(false)}
        onConfirm={() => remove.mutate(plugin, { onSuccess: () => void navigate({ to: '/plugins' }) })}
      >
        <p>All its versions go. A plugin that a workflow uses cannot be deleted.</p>
      </Confirm>
    </Page>
  );
}

function usedBy({ used_by, used_by_hidden }: Plugin): string {
  const hidden = used_by_hidden > 0 ? [`${used_by_hidden} that you may not see`] : [];
  return [...used_by.map((user) => user.name), ...hidden].join(', ') || 'No workflow';
}

/** What the version may do beyond computing. */
function Capabilities({ plugin }: { plugin: Plugin }) {
  const version = useQuery(pluginVersionQuery(plugin.id, plugin.version)).data;
  if (!version) return '…';
  const told = version.capabilities.map((capability) =>
    capability === 'log' ? 'write to the step’s log' : `call ${capability.http.hosts.join(', ')}`,
  );
  return told.join('; ') || 'compute, and nothing else';
}

function Code({ plugin }: { plugin: Plugin }) {
  const query = usePluginCode(plugin.id, plugin.version);
  return (
    <Panel title={`Source of ${plugin.version}`}>
      <Loaded query={query} label="the source">
        {({ source }) =>
          source === null ? (
            <p className="muted">This version is a compiled component; it has no source here.</p>
          ) : (
            <Editor label="Source" language="python" value={source} readOnly />
          )
        }
      </Loaded>
    </Panel>
  );
}

function Versions({ plugin }: { plugin: Plugin }) {
  const pages = usePluginVersions(plugin.id);
  return (
    <Panel title="Versions" flush>
      <List
        label="versions"
        pages={pages}
        rowKey={(one) => one.version}
        empty={<Empty icon={Trash2} title="No versions" />}
        columns={[
          { header: 'Version', fit: true, cell: (one) => <code>{one.version}</code> },
          { header: 'Status', fit: true, cell: (one) => <PluginStatusBadge status={one.status} /> },
          {
            header: 'Digest (SHA-256)',
            wideOnly: true,
            cell: (one) => <code title={one.digest}>{one.digest.slice(0, 16)}…</code>,
          },
          {
            header: 'Size',
            end: true,
            fit: true,
            wideOnly: true,
            cell: (one) => `${one.size.toLocaleString()} bytes`,
          },
          { header: 'Signed', fit: true, wideOnly: true, cell: (one) => (one.signed ? 'Yes' : 'No') },
          { header: 'Uploaded', fit: true, cell: (one) => <Time iso={one.created_at} relative /> },
        ]}
      />
    </Panel>
  );
}
