import { Link } from '@tanstack/react-router';
import {
  ArrowRight,
  CircleCheck,
  Inbox,
  KeyRound,
  Play,
  Puzzle,
  ScrollText,
  UserRound,
  Workflow,
} from 'lucide-react';
import type { ReactNode } from 'react';
import { Problem } from '~/api/problem';
import { permits, useMe } from '~/api/query';
import { useApprovals } from '~/features/approvals/api';
import { useExecutions } from '~/features/executions/api';
import { VerifyBanner } from '~/features/mail/VerifyBanner';
import { useMembers } from '~/features/members/api';
import { useQuotas } from '~/features/usage/api';
import { NearlyUsed } from '~/features/usage/NearlyUsed';
import { useWorkflows } from '~/features/workflows/api';
import { ButtonLink } from '~/ui/button';
import { Page, Panel } from '~/ui/page';
import { StateBadge } from '~/ui/state-badge';
import { Failed, Loading } from '~/ui/states';
import { Table } from '~/ui/table';
import { Time } from '~/ui/time';
import './home.css';

/** What to do next, and what is going on. */
export function HomePage() {
  const me = useMe();
  const first = me?.user.full_name.split(' ')[0];
  return (
    <Page
      title={first ? `Good ${partOfDay()}, ${first}` : 'Home'}
      description={me && `You are in ${me.organization.name}.`}
    >
      <VerifyBanner />
      {me && permits(me.permissions, 'tenant:read') && <Scarce />}
      <NextSteps />
      {me && permits(me.permissions, 'execution:read') && <Recent />}
    </Page>
  );
}

/** Of which quota little is left. */
function Scarce() {
  return <NearlyUsed quotas={useQuotas().data?.items ?? []} />;
}

function partOfDay(): string {
  const hour = new Date().getHours();
  if (hour < 5 || hour >= 18) return 'evening';
  return hour < 12 ? 'morning' : 'afternoon';
}

interface Next {
  icon: typeof Play;
  title: ReactNode;
  why: string;
  link: ReactNode;
  done: boolean;
  urgent?: boolean;
}

/** What is left to set up, most urgent first. What a person may not do is not asked of them. */
function useNextSteps(): Next[] {
  const held = useMe()?.permissions ?? [];
  const may = (permission: string) => permits(held, permission);
  const workflows = useWorkflows('', may('workflow:read')).items;
  const executions = useExecutions({}, may('execution:read')).items;
  const pending = useApprovals('pending', may('approval:read')).items?.filter((one) => one.can_decide);
  const members = useMembers({}, may('user:read')).items;
  const next: Next[] = [];
  if (pending && pending.length > 0) {
    next.push({
      icon: Inbox,
      title:
        pending.length === 1
          ? 'One run waits for your decision'
          : `${pending.length} runs wait for your decision`,
      why: pending[0]?.title ?? '',
      link: (
        <ButtonLink small tone="primary" to="/approvals">
          Decide
        </ButtonLink>
      ),
      done: false,
      urgent: true,
    });
  }
  if (workflows && may('workflow:create')) {
    next.push({
      icon: Workflow,
      title: 'Write a workflow',
      why: 'A YAML file, checked as you type. The starter runs as it is.',
      link: (
        <ButtonLink small to="/workflows/new">
          New workflow
        </ButtonLink>
      ),
      done: workflows.length > 0,
    });
  }
  const workflow = workflows?.[0];
  if (executions && may('workflow:execute')) {
    next.push({
      icon: Play,
      title: 'Run it and watch it finish',
      why: 'Each step is journaled: kill the server in the middle, and it goes on where it was.',
      link: workflow && (
        <ButtonLink small to="/workflows/$workflowId/run" params={{ workflowId: workflow.id }}>
          Run {workflow.name}
        </ButtonLink>
      ),
      done: executions.length > 0,
    });
  }
  if (members && may('user:write')) {
    next.push({
      icon: UserRound,
      title: 'Add the people you work with',
      why: 'An approval needs someone other than who asked for it.',
      link: (
        <ButtonLink small to="/members">
          Members
        </ButtonLink>
      ),
      done: members.length > 1,
    });
  }
  return next;
}

function NextSteps() {
  const steps = useNextSteps();
  const open = steps.filter((step) => !step.done);
  if (open.length === 0) return <Shortcuts />;
  return (
    <Panel title="What to do next" flush>
      <ol className="next">
        {steps.map(({ icon: Glyph, title, why, link, done, urgent }, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a fixed list
          <li key={index} className={`next-step${done ? ' next-done' : ''}${urgent ? ' next-urgent' : ''}`}>
            {done ? (
              <CircleCheck className="next-icon" aria-label="Done" />
            ) : (
              <Glyph className="next-icon" aria-hidden />
            )}
            <div>
              <h3>{title}</h3>
              {!done && <p className="muted small">{why}</p>}
            </div>
            {!done && link}
          </li>
        ))}
      </ol>
    </Panel>
  );
}

const SHORTCUTS = [
  {
    to: '/workflows',
    icon: Workflow,
    label: 'Workflows',
    what: 'Write, change and run',
    needs: 'workflow:read',
  },
  { to: '/plugins', icon: Puzzle, label: 'Plugins', what: 'Your own code, sandboxed', needs: 'plugin:read' },
  {
    to: '/secrets',
    icon: KeyRound,
    label: 'Secrets',
    what: 'Sealed, granted one by one',
    needs: 'secret:read',
  },
  { to: '/audit', icon: ScrollText, label: 'Audit log', what: 'Who did what, provably', needs: 'audit:read' },
] as const;

function Shortcuts() {
  const held = useMe()?.permissions ?? [];
  return (
    <ul className="shortcuts">
      {SHORTCUTS.filter(({ needs }) => permits(held, needs)).map(({ to, icon: Glyph, label, what }) => (
        <li key={to} className="shortcut panel">
          <Glyph aria-hidden />
          <Link to={to} className="row-link">
            {label}
          </Link>
          <span className="muted small">{what}</span>
        </li>
      ))}
    </ul>
  );
}

const MOST_RECENT = 6;

function Recent() {
  return (
    <Panel
      title="Recent executions"
      flush
      actions={
        <Link to="/executions" className="small row">
          All executions <ArrowRight className="icon" aria-hidden />
        </Link>
      }
    >
      <RecentList />
    </Panel>
  );
}

function RecentList() {
  const { query, items } = useExecutions({});
  if (items === undefined) {
    if (query.isError)
      return <Failed problem={Problem.of(query.error)} label="executions" onRetry={() => query.refetch()} />;
    return <Loading label="executions" lines={4} />;
  }
  if (items.length === 0)
    return <p className="panel-body muted">Nothing has run yet. Runs appear here as soon as they start.</p>;
  return (
    <Table
      label="Recent executions"
      rows={items.slice(0, MOST_RECENT)}
      rowKey={(execution) => execution.id}
      columns={[
        {
          header: 'Workflow',
          cell: (execution) => (
            <Link to="/executions/$executionId" params={{ executionId: execution.id }} className="row-link">
              {execution.workflow.name}
            </Link>
          ),
        },
        { header: 'State', fit: true, cell: (execution) => <StateBadge state={execution.state} /> },
        { header: 'By', fit: true, wideOnly: true, cell: (execution) => execution.requested_by.name },
        { header: 'Started', fit: true, cell: (execution) => <Time iso={execution.created_at} relative /> },
      ]}
    />
  );
}
