import { useState } from 'react';
import type { Problem } from '~/api/problem';
import type { RateLimit } from '~/api/types';
import { Button } from '~/ui/button';
import { Form } from '~/ui/form';
import { LimitFields } from './LimitFields';
import { limitFields, limitOf, textsOf } from './limit-model';

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

/** A rate limit that is changed by itself. */
export function LimitForm({
  limit,
  problem,
  isPending,
  at = '',
  onSave,
  onCancel,
  isDisabled = false,
  isUnbounded = false,
}: LimitFormProps) {
  const [texts, setTexts] = useState(() => textsOf(limit));
  return (
    <Form problem={problem} fields={limitFields(at)} onSubmit={() => onSave(limitOf(texts))}>
      <LimitFields
        value={texts}
        onChange={setTexts}
        problem={problem}
        at={at}
        isDisabled={isDisabled}
        isUnbounded={isUnbounded}
      />
      <p className="muted small">
        {isUnbounded ? 'Empty is what the plan gives.' : 'Empty is what the installation says.'} Takes effect
        within a second.
      </p>
      <div className="form-actions">
        {onCancel && <Button onPress={onCancel}>Cancel</Button>}
        <Button type="submit" tone="primary" isPending={isPending} isDisabled={isDisabled}>
          Save rate limit
        </Button>
      </div>
    </Form>
  );
}
