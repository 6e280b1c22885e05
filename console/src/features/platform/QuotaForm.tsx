import { useState } from 'react';
import { amount, shown } from '~/features/limits/limit-model';
import { figure } from '~/features/usage/month-model';
import { Form, Select, TextField } from '~/ui/form';
import { FormActions } from '~/ui/form-actions';
import { type PlatformQuota, useSetQuota } from './api';
import { limitWords } from './quota-model';

type Kind = 'plan' | 'unlimited' | 'own';

/** The plan's limit, none, or another one. */
export function QuotaForm({
  id,
  quota: { name, limit, plan_limit, overridden },
  onDone,
}: {
  id: string;
  quota: PlatformQuota;
  onDone: () => void;
}) {
  const save = useSetQuota(id);
  const [kind, setKind] = useState<Kind>(!overridden ? 'plan' : limit == null ? 'unlimited' : 'own');
  const [text, setText] = useState(shown(limit));
  const typed = amount(text);
  const submit = () => {
    const rest =
      kind === 'plan'
        ? { plan_default: true }
        : { limit: kind === 'own' ? typed : null, plan_default: false };
    save.mutate({ quota: name, ...rest }, { onSuccess: onDone });
  };
  return (
    <Form problem={save.error} fields={['limit']} onSubmit={submit}>
      <Select
        label="Which limit"
        value={kind}
        options={[
          { value: 'plan', label: `The plan’s: ${limitWords(name, plan_limit)}` },
          { value: 'unlimited', label: 'No limit' },
          { value: 'own', label: 'Another one' },
        ]}
        onChange={setKind}
      />
      {kind === 'own' && (
        <TextField
          label={name === 'storage_bytes' ? 'Bytes' : 'Limit'}
          value={text}
          onChange={setText}
          error={save.error?.field('limit')}
          inputMode="numeric"
          pattern="[0-9]{1,15}"
          hint={name === 'storage_bytes' && typed ? `That is ${figure(name, typed)}.` : undefined}
          isRequired
        />
      )}
      <p className="muted small">Counts at once. What is in use above a lower limit stays.</p>
      <FormActions isPending={save.isPending} onCancel={onDone}>
        Save limit
      </FormActions>
    </Form>
  );
}
