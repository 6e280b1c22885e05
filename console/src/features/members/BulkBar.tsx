import { useState } from 'react';
import type { Member, Schemas } from '~/api/types';
import { Button } from '~/ui/button';
import { Confirm, Dialog } from '~/ui/dialog';
import { Form } from '~/ui/form';
import { FormActions } from '~/ui/form-actions';
import { Notice } from '~/ui/states';
import { toast } from '~/ui/toast';
import { useChangeMany } from './api';
import { CHANGES } from './changes';
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
  const [open, setOpen] = useState<'add' | 'remove' | 'activate' | 'deactivate'>();
  const [result, setResult] = useState<Schemas['BulkResult']>();
  const [names, setNames] = useState<Map<string, string>>(new Map());
  const tooMany = members.length > MOST_AT_ONCE;
  const close = () => {
    change.reset();
    setOpen(undefined);
  };
  const send = (what: Change) => {
    setNames(new Map(members.map(({ id, full_name }) => [id, full_name])));
    change.mutate(
      { ...what, users: members.map(({ id }) => id) },
      {
        onSuccess: (done) => {
          close();
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
          <Button small isDisabled={tooMany} onPress={() => setOpen('add')}>
            Add roles…
          </Button>
          <Button small isDisabled={tooMany} onPress={() => setOpen('remove')}>
            Take roles…
          </Button>
          <Button small isDisabled={tooMany} onPress={() => setOpen('activate')}>
            Activate…
          </Button>
          <Button small tone="danger" isDisabled={tooMany} onPress={() => setOpen('deactivate')}>
            Deactivate…
          </Button>
          <Button small tone="quiet" onPress={onDone}>
            Choose none
          </Button>
          {tooMany && <span className="muted">At most {MOST_AT_ONCE} at once.</span>}
        </section>
      )}
      {(open === 'add' || open === 'remove') && (
        <RolesDialog
          take={open === 'remove'}
          count={members.length}
          change={change}
          onSend={(chosen) => send(open === 'add' ? { add_roles: chosen } : { remove_roles: chosen })}
          onClose={close}
        />
      )}
      {(open === 'activate' || open === 'deactivate') && (
        <Confirm
          title={`${CHANGES[open].verb} ${people(members.length)}?`}
          action={CHANGES[open].verb}
          change={change}
          onConfirm={() => send({ status: CHANGES[open].status })}
          onClose={close}
        >
          <p>{CHANGES[open].says}</p>
        </Confirm>
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

const people = (count: number) => (count === 1 ? '1 member' : `${count} members`);

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
    <Dialog title={`${verb} ${people(count)}`} isOpen onClose={onClose}>
      <Form problem={change.error} onSubmit={() => onSend(chosen)}>
        <RoleChoice value={chosen} onChange={setChosen} />
        <FormActions isPending={change.isPending} isDisabled={chosen.length === 0} onCancel={onClose}>
          {take ? 'Take roles' : 'Add roles'}
        </FormActions>
      </Form>
    </Dialog>
  );
}
