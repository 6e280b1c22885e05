import {
  CircleHelp,
  History,
  LockOpen,
  Plus,
  ShieldCheck,
  ShieldOff,
  UserCheck,
  UserRound,
  UserX,
} from 'lucide-react';
import { useDeferredValue, useState } from 'react';
import { useMay, useMe } from '~/api/query';
import type { Member } from '~/api/types';
import { useLoginsOf } from '~/features/profile/api';
import { LoginHistory } from '~/features/profile/LoginHistory';
import { PermissionChoice } from '~/features/roles/PermissionChoice';
import { Button } from '~/ui/button';
import { Confirm, Dialog } from '~/ui/dialog';
import { Form, TextField } from '~/ui/form';
import { MenuItem, RowMenu } from '~/ui/menu';
import { Page } from '~/ui/page';
import { Empty } from '~/ui/states';
import { List } from '~/ui/table';
import { Time } from '~/ui/time';
import { AddMember } from './AddMember';
import { useMembers, useResetMfa, useUnlock, useUpdateMember } from './api';
import { Explanation } from './Explanation';
import { RequireMfa } from './RequireMfa';
import { RoleChoice } from './RoleChoice';

type Open =
  | { kind: 'add' }
  | { kind: 'roles' | 'status' | 'explain' | 'logins' | 'reset' | 'unlock'; member: Member }
  | undefined;
const TONE = { invited: 'warn', active: 'ok', locked: 'bad', deactivated: 'idle' } as const;

export function MembersPage() {
  const [search, setSearch] = useState('');
  const pages = useMembers(useDeferredValue(search.trim()));
  const me = useMe();
  // The server asks for both, whatever of a member changes.
  const mayWrite = useMay('user:write');
  const mayAssign = useMay('role:assign');
  const mayRead = useMay('role:read');
  const mayChange = mayWrite && mayAssign;
  const mayAudit = useMay('audit:read');
  const [open, setOpen] = useState<Open>();
  const close = () => setOpen(undefined);
  const add = (
    <Button tone="primary" isDisabled={!mayChange} onPress={() => setOpen({ kind: 'add' })}>
      <Plus aria-hidden /> Add member
    </Button>
  );
  return (
    <Page
      title="Members"
      description="The people of your organisation and the roles that say what they may do."
      actions={add}
    >
      <div className="filters">
        <TextField label="Search by name or e-mail" type="search" value={search} onChange={setSearch} />
      </div>
      <RequireMfa />
      <List
        label="members"
        pages={pages}
        rowKey={(member) => member.id}
        empty={
          <Empty icon={UserRound} title={search ? 'Nobody by that name' : 'No members'}>
            Add the people who should build, run, watch or audit.
          </Empty>
        }
        columns={[
          {
            header: 'Person',
            cell: (member) => (
              <>
                <strong>{member.full_name}</strong>
                {member.id === me?.user.id && <span className="muted"> (you)</span>}
                <div className="cell-note">{member.email}</div>
              </>
            ),
          },
          { header: 'Roles', fit: true, cell: (member) => member.roles.join(', ') },
          {
            header: 'Status',
            fit: true,
            wideOnly: true,
            cell: (member) => <span className={`badge tone-${TONE[member.status]}`}>{member.status}</span>,
          },
          {
            header: 'Second factor',
            fit: true,
            wideOnly: true,
            cell: ({ mfa }) =>
              mfa ? <span className="badge tone-ok">set up</span> : <span className="muted">none</span>,
          },
          {
            header: 'Joined',
            fit: true,
            wideOnly: true,
            cell: (member) => <Time iso={member.created_at} relative />,
          },
          {
            header: 'Actions',
            hideHeader: true,
            end: true,
            fit: true,
            cell: (member) => (
              <RowMenu label={`Actions for ${member.full_name}`}>
                <MenuItem
                  label="Change roles"
                  isDisabled={!mayChange}
                  onAction={() => setOpen({ kind: 'roles', member })}
                >
                  <ShieldCheck aria-hidden /> Change roles…
                </MenuItem>
                <MenuItem
                  label="What they may do"
                  isDisabled={!mayRead}
                  onAction={() => setOpen({ kind: 'explain', member })}
                >
                  <CircleHelp aria-hidden /> What they may do, and why…
                </MenuItem>
                <MenuItem
                  label="Login history"
                  isDisabled={!mayAudit}
                  onAction={() => setOpen({ kind: 'logins', member })}
                >
                  <History aria-hidden /> Login history…
                </MenuItem>
                <MenuItem
                  label="End the wait after failed logins"
                  isDisabled={!mayWrite}
                  onAction={() => setOpen({ kind: 'unlock', member })}
                >
                  <LockOpen aria-hidden /> End the wait after failed logins…
                </MenuItem>
                <MenuItem
                  label="Remove second factors"
                  danger
                  isDisabled={!mayChange || !member.mfa || member.id === me?.user.id}
                  onAction={() => setOpen({ kind: 'reset', member })}
                >
                  <ShieldOff aria-hidden /> Remove second factors…
                </MenuItem>
                <MenuItem
                  label={member.status === 'deactivated' ? 'Activate' : 'Deactivate'}
                  danger={member.status !== 'deactivated'}
                  isDisabled={!mayChange || member.id === me?.user.id}
                  onAction={() => setOpen({ kind: 'status', member })}
                >
                  {member.status === 'deactivated' ? <UserCheck aria-hidden /> : <UserX aria-hidden />}
                  {member.status === 'deactivated' ? 'Activate…' : 'Deactivate…'}
                </MenuItem>
              </RowMenu>
            ),
          },
        ]}
      />
      <Dialog title="Add a member" isOpen={open?.kind === 'add'} onClose={close}>
        <AddMember onDone={close} />
      </Dialog>
      {open?.kind === 'roles' && (
        <Dialog title={`Roles of ${open.member.full_name}`} isOpen onClose={close}>
          <RolesForm member={open.member} onDone={close} />
        </Dialog>
      )}
      {open?.kind === 'explain' && (
        <Dialog wide title={`What ${open.member.full_name} may do`} isOpen onClose={close}>
          <Explanation member={open.member} onClose={close} />
        </Dialog>
      )}
      {open?.kind === 'logins' && (
        <Dialog title={`Logins of ${open.member.full_name}`} isOpen wide onClose={close}>
          <LoginsOf member={open.member} onDone={close} />
        </Dialog>
      )}
      {open?.kind === 'unlock' && <UnlockConfirm member={open.member} onDone={close} />}
      {open?.kind === 'reset' && <ResetConfirm member={open.member} onDone={close} />}
      {open?.kind === 'status' && <StatusConfirm member={open.member} onDone={close} />}
    </Page>
  );
}

function RolesForm({ member, onDone }: { member: Member; onDone: () => void }) {
  const save = useUpdateMember(member.id);
  const [roles, setRoles] = useState(member.roles);
  const [permissions, setPermissions] = useState(member.permissions);
  return (
    <Form problem={save.error} onSubmit={() => save.mutate({ roles, permissions }, { onSuccess: onDone })}>
      <RoleChoice value={roles} onChange={setRoles} />
      <details open={permissions.length > 0}>
        <summary>Single permissions beside the roles ({permissions.length})</summary>
        <PermissionChoice value={permissions} onChange={setPermissions} />
      </details>
      <p className="muted small">
        Takes effect within a second, also for sessions that are open. Nobody can grant what they do not hold.
      </p>
      <div className="form-actions">
        <Button onPress={onDone}>Cancel</Button>
        <Button type="submit" tone="primary" isPending={save.isPending} isDisabled={roles.length === 0}>
          Save roles
        </Button>
      </div>
    </Form>
  );
}

function LoginsOf({ member, onDone }: { member: Member; onDone: () => void }) {
  return (
    <>
      <LoginHistory pages={useLoginsOf(member.id)} />
      <div className="form-actions">
        <Button onPress={onDone}>Close</Button>
      </div>
    </>
  );
}

function UnlockConfirm({ member, onDone }: { member: Member; onDone: () => void }) {
  const unlock = useUnlock(member);
  return (
    <Confirm
      title={`End the wait of ${member.full_name}?`}
      action="End the wait"
      isOpen
      isPending={unlock.isPending}
      problem={unlock.error}
      onClose={onDone}
      onConfirm={() => unlock.mutate(undefined, { onSuccess: onDone })}
    >
      <p>
        After failed logins they wait, for up to a quarter of an hour. The next failure begins a longer wait.
      </p>
    </Confirm>
  );
}

function ResetConfirm({ member, onDone }: { member: Member; onDone: () => void }) {
  const reset = useResetMfa(member);
  return (
    <Confirm
      title={`Remove the second factors of ${member.full_name}?`}
      action="Remove second factors"
      isOpen
      isPending={reset.isPending}
      problem={reset.error}
      onClose={onDone}
      onConfirm={() => reset.mutate(undefined, { onSuccess: onDone })}
    >
      <p>
        For who has lost app and codes. Their sessions end, and their password alone opens the account until
        they set up another: be sure that it is them who asks.
      </p>
    </Confirm>
  );
}

function StatusConfirm({ member, onDone }: { member: Member; onDone: () => void }) {
  const save = useUpdateMember(member.id);
  const activate = member.status === 'deactivated';
  return (
    <Confirm
      title={activate ? `Activate ${member.full_name}?` : `Deactivate ${member.full_name}?`}
      action={activate ? 'Activate' : 'Deactivate'}
      isOpen
      isPending={save.isPending}
      problem={save.error}
      onClose={onDone}
      onConfirm={() => save.mutate({ status: activate ? 'active' : 'deactivated' }, { onSuccess: onDone })}
    >
      <p>
        {activate
          ? 'They can log in again with the roles that they had.'
          : 'Their sessions here end within a second, and steps that run in their name stop. What they own stays.'}
      </p>
    </Confirm>
  );
}
