import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from '@tanstack/react-router';
import { meQuery, queryClient } from '~/api/query';
import { start } from '~/api/session';
import type { AuditFilter } from '~/features/audit/api';
import type { ExecutionFilterName } from '~/features/executions/ExecutionsPage';
import { parseFilter } from '~/features/members/filter';
import type { OrganizationFilter } from '~/features/platform/api';
import type { PeopleFilter } from '~/features/platform/people';
import { Crashed, NotFound, Starting } from './fallbacks';
import { Shell } from './Shell';

/** A path of this console and nothing else, so that a crafted link cannot send a person elsewhere. */
export function safeReturn(value: unknown): string | undefined {
  if (typeof value !== 'string' || !value.startsWith('/') || /^\/[/\\]/.test(value)) return undefined;
  return value;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function oneOf<T extends string>(known: readonly T[], value: unknown): T | undefined {
  return known.find((one) => one === value);
}

const root = createRootRoute({ component: Outlet, notFoundComponent: NotFound, errorComponent: Crashed });

const visitor = createRoute({
  getParentRoute: () => root,
  id: 'visitor',
  validateSearch: (search): { return?: string | undefined } => ({ return: safeReturn(search.return) }),
  beforeLoad: async ({ search }) => {
    if ((await start()) === 'active') throw redirect({ href: search.return ?? '/' });
  },
});
const login = createRoute({
  getParentRoute: () => visitor,
  path: '/login',
  component: lazyRouteComponent(() => import('~/features/auth/LoginPage'), 'LoginPage'),
});
const register = createRoute({
  getParentRoute: () => visitor,
  path: '/register',
  component: lazyRouteComponent(() => import('~/features/auth/RegisterPage'), 'RegisterPage'),
});

/** Pages that a link in a message opens, whether or not anybody is logged in; and the outbox, where such links are found. */
const link = createRoute({
  getParentRoute: () => root,
  id: 'link',
  beforeLoad: async () => {
    await start();
  },
});
const asks = () => import('~/features/mail/AskForLinkPage');
const confirms = () => import('~/features/mail/ConfirmLinkPage');
const ofLink = { getParentRoute: () => link };
const links = [
  createRoute({
    ...ofLink,
    path: '/forgot-password',
    component: lazyRouteComponent(asks, 'ForgotPasswordPage'),
  }),
  createRoute({ ...ofLink, path: '/locked-out', component: lazyRouteComponent(asks, 'LockedOutPage') }),
  createRoute({
    ...ofLink,
    path: '/reset-password',
    component: lazyRouteComponent(() => import('~/features/mail/ResetPasswordPage'), 'ResetPasswordPage'),
  }),
  createRoute({
    ...ofLink,
    path: '/verify-email',
    component: lazyRouteComponent(confirms, 'VerifyEmailPage'),
  }),
  createRoute({
    ...ofLink,
    path: '/change-email',
    component: lazyRouteComponent(confirms, 'ChangeEmailPage'),
  }),
  createRoute({ ...ofLink, path: '/unlock', component: lazyRouteComponent(confirms, 'UnlockPage') }),
  createRoute({
    ...ofLink,
    path: '/accept-invitation',
    component: lazyRouteComponent(
      () => import('~/features/invitations/AcceptInvitationPage'),
      'AcceptInvitationPage',
    ),
  }),
  createRoute({
    ...ofLink,
    path: '/setup',
    component: lazyRouteComponent(() => import('~/features/setup/SetupPage'), 'SetupPage'),
  }),
  createRoute({
    ...ofLink,
    path: '/outbox',
    component: lazyRouteComponent(() => import('~/features/mail/OutboxPage'), 'OutboxPage'),
  }),
] as const;

const shell = createRoute({
  getParentRoute: () => root,
  id: 'shell',
  component: Shell,
  beforeLoad: async ({ location }) => {
    if ((await start()) !== 'active') {
      throw redirect({ to: '/login', search: location.href === '/' ? {} : { return: location.href } });
    }
    void queryClient.prefetchQuery(meQuery);
  },
});
const home = createRoute({
  getParentRoute: () => shell,
  path: '/',
  component: lazyRouteComponent(() => import('~/features/home/HomePage'), 'HomePage'),
});
/** A page inside the shell, loaded when first visited. */
const page = {
  teams: lazyRouteComponent(() => import('~/features/teams/TeamsPage'), 'TeamsPage'),
  roles: lazyRouteComponent(() => import('~/features/roles/RolesPage'), 'RolesPage'),
  members: lazyRouteComponent(() => import('~/features/members/MembersPage'), 'MembersPage'),
  workflows: lazyRouteComponent(() => import('~/features/workflows/WorkflowsPage'), 'WorkflowsPage'),
  newWorkflow: lazyRouteComponent(() => import('~/features/workflows/NewWorkflowPage'), 'NewWorkflowPage'),
  workflow: lazyRouteComponent(() => import('~/features/workflows/WorkflowPage'), 'WorkflowPage'),
  run: lazyRouteComponent(() => import('~/features/workflows/run-form/RunPage'), 'RunPage'),
  executions: lazyRouteComponent(() => import('~/features/executions/ExecutionsPage'), 'ExecutionsPage'),
  execution: lazyRouteComponent(() => import('~/features/executions/ExecutionPage'), 'ExecutionPage'),
  approvals: lazyRouteComponent(() => import('~/features/approvals/ApprovalsPage'), 'ApprovalsPage'),
  plugins: lazyRouteComponent(() => import('~/features/plugins/PluginsPage'), 'PluginsPage'),
  plugin: lazyRouteComponent(() => import('~/features/plugins/PluginPage'), 'PluginPage'),
  secrets: lazyRouteComponent(() => import('~/features/secrets/SecretsPage'), 'SecretsPage'),
  apiKeys: lazyRouteComponent(() => import('~/features/api-keys/ApiKeysPage'), 'ApiKeysPage'),
  serviceAccounts: lazyRouteComponent(
    () => import('~/features/service-accounts/ServiceAccountsPage'),
    'ServiceAccountsPage',
  ),
  usage: lazyRouteComponent(() => import('~/features/usage/UsagePage'), 'UsagePage'),
  device: lazyRouteComponent(() => import('~/features/device/DevicePage'), 'DevicePage'),
  profile: lazyRouteComponent(() => import('~/features/profile/ProfilePage'), 'ProfilePage'),
  organizations: lazyRouteComponent(
    () => import('~/features/platform/OrganizationsPage'),
    'OrganizationsPage',
  ),
  organization: lazyRouteComponent(() => import('~/features/platform/OrganizationPage'), 'OrganizationPage'),
  people: lazyRouteComponent(() => import('~/features/platform/PeoplePage'), 'PeoplePage'),
  platformLog: lazyRouteComponent(() => import('~/features/platform/LogPage'), 'LogPage'),
  audit: lazyRouteComponent(() => import('~/features/audit/AuditPage'), 'AuditPage'),
};
const getParentRoute = () => shell;
const teams = createRoute({ getParentRoute, path: '/teams', component: page.teams });
const roles = createRoute({ getParentRoute, path: '/roles', component: page.roles });
const members = createRoute({
  getParentRoute,
  path: '/members',
  component: page.members,
  validateSearch: parseFilter,
});
const workflows = createRoute({ getParentRoute, path: '/workflows', component: page.workflows });
const newWorkflow = createRoute({ getParentRoute, path: '/workflows/new', component: page.newWorkflow });
const workflow = createRoute({ getParentRoute, path: '/workflows/$workflowId', component: page.workflow });
const run = createRoute({ getParentRoute, path: '/workflows/$workflowId/run', component: page.run });
const executions = createRoute({
  getParentRoute,
  path: '/executions',
  component: page.executions,
  validateSearch: (search): { workflow?: string | undefined; show?: ExecutionFilterName | undefined } => ({
    workflow: text(search.workflow),
    show: oneOf(['all', 'active', 'succeeded', 'failed', 'cancelled'] as const, search.show),
  }),
});
const execution = createRoute({
  getParentRoute,
  path: '/executions/$executionId',
  component: page.execution,
});
const approvals = createRoute({ getParentRoute, path: '/approvals', component: page.approvals });
const plugins = createRoute({ getParentRoute, path: '/plugins', component: page.plugins });
const plugin = createRoute({ getParentRoute, path: '/plugins/$pluginId', component: page.plugin });
const secrets = createRoute({ getParentRoute, path: '/secrets', component: page.secrets });
const apiKeys = createRoute({ getParentRoute, path: '/api-keys', component: page.apiKeys });
const serviceAccounts = createRoute({
  getParentRoute,
  path: '/service-accounts',
  component: page.serviceAccounts,
});
const usage = createRoute({ getParentRoute, path: '/usage', component: page.usage });
const profile = createRoute({ getParentRoute, path: '/profile', component: page.profile });
const device = createRoute({
  getParentRoute,
  path: '/device',
  component: page.device,
  validateSearch: (search): { code?: string | undefined } => ({ code: text(search.code) }),
});
const auditFilter = (search: Record<string, unknown>): AuditFilter => ({
  action: text(search.action),
  outcome: oneOf(['success', 'failure', 'denied'] as const, search.outcome),
  actor: text(search.actor),
  resource: text(search.resource),
  from: text(search.from),
  to: text(search.to),
});
const audit = createRoute({
  getParentRoute,
  path: '/audit',
  component: page.audit,
  validateSearch: auditFilter,
});

const organizations = createRoute({
  getParentRoute,
  path: '/platform/organizations',
  component: page.organizations,
  validateSearch: (search): OrganizationFilter => ({
    search: text(search.search)?.slice(0, 100),
    status: oneOf(['active', 'suspended'] as const, search.status),
  }),
});
const organization = createRoute({
  getParentRoute,
  path: '/platform/organizations/$organizationId',
  component: page.organization,
});
const people = createRoute({
  getParentRoute,
  path: '/platform/people',
  component: page.people,
  validateSearch: (search): PeopleFilter => ({
    search: text(search.search)?.slice(0, 254),
    suspended: search.suspended === true ? true : undefined,
  }),
});

const platformLog = createRoute({
  getParentRoute,
  path: '/platform/log',
  component: page.platformLog,
  validateSearch: auditFilter,
});

export const routeTree = root.addChildren([
  visitor.addChildren([login, register]),
  link.addChildren(links),
  shell.addChildren([
    home,
    teams,
    members,
    roles,
    workflows,
    newWorkflow,
    workflow,
    run,
    executions,
    execution,
    approvals,
    plugins,
    plugin,
    secrets,
    apiKeys,
    serviceAccounts,
    usage,
    profile,
    device,
    audit,
    organizations,
    organization,
    people,
    platformLog,
  ]),
]);

export const router = createRouter({
  routeTree,
  defaultPreload: 'intent',
  defaultPendingComponent: Starting,
  scrollRestoration: true,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
