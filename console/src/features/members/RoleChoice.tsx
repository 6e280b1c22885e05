import { useQuery } from '@tanstack/react-query';
import { rolesQuery } from '~/features/roles/api';
import { Checkbox, CheckboxGroup } from '~/ui/form';
import { Loaded } from '~/ui/states';

/** The organisation's roles, the system's first, with what each is for. */
export function RoleChoice({ value, onChange }: { value: string[]; onChange: (roles: string[]) => void }) {
  return (
    <Loaded query={useQuery(rolesQuery)} label="roles">
      {(roles) => (
        <CheckboxGroup label="Roles" value={value} onChange={onChange}>
          {roles.map(({ name, description }) => (
            <Checkbox key={name} value={name}>
              {name} <span className="muted">{description}</span>
            </Checkbox>
          ))}
        </CheckboxGroup>
      )}
    </Loaded>
  );
}
