-- Pause and retry, attempts that outlive a crash, the plugins an execution keeps, and grants that name real workflows.
-- Everything added here has a default or stands empty, so the previous version goes on working beside it.

-- Pause ------------------------------------------------------------------------------------------------------------------

alter table jobs
    -- Nobody takes it up, and whoever works on it stops after the steps in flight. Its `run_at` is null.
    add column paused boolean not null default false,
    -- The steps in flight, as the node that holds the lease last said, for those who ask another node.
    add column live text;
grant update (paused) on jobs to tenure_app;

-- Retry ------------------------------------------------------------------------------------------------------------------

-- How often somebody had it go on after it had ended without success. The engine writes as many `retried` rows into the
-- journal; what failed before such a row counts no more.
alter table executions add column retries integer not null default 0 check (retries >= 0);
grant update (retries, output) on executions to tenure_app;
alter table execution_journal drop constraint execution_journal_state_check;
alter table execution_journal add constraint execution_journal_state_check
    check (state in ('succeeded', 'failed', 'skipped', 'expanded', 'retried')) not valid;
alter table execution_journal validate constraint execution_journal_state_check;
-- An approval that ran out or was withdrawn is asked for again.
grant update (created_at, expires_at) on approvals to tenure_app;

-- Attempts of steps that failed and are tried again: the count goes on after a crash, and the wait is kept.
create table execution_attempts (
    tenant_id    uuid        not null,
    execution_id uuid        not null,
    step         text        not null,
    -- How many have failed.
    failed       integer     not null check (failed > 0),
    -- Not before.
    next_at      timestamptz not null,
    primary key (tenant_id, execution_id, step)
);
call isolate_tenants('execution_attempts');
create policy engine_works on execution_attempts to tenure_engine using (true) with check (true);
grant select, insert, update, delete on execution_attempts to tenure_engine;

-- Plugins ----------------------------------------------------------------------------------------------------------------

-- Which version each of its references meant when the execution was let in: it keeps them, whatever is activated later.
create table execution_plugins (
    tenant_id    uuid  not null,
    execution_id uuid  not null,
    -- As the definition names it: `acme/classify@^1`.
    reference    text  not null,
    plugin_id    uuid  not null,
    version      text  not null,
    digest       bytea not null check (length(digest) = 32),
    primary key (tenant_id, execution_id, reference),
    foreign key (tenant_id, execution_id) references executions (tenant_id, id),
    foreign key (tenant_id, plugin_id, version) references plugin_versions (tenant_id, plugin_id, version)
);
call isolate_tenants('execution_plugins');
grant select, insert on execution_plugins to tenure_app;

-- Secrets ----------------------------------------------------------------------------------------------------------------

-- What was granted to no workflow lets nobody use anything.
delete from secret_grants g
where not exists (select from workflows w where w.tenant_id = g.tenant_id and w.id = g.workflow_id);
alter table secret_grants add constraint secret_grants_workflow_fkey
    foreign key (tenant_id, workflow_id) references workflows (tenant_id, id) on delete cascade not valid;
alter table secret_grants validate constraint secret_grants_workflow_fkey;
