import { useQuery } from '@tanstack/react-query';
import { Check, Copy, FileUp, Pencil, Plus, Trash2 } from 'lucide-react';
import { useState } from 'react';
import { useMay } from '~/api/query';
import type { Role } from '~/api/types';
import { ImportDialog } from '~/features/imports/ImportDialog';
import { Button } from '~/ui/button';
import { Confirm, Dialog } from '~/ui/dialog';
import { Form, TextField } from '~/ui/form';
import { FormActions } from '~/ui/form-actions';
import { MenuItem, RowMenu } from '~/ui/menu';
import { Page } from '~/ui/page';
import { Loaded } from '~/ui/states';
import { Table } from '~/ui/table';
import { permissionsQuery, rolesQuery, useDeleteRole, useSaveRole } from './api';
import { PermissionChoice } from './PermissionChoice';
import { byResource } from './patterns';
import './roles.css';

type Open =
  | { kind: 'import' }
  | { kind: 'new'; from?: Role }
  | { kind: 'edit' | 'delete'; role: Role }
  | undefined;

export function RolesPage() {
  const roles = useQuery(rolesQuery);
  const mayWrite = useMay('role:write');
  const [open, setOpen] = useState<Open>();
  const close = () => setOpen(undefined);
  const create = (
    <Button tone="primary" isDisabled={!mayWrite} onPress={() => setOpen({ kind: 'new' })}>
      <Plus aria-hidden /> New role
    </Button>
  );
  return (
    <Page
      title="Roles"
      description="What members may do. Six roles are the system’s; make your own where none of them fits."
      actions={
        <>
          <Button isDisabled={!mayWrite} onPress={() => setOpen({ kind: 'import' })}>
            <FileUp aria-hidden /> Import
          </Button>
          {create}
        </>
      }
    >
      <Loaded query={roles} label="roles">
        {(all) => (
          <>
            <Table
              label="roles"
              rows={all}
              rowKey={(role) => role.name}
              columns={[
                {
                  header: 'Role',
                  cell: (role) => (
                    <>
                      <strong>{role.name}</strong>
                      {role.description && <div className="cell-note">{role.description}</div>}
                    </>
                  ),
                },
                { header: 'Permissions', end: true, fit: true, cell: (role) => role.permits.length },
                {
                  header: 'Made by',
                  fit: true,
                  wideOnly: true,
                  cell: (role) => (role.system ? 'the system' : 'this organisation'),
                },
              ]}
              actions={(role) => <RoleMenu role={role} mayWrite={mayWrite} onOpen={setOpen} />}
            />
            <h2>Who may do what</h2>
            <Matrix roles={all} />
          </>
        )}
      </Loaded>
      {open?.kind === 'import' && <ImportDialog first="roles" onClose={close} />}
      {open?.kind === 'new' && (
        <Dialog wide title={open.from ? `Clone ${open.from.name}` : 'New role'} isOpen onClose={close}>
          <RoleForm from={open.from} onDone={close} />
        </Dialog>
      )}
      {open?.kind === 'edit' && (
        <Dialog wide title={`Edit ${open.role.name}`} isOpen onClose={close}>
          <RoleForm role={open.role} onDone={close} />
        </Dialog>
      )}
      {open?.kind === 'delete' && <DeleteRole role={open.role} onDone={close} />}
    </Page>
  );
}

function RoleMenu({
  role,
  mayWrite,
  onOpen,
}: {
  role: Role;
  mayWrite: boolean;
  onOpen: (open: Open) => void;
}) {
  return (
    <RowMenu label={`Actions for ${role.name}`}>
      <MenuItem label="Clone" isDisabled={!mayWrite} onAction={() => onOpen({ kind: 'new', from: role })}>
        <Copy aria-hidden /> Clone…
      </MenuItem>
      <MenuItem
        label="Edit"
        isDisabled={!mayWrite || role.system}
        onAction={() => onOpen({ kind: 'edit', role })}
      >
        <Pencil aria-hidden /> Edit…
      </MenuItem>
      <MenuItem
        label="Delete"
        danger
        isDisabled={!mayWrite || role.system}
        onAction={() => onOpen({ kind: 'delete', role })}
      >
        <Trash2 aria-hidden /> Delete…
      </MenuItem>
    </RowMenu>
  );
}

/** Every permission beside every role. */
function Matrix({ roles }: { roles: Role[] }) {
  return (
    <Loaded query={useQuery(permissionsQuery)} label="permissions">
      {(permissions) => (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable region must be reachable by keyboard
        <section className="table-scroll" aria-label="permissions of each role" tabIndex={0}>
          <table className="table matrix">
            <caption className="visually-hidden">Permissions of each role</caption>
            <thead>
              <tr>
                <th scope="col">Permission</th>
                {roles.map((role) => (
                  <th key={role.name} scope="col" className="mark">
                    {role.name}
                  </th>
                ))}
              </tr>
            </thead>
            {byResource(permissions).map((resource) => (
              <tbody key={resource.name}>
                <tr className="resource">
                  <th scope="rowgroup" colSpan={roles.length + 1}>
                    {resource.name}
                  </th>
                </tr>
                {resource.permissions.map(({ name, description }) => (
                  <tr key={name}>
                    <th scope="row">
                      <code>{name}</code>
                      <div className="cell-note wide-only">{description}</div>
                    </th>
                    {roles.map((role) => (
                      <td key={role.name} className="mark">
                        {role.permits.includes(name) ? (
                          <Check role="img" aria-label="yes" />
                        ) : (
                          <span className="muted">
                            <span aria-hidden>–</span>
                            <span className="visually-hidden">no</span>
                          </span>
                        )}
                      </td>
                    ))}
                  </tr>
                ))}
              </tbody>
            ))}
          </table>
        </section>
      )}
    </Loaded>
  );
}

function RoleForm({ role, from, onDone }: { role?: Role; from?: Role | undefined; onDone: () => void }) {
  const save = useSaveRole(role?.name);
  const like = role ?? from;
  const [name, setName] = useState(role?.name ?? '');
  const [description, setDescription] = useState(like?.description ?? '');
  const [permissions, setPermissions] = useState(like?.permissions ?? []);
  return (
    <Form
      problem={save.error}
      fields={['name', 'description']}
      onSubmit={() => save.mutate({ name, description, permissions }, { onSuccess: onDone })}
    >
      {role === undefined && (
        <TextField
          label="Name"
          value={name}
          onChange={setName}
          error={save.error?.field('name')}
          maxLength={63}
          hint="Lower-case letters, digits and hyphens. It cannot be changed later."
          autoCapitalize="none"
          isRequired
          autoFocus
        />
      )}
      <TextField
        label="Description"
        value={description}
        onChange={setDescription}
        error={save.error?.field('description')}
        maxLength={1000}
        rows={2}
        hint="Optional. Whom it is for."
      />
      <PermissionChoice value={permissions} onChange={setPermissions} />
      <p className="muted small">
        {role === undefined
          ? 'Nobody can make a role that holds more than they hold.'
          : 'Takes effect within a second for everybody who has this role.'}
      </p>
      <FormActions isPending={save.isPending} onCancel={onDone}>
        {role === undefined ? 'Make role' : 'Save role'}
      </FormActions>
    </Form>
  );
}

function DeleteRole({ role, onDone }: { role: Role; onDone: () => void }) {
  const remove = useDeleteRole();
  return (
    <Confirm
      title={`Delete the role “${role.name}”?`}
      action="Delete role"
      change={remove}
      onConfirm={() => remove.mutate(role, { onSuccess: onDone })}
      onClose={onDone}
    >
      <p>It can only be deleted when nobody has it. This cannot be undone.</p>
    </Confirm>
  );
}
