-- How often an administrator has ended the wait of these failures.
alter table login_failures add column lifts smallint not null default 0;

-- What upkeep looks for, on every node: without these it reads the tables whole to find nothing.
create index refresh_tokens_used on refresh_tokens (used_at) where used_at is not null;
create index sessions_expiring on sessions (expires_at);
create index sessions_revoked on sessions (revoked_at) where revoked_at is not null;
create index auth_challenges_expiring on auth_challenges (expires_at);
create index trusted_devices_expiring on trusted_devices (expires_at);
-- And what warnings of quotas look at: the periods that are on.
create index quota_usage_of_period on quota_usage (period_start, quota);

-- What goes with a session is found by it.
create index auth_challenges_of_session on auth_challenges (session_id) where session_id is not null;

-- Who answers for a key that rotated itself, while those whose place it took are there to tell.
update api_keys k set created_by = (
    with recursive line (created_by, rotated_from, length) as (
        select k.created_by, k.rotated_from, 1
        union all
        select o.created_by, o.rotated_from, l.length + 1 from line l
        join api_keys o on o.tenant_id = k.tenant_id and o.id = l.rotated_from
        where l.created_by is null and l.length < 1000)
    select created_by from line where created_by is not null limit 1)
where k.created_by is null and k.rotated_from is not null;
