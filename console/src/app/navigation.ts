import {
  Activity,
  Bot,
  Gauge,
  House,
  Inbox,
  KeyRound,
  KeySquare,
  Puzzle,
  ScrollText,
  ShieldCheck,
  UserRound,
  UsersRound,
  Workflow,
} from 'lucide-react';
import { permits, useMe } from '~/api/query';

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
] as const;

/** The pages that the person may see, without groups that would be empty; all of them while that is not known. */
export function useNavigation() {
  const held = useMe()?.permissions;
  const may = (needs: string | undefined) => !needs || !held || permits(held, needs);
  return NAVIGATION.map(({ group, pages }) => ({
    group,
    pages: pages.filter(({ needs }) => may(needs)),
  })).filter(({ pages }) => pages.length > 0);
}
