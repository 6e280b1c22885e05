import { useQuery } from '@tanstack/react-query';
import { CircleAlert } from 'lucide-react';
import { useId } from 'react';
import { useMay, useMe } from '~/api/query';
import { Checkbox } from '~/ui/form';
import { Loaded } from '~/ui/states';
import { permissionsQuery } from './api';
import { byResource, holds, type PermissionInfo, type Resource, toggled } from './patterns';
import './roles.css';

interface PermissionChoiceProps {
  value: readonly string[];
  onChange: (patterns: string[]) => void;
  /** These alone, each by its name, and a wildcard where they are all of its resource; every permission unless told. */
  offered?: readonly string[];
  /** What a wildcard means beside the permissions that are shown. */
  wildcardMeans?: string;
  error?: string | undefined;
}

/**
 * Permissions by resource. What a wildcard covers is ticked and cannot be taken away alone. Who may not read the catalogue
 * chooses among the names that they hold: nobody gives what they do not hold.
 */
export function PermissionChoice({ offered, ...choice }: PermissionChoiceProps) {
  const mayRead = useMay('role:read');
  const held = useMe()?.permissions ?? [];
  const catalogue = useQuery({ ...permissionsQuery, enabled: mayRead });
  if (!mayRead)
    return <Choice {...choice} resources={byResource((offered ?? held).map((name) => ({ name })))} />;
  return (
    <Loaded query={catalogue} label="permissions">
      {(permissions) => {
        const whole = byResource(permissions);
        const isOffered = ({ name }: { name: string }) => offered?.includes(name) ?? true;
        const resources = whole
          .map(({ name, permissions: all }) => ({
            name,
            permissions: all.filter(isOffered),
            isWhole: all.every(isOffered),
          }))
          .filter((resource) => resource.permissions.length > 0);
        return <Choice {...choice} resources={resources} />;
      }}
    </Loaded>
  );
}

interface ChoiceProps extends Omit<PermissionChoiceProps, 'offered'> {
  resources: (Resource<Pick<PermissionInfo, 'name'> & Partial<PermissionInfo>> & { isWhole?: boolean })[];
}

function Choice({
  resources,
  value,
  onChange,
  wildcardMeans = 'also what later versions add',
  error,
}: ChoiceProps) {
  const everything = value.includes('*');
  const id = useId();
  return (
    <section className="field" aria-label="Permissions" aria-describedby={error && id}>
      <div className="permission-choice">
        {resources.map(({ name: resource, permissions, isWhole }) => (
          <fieldset key={resource}>
            <legend>{resource.replaceAll('_', ' ')}</legend>
            {isWhole && (
              <Checkbox
                isSelected={everything || value.includes(`${resource}:*`)}
                isDisabled={everything}
                onChange={(isOn) => onChange(toggled(value, `${resource}:*`, isOn))}
              >
                everything of {resource.replaceAll('_', ' ')} <span className="muted">{wildcardMeans}</span>
              </Checkbox>
            )}
            {permissions.map(({ name, description }) => {
              const held = holds(value, name);
              return (
                <Checkbox
                  key={name}
                  isSelected={held !== undefined}
                  isDisabled={held === 'wildcard'}
                  onChange={(isOn) => onChange(toggled(value, name, isOn))}
                >
                  <code>{name}</code> {description && <span className="muted">{description}</span>}
                </Checkbox>
              );
            })}
          </fieldset>
        ))}
      </div>
      {error && (
        <p id={id} className="field-error" role="alert">
          <CircleAlert className="icon" aria-hidden /> {error}
        </p>
      )}
    </section>
  );
}
