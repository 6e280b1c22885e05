import { useState } from 'react';
import type { Me } from '~/api/types';
import { Button } from '~/ui/button';
import { Dialog } from '~/ui/dialog';
import { Form, Select, TextField } from '~/ui/form';
import { useSwitchOrganization } from './api';

/** The other organisations that the person belongs to. */
export function othersOf(me: Me) {
  return me.organizations.filter(({ id }) => id !== me.organization.id);
}

interface SwitchOrganizationProps {
  me: Me;
  isOpen: boolean;
  onClose: () => void;
  /** Begins anew: nothing of the organisation before may stay in memory. */
  onSwitched?: () => void;
}

/** A login is for one organisation, so going to another one is a login there. */
export function SwitchOrganization({
  me,
  isOpen,
  onClose,
  onSwitched = () => location.assign('/'),
}: SwitchOrganizationProps) {
  const others = othersOf(me);
  const [slug, setSlug] = useState(others[0]?.slug ?? '');
  const [password, setPassword] = useState('');
  const change = useSwitchOrganization();
  const close = () => {
    setPassword('');
    change.reset();
    onClose();
  };
  return (
    <Dialog title="Switch organisation" isOpen={isOpen} onClose={close}>
      <Form
        problem={change.error}
        onSubmit={() =>
          change.mutate(
            { username: me.user.username, password, organization: slug },
            { onSuccess: onSwitched },
          )
        }
      >
        <p>
          You are in {me.organization.name}. A login is for one organisation: your password opens the other
          one, and this login ends.
        </p>
        <Select
          label="Organisation"
          options={others.map((other) => ({ value: other.slug, label: other.name }))}
          value={slug}
          onChange={setSlug}
        />
        <TextField
          label="Password"
          type="password"
          value={password}
          onChange={setPassword}
          autoComplete="current-password"
          isRequired
        />
        <div className="form-actions">
          <Button onPress={close}>Stay here</Button>
          <Button type="submit" tone="primary" isPending={change.isPending}>
            Switch
          </Button>
        </div>
      </Form>
    </Dialog>
  );
}
