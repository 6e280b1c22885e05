-- The length of the queue is a quota, connections that are nearly used up are told of, and open approvals change hands.

alter table quota_overrides drop constraint quota_overrides_quota_check;
alter table quota_overrides add constraint quota_overrides_quota_check check (quota in
    ('workflows', 'teams', 'executions_per_hour', 'executions_per_month', 'concurrent_executions', 'queued_executions',
     'concurrent_connections', 'storage_bytes', 'provider_calls_per_month')) not valid;
alter table quota_overrides validate constraint quota_overrides_quota_check;

-- Connections are counted by nodes and not here: of them a row remembers nothing but when the organisation was told.
create policy platform_remembers on quota_usage for insert to tenure_platform
with check (quota = 'concurrent_connections' and period_start = 'epoch' and used = 0);
grant insert (tenant_id, quota, period_start, used, warned_at) on quota_usage to tenure_platform;

-- Who takes over from somebody who leaves is named in their place.
grant update (approvers) on approvals to tenure_app;
