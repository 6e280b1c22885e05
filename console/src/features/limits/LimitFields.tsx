import type { Problem } from '~/api/problem';
import { TextField } from '~/ui/form';
import { useRateLimits } from './api';
import { type LimitTexts, SPANS } from './limit-model';

interface LimitFieldsProps {
  value: LimitTexts;
  onChange: (value: LimitTexts) => void;
  problem: Problem | null;
  /** Where the limit stands in the body that the server judges. */
  at?: string;
  isDisabled?: boolean;
  /** Whoever sets the bounds of others is not held to those of their own organisation. */
  isUnbounded?: boolean;
}

/** Three figures, each of which may be left empty: then the installation's holds. */
export function LimitFields({
  value,
  onChange,
  problem,
  at = '',
  isDisabled = false,
  isUnbounded = false,
}: LimitFieldsProps) {
  const most = useRateLimits(!isUnbounded).data?.most;
  return (
    <>
      {SPANS.map(({ member, label }) => (
        <TextField
          key={member}
          label={label}
          value={value[member]}
          onChange={(text) => onChange({ ...value, [member]: text })}
          error={problem?.field(at + member)}
          inputMode="numeric"
          pattern="[0-9]*"
          isDisabled={isDisabled}
          hint={most?.[member] != null ? `At most ${most[member].toLocaleString()}.` : undefined}
        />
      ))}
    </>
  );
}
