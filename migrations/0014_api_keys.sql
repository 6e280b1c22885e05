-- Service accounts: members that are no people; API keys act for them.
create table service_accounts (
    tenant_id   uuid        not null references tenants,
    id          uuid        not null,
    name        text        not null check (length(name) between 1 and 100),
    description text        not null check (length(description) <= 1000),
    status      text        not null check (status in ('active', 'deactivated')),
    roles       text[]      not null,
    permissions text[]      not null,
    created_at  timestamptz not null,
    updated_at  timestamptz not null,
    primary key (tenant_id, id)
);
create unique index service_accounts_name_key on service_accounts (tenant_id, lower(name));
call isolate_tenants('service_accounts');
create policy auth_reads on service_accounts for select to tenure_auth using (true);
grant select, insert, delete on service_accounts to tenure_app;
grant update (name, description, status, roles, permissions, updated_at) on service_accounts to tenure_app;
grant select on service_accounts to tenure_auth;

-- API keys: credentials of programs. Only the SHA-256 of a key is stored, and a tenant's transaction cannot even read that.
create table api_keys (
    tenant_id         uuid        not null references tenants,
    id                uuid        not null,
    -- For whom it acts: one of the two.
    user_id            uuid,
    service_account_id uuid,
    name              text        not null check (length(name) between 1 and 100),
    environment       text        not null check (environment in ('dev', 'test', 'prod')),
    digest            bytea       not null check (length(digest) = 32),
    -- What it is cut down to: permissions by name.
    scopes            text[]      not null,
    -- From where it may be used; from anywhere if there are none.
    allowed_cidrs     text[]      not null,
    -- Requests in a minute and in an hour; as the installation says where null.
    rate_per_minute   integer     check (rate_per_minute between 1 and 1000000),
    rate_per_hour     integer     check (rate_per_hour between 1 and 1000000),
    expires_at        timestamptz,
    -- Another key took its place, and it works on until then.
    retires_at        timestamptz,
    revoked_at        timestamptz,
    rotated_from      uuid,
    created_by        uuid,
    created_at        timestamptz not null,
    updated_at        timestamptz not null,
    last_used_at      timestamptz,
    last_used_address text,
    primary key (tenant_id, id),
    constraint api_keys_owner check (num_nonnulls(user_id, service_account_id) = 1),
    foreign key (tenant_id, user_id) references memberships (tenant_id, user_id) on delete cascade,
    foreign key (tenant_id, service_account_id) references service_accounts (tenant_id, id) on delete cascade,
    foreign key (tenant_id, rotated_from) references api_keys (tenant_id, id)
);
create index api_keys_of_user on api_keys (tenant_id, user_id);
create index api_keys_of_service_account on api_keys (tenant_id, service_account_id);
create index api_keys_rotated_from on api_keys (tenant_id, rotated_from);
-- Does not begin with the tenant: a request that brings a key does not say whose it is. Only `auth` can use it.
create unique index api_keys_by_id on api_keys (id);
call isolate_tenants('api_keys');
create policy auth_reads on api_keys for select to tenure_auth using (true);
create policy auth_notes_uses on api_keys for update to tenure_auth using (true) with check (true);
grant select (tenant_id, id, user_id, service_account_id, name, environment, scopes, allowed_cidrs, rate_per_minute, rate_per_hour, expires_at, retires_at, revoked_at,
              rotated_from, created_by, created_at, updated_at, last_used_at, last_used_address) on api_keys to tenure_app;
grant insert on api_keys to tenure_app;
grant update (name, scopes, allowed_cidrs, rate_per_minute, rate_per_hour, retires_at, revoked_at, updated_at) on api_keys to tenure_app;
grant select on api_keys to tenure_auth;
grant update (last_used_at, last_used_address) on api_keys to tenure_auth;
