import { useMay } from '~/api/query';
import { Select } from '~/ui/form';
import { useTeams } from './api';

/** What stands for no team in a list of choices, where no identifier can be. */
export const EVERYBODY = 'everybody';

interface TeamChoiceProps {
  value: string;
  error?: string | undefined;
  onChange: (team: string) => void;
}

/** Whether something is everybody's, or private to a team. The server refuses a team that the person is not in. */
export function TeamChoice({ value, error, onChange }: TeamChoiceProps) {
  const mayRead = useMay('team:read');
  const { items } = useTeams(mayRead);
  const teams = items?.map(({ id, name }) => ({ value: id, label: name })) ?? [];
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
