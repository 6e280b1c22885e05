-- Invitations by mail: who has the link becomes a member with these roles, in these teams.
create table invitations (
    tenant_id   uuid        not null references tenants,
    id          uuid        not null,
    email       text        not null check (length(email) between 3 and 254),
    roles       text[]      not null,
    teams       uuid[]      not null,
    status      text        not null check (status in ('open', 'accepted', 'revoked')),
    invited_by  uuid        not null,
    -- SHA-256 of what the link carries. A message that is sent again carries another.
    digest      bytea       not null check (length(digest) = 32),
    created_at  timestamptz not null,
    updated_at  timestamptz not null,
    sent_at     timestamptz not null,
    expires_at  timestamptz not null,
    accepted_by uuid,
    primary key (tenant_id, id)
);
create unique index invitations_open_key on invitations (tenant_id, lower(email)) where status = 'open';
create index invitations_by_age on invitations (tenant_id, created_at, id);
-- Does not begin with the tenant: a link does not say whose it is. Only `auth` can use it.
create unique index invitations_by_digest on invitations (digest);
call isolate_tenants('invitations');
create policy auth_reads on invitations for select to tenure_auth using (true);
grant select (tenant_id, id, email, roles, teams, status, invited_by, created_at, updated_at, sent_at, expires_at, accepted_by) on invitations to tenure_app;
grant update (status, updated_at) on invitations to tenure_app;
grant select, insert, update on invitations to tenure_auth;

-- As with members: nobody is invited with a role that is not there, and a role that somebody is invited with stays.
create trigger invitations_roles_exist after insert or update of roles on invitations
for each row execute function roles_of_member_exist();

create function role_has_no_invitations() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    if exists (select from invitations where tenant_id = old.tenant_id and status = 'open' and old.name = any (roles)) then
        raise exception using errcode = 'foreign_key_violation', constraint = 'roles_unused',
            message = 'a role that somebody is invited with is deleted';
    end if;
    return null;
end
$$;
revoke all on function role_has_no_invitations() from public;
create trigger roles_not_invited after delete on roles
for each row execute function role_has_no_invitations();

-- Who deletes their account leaves no address behind: an invitation that they accepted forgets it.
create function forget_invited_person() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    update invitations set email = 'deleted@invalid' where accepted_by = old.id;
    return null;
end
$$;
revoke all on function forget_invited_person() from public;
create trigger users_forget_invitations after delete on users
for each row execute function forget_invited_person();
