import { Link } from '@tanstack/react-router';
import { Check, Inbox, X } from 'lucide-react';
import { useState } from 'react';
import { Tab, TabList, TabPanel, Tabs } from 'react-aria-components';
import { Problem } from '~/api/problem';
import type { Approval } from '~/api/types';
import { Button } from '~/ui/button';
import { TextField } from '~/ui/form';
import { Page } from '~/ui/page';
import { Report } from '~/ui/report';
import { Empty, Failed, Loading, Notice, ProblemNotice } from '~/ui/states';
import { Time } from '~/ui/time';
import { Json } from '~/ui/value';
import { useApprovals, useDecide } from './api';

export function ApprovalsPage() {
  return (
    <Page
      title="Approvals"
      description="Runs that wait for a person. A decision is bound to exactly what is shown here."
    >
      <Tabs>
        <TabList className="tabs-list" aria-label="Approvals">
          <Tab id="pending" className="tab">
            Waiting for a decision
          </Tab>
          <Tab id="all" className="tab">
            All
          </Tab>
        </TabList>
        <TabPanel id="pending" className="tab-panel">
          <ApprovalList state="pending" />
        </TabPanel>
        <TabPanel id="all" className="tab-panel">
          <ApprovalList state={undefined} />
        </TabPanel>
      </Tabs>
    </Page>
  );
}

function ApprovalList({ state }: { state: 'pending' | undefined }) {
  const { query, items } = useApprovals(state);
  if (items === undefined) {
    if (query.isError)
      return <Failed problem={Problem.of(query.error)} label="approvals" onRetry={() => query.refetch()} />;
    return <Loading label="approvals" />;
  }
  if (items.length === 0) {
    return (
      <Empty icon={Inbox} title={state ? 'Nothing waits for you' : 'No approvals yet'}>
        A workflow with an <code>approval</code> node asks here before it goes on.
      </Empty>
    );
  }
  return (
    <div className="stack">
      {items.map((approval) => (
        <ApprovalCard key={approval.id} approval={approval} />
      ))}
      {query.hasNextPage && (
        <div className="load-more">
          <Button isPending={query.isFetchingNextPage} onPress={() => query.fetchNextPage()}>
            Show more
          </Button>
        </div>
      )}
    </div>
  );
}

const TONE = {
  pending: 'wait',
  approved: 'ok',
  rejected: 'bad',
  expired: 'warn',
  cancelled: 'idle',
} as const;

function ApprovalCard({ approval }: { approval: Approval }) {
  const { approvers } = approval;
  const who = [
    ...approvers.roles.map((role) => `role ${role}`),
    ...approvers.teams.map((team) => `team ${team.name}`),
    ...approvers.users.map((user) => user.name),
  ];
  return (
    <article className="panel approval" aria-label={`${approval.workflow.name}: ${approval.title}`}>
      <header className="panel-header">
        <h2>
          {approval.workflow.name} <span className="muted">· {approval.title}</span>
        </h2>
        <span className={`badge tone-${TONE[approval.state]}`}>{approval.state}</span>
      </header>
      <div className="panel-body stack">
        <p className="small muted">
          Requested by {approval.requested_by.name} <Time iso={approval.created_at} relative />, at step{' '}
          <code>{approval.step}</code> of{' '}
          <Link to="/executions/$executionId" params={{ executionId: approval.execution_id }}>
            this run
          </Link>
          .{' '}
          {approval.expires_at && approval.state === 'pending' && (
            <>
              Expires <Time iso={approval.expires_at} relative />.
            </>
          )}
        </p>
        <Report value={approval.shown} label="What is asked" />
        {approval.decisions.map(({ decision, by, at, comment }) => (
          <p key={`${by.id} ${at}`} className="small">
            <strong>{by.name}</strong> {decision === 'approve' ? 'approved' : 'rejected'}{' '}
            <Time iso={at} relative />
            {comment && <>: “{comment}”</>}
          </p>
        ))}
        {approval.state === 'pending' && (
          <>
            <p className="small muted">
              {approvers.at_least === 1 ? 'One' : approvers.at_least} of:{' '}
              {who.join(', ') || 'anyone who may approve'}
              {approval.not_requester && ', but not who requested it'}.
            </p>
            {approval.can_decide ? (
              <Decide approval={approval} />
            ) : (
              <Notice tone="info" title="You cannot decide this one">
                {approval.refusal && <p>{approval.refusal}</p>}
              </Notice>
            )}
          </>
        )}
        <details className="small">
          <summary className="muted">Exactly what is decided on</summary>
          <div className="stack-tight">
            <p className="muted">
              SHA-256 <code className="digest">{approval.shown_digest}</code>
            </p>
            <Json value={approval.shown} label="What is decided on, as JSON" />
          </div>
        </details>
      </div>
    </article>
  );
}

function Decide({ approval }: { approval: Approval }) {
  const decide = useDecide(approval);
  const [comment, setComment] = useState('');
  const say = (decision: 'approve' | 'reject') => decide.mutate({ decision, comment: comment.trim() });
  const pending = decide.isPending ? decide.variables.decision : undefined;
  return (
    <div className="stack-tight">
      {decide.error && <ProblemNotice problem={decide.error} />}
      <TextField
        label="Comment"
        value={comment}
        onChange={setComment}
        maxLength={2000}
        hint="Optional; kept with the decision."
      />
      <div className="row">
        <Button
          tone="primary"
          isPending={pending === 'approve'}
          isDisabled={decide.isPending}
          onPress={() => say('approve')}
        >
          <Check aria-hidden /> Approve
        </Button>
        <Button isPending={pending === 'reject'} isDisabled={decide.isPending} onPress={() => say('reject')}>
          <X aria-hidden /> Reject
        </Button>
      </div>
    </div>
  );
}
