-- Invitations that nobody accepted keep an address for ever no more, and one that has run out holds no role.

-- Upkeep sees when an invitation ended, and nothing of whom it was to.
create policy platform_sees_age on invitations for select to tenure_platform using (true);
create policy platform_sweeps on invitations for delete to tenure_platform using (true);
grant select (tenant_id, id, updated_at, expires_at), delete on invitations to tenure_platform;
create index invitations_expiring on invitations (expires_at);

-- Who sends it again is told that the role is gone.
create or replace function role_has_no_invitations() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    if exists (select from invitations where tenant_id = old.tenant_id and status = 'open' and expires_at > now() and old.name = any (roles)) then
        raise exception using errcode = 'foreign_key_violation', constraint = 'roles_unused',
            message = 'a role that somebody is invited with is deleted';
    end if;
    return null;
end
$$;
