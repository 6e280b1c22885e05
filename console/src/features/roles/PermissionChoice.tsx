import { useQuery } from '@tanstack/react-query';
import { Checkbox } from '~/ui/form';
import { Loaded } from '~/ui/states';
import { permissionsQuery } from './api';
import { byResource, holds, toggled } from './patterns';
import './roles.css';

/** Permissions by resource. What a wildcard covers is ticked and cannot be taken away alone. */
export function PermissionChoice({
  value,
  onChange,
}: {
  value: readonly string[];
  onChange: (patterns: string[]) => void;
}) {
  const everything = value.includes('*');
  return (
    <Loaded query={useQuery(permissionsQuery)} label="permissions">
      {(permissions) => (
        <div className="permission-choice">
          {byResource(permissions).map((resource) => {
            const all = `${resource.name}:*`;
            return (
              <fieldset key={resource.name}>
                <legend>{resource.name}</legend>
                <Checkbox
                  isSelected={everything || value.includes(all)}
                  isDisabled={everything}
                  onChange={(isOn) => onChange(toggled(value, all, isOn))}
                >
                  everything of {resource.name} <span className="muted">also what later versions add</span>
                </Checkbox>
                {resource.permissions.map(({ name, description }) => {
                  const held = holds(value, name);
                  return (
                    <Checkbox
                      key={name}
                      isSelected={held !== undefined}
                      isDisabled={held === 'wildcard'}
                      onChange={(isOn) => onChange(toggled(value, name, isOn))}
                    >
                      <code>{name}</code> <span className="muted">{description}</span>
                    </Checkbox>
                  );
                })}
              </fieldset>
            );
          })}
        </div>
      )}
    </Loaded>
  );
}
