import type { ReactNode } from 'react';
import { Dialog as AriaDialog, Heading, Modal, ModalOverlay } from 'react-aria-components';
import type { Problem } from '~/api/problem';
import { Button } from './button';
import { ProblemNotice } from './states';

interface DialogProps {
  title: string;
  isOpen: boolean;
  onClose: () => void;
  wide?: boolean;
  /** Asks or warns: a click beside it does not close it. */
  alert?: boolean;
  /** Neither does Escape: what it shows is not shown again. */
  firm?: boolean;
  children: ReactNode;
}

export function Dialog({ title, isOpen, onClose, wide, alert, firm, children }: DialogProps) {
  return (
    <ModalOverlay
      className="scrim"
      isOpen={isOpen}
      onOpenChange={(open) => !open && onClose()}
      isDismissable={!alert && !firm}
      isKeyboardDismissDisabled={firm ?? false}
    >
      <Modal className={wide ? 'modal modal-wide' : 'modal'}>
        <AriaDialog className="dialog" role={alert || firm ? 'alertdialog' : 'dialog'}>
          <Heading slot="title" level={2}>
            {title}
          </Heading>
          {children}
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  );
}

interface ConfirmProps {
  title: string;
  /** The verb on the button: "Delete team", never "OK". */
  action: string;
  /** The safe way out; "Cancel" unless that is what is asked about. */
  dismiss?: string;
  /** Where it is drawn only to be asked, it is open. */
  isOpen?: boolean;
  /** What the answer sets going, if the server does it. */
  change?: { isPending: boolean; error: Problem | null };
  onConfirm: () => void;
  onClose: () => void;
  children: ReactNode;
}

/** Asks before what cannot be undone; the safe answer has the focus. */
export function Confirm({
  title,
  action,
  dismiss = 'Cancel',
  isOpen = true,
  change,
  onConfirm,
  onClose,
  children,
}: ConfirmProps) {
  return (
    <Dialog title={title} isOpen={isOpen} onClose={onClose} alert>
      {children}
      {change?.error && <ProblemNotice problem={change.error} />}
      <div className="form-actions">
        <Button onPress={onClose} autoFocus>
          {dismiss}
        </Button>
        <Button tone="danger" isPending={change?.isPending ?? false} onPress={onConfirm}>
          {action}
        </Button>
      </div>
    </Dialog>
  );
}
