import { useNavigate } from '@tanstack/react-router';
import { LogOut, Plus, SunMoon } from 'lucide-react';
import {
  Autocomplete,
  Dialog,
  Input,
  Menu,
  MenuItem,
  Modal,
  ModalOverlay,
  SearchField,
  useFilter,
} from 'react-aria-components';
import { useHasLogins, useMay } from '~/api/query';
import { logout } from '~/api/session';
import { toggleTheme } from '~/lib/theme';
import { toastProblem } from '~/ui/toast';
import { useNavigation } from './navigation';

/** Every page and command by name, on Ctrl+K. */
export function CommandPalette({ isOpen, onClose }: { isOpen: boolean; onClose: () => void }) {
  const navigate = useNavigate();
  const hasLogins = useHasLogins();
  const mayCreate = useMay('workflow:create');
  const { contains } = useFilter({ sensitivity: 'base' });
  const pages = useNavigation()
    .flatMap(({ pages }) => pages)
    .map(({ to, label, icon }) => ({
      id: to as string,
      label: `Go to ${label}`,
      icon,
      run: () => void navigate({ to }),
    }));
  const commands = [
    ...pages,
    ...(mayCreate
      ? [
          {
            id: 'new-workflow',
            label: 'New workflow',
            icon: Plus,
            run: () => void navigate({ to: '/workflows/new' }),
          },
        ]
      : []),
    { id: 'theme', label: 'Switch between light and dark', icon: SunMoon, run: toggleTheme },
    ...(hasLogins
      ? [{ id: 'logout', label: 'Log out', icon: LogOut, run: () => void logout().catch(toastProblem) }]
      : []),
  ];
  return (
    <ModalOverlay className="scrim" isOpen={isOpen} onOpenChange={(open) => !open && onClose()} isDismissable>
      <Modal className="modal">
        <Dialog className="palette" aria-label="Search and commands">
          <Autocomplete filter={contains}>
            <SearchField aria-label="Search pages and commands" autoFocus>
              <Input className="palette-input" placeholder="Go to a page, or run a command" />
            </SearchField>
            <Menu
              className="menu palette-menu"
              aria-label="Pages and commands"
              items={commands}
              renderEmptyState={() => <p className="palette-empty muted">Nothing by that name</p>}
              onAction={(key) => {
                onClose();
                commands.find(({ id }) => id === key)?.run();
              }}
            >
              {({ id, label, icon: Glyph }) => (
                <MenuItem id={id} className="menu-item" textValue={label}>
                  <Glyph aria-hidden /> {label}
                </MenuItem>
              )}
            </Menu>
          </Autocomplete>
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}
