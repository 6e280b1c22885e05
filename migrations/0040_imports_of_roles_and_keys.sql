-- Roles and API keys of another system come by files as people do: the same tables, whose names stay those of the first kind.
alter table user_imports add column kind text not null default 'users' check (kind in ('users', 'roles', 'api_keys'));
-- Whether the login that handed it in had proven a second factor: what is asked of the keys that it makes.
alter table user_imports add column second_factor boolean not null default false;
-- The node again, from a version that knows this kind. The one before knows people alone, and would read every other line as one:
-- what it claims without writing here it does not get.
alter table user_imports add column taken_by uuid;
alter table user_imports add constraint user_imports_taken_by
    check (kind = 'users' or lease_owner is not distinct from taken_by) not valid;
alter table user_imports validate constraint user_imports_taken_by;
drop index user_imports_by_age;
create index user_imports_by_age on user_imports (tenant_id, kind, created_at, id);
grant select (kind) on user_imports to tenure_app;

-- What a role or a key is called; a person has a user name and an address.
alter table user_import_lines add column name text not null default '';
-- The key that a line made.
alter table user_import_lines add column key_id uuid;
-- When a line made its role: one of the same name that somebody made later is not the import's to take back.
alter table user_import_lines add column made_at timestamptz;
grant select (name, key_id) on user_import_lines to tenure_app;

create policy auth_makes on roles for insert to tenure_auth with check (true);
create policy auth_takes_back on roles for delete to tenure_auth using (true);
grant insert, delete on roles to tenure_auth;
