-- API keys that another system made. They do not say which row is theirs, as ours do: they are found by their digest.
alter table api_keys add column imported boolean not null default false;
grant select (imported) on api_keys to tenure_app;
-- Does not begin with the tenant: a request that brings a key does not say whose it is. No two keys of the installation are one.
create unique index api_keys_by_digest on api_keys (digest);

-- Who imports keys makes these, and who undoes an import removes them; no others.
create policy auth_imports on api_keys for insert to tenure_auth with check (imported);
create policy auth_takes_back on api_keys for delete to tenure_auth using (imported);
grant insert, delete on api_keys to tenure_auth;
