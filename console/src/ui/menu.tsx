import { Ellipsis } from 'lucide-react';
import type { ReactNode } from 'react';
import { Menu as AriaMenu, MenuItem as AriaMenuItem, MenuTrigger, Popover } from 'react-aria-components';
import { Button } from './button';

interface ItemProps {
  children: ReactNode;
  label: string;
  onAction: () => void;
  danger?: boolean;
  isDisabled?: boolean;
}

export function MenuItem({ children, label, onAction, danger, isDisabled }: ItemProps) {
  return (
    <AriaMenuItem
      className={danger ? 'menu-item menu-item-danger' : 'menu-item'}
      textValue={label}
      onAction={onAction}
      isDisabled={isDisabled}
    >
      {children}
    </AriaMenuItem>
  );
}

/** The "…" of a table row. */
export function RowMenu({ label, children }: { label: string; children: ReactNode }) {
  return (
    <span className="above-row-link">
      <MenuTrigger>
        <Button tone="quiet" small icon aria-label={label}>
          <Ellipsis aria-hidden />
        </Button>
        <Popover className="popover" placement="bottom end">
          <AriaMenu className="menu">{children}</AriaMenu>
        </Popover>
      </MenuTrigger>
    </span>
  );
}
