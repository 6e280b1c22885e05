-- Executions: what was asked for and how it stands, the queue, the journal, approvals, decisions.

create table executions (
    tenant_id    uuid        not null references tenants,
    id           uuid        not null,
    workflow_id  uuid        not null,
    version      integer     not null,
    state        text        not null check (state in ('queued', 'running', 'waiting', 'paused', 'succeeded', 'failed', 'cancelled', 'timed_out')),
    requested_by uuid        not null,
    -- The actor as it was, as JSON: what runs later is checked against what they may do then.
    actor        text        not null,
    -- `machine::StoredValue` as JSON: inline, or a reference into the object store.
    input        text        not null,
    output       text,
    -- {class, message, step}
    error        text,
    -- How many steps are over, for lists.
    steps_done   integer     not null default 0,
    created_at   timestamptz not null,
    started_at   timestamptz,
    finished_at  timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, workflow_id, version) references workflow_versions (tenant_id, workflow_id, version)
);
create index executions_by_age on executions (tenant_id, created_at, id);
create index executions_of_workflow on executions (tenant_id, workflow_id, created_at);
call isolate_tenants('executions');
create policy engine_works on executions to tenure_engine using (true) with check (true);
grant select, insert on executions to tenure_app;
grant update (state, finished_at, error) on executions to tenure_app;
grant select on executions to tenure_engine;
grant update (state, output, error, steps_done, started_at, finished_at) on executions to tenure_engine;

-- The queue. A row lives as long as its work is not over, so the table stays small; whoever holds the lease works on it.
create table jobs (
    tenant_id        uuid        not null references tenants,
    id               uuid        not null,
    kind             text        not null check (kind in ('execution')),
    priority         smallint    not null default 0,
    -- Not before; null while it waits for a person.
    run_at           timestamptz,
    lease_owner      uuid,
    lease_until      timestamptz,
    -- How often it was begun; more than once after a crash or a wait.
    attempts         integer     not null default 0,
    -- How long it has run so far, without the waits, in milliseconds.
    ran_ms           bigint      not null default 0,
    cancel_requested boolean     not null default false,
    created_at       timestamptz not null,
    primary key (tenant_id, id)
);
create index jobs_ready on jobs (tenant_id, priority desc, run_at, id) where lease_owner is null and run_at is not null;
create index jobs_leased on jobs (tenant_id, lease_until) where lease_owner is not null;
call isolate_tenants('jobs');
create policy engine_works on jobs to tenure_engine using (true) with check (true);
grant select, insert on jobs to tenure_app;
grant update (run_at, cancel_requested) on jobs to tenure_app;
grant select, update, delete on jobs to tenure_engine;

-- The journal: insert-only. `entry` is `machine::Entry` as JSON text; the rest is for people.
create table execution_journal (
    tenant_id    uuid        not null,
    execution_id uuid        not null,
    seq          integer     not null,
    -- As it is named (`node`, `node#2`, `node[17]`); null for what is no step's end.
    step         text,
    node_type    text,
    state        text        check (state in ('succeeded', 'failed', 'skipped', 'expanded')),
    attempts     integer     not null default 1,
    started_at   timestamptz not null,
    finished_at  timestamptz not null,
    entry        text        not null,
    -- [{level, message}]
    logs         text,
    -- What the step used: {fuel, cpu_ms, peak_memory}.
    usage        text,
    primary key (tenant_id, execution_id, seq)
);
create index execution_journal_steps on execution_journal (tenant_id, execution_id, step);
call isolate_tenants('execution_journal');
create policy engine_works on execution_journal to tenure_engine using (true) with check (true);
grant select on execution_journal to tenure_app;
grant select, insert on execution_journal to tenure_engine;

-- When a step's wait is over; written before the wait begins, so that a restart does not begin it anew.
create table execution_timers (
    tenant_id    uuid        not null,
    execution_id uuid        not null,
    step         text        not null,
    wake_at      timestamptz not null,
    primary key (tenant_id, execution_id, step)
);
call isolate_tenants('execution_timers');
create policy engine_works on execution_timers to tenure_engine using (true) with check (true);
grant select, insert, delete on execution_timers to tenure_engine;

-- Approvals ----------------------------------------------------------------------------------------------------------------

create table approvals (
    tenant_id    uuid        not null references tenants,
    id           uuid        not null,
    execution_id uuid        not null,
    step         text        not null,
    workflow_id  uuid        not null,
    requested_by uuid        not null,
    state        text        not null check (state in ('pending', 'approved', 'rejected', 'expired', 'cancelled')),
    -- What the approver is shown, as JSON, and its SHA-256: the decision is bound to it.
    shown        text        not null,
    shown_digest bytea       not null check (length(shown_digest) = 32),
    -- {roles, teams, users, at_least, not_requester}
    approvers    jsonb       not null,
    expires_at   timestamptz,
    created_at   timestamptz not null,
    decided_at   timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, execution_id) references executions (tenant_id, id)
);
create unique index approvals_of_step on approvals (tenant_id, execution_id, step);
create index approvals_by_state on approvals (tenant_id, state, created_at, id);
call isolate_tenants('approvals');
create policy engine_works on approvals to tenure_engine using (true) with check (true);
grant select on approvals to tenure_app;
grant update (state, decided_at) on approvals to tenure_app;
grant select, insert on approvals to tenure_engine;
grant update (state, decided_at) on approvals to tenure_engine;

create table approval_decisions (
    tenant_id   uuid        not null,
    approval_id uuid        not null,
    user_id     uuid        not null,
    decision    text        not null check (decision in ('approve', 'reject')),
    comment     text        check (length(comment) <= 2000),
    decided_at  timestamptz not null,
    primary key (tenant_id, approval_id, user_id),
    foreign key (tenant_id, approval_id) references approvals (tenant_id, id)
);
call isolate_tenants('approval_decisions');
create policy engine_reads on approval_decisions for select to tenure_engine using (true);
grant select, insert on approval_decisions to tenure_app;
grant select on approval_decisions to tenure_engine;

-- Decisions ----------------------------------------------------------------------------------------------------------------

-- What the policy was asked and said; `input` can be replayed under another policy.
create table decisions (
    tenant_id      uuid        not null,
    id             uuid        not null,
    at             timestamptz not null,
    point          text        not null,
    input          jsonb       not null,
    allowed        boolean     not null,
    reasons        text[]      not null,
    policy_version text        not null,
    primary key (tenant_id, at, id)
);
call isolate_tenants('decisions');
create policy engine_writes on decisions for insert to tenure_engine with check (true);
grant select, insert on decisions to tenure_app;
grant insert on decisions to tenure_engine;
