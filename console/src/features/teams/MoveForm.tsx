import { type ReactNode, useState } from 'react';
import type { Problem } from '~/api/problem';
import { Button } from '~/ui/button';
import { Form } from '~/ui/form';
import { EVERYBODY, TeamChoice, teamOf } from './TeamChoice';

interface MoveFormProps {
  /** The team that it is private to now. */
  team: string | null | undefined;
  problem: Problem | null;
  isPending: boolean;
  onSave: (team: string | null) => void;
  onClose: () => void;
  /** What else happens when it moves. */
  children?: ReactNode;
}

/** Makes something private to a team, or everybody's. */
export function MoveForm({ team, problem, isPending, onSave, onClose, children }: MoveFormProps) {
  const [choice, setChoice] = useState(team ?? EVERYBODY);
  return (
    <Form problem={problem} fields={['team_id']} onSubmit={() => onSave(teamOf(choice))}>
      <TeamChoice value={choice} onChange={setChoice} error={problem?.field('team_id')} />
      {children && <p className="muted small">{children}</p>}
      <div className="form-actions">
        <Button onPress={onClose}>Cancel</Button>
        <Button type="submit" tone="primary" isPending={isPending}>
          Save team
        </Button>
      </div>
    </Form>
  );
}
