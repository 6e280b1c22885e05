import { KeyRound, Plus, RotateCw, Trash2, UsersRound, Workflow } from 'lucide-react';
import { useState } from 'react';
import { useMay } from '~/api/query';
import type { Secret } from '~/api/types';
import { useTeamNames } from '~/features/teams/api';
import { MoveForm } from '~/features/teams/MoveForm';
import { EVERYBODY, TeamChoice, teamOf } from '~/features/teams/TeamChoice';
import { useWorkflowNames } from '~/features/workflows/api';
import { Button } from '~/ui/button';
import { Confirm, Dialog } from '~/ui/dialog';
import { Form, TextField } from '~/ui/form';
import { FormActions } from '~/ui/form-actions';
import { MenuItem, RowMenu } from '~/ui/menu';
import { Page } from '~/ui/page';
import { Empty } from '~/ui/states';
import { List } from '~/ui/table';
import { Time } from '~/ui/time';
import { useDeleteSecret, useSecrets, useSetSecret, useSetSecretTeam } from './api';
import { GrantsForm } from './GrantsForm';

type Open =
  | { kind: 'set'; secret: Secret | undefined }
  | { kind: 'grants' | 'team' | 'delete'; secret: Secret }
  | undefined;

export function SecretsPage() {
  const pages = useSecrets();
  const nameOf = useWorkflowNames();
  const teamName = useTeamNames();
  const mayWrite = useMay('secret:write');
  const [open, setOpen] = useState<Open>();
  const close = () => setOpen(undefined);
  const add = (
    <Button tone="primary" isDisabled={!mayWrite} onPress={() => setOpen({ kind: 'set', secret: undefined })}>
      <Plus aria-hidden /> New secret
    </Button>
  );
  return (
    <Page
      title="Secrets"
      description="Values that workflows send and nobody reads: sealed, granted one by one, never shown again."
      actions={add}
    >
      <List
        label="secrets"
        pages={pages}
        rowKey={(secret) => secret.id}
        empty={
          <Empty icon={KeyRound} title="No secrets yet" action={add}>
            Keep a token or an address here, grant it to a workflow, and write{' '}
            <code>{'{{ secrets.name }}'}</code> in its HTTP node.
          </Empty>
        }
        columns={[
          {
            header: 'Name',
            cell: (secret) => (
              <>
                <code>
                  <strong>{secret.name}</strong>
                </code>
                {secret.description && <div className="cell-note">{secret.description}</div>}
                {secret.team_id && <div className="cell-note">Private to {teamName(secret.team_id)}</div>}
              </>
            ),
          },
          {
            header: 'Granted to',
            cell: (secret) =>
              secret.grants.length > 0 ? (
                secret.grants.map((grant) => nameOf(grant.id)).join(', ')
              ) : (
                <span className="muted">No workflow</span>
              ),
          },
          { header: 'Version', end: true, fit: true, wideOnly: true, cell: (secret) => secret.version },
          {
            header: 'Changed',
            fit: true,
            wideOnly: true,
            cell: (secret) => <Time iso={secret.updated_at} relative />,
          },
          { header: 'By', fit: true, wideOnly: true, cell: (secret) => secret.updated_by?.name },
        ]}
        actions={(secret) => (
          <RowMenu label={`Actions for ${secret.name}`}>
            <MenuItem
              label="Replace value"
              isDisabled={!mayWrite}
              onAction={() => setOpen({ kind: 'set', secret })}
            >
              <RotateCw aria-hidden /> Replace value…
            </MenuItem>
            <MenuItem
              label="Grants"
              isDisabled={!mayWrite}
              onAction={() => setOpen({ kind: 'grants', secret })}
            >
              <Workflow aria-hidden /> Grants…
            </MenuItem>
            <MenuItem label="Team" isDisabled={!mayWrite} onAction={() => setOpen({ kind: 'team', secret })}>
              <UsersRound aria-hidden /> Team…
            </MenuItem>
            <MenuItem
              label="Delete"
              danger
              isDisabled={!mayWrite}
              onAction={() => setOpen({ kind: 'delete', secret })}
            >
              <Trash2 aria-hidden /> Delete…
            </MenuItem>
          </RowMenu>
        )}
      />
      <Dialog
        title={open?.secret ? `Replace the value of ${open.secret.name}` : 'New secret'}
        isOpen={open?.kind === 'set'}
        onClose={close}
      >
        <SecretForm secret={open?.secret} onDone={close} />
      </Dialog>
      {open?.kind === 'grants' && (
        <Dialog title={`Who may use ${open.secret.name}`} isOpen onClose={close}>
          <GrantsForm secret={open.secret} onDone={close} />
        </Dialog>
      )}
      {open?.kind === 'team' && (
        <Dialog title={`Who sees ${open.secret.name}`} isOpen onClose={close}>
          <SecretTeam secret={open.secret} onDone={close} />
        </Dialog>
      )}
      {open?.kind === 'delete' && <DeleteSecret secret={open.secret} onDone={close} />}
    </Page>
  );
}

function SecretForm({ secret, onDone }: { secret: Secret | undefined; onDone: () => void }) {
  const save = useSetSecret();
  const [name, setName] = useState(secret?.name ?? '');
  const [value, setValue] = useState('');
  const [description, setDescription] = useState(secret?.description ?? '');
  const [team, setTeam] = useState(EVERYBODY);
  // The team of one that is there stays; it is changed by itself.
  const team_id = secret ? null : teamOf(team);
  return (
    <Form
      problem={save.error}
      fields={['value', 'team_id']}
      onSubmit={() => save.mutate({ name, value, description, team_id }, { onSuccess: onDone })}
    >
      {!secret && (
        <TextField
          label="Name"
          value={name}
          onChange={setName}
          pattern="[a-z][a-z0-9_]{0,62}"
          autoCapitalize="none"
          hint="Small letters, digits and underscores. Workflows call it by this name."
          isRequired
          autoFocus
        />
      )}
      <TextField
        label="Value"
        type="password"
        value={value}
        onChange={setValue}
        error={save.error?.field('value')}
        autoComplete="off"
        hint="Cannot be seen again once saved."
        isRequired
        autoFocus={secret !== undefined}
      />
      <TextField
        label="Description"
        value={description}
        onChange={setDescription}
        maxLength={500}
        hint="Optional; not secret."
      />
      {!secret && <TeamChoice value={team} onChange={setTeam} error={save.error?.field('team_id')} />}
      <FormActions isPending={save.isPending} onCancel={onDone}>
        {secret ? 'Replace value' : 'Save secret'}
      </FormActions>
    </Form>
  );
}

function SecretTeam({ secret, onDone }: { secret: Secret; onDone: () => void }) {
  const save = useSetSecretTeam();
  return (
    <MoveForm
      team={secret.team_id}
      problem={save.error}
      isPending={save.isPending}
      onSave={(team_id) => save.mutate({ name: secret.name, team_id }, { onSuccess: onDone })}
      onClose={onDone}
    >
      Grants to workflows that could not use it then end at once.
    </MoveForm>
  );
}

function DeleteSecret({ secret, onDone }: { secret: Secret; onDone: () => void }) {
  const remove = useDeleteSecret();
  const nameOf = useWorkflowNames();
  return (
    <Confirm
      title={`Delete ${secret.name}?`}
      action="Delete secret"
      change={remove}
      onClose={onDone}
      onConfirm={() => remove.mutate(secret, { onSuccess: onDone })}
    >
      <p>
        {secret.grants.length > 0
          ? `${secret.grants.map((grant) => nameOf(grant.id)).join(', ')} will fail where it is used.`
          : 'No workflow uses it.'}{' '}
        The value cannot be brought back.
      </p>
    </Confirm>
  );
}
