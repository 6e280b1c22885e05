import { useState } from 'react';
import type { Member } from '~/api/types';
import { useLoginsOf } from '~/features/profile/api';
import { LoginHistory } from '~/features/profile/LoginHistory';
import { PermissionChoice } from '~/features/roles/PermissionChoice';
import { Button } from '~/ui/button';
import { Confirm, Dialog } from '~/ui/dialog';
import { Form } from '~/ui/form';
import { AttributesForm } from './AttributesForm';
import { useUpdateMember } from './api';
import { Explanation } from './Explanation';
import { MemberActivity } from './MemberActivity';
import type { MemberDialogKind } from './MemberMenu';
import { Offboard } from './Offboard';
import { RoleChoice } from './RoleChoice';

export type OpenDialog = { kind: MemberDialogKind; member: Member } | undefined;

interface MemberDialogsProps {
  open: OpenDialog;
  onClose: () => void;
}

/** The dialogs of one member; at most one is open. */
export function MemberDialogs({ open, onClose }: MemberDialogsProps) {
  if (!open) return null;
  const { kind, member } = open;
  const name = member.full_name;
  switch (kind) {
    case 'roles':
      return (
        <Dialog title={`Roles of ${name}`} isOpen onClose={onClose}>
          <RolesForm member={member} onDone={onClose} />
        </Dialog>
      );
    case 'attributes':
      return (
        <Dialog title={`Attributes of ${name}`} isOpen wide onClose={onClose}>
          <AttributesForm member={member} onDone={onClose} />
        </Dialog>
      );
    case 'explain':
      return (
        <Dialog wide title={`What ${name} may do`} isOpen onClose={onClose}>
          <Explanation member={member} onClose={onClose} />
        </Dialog>
      );
    case 'activity':
      return (
        <Dialog wide title={`Activity of ${name}`} isOpen onClose={onClose}>
          <MemberActivity member={member} onClose={onClose} />
        </Dialog>
      );
    case 'logins':
      return (
        <Dialog title={`Logins of ${name}`} isOpen wide onClose={onClose}>
          <LoginsOf member={member} onDone={onClose} />
        </Dialog>
      );
    case 'offboard':
      return (
        <Dialog title={`Offboard ${name}`} isOpen onClose={onClose}>
          <Offboard member={member} onDone={onClose} />
        </Dialog>
      );
    case 'status': {
      const to = member.status === 'deactivated' ? 'activate' : 'deactivate';
      return <StatusConfirm member={member} to={to} onDone={onClose} />;
    }
    case 'lock': {
      const to = member.status === 'locked' ? 'unlock' : 'lock';
      return <StatusConfirm member={member} to={to} onDone={onClose} />;
    }
  }
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

const CHANGES = {
  activate: {
    verb: 'Activate',
    status: 'active',
    says: 'They can log in again with the roles that they had.',
  },
  deactivate: {
    verb: 'Deactivate',
    status: 'deactivated',
    says: 'Their sessions here end within a second, and steps that run in their name stop. What they own stays.',
  },
  lock: {
    verb: 'Lock',
    status: 'locked',
    says: 'Their sessions here end within a second, and they cannot log in until they are unlocked.',
  },
  unlock: { verb: 'Unlock', status: 'active', says: 'They can log in again.' },
} as const;

interface StatusConfirmProps {
  member: Member;
  to: keyof typeof CHANGES;
  onDone: () => void;
}

function StatusConfirm({ member, to, onDone }: StatusConfirmProps) {
  const save = useUpdateMember(member.id);
  const { verb, status, says } = CHANGES[to];
  return (
    <Confirm
      title={`${verb} ${member.full_name}?`}
      action={verb}
      isOpen
      isPending={save.isPending}
      problem={save.error}
      onClose={onDone}
      onConfirm={() => save.mutate({ status }, { onSuccess: onDone })}
    >
      <p>{says}</p>
    </Confirm>
  );
}
