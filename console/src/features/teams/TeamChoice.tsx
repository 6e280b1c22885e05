import { useMay } from '~/api/query';
import { Checkbox, CheckboxGroup, Select } from '~/ui/form';
import { useAllTeams } from './api';

/** What stands for no team in a list of choices, where no identifier can be. */
export const EVERYBODY = 'everybody';

interface TeamChoiceProps {
  value: string;
  error?: string | undefined;
  onChange: (team: string) => void;
}

/** Whether something is everybody's, or private to a team. The server refuses a team that the person is not in. */
export function TeamChoice({ value, error, onChange }: TeamChoiceProps) {
  const teams = useAllTeams().map(({ id, name }) => ({ value: id, label: name }));
  return (
    <Select
      label="Who sees and uses it"
      hint="What is private to a team does not exist for others, and only workflows of the same team can use it."
      options={[{ value: EVERYBODY, label: 'Everybody in the organisation' }, ...teams]}
      value={value}
      error={error}
      onChange={onChange}
    />
  );
}

/** As the API takes it. */
export function teamOf(choice: string): string | null {
  return choice === EVERYBODY ? null : choice;
}

/** Several teams to put somebody into: only for those who may change who is in a team. */
export function TeamsChoice({ value, onChange }: { value: string[]; onChange: (teams: string[]) => void }) {
  const mayWrite = useMay('team:write');
  const teams = useAllTeams(mayWrite);
  if (!mayWrite || teams.length === 0) return null;
  return (
    <details>
      <summary>Teams ({value.length})</summary>
      <CheckboxGroup label="Put them into" value={value} onChange={onChange}>
        {teams.map(({ id, name }) => (
          <Checkbox key={id} value={id}>
            {name}
          </Checkbox>
        ))}
      </CheckboxGroup>
    </details>
  );
}
