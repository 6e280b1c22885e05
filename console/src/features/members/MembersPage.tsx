import { useNavigate, useSearch } from '@tanstack/react-router';
import { FileUp, Mail, Plus, UserRound } from 'lucide-react';
import { useState } from 'react';
import { useMay, useMe } from '~/api/query';
import type { Member } from '~/api/types';
import { ImportDialog } from '~/features/imports/ImportDialog';
import { useCanInvite } from '~/features/invitations/api';
import { Invitations, InviteForm } from '~/features/invitations/Invitations';
import { Button } from '~/ui/button';
import { Dialog } from '~/ui/dialog';
import { Checkbox } from '~/ui/form';
import { Page } from '~/ui/page';
import { Empty } from '~/ui/states';
import { List } from '~/ui/table';
import { Time } from '~/ui/time';
import { AddMember } from './AddMember';
import { useForgetMembers, useMembers } from './api';
import { BulkBar } from './BulkBar';
import type { MemberFilter } from './filter';
import { MemberDialogs, type OpenDialog } from './MemberDialogs';
import { MemberFilters } from './MemberFilters';
import { MemberMenu } from './MemberMenu';
import { PasswordLength } from './PasswordLength';
import { RequireMfa } from './RequireMfa';
import './members.css';

const TONE = { invited: 'warn', active: 'ok', locked: 'bad', deactivated: 'idle' } as const;

export function MembersPage() {
  const filter = useSearch({ from: '/shell/members' });
  const navigate = useNavigate({ from: '/members' });
  const set = (change: MemberFilter) =>
    void navigate({ search: (old) => ({ ...old, ...change }), replace: true });
  const pages = useMembers(filter);
  const me = useMe();
  // The server asks for both, whatever of a member changes.
  const mayWrite = useMay('user:write');
  const mayAssign = useMay('role:assign');
  const mayChange = mayWrite && mayAssign;
  const canInvite = useCanInvite();
  const [open, setOpen] = useState<OpenDialog>();
  const [adding, setAdding] = useState<'one' | 'many' | 'by mail'>();
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const forget = useForgetMembers();
  // Whoever is filtered away is not changed unseen.
  const shown = (pages.items ?? []).filter(({ id }) => chosen.has(id));
  const choose = (members: Member[], selected: boolean) =>
    setChosen((old) => {
      const next = new Set(old);
      for (const { id } of members) selected ? next.add(id) : next.delete(id);
      return next;
    });
  const filtered = Object.keys(filter).some((name) => name !== 'sort');
  const actions = (
    <>
      <Button isDisabled={!mayChange} onPress={() => setAdding('many')}>
        <FileUp aria-hidden /> Import
      </Button>
      {canInvite && (
        <Button isDisabled={!mayChange} onPress={() => setAdding('by mail')}>
          <Mail aria-hidden /> Invite by mail
        </Button>
      )}
      <Button tone="primary" isDisabled={!mayChange} onPress={() => setAdding('one')}>
        <Plus aria-hidden /> Add member
      </Button>
    </>
  );
  return (
    <Page
      title="Members"
      description="The people of your organisation and the roles that say what they may do."
      actions={actions}
    >
      <RequireMfa />
      <PasswordLength />
      <MemberFilters filter={filter} onChange={set} />
      {mayChange && pages.items && pages.items.length > 0 && (
        <div className="row">
          <Checkbox
            isSelected={shown.length === pages.items.length}
            onChange={(selected) => choose(pages.items ?? [], selected)}
          >
            Choose all that are shown
          </Checkbox>
        </div>
      )}
      {mayChange && <BulkBar members={shown} onDone={() => setChosen(new Set())} />}
      <List
        label="members"
        pages={pages}
        rowKey={(member) => member.id}
        empty={
          <Empty icon={UserRound} title={filtered ? 'Nobody matches' : 'No members'}>
            Add the people who should build, run, watch or audit.
          </Empty>
        }
        columns={[
          ...(mayChange
            ? [
                {
                  header: 'Choose',
                  hideHeader: true,
                  fit: true,
                  cell: (member: Member) => (
                    <Checkbox
                      isSelected={chosen.has(member.id)}
                      onChange={(selected) => choose([member], selected)}
                    >
                      <span className="visually-hidden">Choose {member.full_name}</span>
                    </Checkbox>
                  ),
                },
              ]
            : []),
          {
            header: 'Person',
            cell: (member) => (
              <>
                <strong>{member.full_name}</strong>
                {member.id === me?.user.id && <span className="muted"> (you)</span>}
                <div className="cell-note">{member.email}</div>
              </>
            ),
          },
          { header: 'Roles', cell: (member) => member.roles.join(', ') },
          {
            header: 'Status',
            fit: true,
            wideOnly: true,
            cell: (member) => <span className={`badge tone-${TONE[member.status]}`}>{member.status}</span>,
          },
          {
            header: 'Second factor',
            fit: true,
            wideOnly: true,
            cell: ({ mfa }) =>
              mfa ? <span className="badge tone-ok">set up</span> : <span className="muted">none</span>,
          },
          {
            header: 'Last login',
            fit: true,
            wideOnly: true,
            cell: ({ last_login_at }) =>
              last_login_at ? <Time iso={last_login_at} relative /> : <span className="muted">never</span>,
          },
          {
            header: 'Joined',
            fit: true,
            wideOnly: true,
            cell: (member) => <Time iso={member.created_at} relative />,
          },
        ]}
        actions={(member) => (
          <MemberMenu
            member={member}
            mayChange={mayChange}
            isSelf={member.id === me?.user.id}
            onOpen={(kind) => setOpen({ kind, member })}
          />
        )}
      />
      <Invitations />
      <Dialog title="Invite by mail" isOpen={adding === 'by mail'} onClose={() => setAdding(undefined)}>
        <InviteForm onDone={() => setAdding(undefined)} />
      </Dialog>
      <Dialog title="Add a member" isOpen={adding === 'one'} onClose={() => setAdding(undefined)}>
        <AddMember onDone={() => setAdding(undefined)} />
      </Dialog>
      {adding === 'many' && (
        <ImportDialog
          first="users"
          onClose={() => {
            setAdding(undefined);
            void forget();
          }}
        />
      )}
      <MemberDialogs open={open} onClose={() => setOpen(undefined)} />
    </Page>
  );
}
