import { CircleHelp, Gauge, History, Plus, ShieldCheck, UserCheck, UserRound, UserX } from 'lucide-react';
import { useDeferredValue, useState } from 'react';
import { useMay, useMe } from '~/api/query';
import type { Member } from '~/api/types';
import { MemberLimitForm } from '~/features/limits/MemberLimitForm';
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
import { useMembers, useUpdateMember } from './api';
import { Explanation } from './Explanation';
import { RoleChoice } from './RoleChoice';

type Open =
  | { kind: 'add' }
  | { kind: 'roles' | 'status' | 'explain' | 'logins' | 'limit'; member: Member }
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
                  label="Rate limit"
                  isDisabled={!mayWrite}
                  onAction={() => setOpen({ kind: 'limit', member })}
                >
                  <Gauge aria-hidden /> Rate limit…
                </MenuItem>
                <MenuItem
                  label="Login history"
                  isDisabled={!mayAudit}
                  onAction={() => setOpen({ kind: 'logins', member })}
                >
                  <History aria-hidden /> Login history…
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
      {open?.kind === 'limit' && (
        <Dialog title={`Rate limit of ${open.member.full_name}`} isOpen onClose={close}>
          <MemberLimitForm id={open.member.id} onDone={close} />
        </Dialog>
      )}
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
