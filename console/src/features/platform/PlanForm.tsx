import { useState } from 'react';
import { Form, Select } from '~/ui/form';
import { FormActions } from '~/ui/form-actions';
import { type Plan, useSetPlan } from './api';

const PLANS = [
  { value: 'free', label: 'Free' },
  { value: 'pro', label: 'Pro' },
  { value: 'enterprise', label: 'Enterprise' },
] as const;

export function PlanForm({ id, plan, onDone }: { id: string; plan: Plan; onDone: () => void }) {
  const save = useSetPlan(id);
  const [chosen, setChosen] = useState<Plan>(plan);
  return (
    <Form problem={save.error} onSubmit={() => save.mutate(chosen, { onSuccess: onDone })}>
      <Select
        label="Plan"
        value={chosen}
        options={PLANS}
        onChange={setChosen}
        hint="What a smaller plan does not allow stays, and nothing is added to it."
      />
      <FormActions isPending={save.isPending} onCancel={onDone}>
        Change plan
      </FormActions>
    </Form>
  );
}
