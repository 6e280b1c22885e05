import { Bot, CirclePause, CirclePlay, FileUp, Pencil, Plus, Trash2 } from 'lucide-react';
import { useState } from 'react';
import { useMay } from '~/api/query';
import type { ServiceAccount } from '~/api/types';
import { ImportDialog } from '~/features/imports/ImportDialog';
import { RoleChoice } from '~/features/members/RoleChoice';
import { PermissionChoice } from '~/features/roles/PermissionChoice';
import { Button } from '~/ui/button';
import { Confirm, Dialog } from '~/ui/dialog';
import { Form, TextField } from '~/ui/form';
import { FormActions } from '~/ui/form-actions';
import { MenuItem, RowMenu } from '~/ui/menu';
import { Page } from '~/ui/page';
import { Empty } from '~/ui/states';
import { List } from '~/ui/table';
import { Time } from '~/ui/time';
import {
  useCreateServiceAccount,
  useDeleteServiceAccount,
  useServiceAccounts,
  useUpdateServiceAccount,
} from './api';

type Open =
  | { kind: 'import' }
  | { kind: 'edit'; account: ServiceAccount | undefined }
  | { kind: 'status' | 'delete'; account: ServiceAccount }
  | undefined;

export function ServiceAccountsPage() {
  const pages = useServiceAccounts();
  const mayManage = useMay('service_account:write');
  const mayAssign = useMay('role:assign');
  const mayWrite = mayManage && mayAssign;
  const mayMakeKeys = useMay('api_key:write');
  const [open, setOpen] = useState<Open>();
  const close = () => setOpen(undefined);
  const create = (
    <Button
      tone="primary"
      isDisabled={!mayWrite}
      onPress={() => setOpen({ kind: 'edit', account: undefined })}
    >
      <Plus aria-hidden /> New service account
    </Button>
  );
  return (
    <Page
      title="Service accounts"
      description="Members that are no people: they hold roles, cannot log in, and act through API keys."
      actions={
        <>
          <Button isDisabled={!mayManage || !mayMakeKeys} onPress={() => setOpen({ kind: 'import' })}>
            <FileUp aria-hidden /> Import API keys
          </Button>
          {create}
        </>
      }
    >
      <List
        label="service accounts"
        pages={pages}
        rowKey={(account) => account.id}
        empty={
          <Empty icon={Bot} title="No service accounts yet" action={create}>
            Make one for what should run whoever comes and goes, then give it an API key.
          </Empty>
        }
        columns={[
          {
            header: 'Service account',
            cell: (account) => (
              <>
                <strong>{account.name}</strong>
                {account.description && <div className="cell-note">{account.description}</div>}
              </>
            ),
          },
          {
            header: 'Roles',
            wideOnly: true,
            cell: ({ roles, permissions }) => [...roles, ...permissions].join(', ') || 'none',
          },
          {
            header: 'State',
            fit: true,
            cell: ({ status }) => (
              <span className={`badge tone-${status === 'active' ? 'ok' : 'idle'}`}>
                {status === 'active' ? 'Active' : 'Deactivated'}
              </span>
            ),
          },
          {
            header: 'Created',
            fit: true,
            wideOnly: true,
            cell: (account) => <Time iso={account.created_at} relative />,
          },
        ]}
        actions={(account) => (
          <RowMenu label={`Actions for ${account.name}`}>
            <MenuItem label="Edit" isDisabled={!mayWrite} onAction={() => setOpen({ kind: 'edit', account })}>
              <Pencil aria-hidden /> Edit…
            </MenuItem>
            <MenuItem
              label={account.status === 'active' ? 'Deactivate' : 'Activate'}
              isDisabled={!mayWrite}
              onAction={() => setOpen({ kind: 'status', account })}
            >
              {account.status === 'active' ? <CirclePause aria-hidden /> : <CirclePlay aria-hidden />}
              {account.status === 'active' ? 'Deactivate…' : 'Activate…'}
            </MenuItem>
            <MenuItem
              label="Delete"
              danger
              isDisabled={!mayWrite}
              onAction={() => setOpen({ kind: 'delete', account })}
            >
              <Trash2 aria-hidden /> Delete…
            </MenuItem>
          </RowMenu>
        )}
      />
      {open?.kind === 'import' && <ImportDialog first="api_keys" onClose={close} />}
      {open?.kind === 'edit' && (
        <Dialog title={open.account ? 'Edit service account' : 'New service account'} isOpen onClose={close}>
          {open.account ? <Edit account={open.account} onDone={close} /> : <Create onDone={close} />}
        </Dialog>
      )}
      {open?.kind === 'status' && <ChangeStatus account={open.account} onDone={close} />}
      {open?.kind === 'delete' && <Delete account={open.account} onDone={close} />}
    </Page>
  );
}

function Create({ onDone }: { onDone: () => void }) {
  const create = useCreateServiceAccount();
  return (
    <Fields
      account={undefined}
      change={create}
      action="Create service account"
      onSubmit={(values) => create.mutate(values, { onSuccess: onDone })}
      onDone={onDone}
    />
  );
}

function Edit({ account, onDone }: { account: ServiceAccount; onDone: () => void }) {
  const save = useUpdateServiceAccount(account.id);
  return (
    <Fields
      account={account}
      change={save}
      action="Save"
      onSubmit={(values) => save.mutate(values, { onSuccess: onDone })}
      onDone={onDone}
    />
  );
}

interface FieldsProps {
  account: ServiceAccount | undefined;
  change: ReturnType<typeof useCreateServiceAccount> | ReturnType<typeof useUpdateServiceAccount>;
  action: string;
  onSubmit: (values: { name: string; description: string; roles: string[]; permissions: string[] }) => void;
  onDone: () => void;
}

function Fields({ account, change, action, onSubmit, onDone }: FieldsProps) {
  const [name, setName] = useState(account?.name ?? '');
  const [description, setDescription] = useState(account?.description ?? '');
  const [roles, setRoles] = useState(account?.roles ?? ['executor']);
  const [permissions, setPermissions] = useState(account?.permissions ?? []);
  return (
    <Form
      problem={change.error}
      fields={['name', 'description', 'permissions']}
      onSubmit={() => onSubmit({ name, description, roles, permissions })}
    >
      <TextField
        label="Name"
        value={name}
        onChange={setName}
        error={change.error?.field('name')}
        maxLength={100}
        isRequired
        autoFocus
      />
      <TextField
        label="Description"
        value={description}
        onChange={setDescription}
        error={change.error?.field('description')}
        maxLength={1000}
        rows={3}
        hint="Optional. What it is for, or whom to ask."
      />
      <RoleChoice value={roles} onChange={setRoles} />
      <details open={permissions.length > 0}>
        <summary>Single permissions beside the roles ({permissions.length})</summary>
        <PermissionChoice
          value={permissions}
          onChange={setPermissions}
          error={change.error?.field('permissions')}
        />
      </details>
      <p className="muted small">Nobody can grant what they do not hold.</p>
      <FormActions isPending={change.isPending} onCancel={onDone}>
        {action}
      </FormActions>
    </Form>
  );
}

function ChangeStatus({ account, onDone }: { account: ServiceAccount; onDone: () => void }) {
  const change = useUpdateServiceAccount(account.id);
  const stops = account.status === 'active';
  return (
    <Confirm
      title={`${stops ? 'Deactivate' : 'Activate'} “${account.name}”?`}
      action={stops ? 'Deactivate service account' : 'Activate service account'}
      change={change}
      onConfirm={() => change.mutate({ status: stops ? 'deactivated' : 'active' }, { onSuccess: onDone })}
      onClose={onDone}
    >
      <p>{stops ? 'None of its API keys works until it is active again.' : 'Its API keys work again.'}</p>
    </Confirm>
  );
}

function Delete({ account, onDone }: { account: ServiceAccount; onDone: () => void }) {
  const remove = useDeleteServiceAccount();
  return (
    <Confirm
      title={`Delete “${account.name}”?`}
      action="Delete service account"
      change={remove}
      onConfirm={() => remove.mutate(account, { onSuccess: onDone })}
      onClose={onDone}
    >
      <p>Its API keys must be revoked first. This cannot be undone.</p>
    </Confirm>
  );
}
