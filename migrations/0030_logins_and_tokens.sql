-- When a login began: one that was entered from another of the same person goes on with that one's beginning. Of those that are
-- there it is their own.
alter table sessions add column begun_at timestamptz;

-- Delegated tokens that have not run out, so that each can be listed and revoked by itself; with it goes what was cut out of it.
create table delegated_tokens (
    tenant_id          uuid        not null references tenants,
    id                 uuid        not null,
    user_id            uuid        references users on delete cascade,
    service_account_id uuid,
    -- The service account that acts for the person.
    acting_id          uuid,
    scope              text        not null,
    workflow_id        uuid,
    -- The token that it was cut out of, if it was one.
    parent_id          uuid,
    created_at         timestamptz not null,
    expires_at         timestamptz not null,
    revoked_at         timestamptz,
    primary key (tenant_id, id),
    check (num_nonnulls(user_id, service_account_id) = 1)
);
create index delegated_tokens_of_user on delegated_tokens (tenant_id, user_id, id);
create index delegated_tokens_expiring on delegated_tokens (expires_at);
create index delegated_tokens_of_parent on delegated_tokens (tenant_id, parent_id) where parent_id is not null;
call isolate_tenants('delegated_tokens');
create policy auth_keeps on delegated_tokens to tenure_auth using (true) with check (true);
create policy platform_sees_age on delegated_tokens for select to tenure_platform using (true);
create policy platform_sweeps on delegated_tokens for delete to tenure_platform using (true);
grant select, insert, update on delegated_tokens to tenure_auth;
grant select (tenant_id, id, expires_at), delete on delegated_tokens to tenure_platform;

-- Whether the key of a person still works is asked before each step that acts by it.
create policy engine_reads on tenant_security for select to tenure_engine using (true);
grant select on tenant_security to tenure_engine;
