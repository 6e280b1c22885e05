import { MailX, RotateCw } from 'lucide-react';
import { useState } from 'react';
import { useMay } from '~/api/query';
import type { Invitation } from '~/api/types';
import { useMailFailures } from '~/features/mail/api';
import { RoleChoice } from '~/features/members/RoleChoice';
import { TeamsChoice } from '~/features/teams/TeamChoice';
import { Confirm } from '~/ui/dialog';
import { Form, TextField } from '~/ui/form';
import { FormActions } from '~/ui/form-actions';
import { MenuItem, RowMenu } from '~/ui/menu';
import { Panel } from '~/ui/page';
import { List } from '~/ui/table';
import { Time } from '~/ui/time';
import { toastProblem } from '~/ui/toast';
import { useInvitations, useInvite, useSendAgain, useTakeBack } from './api';

const TONE = { open: 'warn', expired: 'idle', accepted: 'ok', revoked: 'idle' } as const;

/** Who was asked by mail, and where each of them stands. Nothing where nobody was. */
export function Invitations() {
  const pages = useInvitations();
  const mayWrite = useMay('user:write');
  const mayAssign = useMay('role:assign');
  const mayChange = mayWrite && mayAssign;
  const failures = useMailFailures(mayWrite).items ?? [];
  const again = useSendAgain();
  const [taken, setTaken] = useState<Invitation>();
  if (!pages.items?.length) return null;
  const reasonOf = (id: string) => failures.find(({ about }) => about === id)?.reason;
  return (
    <Panel title="Invitations" flush>
      <List
        label="invitations"
        pages={pages}
        rowKey={({ id }) => id}
        empty={null}
        columns={[
          {
            header: 'Address',
            cell: ({ id, email, state }) => (
              <>
                <strong>{email}</strong>
                {state === 'open' && reasonOf(id) && (
                  <div className="cell-note">Not delivered: {reasonOf(id)}.</div>
                )}
              </>
            ),
          },
          { header: 'Roles', fit: true, wideOnly: true, cell: ({ roles }) => roles.join(', ') },
          {
            header: 'State',
            fit: true,
            cell: ({ state }) => <span className={`badge tone-${TONE[state]}`}>{state}</span>,
          },
          {
            header: 'Ends',
            fit: true,
            wideOnly: true,
            cell: ({ state, expires_at }) => (state === 'open' ? <Time iso={expires_at} relative /> : ''),
          },
        ]}
        actions={(invitation) =>
          (invitation.state === 'open' || invitation.state === 'expired') && (
            <RowMenu label={`Actions for the invitation of ${invitation.email}`}>
              <MenuItem
                label="Send again"
                isDisabled={!mayChange}
                onAction={() => again.mutate(invitation, { onError: toastProblem })}
              >
                <RotateCw aria-hidden /> Send again
              </MenuItem>
              <MenuItem
                label="Take back"
                danger
                isDisabled={!mayChange}
                onAction={() => setTaken(invitation)}
              >
                <MailX aria-hidden /> Take back…
              </MenuItem>
            </RowMenu>
          )
        }
      />
      {taken && <TakeBack invitation={taken} onDone={() => setTaken(undefined)} />}
    </Panel>
  );
}

function TakeBack({ invitation, onDone }: { invitation: Invitation; onDone: () => void }) {
  const take = useTakeBack();
  return (
    <Confirm
      title={`Take back the invitation of ${invitation.email}?`}
      action="Take back"
      change={take}
      onClose={onDone}
      onConfirm={() => take.mutate(invitation, { onSuccess: onDone })}
    >
      <p>The link that was sent opens nothing from then on.</p>
    </Confirm>
  );
}

/** Asks somebody by mail. */
export function InviteForm({ onDone }: { onDone: () => void }) {
  const invite = useInvite();
  const [email, setEmail] = useState('');
  const [roles, setRoles] = useState(['viewer']);
  const [teams, setTeams] = useState<string[]>([]);
  return (
    <Form
      problem={invite.error}
      fields={['email']}
      onSubmit={() => invite.mutate({ email, roles, teams }, { onSuccess: onDone })}
    >
      <TextField
        label="E-mail"
        type="email"
        value={email}
        onChange={setEmail}
        error={invite.error?.field('email')}
        autoComplete="off"
        hint="A link goes there and works once, for 7 days."
        isRequired
        autoFocus
      />
      <RoleChoice value={roles} onChange={setRoles} />
      <TeamsChoice value={teams} onChange={setTeams} />
      <FormActions isPending={invite.isPending} isDisabled={roles.length === 0} onCancel={onDone}>
        Send the invitation
      </FormActions>
    </Form>
  );
}
