import {
  Activity,
  Gauge,
  House,
  Inbox,
  KeyRound,
  Puzzle,
  ScrollText,
  UserRound,
  UsersRound,
  Workflow,
} from 'lucide-react';

/** The console's pages, in the order of the sidebar and the command palette. */
export const NAVIGATION = [
  { group: undefined, pages: [{ to: '/', label: 'Home', icon: House }] },
  {
    group: 'Build',
    pages: [
      { to: '/workflows', label: 'Workflows', icon: Workflow },
      { to: '/plugins', label: 'Plugins', icon: Puzzle },
      { to: '/secrets', label: 'Secrets', icon: KeyRound },
    ],
  },
  {
    group: 'Run',
    pages: [
      { to: '/executions', label: 'Executions', icon: Activity },
      { to: '/approvals', label: 'Approvals', icon: Inbox },
    ],
  },
  {
    group: 'Organisation',
    pages: [
      { to: '/members', label: 'Members', icon: UserRound },
      { to: '/teams', label: 'Teams', icon: UsersRound },
      { to: '/usage', label: 'Usage', icon: Gauge },
      { to: '/audit', label: 'Audit log', icon: ScrollText },
    ],
  },
] as const;
