import { Plus, X } from 'lucide-react';
import { useState } from 'react';
import type { Member } from '~/api/types';
import { Button } from '~/ui/button';
import { Form, Select, TextField } from '~/ui/form';
import { FormActions } from '~/ui/form-actions';
import { Notice } from '~/ui/states';
import { useUpdateMember } from './api';
import { KINDS, parse, type Row, rows } from './attributes';

const FLAGS = [
  { value: 'yes', label: 'Yes' },
  { value: 'no', label: 'No' },
];

/** What else is known of a member, each under a name and of a kind. */
export function AttributesForm({ member, onDone }: { member: Member; onDone: () => void }) {
  const save = useUpdateMember(member.id);
  const [all, setAll] = useState(() => rows(member.attributes));
  const [fault, setFault] = useState<string>();
  const set = (key: number, change: Partial<Row>) =>
    setAll((old) => old.map((row) => (row.key === key ? { ...row, ...change } : row)));
  const add = () =>
    setAll((old) => [
      ...old,
      { key: 1 + Math.max(-1, ...old.map(({ key }) => key)), name: '', kind: 'text', text: '' },
    ]);
  const submit = () => {
    const parsed = parse(all);
    setFault('fault' in parsed ? parsed.fault : undefined);
    if ('attributes' in parsed) save.mutate({ attributes: parsed.attributes }, { onSuccess: onDone });
  };
  return (
    <Form problem={save.error} onSubmit={submit}>
      {fault && <Notice tone="bad" title={fault} />}
      {all.length === 0 && <p className="muted">Nothing is noted of them yet.</p>}
      {all.map((row) => (
        <fieldset key={row.key} className="attribute-row" aria-label={row.name || 'New attribute'}>
          <TextField
            label="Name"
            value={row.name}
            onChange={(name) => set(row.key, { name })}
            pattern="[a-z][a-z0-9_]*"
            maxLength={63}
            autoCapitalize="none"
            isRequired
          />
          <Select
            label="Kind"
            value={row.kind}
            options={KINDS}
            onChange={(kind) => set(row.key, { kind, text: kind === 'flag' ? 'yes' : '' })}
          />
          {row.kind === 'flag' ? (
            <Select
              label="Value"
              value={row.text}
              options={FLAGS}
              onChange={(text) => set(row.key, { text })}
            />
          ) : (
            <TextField
              label="Value"
              value={row.text}
              onChange={(text) => set(row.key, { text })}
              {...(row.kind === 'list' ? { rows: 3, hint: 'One text a line.' } : {})}
            />
          )}
          <Button
            tone="quiet"
            icon
            aria-label={`Remove ${row.name || 'the new attribute'}`}
            onPress={() => setAll((old) => old.filter(({ key }) => key !== row.key))}
          >
            <X aria-hidden />
          </Button>
        </fieldset>
      ))}
      <div>
        <Button small onPress={add}>
          <Plus aria-hidden /> Add attribute
        </Button>
      </div>
      <FormActions isPending={save.isPending} onCancel={onDone}>
        Save attributes
      </FormActions>
    </Form>
  );
}
