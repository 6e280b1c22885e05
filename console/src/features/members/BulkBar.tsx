import { useState } from 'react';
import type { Member, Schemas } from '~/api/types';
import { Button } from '~/ui/button';
import { Dialog } from '~/ui/dialog';
import { Form } from '~/ui/form';
import { Notice, ProblemNotice } from '~/ui/states';
import { toast } from '~/ui/toast';
import { useChangeMany } from './api';
import { RoleChoice } from './RoleChoice';

/** The server changes at most so many at once. */
export const MOST_AT_ONCE = 200;

type Change = Omit<Schemas['BulkChange'], 'users'>;

interface BulkBarProps {
  members: Member[];
  onDone: () => void;
}

/** What can be done with the members that were chosen. */
export function BulkBar({ members, onDone }: BulkBarProps) {
  const change = useChangeMany();
  const [roles, setRoles] = useState<'add' | 'remove'>();
  const [result, setResult] = useState<Schemas['BulkResult']>();
  const [names, setNames] = useState<Map<string, string>>(new Map());
  const tooMany = members.length > MOST_AT_ONCE;
  const send = (what: Change) => {
    setNames(new Map(members.map(({ id, full_name }) => [id, full_name])));
    change.mutate(
      { ...what, users: members.map(({ id }) => id) },
      {
        onSuccess: (done) => {
          setRoles(undefined);
          onDone();
          if (done.refused > 0) setResult(done);
          else toast(`${done.changed} changed, ${done.unchanged} were so already`);
        },
      },
    );
  };
  return (
    <>
      {members.length > 0 && (
        <section className="bulk-bar" aria-label="Chosen members">
          <strong>{members.length} chosen</strong>
          <Button small isDisabled={tooMany} onPress={() => setRoles('add')}>
            Add roles…
          </Button>
          <Button small isDisabled={tooMany} onPress={() => setRoles('remove')}>
            Take roles…
          </Button>
          <Button
            small
            isDisabled={tooMany}
            isPending={change.isPending}
            onPress={() => send({ status: 'active' })}
          >
            Activate
          </Button>
          <Button
            small
            tone="danger"
            isDisabled={tooMany}
            isPending={change.isPending}
            onPress={() => send({ status: 'deactivated' })}
          >
            Deactivate
          </Button>
          <Button small tone="quiet" onPress={onDone}>
            Choose none
          </Button>
          {tooMany && <span className="muted">At most {MOST_AT_ONCE} at once.</span>}
        </section>
      )}
      {change.error && roles === undefined && <ProblemNotice problem={change.error} />}
      {roles && (
        <RolesDialog
          take={roles === 'remove'}
          count={members.length}
          change={change}
          onSend={(chosen) => send(roles === 'add' ? { add_roles: chosen } : { remove_roles: chosen })}
          onClose={() => setRoles(undefined)}
        />
      )}
      {result && (
        <Dialog title="Not everybody was changed" isOpen onClose={() => setResult(undefined)}>
          <Notice tone="warn" title={`${result.changed} changed, ${result.refused} refused`}>
            <ul>
              {result.results
                .filter(({ outcome }) => outcome === 'refused')
                .map(({ user, detail }) => (
                  <li key={user}>
                    <strong>{names.get(user) ?? user}</strong>: {detail}
                  </li>
                ))}
            </ul>
          </Notice>
          <div className="form-actions">
            <Button onPress={() => setResult(undefined)} autoFocus>
              Close
            </Button>
          </div>
        </Dialog>
      )}
    </>
  );
}

interface RolesDialogProps {
  take: boolean;
  count: number;
  change: ReturnType<typeof useChangeMany>;
  onSend: (roles: string[]) => void;
  onClose: () => void;
}

function RolesDialog({ take, count, change, onSend, onClose }: RolesDialogProps) {
  const [chosen, setChosen] = useState<string[]>([]);
  const verb = take ? 'Take roles from' : 'Add roles to';
  return (
    <Dialog title={`${verb} ${count} members`} isOpen onClose={onClose}>
      <Form problem={change.error} onSubmit={() => onSend(chosen)}>
        <RoleChoice value={chosen} onChange={setChosen} />
        <div className="form-actions">
          <Button onPress={onClose}>Cancel</Button>
          <Button type="submit" tone="primary" isPending={change.isPending} isDisabled={chosen.length === 0}>
            {take ? 'Take roles' : 'Add roles'}
          </Button>
        </div>
      </Form>
    </Dialog>
  );
}
