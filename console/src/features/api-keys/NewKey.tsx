import { useState } from 'react';
import { useMay, useMe } from '~/api/query';
import type { Schemas } from '~/api/types';
import { useServiceAccounts } from '~/features/service-accounts/api';
import { Button } from '~/ui/button';
import { Checkbox, CheckboxGroup, Form, Select, TextField } from '~/ui/form';
import { useCreateApiKey } from './api';
import { endAfter, networksOf } from './scopes';

type Environment = Schemas['Environment'];

const ENVIRONMENTS: { value: Environment; label: string }[] = [
  { value: 'dev', label: 'dev' },
  { value: 'test', label: 'test' },
  { value: 'prod', label: 'prod' },
];
const ENDS = [
  { value: '30', label: 'in 30 days' },
  { value: '90', label: 'in 90 days' },
  { value: '365', label: 'in a year' },
  { value: 'never', label: 'never' },
] as const;
const MINE = 'mine';

interface NewKeyProps {
  onIssued: (key: string) => void;
  onCancel: () => void;
}

export function NewKey({ onIssued, onCancel }: NewKeyProps) {
  const create = useCreateApiKey(onIssued);
  const held = useMe()?.permissions ?? [];
  const [name, setName] = useState('');
  const [owner, setOwner] = useState(MINE);
  const [environment, setEnvironment] = useState<Environment>('dev');
  const [ends, setEnds] = useState<(typeof ENDS)[number]['value']>('90');
  const [networks, setNetworks] = useState('');
  const [scopes, setScopes] = useState<string[]>([]);

  const submit = () =>
    create.mutate({
      name,
      environment,
      scopes,
      allowed_cidrs: networksOf(networks),
      expires_at: endAfter(ends, Date.now()) ?? null,
      service_account: owner === MINE ? null : owner,
    });
  return (
    <Form problem={create.error} fields={['name', 'scopes']} onSubmit={submit}>
      <TextField
        label="Name"
        value={name}
        onChange={setName}
        error={create.error?.field('name')}
        maxLength={100}
        isRequired
        autoFocus
        hint="What will use it."
      />
      <Owner value={owner} onChange={setOwner} />
      <Select label="Environment" options={ENVIRONMENTS} value={environment} onChange={setEnvironment} />
      <Select label="Ends" options={ENDS} value={ends} onChange={setEnds} />
      <TextField
        label="Networks"
        value={networks}
        onChange={setNetworks}
        rows={2}
        hint="Optional. Where it may be used from, like 192.0.2.0/24; one a line. From anywhere without."
      />
      <CheckboxGroup
        label="Permissions"
        value={scopes}
        onChange={setScopes}
        error={create.error?.field('scopes')}
        hint="It may do these, and never more than its owner may at that moment."
      >
        {held.map((permission) => (
          <Checkbox key={permission} value={permission}>
            {permission}
          </Checkbox>
        ))}
      </CheckboxGroup>
      <div className="form-actions">
        <Button onPress={onCancel}>Cancel</Button>
        <Button type="submit" tone="primary" isPending={create.isPending} isDisabled={scopes.length === 0}>
          Create API key
        </Button>
      </div>
    </Form>
  );
}

/** Oneself, or a service account for who manages those. */
function Owner({ value, onChange }: { value: string; onChange: (owner: string) => void }) {
  const mayManage = useMay('service_account:write');
  const mayRead = useMay('service_account:read');
  const { items } = useServiceAccounts(mayManage && mayRead);
  if (!items?.length) return null;
  const accounts = items.map(({ id, name }) => ({ value: id, label: name }));
  return (
    <Select
      label="Acts for"
      options={[{ value: MINE, label: 'myself' }, ...accounts]}
      value={value}
      onChange={onChange}
    />
  );
}
