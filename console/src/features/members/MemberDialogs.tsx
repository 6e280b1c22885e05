import { useState } from 'react';
import type { Member } from '~/api/types';
import { MemberLimitForm } from '~/features/limits/MemberLimitForm';
import { useLoginsOf } from '~/features/profile/api';
import { LoginHistory } from '~/features/profile/LoginHistory';
import { PermissionChoice } from '~/features/roles/PermissionChoice';
import { Button } from '~/ui/button';
import { Confirm, Dialog } from '~/ui/dialog';
import { Form } from '~/ui/form';
import { FormActions } from '~/ui/form-actions';
import { AttributesForm } from './AttributesForm';
import { useResetMfa, useUnlock, useUpdateMember } from './api';
import { CHANGES } from './changes';
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
    case 'limit':
      return (
        <Dialog title={`Rate limit of ${name}`} isOpen onClose={onClose}>
          <MemberLimitForm id={member.id} onDone={onClose} />
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
    case 'unlock':
      return <UnlockConfirm member={member} onDone={onClose} />;
    case 'reset':
      return <ResetConfirm member={member} onDone={onClose} />;
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
      <FormActions isPending={save.isPending} isDisabled={roles.length === 0} onCancel={onDone}>
        Save roles
      </FormActions>
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
      change={unlock}
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
      change={reset}
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
      change={save}
      onClose={onDone}
      onConfirm={() => save.mutate({ status }, { onSuccess: onDone })}
    >
      <p>{says}</p>
    </Confirm>
  );
}
