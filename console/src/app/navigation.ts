import {
  Activity,
  Bot,
  Building2,
  Gauge,
  House,
  Inbox,
  KeyRound,
  KeySquare,
  Puzzle,
  ScrollText,
  ShieldCheck,
  UserRound,
  UserRoundSearch,
  UsersRound,
  Workflow,
} from 'lucide-react';
import { permits, useMe } from '~/api/query';
import type { Me } from '~/api/types';

/** The console's pages and the permission that each needs, in the order of the sidebar and the command palette. */
const NAVIGATION = [
  { group: undefined, pages: [{ to: '/', label: 'Home', icon: House, needs: undefined }] },
  {
    group: 'Build',
    pages: [
      { to: '/workflows', label: 'Workflows', icon: Workflow, needs: 'workflow:read' },
      { to: '/plugins', label: 'Plugins', icon: Puzzle, needs: 'plugin:read' },
      { to: '/secrets', label: 'Secrets', icon: KeyRound, needs: 'secret:read' },
    ],
  },
  {
    group: 'Run',
    pages: [
      { to: '/executions', label: 'Executions', icon: Activity, needs: 'execution:read' },
      { to: '/approvals', label: 'Approvals', icon: Inbox, needs: 'approval:read' },
    ],
  },
  {
    group: 'Organisation',
    pages: [
      { to: '/members', label: 'Members', icon: UserRound, needs: 'user:read' },
      { to: '/roles', label: 'Roles', icon: ShieldCheck, needs: 'role:read' },
      { to: '/teams', label: 'Teams', icon: UsersRound, needs: 'team:read' },
      { to: '/service-accounts', label: 'Service accounts', icon: Bot, needs: 'service_account:read' },
      { to: '/api-keys', label: 'API keys', icon: KeySquare, needs: 'api_key:read' },
      { to: '/usage', label: 'Usage', icon: Gauge, needs: 'tenant:read' },
      { to: '/audit', label: 'Audit log', icon: ScrollText, needs: 'audit:read' },
    ],
  },
  {
    group: 'Platform',
    pages: [
      {
        to: '/platform/organizations',
        label: 'Organisations',
        icon: Building2,
        needs: 'platform:organization:read',
      },
      { to: '/platform/people', label: 'People', icon: UserRoundSearch, needs: 'platform:person:read' },
      { to: '/platform/log', label: 'Platform log', icon: ScrollText, needs: 'platform:event:read' },
    ],
  },
] as const;

/**
 * Whether a page is shown to who holds these permissions: every page while they are not known, but for the platform's, which hardly
 * anybody may see.
 */
export function isShown(needs: string | undefined, me: Pick<Me, Held> | undefined): boolean {
  if (!needs) return true;
  if (!me) return !needs.startsWith('platform:');
  return permits(me.permissions, needs) || permits(me.platform_permissions, needs);
}
type Held = 'permissions' | 'platform_permissions';

/** The pages that the person may see, without groups that would be empty. */
export function useNavigation() {
  const me = useMe();
  return NAVIGATION.map(({ group, pages }) => ({
    group,
    pages: pages.filter(({ needs }) => isShown(needs, me)),
  })).filter(({ pages }) => pages.length > 0);
}
