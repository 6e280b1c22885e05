-- Tenants' secrets, and what tenants may use of the installation.

-- Secrets ----------------------------------------------------------------------------------------------------------------

-- One row per name: a new value overwrites the old one, which is then gone.
create table secrets (
    tenant_id   uuid        not null references tenants,
    id          uuid        not null,
    name        text        not null check (name ~ '^[a-z][a-z0-9_]{0,62}$'),
    description text        not null default '' check (length(description) <= 500),
    version     integer     not null check (version > 0),
    -- Sealed under `key_id`, bound to tenant, table, column and row.
    value       bytea       not null,
    key_id      uuid        not null,
    created_at  timestamptz not null,
    updated_at  timestamptz not null,
    -- The person; null where Tenure itself did it. No foreign key: who has left is still who did it.
    updated_by  uuid,
    primary key (tenant_id, id)
);
create unique index secrets_name_key on secrets (tenant_id, name);
call isolate_tenants('secrets');
grant select, insert, update, delete on secrets to tenure_app;

-- Which workflow may use which secret. The migration that brings `workflows` adds the foreign key
-- (tenant_id, workflow_id) → workflows (tenant_id, id) on delete cascade; until then the identifier stands alone.
create table secret_grants (
    tenant_id   uuid        not null references tenants,
    secret_id   uuid        not null,
    workflow_id uuid        not null,
    granted_at  timestamptz not null,
    primary key (tenant_id, secret_id, workflow_id),
    foreign key (tenant_id, secret_id) references secrets (tenant_id, id) on delete cascade
);
create index secret_grants_of_workflow on secret_grants (tenant_id, workflow_id);
call isolate_tenants('secret_grants');
grant select, insert, delete on secret_grants to tenure_app;

-- Quotas -----------------------------------------------------------------------------------------------------------------

-- Where a tenant's limit is not its plan's. `max` null is unlimited. Set by the platform, read by everybody who counts.
create table quota_overrides (
    tenant_id  uuid        not null references tenants,
    quota      text        not null check (quota in ('workflows', 'executions_per_month', 'concurrent_executions')),
    max        bigint      check (max >= 0),
    updated_at timestamptz not null,
    primary key (tenant_id, quota)
);
call isolate_tenants('quota_overrides');
create policy engine_reads on quota_overrides for select to tenure_engine using (true);
create policy platform_sets on quota_overrides to tenure_platform using (true) with check (true);
grant select on quota_overrides to tenure_app, tenure_engine;
grant select, insert, update, delete on quota_overrides to tenure_platform;

-- What is used, one row per quota and period. What does not reset has the one period that begins at the epoch; a month's
-- row appears with its first use, so nothing has to happen at midnight.
create table quota_usage (
    tenant_id    uuid        not null references tenants,
    quota        text        not null check (quota in ('workflows', 'executions_per_month', 'concurrent_executions')),
    period_start timestamptz not null,
    used         bigint      not null check (used >= 0),
    -- How much the last batch that asked for some got; it is there to be returned by that statement.
    granted      bigint      not null default 0,
    primary key (tenant_id, quota, period_start)
);
call isolate_tenants('quota_usage');
create policy engine_counts on quota_usage to tenure_engine using (true) with check (true);
grant select, insert, update on quota_usage to tenure_app, tenure_engine;
