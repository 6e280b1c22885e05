import { useState } from 'react';
import { useMay, useMe } from '~/api/query';
import type { Schemas } from '~/api/types';
import { LimitFields } from '~/features/limits/LimitFields';
import { limitFields, limitOf, textsOf } from '~/features/limits/limit-model';
import { PermissionChoice } from '~/features/roles/PermissionChoice';
import { useActiveServiceAccounts } from '~/features/service-accounts/api';
import { Form, Select, TextField } from '~/ui/form';
import { FormActions } from '~/ui/form-actions';
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
const AT = 'rate_limit/';
const FIELDS = ['name', 'allowed_cidrs', 'scopes', ...limitFields(AT)];

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
  const [limit, setLimit] = useState(() => textsOf({}));
  const problem = create.error;
  const isLimitRefused = limitFields(AT).some((field) => problem?.field(field) !== undefined);

  const submit = () =>
    create.mutate({
      name,
      environment,
      scopes,
      allowed_cidrs: networksOf(networks),
      expires_at: endAfter(ends, Date.now()) ?? null,
      service_account: owner === MINE ? null : owner,
      rate_limit: limitOf(limit),
    });
  return (
    <Form problem={problem} fields={FIELDS} onSubmit={submit}>
      <TextField
        label="Name"
        value={name}
        onChange={setName}
        error={problem?.field('name')}
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
        error={problem?.field('allowed_cidrs')}
        hint="Optional. Where it may be used from, like 192.0.2.0/24; one a line. From anywhere without."
      />
      <details open={isLimitRefused || undefined}>
        <summary>Rate limit</summary>
        <div className="stack">
          <LimitFields value={limit} onChange={setLimit} problem={problem} at={AT} />
          <p className="muted small">Empty is what the installation says.</p>
        </div>
      </details>
      <p className="muted small">
        It may do what is ticked here, and never more than its owner may at that moment.
      </p>
      <PermissionChoice
        value={scopes}
        onChange={setScopes}
        offered={held}
        wildcardMeans="as it stands today"
        error={problem?.field('scopes')}
      />
      <FormActions isPending={create.isPending} isDisabled={scopes.length === 0} onCancel={onCancel}>
        Create API key
      </FormActions>
    </Form>
  );
}

/** Oneself, or a service account for who manages those. */
function Owner({ value, onChange }: { value: string; onChange: (owner: string) => void }) {
  const mayManage = useMay('service_account:write');
  const mayRead = useMay('service_account:read');
  const active = useActiveServiceAccounts(mayManage && mayRead);
  if (active.length === 0) return null;
  const accounts = active.map(({ id, name }) => ({ value: id, label: name }));
  return (
    <Select
      label="Acts for"
      options={[{ value: MINE, label: 'myself' }, ...accounts]}
      value={value}
      onChange={onChange}
    />
  );
}
