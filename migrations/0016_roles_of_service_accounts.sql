-- Service accounts have the organisation's own roles, too, under the same rule as people: nobody has a role that is not there.
create trigger service_accounts_roles_exist after insert or update of roles on service_accounts
for each row execute function roles_of_member_exist();

create or replace function role_has_no_members() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    if exists (select from memberships where tenant_id = old.tenant_id and old.name = any (roles))
       or exists (select from service_accounts where tenant_id = old.tenant_id and old.name = any (roles)) then
        raise exception using errcode = 'foreign_key_violation', constraint = 'roles_unused',
            message = 'a role that somebody has is deleted';
    end if;
    return null;
end
$$;
