-- Executions that are over can be deleted, by people and once they were kept long enough, and give back what they hold.

-- Whoever deletes: only what is over, and what hangs on it only because of that. The engine does it for all tenants.
create policy only_what_is_over on executions as restrictive for delete to tenure_app, tenure_engine using (finished_at is not null);
grant delete on executions to tenure_app, tenure_engine;
create policy goes_with_its_execution on execution_journal as restrictive for delete to tenure_app, tenure_engine
using (exists (select from executions e where e.tenant_id = execution_journal.tenant_id and e.id = execution_journal.execution_id
                                          and e.finished_at is not null));
grant delete on execution_journal to tenure_app, tenure_engine;
create policy goes_with_its_execution on approvals as restrictive for delete to tenure_app, tenure_engine
using (exists (select from executions e where e.tenant_id = approvals.tenant_id and e.id = approvals.execution_id and e.finished_at is not null));
grant delete on approvals to tenure_app, tenure_engine;
create policy engine_removes on approval_decisions for delete to tenure_engine using (true);
create policy goes_with_its_execution on approval_decisions as restrictive for delete to tenure_app, tenure_engine
using (exists (select from approvals a join executions e on e.tenant_id = a.tenant_id and e.id = a.execution_id
               where a.tenant_id = approval_decisions.tenant_id and a.id = approval_decisions.approval_id and e.finished_at is not null));
grant delete on approval_decisions to tenure_app, tenure_engine;
create policy engine_works on execution_plugins to tenure_engine using (true) with check (false);
create policy goes_with_its_execution on execution_plugins as restrictive for delete to tenure_app, tenure_engine
using (exists (select from executions e where e.tenant_id = execution_plugins.tenant_id and e.id = execution_plugins.execution_id
                                          and e.finished_at is not null));
grant delete on execution_plugins to tenure_app;
grant select, delete on execution_plugins to tenure_engine;

-- The last execution that keeps a version of a deleted plugin takes it with it. To lock a row takes the right to update it, which
-- the policy then lets nobody do.
alter policy goes_with_its_plugin on plugin_versions to tenure_app, tenure_engine;
create policy engine_removes on plugin_versions for delete to tenure_engine using (true);
grant delete on plugin_versions to tenure_engine;
create policy engine_locks on plugins for update to tenure_engine using (true) with check (false);
grant update (deleted_at) on plugins to tenure_engine;
-- Which executions keep a version is asked each time one lets go of it.
create index execution_plugins_of_version on execution_plugins (tenant_id, plugin_id, version);

-- How long an organisation keeps executions that are over, where that is less than the installation says; null is as that says.
create table execution_retention (
    tenant_id  uuid        not null primary key references tenants,
    keep_days  integer     check (keep_days between 1 and 36500),
    updated_at timestamptz not null
);
call isolate_tenants('execution_retention');
create policy engine_reads on execution_retention for select to tenure_engine using (true);
grant select, insert, update on execution_retention to tenure_app;
grant select on execution_retention to tenure_engine;
