import {
  CircleHelp,
  DoorOpen,
  History,
  Lock,
  LockOpen,
  LogIn,
  ShieldCheck,
  Tags,
  UserCheck,
  UserX,
} from 'lucide-react';
import { useMay } from '~/api/query';
import type { Member } from '~/api/types';
import { MenuItem, RowMenu } from '~/ui/menu';

/** What can be opened of a member. */
export type MemberDialogKind =
  | 'roles'
  | 'attributes'
  | 'status'
  | 'lock'
  | 'offboard'
  | 'explain'
  | 'logins'
  | 'activity';

interface MemberMenuProps {
  member: Member;
  mayChange: boolean;
  isSelf: boolean;
  onOpen: (kind: MemberDialogKind) => void;
}

export function MemberMenu({ member, mayChange, isSelf, onOpen }: MemberMenuProps) {
  const mayRead = useMay('role:read');
  const mayAudit = useMay('audit:read');
  const gone = member.status === 'deactivated';
  return (
    <RowMenu label={`Actions for ${member.full_name}`}>
      <MenuItem label="Change roles" isDisabled={!mayChange} onAction={() => onOpen('roles')}>
        <ShieldCheck aria-hidden /> Change roles…
      </MenuItem>
      <MenuItem label="Attributes" isDisabled={!mayChange} onAction={() => onOpen('attributes')}>
        <Tags aria-hidden /> Attributes…
      </MenuItem>
      <MenuItem label="What they may do" isDisabled={!mayRead} onAction={() => onOpen('explain')}>
        <CircleHelp aria-hidden /> What they may do, and why…
      </MenuItem>
      <MenuItem label="Activity" isDisabled={!mayAudit} onAction={() => onOpen('activity')}>
        <History aria-hidden /> Activity…
      </MenuItem>
      <MenuItem label="Login history" isDisabled={!mayAudit} onAction={() => onOpen('logins')}>
        <LogIn aria-hidden /> Login history…
      </MenuItem>
      {(member.status === 'active' || member.status === 'locked') && (
        <MenuItem
          label={member.status === 'locked' ? 'Unlock' : 'Lock'}
          isDisabled={!mayChange || isSelf}
          onAction={() => onOpen('lock')}
        >
          {member.status === 'locked' ? <LockOpen aria-hidden /> : <Lock aria-hidden />}
          {member.status === 'locked' ? 'Unlock…' : 'Lock…'}
        </MenuItem>
      )}
      <MenuItem
        label={gone ? 'Activate' : 'Deactivate'}
        danger={!gone}
        isDisabled={!mayChange || isSelf}
        onAction={() => onOpen('status')}
      >
        {gone ? <UserCheck aria-hidden /> : <UserX aria-hidden />}
        {gone ? 'Activate…' : 'Deactivate…'}
      </MenuItem>
      <MenuItem label="Offboard" danger isDisabled={!mayChange || isSelf} onAction={() => onOpen('offboard')}>
        <DoorOpen aria-hidden /> Offboard…
      </MenuItem>
    </RowMenu>
  );
}
