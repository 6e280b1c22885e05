-- Quotas on teams, on executions of an hour, and on connections that stay open.

alter table quota_overrides drop constraint quota_overrides_quota_check;
alter table quota_overrides add constraint quota_overrides_quota_check check (quota in
    ('workflows', 'teams', 'executions_per_hour', 'executions_per_month', 'concurrent_executions', 'concurrent_connections',
     'storage_bytes', 'provider_calls_per_month')) not valid;
alter table quota_overrides validate constraint quota_overrides_quota_check;
alter table quota_usage drop constraint quota_usage_quota_check;
alter table quota_usage add constraint quota_usage_quota_check check (quota in
    ('workflows', 'teams', 'executions_per_hour', 'executions_per_month', 'concurrent_executions', 'concurrent_connections',
     'storage_bytes', 'provider_calls_per_month')) not valid;
alter table quota_usage validate constraint quota_usage_quota_check;

-- An organisation begins with a team, which counts.
create policy auth_begins on quota_usage for insert to tenure_auth with check (quota = 'teams' and used = 1);
create policy auth_begins on quota_days for insert to tenure_auth with check (quota = 'teams' and used = 1);
grant insert (tenant_id, quota, period_start, used) on quota_usage to tenure_auth;
grant insert (tenant_id, quota, day, used) on quota_days to tenure_auth;
insert into quota_usage (tenant_id, quota, period_start, used)
select tenant_id, 'teams', 'epoch', count(*) from teams group by tenant_id;

-- An hour that is over is of no use, nor is a month some time after; what has no period goes on.
create policy platform_sweeps on quota_usage for delete to tenure_platform using (period_start <> 'epoch');
grant delete on quota_usage to tenure_platform;

-- How many streams and waiting calls each node holds, by what it wrote down last.
create table open_connections (
    tenant_id uuid        not null references tenants,
    node      uuid        not null,
    open      integer     not null check (open >= 0),
    seen_at   timestamptz not null,
    primary key (tenant_id, node)
);
call isolate_tenants('open_connections');
create policy engine_reads on open_connections for select to tenure_engine using (true);
create policy platform_writes on open_connections to tenure_platform using (true) with check (true);
grant select on open_connections to tenure_app, tenure_engine;
grant select, insert, update, delete on open_connections to tenure_platform;
