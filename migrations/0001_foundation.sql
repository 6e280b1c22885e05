-- The foundation: who may touch what, people and tenants, and the event row in its final form.
--
-- Roles are made by `crates/platform/src/database/roles.rs` before the first migration runs:
--   tenure_owner     owns the schema; runs migrations
--   tenure_app       what TenantTx uses: bound by row-level security, no grant on people, credentials, sessions
--   tenure_system    logs in, holds nothing; NOINHERIT member of the narrow roles below
--   tenure_auth      people, credentials, sessions; reads memberships of all tenants
--   tenure_engine    claims and journals executions of all tenants
--   tenure_sealer    seals events of all tenants
--   tenure_platform  tenants as the platform sees them: plan and status, not what is in them

revoke all on schema public from public;
grant usage on schema public to tenure_app, tenure_auth, tenure_engine, tenure_sealer, tenure_platform;

-- The tenant of the running transaction; null outside one, and then nothing is visible.
create function current_tenant() returns uuid
language sql stable parallel safe
as $$ select nullif(current_setting('app.current_tenant_id', true), '')::uuid $$;
grant execute on function current_tenant() to public;

-- Gives a table what every tenant table must have (the catalogue test checks that none lacks it).
create procedure isolate_tenants(tenant_table regclass)
language plpgsql
as $$
begin
    execute format('alter table %s enable row level security', tenant_table);
    execute format('alter table %s force row level security', tenant_table);
    execute format('create policy tenant_isolation on %s using (tenant_id = (select current_tenant())) with check (tenant_id = (select current_tenant()))', tenant_table);
    -- A migration that fills a column would otherwise see no rows.
    execute format('create policy owner_migrates on %s to tenure_owner using (true) with check (true)', tenant_table);
end
$$;
revoke all on procedure isolate_tenants(regclass) from public;

-- Tenants -----------------------------------------------------------------------------------------------------------

create table tenants (
    tenant_id  uuid        primary key,
    slug       text        not null constraint tenants_slug_key unique check (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    name       text        not null check (length(name) between 1 and 100),
    plan       text        not null check (plan in ('free', 'pro', 'enterprise')),
    status     text        not null default 'active' check (status in ('active', 'suspended', 'deleted')),
    created_at timestamptz not null
);
call isolate_tenants('tenants');
create policy auth_reads on tenants for select to tenure_auth using (true);
create policy platform_reads on tenants for select to tenure_platform using (true);
create policy engine_reads on tenants for select to tenure_engine using (true);
grant select on tenants to tenure_app, tenure_auth, tenure_engine, tenure_platform;
grant insert on tenants to tenure_auth;

-- The keys of a tenant, wrapped: never a key in the clear. Wrapping is done outside PostgreSQL.
create table tenant_keys (
    tenant_id  uuid        not null references tenants,
    key_id     uuid        not null,
    purpose    text        not null check (purpose in ('kek', 'data', 'audit', 'checkpoint')),
    wrapped    bytea       not null,
    created_at timestamptz not null,
    retired_at timestamptz,
    primary key (tenant_id, key_id)
);
create unique index tenant_keys_current on tenant_keys (tenant_id, purpose) where retired_at is null;
call isolate_tenants('tenant_keys');
create policy engine_reads on tenant_keys for select to tenure_engine using (true);
create policy sealer_reads on tenant_keys for select to tenure_sealer using (true);
create policy auth_reads on tenant_keys for select to tenure_auth using (true);
create policy platform_reads on tenant_keys for select to tenure_platform using (true);
grant select on tenant_keys to tenure_app, tenure_auth, tenure_engine, tenure_sealer, tenure_platform;
grant insert on tenant_keys to tenure_auth;

-- People (global; only `auth` may touch them) -----------------------------------------------------------------------

create table users (
    id         uuid        primary key,
    username   text        not null check (length(username) between 1 and 64),
    email      text        not null check (length(email) between 3 and 254),
    full_name  text        not null check (length(full_name) <= 200),
    status     text        not null default 'active' check (status in ('active', 'deactivated')),
    created_at timestamptz not null
);
create unique index users_username_key on users (lower(username));
create unique index users_email_key on users (lower(email));

-- One row per factor. A login is a sequence of factors; this release has passwords.
create table credentials (
    user_id    uuid        not null references users on delete cascade,
    kind       text        not null check (kind in ('password')),
    secret     text        not null,
    updated_at timestamptz not null,
    primary key (user_id, kind)
);

-- A person as seen by an outside issuer; filled by single sign-on.
create table identities (
    issuer     text        not null,
    subject    text        not null,
    user_id    uuid        not null references users on delete cascade,
    created_at timestamptz not null,
    primary key (issuer, subject)
);

create table sessions (
    id           uuid        primary key,
    user_id      uuid        not null references users on delete cascade,
    tenant_id    uuid        not null references tenants,
    client       text        not null check (client in ('api', 'console')),
    address      text,
    user_agent   text,
    created_at   timestamptz not null,
    last_seen_at timestamptz not null,
    expires_at   timestamptz not null,
    revoked_at   timestamptz
);
create index sessions_of_user on sessions (user_id);

-- Refresh tokens by their SHA-256. A used one stays until its session ends, so that its reuse is seen.
create table refresh_tokens (
    digest     bytea       primary key,
    session_id uuid        not null references sessions on delete cascade,
    issued_at  timestamptz not null,
    used_at    timestamptz
);
create index refresh_tokens_of_session on refresh_tokens (session_id);

-- Failed logins per account (by digest of what was typed, existing or not) and per address.
create table login_failures (
    subject      text        primary key,
    failures     integer     not null,
    last_at      timestamptz not null,
    locked_until timestamptz not null
);

-- Keys that sign access tokens, private half wrapped; the public ones are served as JWKS.
create table signing_keys (
    id         uuid        primary key,
    public_key bytea       not null,
    wrapped    bytea       not null,
    created_at timestamptz not null,
    retired_at timestamptz
);

grant select, insert, update, delete on users, credentials, identities, sessions, refresh_tokens, login_failures to tenure_auth;
grant select, insert, update on signing_keys to tenure_auth;

-- Members and teams ---------------------------------------------------------------------------------------------------

create table memberships (
    tenant_id   uuid        not null references tenants,
    user_id     uuid        not null,
    username    text        not null,
    email       text        not null,
    full_name   text        not null,
    status      text        not null check (status in ('invited', 'active', 'locked', 'deactivated')),
    roles       text[]      not null,
    permissions text[]      not null default '{}',
    attributes  jsonb       not null default '{}',
    created_at  timestamptz not null,
    updated_at  timestamptz not null,
    primary key (tenant_id, user_id)
);
create index memberships_of_user on memberships (tenant_id, lower(username));
-- The one index that does not begin with the tenant: a login asks for all tenants of a person. Only `auth` can use it.
create index memberships_by_user on memberships (user_id, tenant_id);
call isolate_tenants('memberships');
create policy auth_reads on memberships for select to tenure_auth using (true);
create policy engine_reads on memberships for select to tenure_engine using (true);
grant select, update on memberships to tenure_app;
grant select, insert, update on memberships to tenure_auth;
grant select on memberships to tenure_engine;

create table teams (
    tenant_id   uuid        not null references tenants,
    id          uuid        not null,
    name        text        not null check (length(name) between 1 and 100),
    description text        not null default '' check (length(description) <= 1000),
    created_at  timestamptz not null,
    updated_at  timestamptz not null,
    primary key (tenant_id, id)
);
create unique index teams_name_key on teams (tenant_id, lower(name));
call isolate_tenants('teams');
grant select, insert, update, delete on teams to tenure_app;
grant select, insert on teams to tenure_auth;

create table team_members (
    tenant_id uuid        not null references tenants,
    team_id   uuid        not null,
    user_id   uuid        not null,
    added_at  timestamptz not null,
    primary key (tenant_id, team_id, user_id),
    foreign key (tenant_id, team_id) references teams (tenant_id, id) on delete cascade,
    foreign key (tenant_id, user_id) references memberships (tenant_id, user_id) on delete cascade
);
create index team_members_of_user on team_members (tenant_id, user_id);
call isolate_tenants('team_members');
create policy auth_reads on team_members for select to tenure_auth using (true);
create policy engine_reads on team_members for select to tenure_engine using (true);
grant select, insert, delete on team_members to tenure_app;
grant select, insert on team_members to tenure_auth;
grant select on team_members to tenure_engine;

-- Replayed answers ------------------------------------------------------------------------------------------------------

create table idempotency_keys (
    tenant_id   uuid        not null references tenants,
    principal   text        not null,
    route       text        not null,
    key         text        not null check (length(key) between 1 and 255),
    body_digest bytea       not null,
    response    jsonb,
    created_at  timestamptz not null,
    primary key (tenant_id, principal, route, key)
);
create index idempotency_keys_age on idempotency_keys (tenant_id, created_at);
call isolate_tenants('idempotency_keys');
grant select, insert, update, delete on idempotency_keys to tenure_app;

-- Events ------------------------------------------------------------------------------------------------------------------

-- Insert-only: nobody is granted update or delete. Leaf bytes are made from these columns (crates/tlog, `leaf`); a column
-- that is personal holds only a salted digest, the value and its salt stand sealed in `personal`.
-- No foreign key to `tenants`: it would lock that one row in every write of a busy tenant.
create table events (
    tenant_id         uuid        not null,
    id                uuid        not null,
    at                timestamptz not null,
    schema_version    smallint    not null,
    principal         text        not null,
    session_id        uuid,
    key_id            uuid,
    on_behalf_of      text,
    action            text        not null,
    resource_type     text        not null,
    resource_id       text,
    outcome           text        not null check (outcome in ('success', 'failure', 'denied')),
    reason            text,
    request_id        uuid,
    trace_id          text,
    region            text        not null,
    policy_version    text,
    diff              jsonb,
    address_digest    bytea,
    user_agent_digest bytea,
    personal          bytea,
    personal_key_id   uuid,
    hmac              bytea       not null,
    hmac_key_id       uuid        not null,
    primary key (tenant_id, at, id)
) partition by range (at);
create index events_by_resource on events (tenant_id, resource_type, resource_id, at);
create index events_by_principal on events (tenant_id, principal, at);
create index events_by_action on events (tenant_id, action, at);
call isolate_tenants('events');
create policy system_inserts on events for insert to tenure_auth, tenure_engine, tenure_sealer, tenure_platform with check (true);
create policy sealer_reads on events for select to tenure_sealer using (true);
grant select, insert on events to tenure_app;
grant insert on events to tenure_auth, tenure_engine, tenure_platform;
grant select, insert on events to tenure_sealer;

-- What the sealer has not yet taken. Filled by the statement that inserts the event: identifiers are not commit order,
-- so "everything after the last one" would miss rows of slower transactions.
create table unsealed_events (
    tenant_id uuid        not null,
    at        timestamptz not null,
    id        uuid        not null,
    primary key (tenant_id, at, id)
);
call isolate_tenants('unsealed_events');
create policy system_inserts on unsealed_events for insert to tenure_auth, tenure_engine, tenure_sealer, tenure_platform with check (true);
create policy sealer_takes on unsealed_events to tenure_sealer using (true) with check (true);
grant insert on unsealed_events to tenure_app, tenure_auth, tenure_engine, tenure_platform;
grant select, insert, delete on unsealed_events to tenure_sealer;

-- Partitions are made ahead by the owner (at each start) and, while running, by this function: `app` owns nothing.
create function ensure_event_partition(month date) returns void
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    first date := date_trunc('month', month);
    name  text := 'events_' || to_char(first, 'YYYY_MM');
begin
    if to_regclass('public.' || name) is null then
        execute format('create table %I partition of events for values from (%L) to (%L)', name, first::text || ' 00:00:00+00', (first + interval '1 month')::date::text || ' 00:00:00+00');
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
    end if;
end
$$;
revoke all on function ensure_event_partition(date) from public;
grant execute on function ensure_event_partition(date) to tenure_platform;
-- Whatever the clock says, an event finds a place.
create table events_default partition of events default;
alter table events_default enable row level security;
alter table events_default force row level security;

-- The platform's own tenant: events without a tenant, and data imported without one, belong to it.
insert into tenants (tenant_id, slug, name, plan, created_at)
values ('00000000-0000-7000-8000-000000000000', 'system', 'Platform', 'enterprise', now());
