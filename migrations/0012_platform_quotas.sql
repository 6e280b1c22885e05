-- Who runs the installation sees how much of its quotas a tenant uses, to judge what to give it: counts, and which jobs
-- hold a slot, nothing of what they do.
create policy platform_reads on quota_usage for select to tenure_platform using (true);
grant select on quota_usage to tenure_platform;
create policy platform_counts on jobs for select to tenure_platform using (true);
grant select (tenant_id, lease_owner) on jobs to tenure_platform;
