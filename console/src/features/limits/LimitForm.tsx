import { useState } from 'react';
import type { Problem } from '~/api/problem';
import type { RateLimit } from '~/api/types';
import { Button } from '~/ui/button';
import { Form, TextField } from '~/ui/form';
import { useRateLimits } from './api';
import { amount, shown } from './limit-model';

const SPANS = [
  { member: 'per_minute', label: 'Requests a minute' },
  { member: 'per_hour', label: 'Requests an hour' },
  { member: 'per_day', label: 'Requests a day' },
] as const;

interface LimitFormProps {
  limit: RateLimit;
  problem: Problem | null;
  isPending: boolean;
  /** Where the limit stands in the body that the server judges. */
  at?: string;
  onSave: (limit: RateLimit) => void;
  onCancel?: () => void;
  isDisabled?: boolean;
  /** Whoever sets the bounds of others is not held to those of their own organisation. */
  isUnbounded?: boolean;
}

/** Three figures, each of which may be left empty: then the installation's holds. */
export function LimitForm({
  limit,
  problem,
  isPending,
  at = '',
  onSave,
  onCancel,
  isDisabled,
  isUnbounded = false,
}: LimitFormProps) {
  const most = useRateLimits(!isUnbounded).data?.most;
  const [texts, setTexts] = useState({
    per_minute: shown(limit.per_minute),
    per_hour: shown(limit.per_hour),
    per_day: shown(limit.per_day),
  });
  const save = () =>
    onSave({
      per_minute: amount(texts.per_minute),
      per_hour: amount(texts.per_hour),
      per_day: amount(texts.per_day),
    });
  return (
    <Form problem={problem} fields={SPANS.map(({ member }) => at + member)} onSubmit={save}>
      {SPANS.map(({ member, label }) => (
        <TextField
          key={member}
          label={label}
          value={texts[member]}
          onChange={(text) => setTexts({ ...texts, [member]: text })}
          error={problem?.field(at + member)}
          inputMode="numeric"
          pattern="[0-9]*"
          isDisabled={isDisabled ?? false}
          hint={most?.[member] != null ? `At most ${most[member].toLocaleString()}.` : undefined}
        />
      ))}
      <p className="muted small">Empty is what the installation says. Takes effect within a second.</p>
      <div className="form-actions">
        {onCancel && <Button onPress={onCancel}>Cancel</Button>}
        <Button type="submit" tone="primary" isPending={isPending} isDisabled={isDisabled ?? false}>
          Save rate limit
        </Button>
      </div>
    </Form>
  );
}
