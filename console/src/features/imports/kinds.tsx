import type { ReactNode } from 'react';
import { useMay } from '~/api/query';
import type { Kind } from './api';

interface Words {
  title: string;
  /** Several of them. */
  things: string;
  /** What the first line of the file names. */
  columns: ReactNode;
  /** What is to be known of those that were added. */
  added: string;
  /** The head of the column that says which one a line is. */
  head: string;
}

export const WORDS: Record<Kind, Words> = {
  users: {
    title: 'Import people',
    things: 'people',
    head: 'Person',
    columns: (
      <>
        <code>email</code>, <code>username</code>, <code>full_name</code>, <code>password</code> or{' '}
        <code>password_hash</code>, and where wanted <code>roles</code>, <code>teams</code> and{' '}
        <code>attributes.&lt;name&gt;</code>
      </>
    ),
    added: 'They are members once they have logged in. Until then the import can be undone.',
  },
  roles: {
    title: 'Import roles',
    things: 'roles',
    head: 'Role',
    columns: (
      <>
        <code>name</code>, <code>permissions</code> (with spaces between them), and where wanted{' '}
        <code>description</code>
      </>
    ),
    added: 'Until somebody has one of them it can be taken back by undoing the import.',
  },
  api_keys: {
    title: 'Import API keys',
    things: 'keys',
    head: 'Key',
    columns: (
      <>
        <code>name</code>, <code>owner</code> (a service account, or your own user name), <code>scopes</code>{' '}
        (with spaces between them), <code>key</code> or <code>key_sha256</code>, and where wanted{' '}
        <code>environment</code>, <code>expires_at</code> and <code>allowed_cidrs</code>. Of a key only its
        SHA-256 is kept
      </>
    ),
    added:
      'They work as they are, in both headers. Rotate them one by one: then they are keys of the usual form.',
  },
};

/** The kinds that one may import. */
export function useKinds(): Kind[] {
  const [people, roles, keys, assigns, accounts] = [
    useMay('user:write'),
    useMay('role:write'),
    useMay('api_key:write'),
    useMay('role:assign'),
    useMay('service_account:write'),
  ];
  const may = { users: people && assigns, roles, api_keys: keys && accounts };
  return (Object.keys(WORDS) as Kind[]).filter((kind) => may[kind]);
}
