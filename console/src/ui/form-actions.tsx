import type { ReactNode } from 'react';
import { Button } from './button';

interface FormActionsProps {
  /** The verb on the button that sends the form. */
  children: ReactNode;
  isPending: boolean;
  /** Something that the form needs is not chosen yet. */
  isDisabled?: boolean;
  danger?: boolean;
  onCancel: () => void;
}

/** What ends the form of a dialog: the way out, and the button that sends it. */
export function FormActions({ children, isPending, isDisabled = false, danger, onCancel }: FormActionsProps) {
  return (
    <div className="form-actions">
      <Button onPress={onCancel}>Cancel</Button>
      <Button
        type="submit"
        tone={danger ? 'danger' : 'primary'}
        isPending={isPending}
        isDisabled={isDisabled}
      >
        {children}
      </Button>
    </div>
  );
}
