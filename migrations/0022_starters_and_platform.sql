-- Executions of service accounts, and what an execution may do by what it was started with; people who run the platform.

-- Executions -------------------------------------------------------------------------------------------------------------

-- Who asked: a person, or a service account. The column beside keeps the identifier of either.
alter table executions
    add column requested_by_kind text not null default 'user',
    -- The person who answers for it where a service account asked: whom it acted for, or who made its key. Approvals do not ask
    -- them to approve what is theirs.
    add column answerable uuid,
    -- What the delegated token that it was started with could do then: it does no more. Null for a login or a key, whose
    -- own permissions and scopes are asked before each step.
    add column scope text[];
alter table executions add constraint executions_requested_by_kind_check
    check (requested_by_kind in ('user', 'service_account')) not valid;
alter table executions validate constraint executions_requested_by_kind_check;

alter table approvals
    add column requested_by_kind text not null default 'user',
    add column answerable uuid;
alter table approvals add constraint approvals_requested_by_kind_check
    check (requested_by_kind in ('user', 'service_account')) not valid;
alter table approvals validate constraint approvals_requested_by_kind_check;

-- Before each step that acts the engine asks what its starter may do now: of service accounts and keys it sees what decides
-- that, and nothing else.
create policy engine_reads on service_accounts for select to tenure_engine using (true);
grant select (tenant_id, id, status, roles, permissions) on service_accounts to tenure_engine;
create policy engine_reads on api_keys for select to tenure_engine using (true);
grant select (tenant_id, id, user_id, service_account_id, scopes, expires_at, revoked_at) on api_keys to tenure_engine;

-- The platform ------------------------------------------------------------------------------------------------------------

-- People who decide about organisations as such, their plan, status and quotas, and see nothing of what is in them. Made on the
-- server's machine and nowhere else.
create table platform_admins (
    user_id    uuid        primary key references users on delete cascade,
    created_at timestamptz not null
);
grant select, insert, delete on platform_admins to tenure_auth;

create policy platform_decides on tenants for update to tenure_platform using (true) with check (true);
grant update (plan, status) on tenants to tenure_platform;
