import { useState } from 'react';
import type { Me } from '~/api/types';
import { Button } from '~/ui/button';
import { Dialog } from '~/ui/dialog';
import { Form, Select } from '~/ui/form';
import { ProblemNotice } from '~/ui/states';
import { useDeclineInvitation, useSwitchOrganization } from './api';

/** The other organisations that the person can go to, and whether they are only asked to be a member there. */
export function othersOf(me: Me) {
  const others = me.organizations.filter(({ id }) => id !== me.organization.id);
  return [
    ...others.map((one) => ({ ...one, isInvitation: false })),
    ...me.invitations.map((one) => ({ ...one, isInvitation: true })),
  ];
}

interface SwitchOrganizationProps {
  me: Me;
  isOpen: boolean;
  onClose: () => void;
  /** Begins anew: nothing of the organisation before may stay in memory. */
  onSwitched?: () => void;
}

/** A login is for one organisation, so going to another one begins a login there. */
export function SwitchOrganization({
  me,
  isOpen,
  onClose,
  onSwitched = () => location.assign('/'),
}: SwitchOrganizationProps) {
  const others = othersOf(me);
  const [slug, setSlug] = useState<string>();
  const change = useSwitchOrganization();
  const decline = useDeclineInvitation();
  const chosen = others.find((other) => other.slug === slug) ?? others[0];
  const close = () => {
    change.reset();
    decline.reset();
    onClose();
  };
  if (!chosen) return null;
  return (
    <Dialog title="Switch organisation" isOpen={isOpen} onClose={close}>
      <Form
        problem={change.error}
        onSubmit={() =>
          change.mutate({ organization: chosen.slug, accept: chosen.isInvitation }, { onSuccess: onSwitched })
        }
      >
        {decline.error && <ProblemNotice problem={decline.error} />}
        <p>You are in {me.organization.name}. A login is for one organisation: this one ends.</p>
        <Select
          label="Organisation"
          options={others.map((other) => ({
            value: other.slug,
            label: other.isInvitation ? `${other.name} (asks you to be a member)` : other.name,
          }))}
          value={chosen.slug}
          onChange={setSlug}
        />
        {chosen.isInvitation && (
          <p className="muted small">
            {chosen.name} asks you to be a member. If you join, its administrators see your name and address
            and say what you may do there.
          </p>
        )}
        <div className="form-actions">
          {chosen.isInvitation && (
            <Button tone="danger" isPending={decline.isPending} onPress={() => decline.mutate(chosen.id)}>
              Decline
            </Button>
          )}
          <Button onPress={close}>Stay here</Button>
          <Button type="submit" tone="primary" isPending={change.isPending}>
            {chosen.isInvitation ? 'Join and switch' : 'Switch'}
          </Button>
        </div>
      </Form>
    </Dialog>
  );
}
