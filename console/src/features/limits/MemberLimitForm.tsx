import { Loaded } from '~/ui/states';
import { useMemberLimit, useSetMemberLimit } from './api';
import { LimitForm } from './LimitForm';

export function MemberLimitForm({ id, onDone }: { id: string; onDone: () => void }) {
  const limit = useMemberLimit(id);
  const save = useSetMemberLimit(id);
  return (
    <Loaded query={limit} label="the rate limit">
      {({ per_minute = null, per_hour = null, per_day = null }) => (
        <LimitForm
          limit={{ per_minute, per_hour, per_day }}
          problem={save.error}
          isPending={save.isPending}
          onCancel={onDone}
          onSave={(next) => save.mutate(next, { onSuccess: onDone })}
        />
      )}
    </Loaded>
  );
}
