import { useQuery } from '@tanstack/react-query';
import { Link, Outlet, useLocation, useRouter } from '@tanstack/react-router';
import { Menu as MenuIcon, Search } from 'lucide-react';
import { useEffect, useState } from 'react';
import { Dialog, Modal, ModalOverlay } from 'react-aria-components';
import { meQuery, useMe } from '~/api/query';
import { useSessionState } from '~/api/session';
import { OwnPassword } from '~/features/auth/OwnPassword';
import { StepUpDialog } from '~/features/auth/StepUpDialog';
import { Button } from '~/ui/button';
import { CommandPalette } from './CommandPalette';
import { useFirst } from './first';
import { Mark } from './Mark';
import { useNavigation } from './navigation';
import { UserMenu } from './UserMenu';

/** What surrounds each page of a logged-in person; nothing of them once the session is over. */
export function Shell() {
  const isIn = useSessionState() === 'active';
  useLeaveWhenOver();
  return isIn && <Inside />;
}

function Inside() {
  const [drawer, setDrawer] = useState(false);
  const [palette, setPalette] = useState(false);
  const { pathname } = useLocation();
  const { First, onDone } = useFirst();
  const { data: me } = useQuery(meQuery);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a navigation closes the drawer
  useEffect(() => setDrawer(false), [pathname]);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() === 'k' && (event.ctrlKey || event.metaKey) && !event.altKey) {
        event.preventDefault();
        setPalette(true);
      }
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);

  if (First) return <First onDone={onDone} />;
  if (me?.password_change_required) return <OwnPassword me={me} />;
  return (
    <div className="shell">
      <a className="skip-link" href="#content">
        Skip to content
      </a>
      <header className="topbar">
        <Button tone="quiet" icon aria-label="Open navigation" onPress={() => setDrawer(true)}>
          <MenuIcon aria-hidden />
        </Button>
        <Brand />
        <Button tone="quiet" icon aria-label="Search and commands" onPress={() => setPalette(true)}>
          <Search aria-hidden />
        </Button>
      </header>
      <div className="sidebar">
        <Sidebar onSearch={() => setPalette(true)} />
      </div>
      <ModalOverlay className="drawer-scrim" isOpen={drawer} onOpenChange={setDrawer} isDismissable>
        <Modal className="drawer">
          <Dialog className="drawer-dialog" aria-label="Navigation">
            <Sidebar
              onSearch={() => {
                setDrawer(false);
                setPalette(true);
              }}
            />
          </Dialog>
        </Modal>
      </ModalOverlay>
      <main id="content" className="content" tabIndex={-1}>
        <Outlet />
      </main>
      <CommandPalette isOpen={palette} onClose={() => setPalette(false)} />
      <StepUpDialog />
    </div>
  );
}

/** Shows the login page, with the way back, once the session has ended here or in another tab. */
function useLeaveWhenOver() {
  const state = useSessionState();
  const router = useRouter();
  useEffect(() => {
    if (state !== 'anonymous') return;
    const { href } = router.state.location;
    void router.navigate({ to: '/login', search: href === '/' ? {} : { return: href } });
  }, [state, router]);
}

function Brand() {
  const me = useMe();
  return (
    <Link to="/" className="brand">
      <Mark />
      <span className="brand-text">
        <span className="brand-name">Tenure</span>
        {me && <span className="brand-tenant truncate">{me.organization.name}</span>}
      </span>
    </Link>
  );
}

function Sidebar({ onSearch }: { onSearch: () => void }) {
  const navigation = useNavigation();
  return (
    <>
      <Brand />
      <Button tone="plain" small onPress={onSearch} aria-keyshortcuts="Control+K Meta+K">
        <Search aria-hidden /> Search <kbd className="push">Ctrl K</kbd>
      </Button>
      <nav className="nav" aria-label="Main">
        {navigation.map(({ group, pages }) => (
          <div key={group ?? ''} className="nav-group">
            {group && <p className="nav-heading">{group}</p>}
            <ul>
              {pages.map(({ to, label, icon: Glyph }) => (
                <li key={to}>
                  <Link to={to} className="nav-link" activeOptions={{ exact: to === '/' }}>
                    <Glyph aria-hidden /> {label}
                  </Link>
                </li>
              ))}
            </ul>
          </div>
        ))}
      </nav>
      <UserMenu />
    </>
  );
}
