-- Administration of people: when they were last here, lists of a hundred thousand of them, and what they own.

-- When they were last here -------------------------------------------------------------------------------------------

-- Per organisation: what somebody does elsewhere is none of its business. Kept by triggers, since `app` sees no sessions
-- and `auth` is not to think of it at each place that begins one.
alter table memberships
    add column last_login_at  timestamptz,
    add column last_active_at timestamptz;
update memberships m set last_login_at = s.login, last_active_at = s.seen
from (select tenant_id, user_id, max(created_at) as login, max(last_seen_at) as seen from sessions group by 1, 2) s
where m.tenant_id = s.tenant_id and m.user_id = s.user_id;

create function note_login() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    update memberships set last_login_at = new.created_at, last_active_at = greatest(last_active_at, new.created_at)
    where tenant_id = new.tenant_id and user_id = new.user_id;
    return null;
end
$$;
revoke all on function note_login() from public;
create trigger sessions_note_login after insert on sessions
for each row execute function note_login();

-- Does not wait: whoever holds the membership may be about to end the session that is being refreshed. What is missed
-- now the next refresh or use notes.
create function note_activity(tenant uuid, person uuid, seen timestamptz) returns void
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    perform from memberships
    where tenant_id = tenant and user_id = person and (last_active_at is null or last_active_at < seen)
    for no key update skip locked;
    if found then
        update memberships set last_active_at = seen where tenant_id = tenant and user_id = person;
    end if;
end
$$;
revoke all on function note_activity(uuid, uuid, timestamptz) from public;

create function note_activity_of_session() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    perform note_activity(new.tenant_id, new.user_id, new.last_seen_at);
    return null;
end
$$;
revoke all on function note_activity_of_session() from public;
create trigger sessions_note_activity after update of last_seen_at on sessions
for each row execute function note_activity_of_session();

create function note_activity_of_key() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    perform note_activity(new.tenant_id, new.user_id, new.last_used_at);
    return null;
end
$$;
revoke all on function note_activity_of_key() from public;
create trigger api_keys_note_activity after update of last_used_at on api_keys
for each row when (new.user_id is not null) execute function note_activity_of_key();

-- Lists --------------------------------------------------------------------------------------------------------------

-- Each ends with the identifier, so that a page begins where the one before ended, in whichever order.
create index memberships_by_name on memberships (tenant_id, lower(username), user_id);
create index memberships_by_age on memberships (tenant_id, created_at, user_id);
create index memberships_by_login on memberships (tenant_id, coalesce(last_login_at, '-infinity'), user_id);
drop index memberships_of_user;
-- Who is still there when an administrator goes: asked at each change of a member.
create index memberships_admins on memberships (tenant_id, user_id) where status = 'active' and 'admin' = any (roles);

-- What they own ------------------------------------------------------------------------------------------------------

-- `created_by` is history and stays; who looks after a thing can change. The trigger fills it for the version before, too.
alter table workflows add column owner_id uuid;
update workflows set owner_id = created_by;
alter table plugins add column owner_id uuid;
update plugins set owner_id = created_by;
create index workflows_of_owner on workflows (tenant_id, owner_id) where deleted_at is null;
create index plugins_of_owner on plugins (tenant_id, owner_id) where deleted_at is null;
grant update (owner_id) on workflows to tenure_app;
grant update (owner_id) on plugins to tenure_app;

create function owned_by_its_maker() returns trigger
language plpgsql set search_path = public, pg_temp
as $$
begin
    new.owner_id := coalesce(new.owner_id, new.created_by);
    return new;
end
$$;
revoke all on function owned_by_its_maker() from public;
create trigger workflows_owned before insert on workflows for each row execute function owned_by_its_maker();
create trigger plugins_owned before insert on plugins for each row execute function owned_by_its_maker();
