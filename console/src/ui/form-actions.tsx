import type { ReactNode } from 'react';
import { Button } from './button';

interface FormActionsProps {
  /** The verb on the button that sends the form. */
  children: ReactNode;
  isPending: boolean;
  danger?: boolean;
  onCancel: () => void;
}

/** What ends the form of a dialog: the way out, and the button that sends it. */
export function FormActions({ children, isPending, danger, onCancel }: FormActionsProps) {
  return (
    <div className="form-actions">
      <Button onPress={onCancel}>Cancel</Button>
      <Button type="submit" tone={danger ? 'danger' : 'primary'} isPending={isPending}>
        {children}
      </Button>
    </div>
  );
}
