import { Pencil, Plus, Trash2, UsersRound } from 'lucide-react';
import { useState } from 'react';
import { useMay } from '~/api/query';
import type { Team } from '~/api/types';
import { Button } from '~/ui/button';
import { Confirm, Dialog } from '~/ui/dialog';
import { Form, TextField } from '~/ui/form';
import { FormActions } from '~/ui/form-actions';
import { MenuItem, RowMenu } from '~/ui/menu';
import { Page } from '~/ui/page';
import { Empty } from '~/ui/states';
import { List } from '~/ui/table';
import { Time } from '~/ui/time';
import { useDeleteTeam, useSaveTeam, useTeams } from './api';
import { TeamMembers } from './TeamMembers';

type Open = { kind: 'edit'; team: Team | undefined } | { kind: 'delete' | 'members'; team: Team } | undefined;

export function TeamsPage() {
  const pages = useTeams();
  const mayWrite = useMay('team:write');
  const [open, setOpen] = useState<Open>();
  const close = () => setOpen(undefined);
  const create = (
    <Button tone="primary" isDisabled={!mayWrite} onPress={() => setOpen({ kind: 'edit', team: undefined })}>
      <Plus aria-hidden /> New team
    </Button>
  );

  return (
    <Page
      title="Teams"
      description="Groups inside your organisation that own workflows and other resources."
      actions={create}
    >
      <List
        label="teams"
        pages={pages}
        rowKey={(team) => team.id}
        empty={
          <Empty icon={UsersRound} title="No teams yet" action={create}>
            Make a team for each group that should own its resources apart from the others.
          </Empty>
        }
        columns={[
          {
            header: 'Team',
            cell: (team) => (
              <>
                <strong>{team.name}</strong>
                {team.description && <div className="cell-note">{team.description}</div>}
              </>
            ),
          },
          {
            header: 'Created',
            fit: true,
            wideOnly: true,
            cell: (team) => <Time iso={team.created_at} relative />,
          },
        ]}
        actions={(team) => (
          <RowMenu label={`Actions for ${team.name}`}>
            <MenuItem label="Members" onAction={() => setOpen({ kind: 'members', team })}>
              <UsersRound aria-hidden /> Members…
            </MenuItem>
            <MenuItem label="Edit" isDisabled={!mayWrite} onAction={() => setOpen({ kind: 'edit', team })}>
              <Pencil aria-hidden /> Edit…
            </MenuItem>
            <MenuItem
              label="Delete"
              danger
              isDisabled={!mayWrite}
              onAction={() => setOpen({ kind: 'delete', team })}
            >
              <Trash2 aria-hidden /> Delete…
            </MenuItem>
          </RowMenu>
        )}
      />
      <Dialog title={open?.team ? 'Edit team' : 'New team'} isOpen={open?.kind === 'edit'} onClose={close}>
        <TeamForm team={open?.team} onDone={close} />
      </Dialog>
      {open?.kind === 'members' && (
        <Dialog title={`Members of ${open.team.name}`} isOpen onClose={close}>
          <TeamMembers team={open.team} mayWrite={mayWrite} onClose={close} />
        </Dialog>
      )}
      {open?.kind === 'delete' && <DeleteTeam team={open.team} onDone={close} />}
    </Page>
  );
}

function TeamForm({ team, onDone }: { team: Team | undefined; onDone: () => void }) {
  const save = useSaveTeam(team?.id);
  const [name, setName] = useState(team?.name ?? '');
  const [description, setDescription] = useState(team?.description ?? '');
  return (
    <Form
      problem={save.error}
      fields={['name', 'description']}
      onSubmit={() => save.mutate({ name, description }, { onSuccess: onDone })}
    >
      <TextField
        label="Name"
        value={name}
        onChange={setName}
        error={save.error?.field('name')}
        maxLength={80}
        isRequired
        autoFocus
      />
      <TextField
        label="Description"
        value={description}
        onChange={setDescription}
        error={save.error?.field('description')}
        maxLength={500}
        rows={3}
        hint="Optional. What the team owns, or whom to ask."
      />
      <FormActions isPending={save.isPending} onCancel={onDone}>
        {team ? 'Save' : 'Create team'}
      </FormActions>
    </Form>
  );
}

function DeleteTeam({ team, onDone }: { team: Team; onDone: () => void }) {
  const remove = useDeleteTeam();
  return (
    <Confirm
      title={`Delete “${team.name}”?`}
      action="Delete team"
      change={remove}
      onConfirm={() => remove.mutate(team, { onSuccess: onDone })}
      onClose={onDone}
    >
      <p>Its members stay in the organisation. This cannot be undone.</p>
    </Confirm>
  );
}
