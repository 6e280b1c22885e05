import { Ban, FileUp, Gauge, KeySquare, Pencil, Plus, RotateCw } from 'lucide-react';
import { useState } from 'react';
import { useMay, useMe } from '~/api/query';
import type { ApiKey } from '~/api/types';
import { ImportDialog } from '~/features/imports/ImportDialog';
import { LimitForm } from '~/features/limits/LimitForm';
import { byResource } from '~/features/roles/patterns';
import { Button } from '~/ui/button';
import { Confirm, Dialog } from '~/ui/dialog';
import { Form, Select } from '~/ui/form';
import { FormActions } from '~/ui/form-actions';
import { MenuItem, RowMenu } from '~/ui/menu';
import { Page } from '~/ui/page';
import { Empty } from '~/ui/states';
import { List } from '~/ui/table';
import { Time } from '~/ui/time';
import { useApiKeys, useChangeApiKey, useRevokeApiKey, useRotateApiKey } from './api';
import { EditKey } from './EditKey';
import { Issued } from './Issued';
import { KeyState } from './KeyState';
import { NewKey } from './NewKey';

type Open =
  | { kind: 'new' | 'import' }
  | { kind: 'issued'; key: string }
  | { kind: 'edit' | 'rotate' | 'revoke' | 'limit'; apiKey: ApiKey }
  | undefined;

export function ApiKeysPage() {
  const pages = useApiKeys();
  const me = useMe()?.user.id;
  const mayWrite = useMay('api_key:write');
  const mayManage = useMay('service_account:write');
  const [open, setOpen] = useState<Open>();
  const close = () => setOpen(undefined);
  const issued = (key: string) => setOpen({ kind: 'issued', key });
  const create = (
    <Button tone="primary" isDisabled={!mayWrite} onPress={() => setOpen({ kind: 'new' })}>
      <Plus aria-hidden /> New API key
    </Button>
  );
  const holds = ({ owner }: ApiKey) => mayWrite && (owner.kind === 'user' ? owner.id === me : mayManage);
  const mayRotate = (key: ApiKey) => holds(key) && key.state === 'active';
  const mayChange = (key: ApiKey) => holds(key) && (key.state === 'active' || key.state === 'retiring');
  const mayRevoke = ({ owner, state }: ApiKey) =>
    mayWrite && (state === 'active' || state === 'retiring') && (owner.kind === 'user' || mayManage);

  return (
    <Page
      title="API keys"
      description="What programs log in with: each acts for its owner, cut down to what is named here."
      actions={
        <>
          <Button isDisabled={!mayWrite || !mayManage} onPress={() => setOpen({ kind: 'import' })}>
            <FileUp aria-hidden /> Import
          </Button>
          {create}
        </>
      }
    >
      <List
        label="API keys"
        pages={pages}
        rowKey={(key) => key.id}
        empty={
          <Empty icon={KeySquare} title="No API keys yet" action={create}>
            Make one for each program, with the permissions that it needs and no others.
          </Empty>
        }
        columns={[
          {
            header: 'Key',
            cell: (key) => (
              <>
                <strong>{key.name}</strong>
                <div className="cell-note">
                  {key.owner_name} · {key.environment}
                  {key.imported && ' · imported'}
                </div>
              </>
            ),
          },
          { header: 'May', wideOnly: true, cell: (key) => <Scopes apiKey={key} /> },
          {
            header: 'State',
            cell: (key) => <KeyState apiKey={key} />,
          },
          { header: 'Ends', fit: true, wideOnly: true, cell: (key) => <End apiKey={key} /> },
          {
            header: 'Last used',
            fit: true,
            wideOnly: true,
            cell: ({ last_used_at, last_used_address }) =>
              last_used_at ? (
                <>
                  <Time iso={last_used_at} relative />
                  <div className="cell-note">{last_used_address}</div>
                </>
              ) : (
                <span className="muted">never</span>
              ),
          },
        ]}
        actions={(apiKey) => (
          <RowMenu label={`Actions for ${apiKey.name}`}>
            <MenuItem
              label="Change"
              isDisabled={!mayChange(apiKey)}
              onAction={() => setOpen({ kind: 'edit', apiKey })}
            >
              <Pencil aria-hidden /> Change…
            </MenuItem>
            <MenuItem
              label="Rotate"
              isDisabled={!mayRotate(apiKey)}
              onAction={() => setOpen({ kind: 'rotate', apiKey })}
            >
              <RotateCw aria-hidden /> Rotate…
            </MenuItem>
            <MenuItem
              label="Rate limit"
              isDisabled={!mayChange(apiKey)}
              onAction={() => setOpen({ kind: 'limit', apiKey })}
            >
              <Gauge aria-hidden /> Rate limit…
            </MenuItem>
            <MenuItem
              label="Revoke"
              danger
              isDisabled={!mayRevoke(apiKey)}
              onAction={() => setOpen({ kind: 'revoke', apiKey })}
            >
              <Ban aria-hidden /> Revoke…
            </MenuItem>
          </RowMenu>
        )}
      />
      {open?.kind === 'import' && <ImportDialog first="api_keys" onClose={close} />}
      {open?.kind === 'new' && (
        <Dialog title="New API key" isOpen onClose={close}>
          <NewKey onIssued={issued} onCancel={close} />
        </Dialog>
      )}
      {open?.kind === 'edit' && (
        <Dialog title={`Change “${open.apiKey.name}”`} isOpen onClose={close}>
          <EditKey apiKey={open.apiKey} onDone={close} />
        </Dialog>
      )}
      {open?.kind === 'rotate' && (
        <Dialog title={`Rotate “${open.apiKey.name}”`} isOpen onClose={close}>
          <Rotate apiKey={open.apiKey} onIssued={issued} onCancel={close} />
        </Dialog>
      )}
      {open?.kind === 'issued' && (
        <Dialog title="The new key" isOpen onClose={close} firm>
          <Issued text={open.key} onDone={close} />
        </Dialog>
      )}
      {open?.kind === 'limit' && (
        <Dialog title={`Rate limit of “${open.apiKey.name}”`} isOpen onClose={close}>
          <Limit apiKey={open.apiKey} onDone={close} />
        </Dialog>
      )}
      {open?.kind === 'revoke' && <Revoke apiKey={open.apiKey} onDone={close} />}
    </Page>
  );
}

/** More are folded, so that a key which may do much does not fill the page. */
const MOST_SHOWN = 4;

function Scopes({ apiKey: { scopes } }: { apiKey: ApiKey }) {
  const resources = byResource(scopes.map((name) => ({ name })));
  const list = (
    <ul className="plain small">
      {resources.map(({ name: resource, permissions }) => (
        <li key={resource}>
          {resource.replaceAll('_', ' ')}:{' '}
          {permissions.map(({ name }) => name.slice(resource.length + 1)).join(', ')}
        </li>
      ))}
    </ul>
  );
  if (resources.length <= MOST_SHOWN) return list;
  return (
    <details>
      <summary>{scopes.length} permissions</summary>
      {list}
    </details>
  );
}

function End({ apiKey: { retires_at, expires_at } }: { apiKey: ApiKey }) {
  const [end] = [retires_at, expires_at].filter((moment) => moment != null).sort();
  return end ? <Time iso={end} relative /> : <span className="muted">never</span>;
}

const DAY = 24 * 60 * 60;
const GRACES = [
  { value: String(7 * DAY), label: 'for 7 days' },
  { value: String(DAY), label: 'for a day' },
  { value: '0', label: 'not at all' },
];

interface RotateProps {
  apiKey: ApiKey;
  onIssued: (key: string) => void;
  onCancel: () => void;
}

function Rotate({ apiKey, onIssued, onCancel }: RotateProps) {
  const rotate = useRotateApiKey(apiKey.id, onIssued);
  const [grace, setGrace] = useState(String(7 * DAY));
  return (
    <Form problem={rotate.error} onSubmit={() => rotate.mutate({ grace_seconds: Number(grace) })}>
      <p>A new key takes its place, with the same permissions, networks and end.</p>
      <Select label="The old key works on" options={GRACES} value={grace} onChange={setGrace} />
      <FormActions isPending={rotate.isPending} onCancel={onCancel}>
        Rotate API key
      </FormActions>
    </Form>
  );
}

function Limit({ apiKey, onDone }: { apiKey: ApiKey; onDone: () => void }) {
  const save = useChangeApiKey(apiKey.id);
  return (
    <LimitForm
      limit={apiKey.rate_limit}
      at="rate_limit/"
      problem={save.error}
      isPending={save.isPending}
      onCancel={onDone}
      onSave={(limit) => save.mutate({ rate_limit: limit }, { onSuccess: onDone })}
    />
  );
}

function Revoke({ apiKey, onDone }: { apiKey: ApiKey; onDone: () => void }) {
  const revoke = useRevokeApiKey();
  return (
    <Confirm
      title={`Revoke “${apiKey.name}”?`}
      action="Revoke API key"
      change={revoke}
      onConfirm={() => revoke.mutate(apiKey, { onSuccess: onDone })}
      onClose={onDone}
    >
      <p>Whatever uses it is refused from now on. This cannot be undone.</p>
    </Confirm>
  );
}
