import { useQuery } from '@tanstack/react-query';
import { Link, useBlocker, useNavigate, useParams } from '@tanstack/react-router';
import { History, Play, Trash2, UsersRound } from 'lucide-react';
import { useState } from 'react';
import { useMay } from '~/api/query';
import type { Workflow } from '~/api/types';
import { useTeamNames } from '~/features/teams/api';
import { MoveForm } from '~/features/teams/MoveForm';
import { Button, ButtonLink } from '~/ui/button';
import { Confirm, Dialog } from '~/ui/dialog';
import { TextField } from '~/ui/form';
import { MenuItem, RowMenu } from '~/ui/menu';
import { Page } from '~/ui/page';
import { Loaded, Notice, ProblemNotice } from '~/ui/states';
import { useDeleteWorkflow, useMoveWorkflow, useSaveDefinition, workflowQuery } from './api';
import { DefinitionEditor } from './DefinitionEditor';
import { useDefinition } from './use-definition';
import { VersionsDialog } from './VersionsDialog';

export function WorkflowPage() {
  const { workflowId } = useParams({ from: '/shell/workflows/$workflowId' });
  const query = useQuery(workflowQuery(workflowId));
  if (query.data) return <Definition key={query.data.id} workflow={query.data} />;
  return (
    <Page title="Workflow" back={<Link to="/workflows">Workflows</Link>}>
      <Loaded query={query} label="this workflow">
        {() => null}
      </Loaded>
    </Page>
  );
}

/** An edited text, and the version that was on the screen when editing began. */
interface Draft {
  source: string;
  base: number;
}

function Definition({ workflow }: { workflow: Workflow }) {
  const [draft, setDraft] = useState<Draft>();
  const [message, setMessage] = useState('');
  const [open, setOpen] = useState<'versions' | 'save' | 'team' | 'delete'>();
  const source = draft?.source ?? workflow.source;
  const changed = draft !== undefined && draft.source !== workflow.source;
  // What is edited keeps the version it began from: another's save since must not be lost under this one.
  const base = draft?.base ?? workflow.version;
  const edit = (text: string) => setDraft({ source: text, base });
  const overtaken = changed && base !== workflow.version;
  const definition = useDefinition(source, { workflow: workflow.id });
  const save = useSaveDefinition({ id: workflow.id, version: base });
  const remove = useDeleteWorkflow();
  const move = useMoveWorkflow(workflow.id);
  const teamName = useTeamNames();
  const navigate = useNavigate();
  const mayUpdate = useMay('workflow:update');
  const mayRun = useMay('workflow:execute');
  const mayDelete = useMay('workflow:delete');
  const close = () => setOpen(undefined);
  const params = { workflowId: workflow.id };
  const leaving = useBlocker({
    shouldBlockFn: () => changed,
    enableBeforeUnload: changed,
    withResolver: true,
  });

  return (
    <Page
      wide
      title={workflow.name}
      back={<Link to="/workflows">Workflows</Link>}
      badge={
        <>
          <span className="badge">Version {workflow.version}</span>
          {workflow.team_id && <span className="badge">Private to {teamName(workflow.team_id)}</span>}
        </>
      }
      description={workflow.description}
      actions={
        <>
          <Button tone="quiet" onPress={() => setOpen('versions')}>
            <History aria-hidden /> Versions
          </Button>
          <ButtonLink tone="quiet" to="/executions" search={{ workflow: workflow.id }}>
            Executions
          </ButtonLink>
          {mayUpdate && (
            <Button
              tone={changed ? 'primary' : 'plain'}
              isDisabled={!changed || overtaken || definition.validation.data?.valid === false}
              onPress={() => setOpen('save')}
            >
              Save version {workflow.version + 1}
            </Button>
          )}
          {mayRun && (
            <ButtonLink tone={changed ? 'plain' : 'primary'} to="/workflows/$workflowId/run" params={params}>
              <Play aria-hidden /> Run
            </ButtonLink>
          )}
          {(mayUpdate || mayDelete) && (
            <RowMenu label="More actions">
              {mayUpdate && (
                <MenuItem
                  label="Move"
                  onAction={() => {
                    move.reset();
                    setOpen('team');
                  }}
                >
                  <UsersRound aria-hidden /> Who sees and uses it…
                </MenuItem>
              )}
              {mayDelete && (
                <MenuItem label="Delete" danger onAction={() => setOpen('delete')}>
                  <Trash2 aria-hidden /> Delete workflow…
                </MenuItem>
              )}
            </RowMenu>
          )}
        </>
      }
    >
      {!mayUpdate && (
        <Notice tone="info" title="You may read this definition, not change it">
          <p>
            Changing needs the permission <code>workflow:update</code>.
          </p>
        </Notice>
      )}
      {overtaken && (
        <Notice tone="warn" title={`Version ${workflow.version} was saved since you began`}>
          <p>
            {workflow.updated_by ? `By ${workflow.updated_by.name}. ` : ''}
            Yours began from version {base} and cannot be saved over it. Copy what you need, discard it, and
            go on from theirs.
          </p>
          <Button small onPress={() => setDraft(undefined)}>
            Discard mine
          </Button>
        </Notice>
      )}
      <DefinitionEditor source={source} onChange={edit} readOnly={!mayUpdate} definition={definition} />

      <VersionsDialog
        workflow={workflow}
        isOpen={open === 'versions'}
        onClose={close}
        onRestore={(text) => {
          setDraft({ source: text, base: workflow.version });
          close();
        }}
      />
      <Dialog title={`Save version ${workflow.version + 1}`} isOpen={open === 'save'} onClose={close}>
        {save.error && <ProblemNotice problem={save.error} />}
        <TextField
          label="What changed"
          value={message}
          onChange={setMessage}
          hint="Optional; shown in the list of versions."
          autoFocus
        />
        <div className="form-actions">
          <Button onPress={close}>Cancel</Button>
          <Button
            tone="primary"
            isPending={save.isPending}
            onPress={() =>
              save.mutate(
                { source, message: message || undefined },
                {
                  onSuccess: () => {
                    setDraft(undefined);
                    setMessage('');
                    close();
                  },
                },
              )
            }
          >
            Save
          </Button>
        </div>
      </Dialog>
      <Dialog title={`Who sees and uses “${workflow.name}”`} isOpen={open === 'team'} onClose={close}>
        <MoveForm
          team={workflow.team_id}
          problem={move.error}
          isPending={move.isPending}
          onSave={(team) => move.mutate(team, { onSuccess: close })}
          onClose={close}
        >
          Its executions and approvals go with it. It stays while it uses a secret or plugin that is private
          to the team it would leave.
        </MoveForm>
      </Dialog>
      <Confirm
        title={`Delete “${workflow.name}”?`}
        action="Delete workflow"
        isOpen={open === 'delete'}
        change={remove}
        onClose={close}
        onConfirm={() =>
          remove.mutate(workflow, {
            onSuccess: () => void navigate({ to: '/workflows', ignoreBlocker: true }),
          })
        }
      >
        <p>No new execution can start. Executions that ran stay in the log.</p>
      </Confirm>
      <Confirm
        title="Leave without saving?"
        action="Discard changes"
        dismiss="Stay"
        isOpen={leaving.status === 'blocked'}
        onClose={() => leaving.reset?.()}
        onConfirm={() => leaving.proceed?.()}
      >
        <p>The definition has changes that are not in any version yet.</p>
      </Confirm>
    </Page>
  );
}
