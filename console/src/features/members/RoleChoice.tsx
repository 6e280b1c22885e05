import type { Role } from '~/api/types';
import { Checkbox, CheckboxGroup } from '~/ui/form';

/** The system roles, from most to least, with what each is for. */
const ROLES: { role: Role; what: string }[] = [
  { role: 'admin', what: 'everything in this organisation' },
  { role: 'developer', what: 'builds workflows and plugins' },
  { role: 'operator', what: 'runs, cancels, approves; sees results' },
  { role: 'executor', what: 'runs workflows and nothing else' },
  { role: 'viewer', what: 'reads' },
  { role: 'auditor', what: 'reads the audit log and nothing else' },
];

/** Those of the stored roles that the system has. */
export function known(roles: readonly string[]): Role[] {
  return ROLES.map(({ role }) => role).filter((role) => roles.includes(role));
}

export function RoleChoice({ value, onChange }: { value: Role[]; onChange: (roles: Role[]) => void }) {
  return (
    <CheckboxGroup label="Roles" value={value} onChange={(roles) => onChange(roles as Role[])}>
      {ROLES.map(({ role, what }) => (
        <Checkbox key={role} value={role}>
          {role} <span className="muted">{what}</span>
        </Checkbox>
      ))}
    </CheckboxGroup>
  );
}
