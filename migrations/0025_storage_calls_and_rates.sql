-- Quotas on storage and on calls to providers, what was used by the end of each day, and rate limits that can be set.

-- Quotas -----------------------------------------------------------------------------------------------------------------

alter table quota_overrides drop constraint quota_overrides_quota_check;
alter table quota_overrides add constraint quota_overrides_quota_check check (quota in
    ('workflows', 'executions_per_month', 'concurrent_executions', 'storage_bytes', 'provider_calls_per_month')) not valid;
alter table quota_overrides validate constraint quota_overrides_quota_check;
alter table quota_usage drop constraint quota_usage_quota_check;
alter table quota_usage add constraint quota_usage_quota_check check (quota in
    ('workflows', 'executions_per_month', 'concurrent_executions', 'storage_bytes', 'provider_calls_per_month')) not valid;
alter table quota_usage validate constraint quota_usage_quota_check;

-- When the organisation was told that little is left; once a period, and where nothing resets, once until it is well below.
alter table quota_usage add column warned_at timestamptz;
create policy platform_warns on quota_usage for update to tenure_platform using (true) with check (true);
grant update (warned_at) on quota_usage to tenure_platform;

-- How much of a quota's period was used by the end of a day (UTC). Written by the statement that counts.
create table quota_days (
    tenant_id uuid        not null references tenants,
    quota     text        not null,
    day       timestamptz not null,
    used      bigint      not null check (used >= 0),
    primary key (tenant_id, quota, day)
);
call isolate_tenants('quota_days');
create policy engine_counts on quota_days to tenure_engine using (true) with check (true);
create policy platform_sees_age on quota_days for select to tenure_platform using (true);
create policy platform_sweeps on quota_days for delete to tenure_platform using (true);
grant select, insert, update on quota_days to tenure_app, tenure_engine;
grant select (tenant_id, quota, day), delete on quota_days to tenure_platform;

-- Values in the object store, each counted in the transaction that writes its row here.
create table stored_objects (
    tenant_id    uuid        not null references tenants,
    execution_id uuid        not null,
    key          text        not null,
    bytes        bigint      not null check (bytes >= 0),
    stored_at    timestamptz not null,
    primary key (tenant_id, execution_id, key)
);
call isolate_tenants('stored_objects');
create policy engine_counts on stored_objects to tenure_engine using (true) with check (true);
grant select, insert, delete on stored_objects to tenure_app, tenure_engine;

-- A plugin's versions go with it, but for those that an execution keeps. Of a plugin that is there none can go.
create policy goes_with_its_plugin on plugin_versions as restrictive for delete to tenure_app
using (exists (select from plugins p where p.tenant_id = plugin_versions.tenant_id and p.id = plugin_versions.plugin_id and p.deleted_at is not null));
grant delete on plugin_versions to tenure_app;

-- What is held already. Objects were not written down until now, and count from here on.
insert into quota_usage (tenant_id, quota, period_start, used)
select tenant_id, 'storage_bytes', 'epoch', sum(bytes)::bigint from (
    select tenant_id, octet_length(manifest) + octet_length(source) as bytes from plugin_versions
    union all
    select tenant_id, octet_length(value) from secrets) held
group by tenant_id;

-- Rate limits ------------------------------------------------------------------------------------------------------------

-- An organisation's own limits, and above them what the platform lets it have. Null is what the installation says.
create table tenant_rate_limits (
    tenant_id        uuid        not null primary key references tenants,
    per_minute       integer     check (per_minute between 1 and 1000000000),
    per_hour         integer     check (per_hour between 1 and 1000000000),
    per_day          integer     check (per_day between 1 and 1000000000),
    bound_per_minute integer     check (bound_per_minute between 1 and 1000000000),
    bound_per_hour   integer     check (bound_per_hour between 1 and 1000000000),
    bound_per_day    integer     check (bound_per_day between 1 and 1000000000),
    updated_at       timestamptz not null
);
call isolate_tenants('tenant_rate_limits');
create policy auth_reads on tenant_rate_limits for select to tenure_auth using (true);
create policy platform_bounds on tenant_rate_limits to tenure_platform using (true) with check (true);
grant select, insert (tenant_id, per_minute, per_hour, per_day, updated_at), update (per_minute, per_hour, per_day, updated_at)
    on tenant_rate_limits to tenure_app;
grant select on tenant_rate_limits to tenure_auth;
grant select, insert (tenant_id, bound_per_minute, bound_per_hour, bound_per_day, updated_at),
      update (bound_per_minute, bound_per_hour, bound_per_day, updated_at) on tenant_rate_limits to tenure_platform;

create table member_rate_limits (
    tenant_id  uuid        not null,
    user_id    uuid        not null,
    per_minute integer     check (per_minute between 1 and 1000000000),
    per_hour   integer     check (per_hour between 1 and 1000000000),
    per_day    integer     check (per_day between 1 and 1000000000),
    updated_at timestamptz not null,
    primary key (tenant_id, user_id),
    foreign key (tenant_id, user_id) references memberships (tenant_id, user_id) on delete cascade
);
call isolate_tenants('member_rate_limits');
create policy auth_reads on member_rate_limits for select to tenure_auth using (true);
grant select, insert, update, delete on member_rate_limits to tenure_app;
grant select on member_rate_limits to tenure_auth;

alter table api_keys add column rate_per_day integer check (rate_per_day between 1 and 1000000000);
alter table api_keys drop constraint api_keys_rate_per_minute_check;
alter table api_keys add constraint api_keys_rate_per_minute_check check (rate_per_minute between 1 and 1000000000) not valid;
alter table api_keys validate constraint api_keys_rate_per_minute_check;
alter table api_keys drop constraint api_keys_rate_per_hour_check;
alter table api_keys add constraint api_keys_rate_per_hour_check check (rate_per_hour between 1 and 1000000000) not valid;
alter table api_keys validate constraint api_keys_rate_per_hour_check;
grant select (rate_per_day), update (rate_per_day) on api_keys to tenure_app;
