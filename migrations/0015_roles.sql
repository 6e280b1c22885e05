-- Roles that an organisation makes for itself, beside the system roles. A membership names roles; what a name stands for is
-- looked up when somebody acts, so that a changed role holds for everybody who has it.

create table roles (
    tenant_id   uuid        not null references tenants,
    name        text        not null
        constraint roles_name_form check (name ~ '^[a-z][a-z0-9-]{0,62}$')
        constraint roles_name_free check (name not in ('admin', 'developer', 'operator', 'executor', 'viewer', 'auditor')),
    description text        not null default '' check (length(description) <= 1000),
    -- `workflow:read`, `team:*`, `*`: as they were written, so that a wildcard covers what later releases add.
    permissions text[]      not null,
    created_at  timestamptz not null,
    updated_at  timestamptz not null,
    constraint roles_pkey primary key (tenant_id, name)
);
call isolate_tenants('roles');
create policy auth_reads on roles for select to tenure_auth using (true);
create policy engine_reads on roles for select to tenure_engine using (true);
grant select, insert, update, delete on roles to tenure_app;
grant select on roles to tenure_auth, tenure_engine;

-- Nobody has a role that is not there: else whoever made one of that name later would give it to them. Array elements
-- have no foreign keys, so two triggers do what one would: a reference locks the role, and a role goes when none is left.
create function roles_of_member_exist() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    known text[];
begin
    select array_agg(name) into known from (
        select name from roles where tenant_id = new.tenant_id and name = any (new.roles) order by name for key share) r;
    if not new.roles <@ (coalesce(known, '{}') || array['admin', 'developer', 'operator', 'executor', 'viewer', 'auditor']) then
        raise exception using errcode = 'foreign_key_violation', constraint = 'memberships_roles_exist',
            message = 'a member is given a role that is not there';
    end if;
    return null;
end
$$;
revoke all on function roles_of_member_exist() from public;
create trigger memberships_roles_exist after insert or update of roles on memberships
for each row execute function roles_of_member_exist();

create function role_has_no_members() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    if exists (select from memberships where tenant_id = old.tenant_id and old.name = any (roles)) then
        raise exception using errcode = 'foreign_key_violation', constraint = 'roles_unused',
            message = 'a role that somebody has is deleted';
    end if;
    return null;
end
$$;
revoke all on function role_has_no_members() from public;
create trigger roles_unused after delete on roles
for each row execute function role_has_no_members();
