-- When an organisation was last resumed: nothing that was kept long enough meanwhile is deleted right after.

alter table tenants add column resumed_at timestamptz;
grant update (resumed_at) on tenants to tenure_platform;
