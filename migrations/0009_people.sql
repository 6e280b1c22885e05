-- People: consent, the end of logins, and the upkeep of what has run out.

-- Who an administrator created becomes a member by logging in for the first time: until then the membership is as pending
-- as that of a person who was known before, and nobody can tell the two apart. Null for who registered.
alter table users add column created_in uuid references tenants;

-- Since when the person has agreed to be a member; null until then, whatever an administrator does.
alter table memberships add column accepted_at timestamptz;
update memberships set accepted_at = created_at where status <> 'invited';
alter table memberships add constraint memberships_consent check (accepted_at is not null or status in ('invited', 'deactivated'));

-- Logins end with the membership that they are for, in the transaction that ends it. `app` may change memberships and must
-- not touch sessions; nobody may call the function but through the trigger.
create function end_logins_of_member() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    update sessions set revoked_at = new.updated_at
    where user_id = new.user_id and tenant_id = new.tenant_id and revoked_at is null;
    return null;
end
$$;
revoke all on function end_logins_of_member() from public;
create trigger memberships_end_logins after update of status on memberships
for each row when (old.status is distinct from new.status and new.status <> 'active')
execute function end_logins_of_member();

-- Creating people honours `Idempotency-Key`, in the role that may.
grant select, insert, update on idempotency_keys to tenure_auth;

-- Upkeep sees how old a row is and which, and nothing of what is in it.
create policy platform_sees_age on idempotency_keys for select to tenure_platform using (true);
create policy platform_sweeps on idempotency_keys for delete to tenure_platform using (true);
grant select (tenant_id, principal, route, key, created_at), delete on idempotency_keys to tenure_platform;
grant select (id, expires_at, revoked_at), delete on sessions to tenure_platform;
grant select (digest, used_at), delete on refresh_tokens to tenure_platform;
grant select (subject, last_at, locked_until), delete on login_failures to tenure_platform;
