import { useNavigate } from '@tanstack/react-router';
import { Building2, ChevronsUpDown, CircleUser, LogOut, Monitor, Moon, Sun } from 'lucide-react';
import { useState } from 'react';
import {
  Button as AriaButton,
  Header,
  Menu,
  MenuItem,
  MenuSection,
  MenuTrigger,
  Popover,
  Separator,
} from 'react-aria-components';
import { useHasLogins, useMe } from '~/api/query';
import { logout } from '~/api/session';
import { othersOf, SwitchOrganization } from '~/features/auth/SwitchOrganization';
import { chooseTheme, type Theme, useChosenTheme } from '~/lib/theme';
import { toastProblem } from '~/ui/toast';

const THEMES = [
  { id: 'system', label: 'System theme', icon: Monitor },
  { id: 'light', label: 'Light theme', icon: Sun },
  { id: 'dark', label: 'Dark theme', icon: Moon },
] as const;

function initials(name: string): string {
  const words = name.split(/\s+/).filter(Boolean);
  return ((words[0]?.[0] ?? '') + (words.length > 1 ? (words.at(-1)?.[0] ?? '') : '')).toUpperCase();
}

/** Who is logged in, where, in which theme; and the way out. */
export function UserMenu() {
  const me = useMe();
  const navigate = useNavigate();
  const theme = useChosenTheme();
  const hasLogins = useHasLogins();
  const [switching, setSwitching] = useState(false);
  if (!me) return null;
  const maySwitch = hasLogins && othersOf(me).length > 0;
  return (
    <>
      <MenuTrigger>
        <AriaButton
          className="user-button"
          aria-label={`Account of ${me.user.full_name}, ${me.organization.name}`}
        >
          <span className="avatar" aria-hidden>
            {initials(me.user.full_name)}
          </span>
          <span className="user-text">
            <span className="truncate">{me.user.full_name}</span>
            <span className="muted small truncate">{me.roles.join(', ')}</span>
          </span>
          <ChevronsUpDown className="icon push" aria-hidden />
        </AriaButton>
        <Popover className="popover" placement="top start">
          <Menu className="menu" aria-label="Account">
            <MenuSection
              selectionMode="single"
              selectedKeys={[theme]}
              onSelectionChange={(keys) => {
                const [chosen] = keys === 'all' ? [] : keys;
                if (chosen) chooseTheme(chosen as Theme);
              }}
            >
              <Header className="menu-heading">
                <strong>{me.user.full_name}</strong>
                <div className="muted small">{me.user.email}</div>
                <div className="muted small">
                  {me.organization.name} · {me.organization.plan} plan
                </div>
              </Header>
              {THEMES.map(({ id, label, icon: Glyph }) => (
                <MenuItem key={id} id={id} className="menu-item" textValue={label}>
                  <Glyph aria-hidden /> {label}
                  {theme === id && <span className="push small muted">chosen</span>}
                </MenuItem>
              ))}
            </MenuSection>
            <Separator className="menu-separator" />
            <MenuItem
              className="menu-item"
              textValue="Profile"
              onAction={() => void navigate({ to: '/profile' })}
            >
              <CircleUser aria-hidden /> Profile
            </MenuItem>
            {maySwitch && (
              <MenuItem
                className="menu-item"
                textValue="Switch organisation"
                onAction={() => setSwitching(true)}
              >
                <Building2 aria-hidden /> Switch organisation
              </MenuItem>
            )}
            {hasLogins && (
              <MenuItem
                className="menu-item"
                textValue="Log out"
                onAction={() => void logout().catch(toastProblem)}
              >
                <LogOut aria-hidden /> Log out
              </MenuItem>
            )}
          </Menu>
        </Popover>
      </MenuTrigger>
      {maySwitch && <SwitchOrganization me={me} isOpen={switching} onClose={() => setSwitching(false)} />}
    </>
  );
}
