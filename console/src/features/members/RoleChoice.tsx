import { useQuery } from '@tanstack/react-query';
import { rolesQuery } from '~/features/roles/api';
import { Checkbox, CheckboxGroup } from '~/ui/form';
import { Loaded } from '~/ui/states';

interface RoleChoiceProps {
  value: string[];
  onChange: (roles: string[]) => void;
  /** Without those that the organisation made. */
  systemOnly?: boolean;
}

/** The organisation's roles, the system's first, with what each is for. */
export function RoleChoice({ value, onChange, systemOnly = false }: RoleChoiceProps) {
  return (
    <Loaded query={useQuery(rolesQuery)} label="roles">
      {(roles) => (
        <CheckboxGroup label="Roles" value={value} onChange={onChange}>
          {roles
            .filter(({ system }) => system || !systemOnly)
            .map(({ name, description }) => (
              <Checkbox key={name} value={name}>
                {name} <span className="muted">{description}</span>
              </Checkbox>
            ))}
        </CheckboxGroup>
      )}
    </Loaded>
  );
}
