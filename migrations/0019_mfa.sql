-- Second factors, devices that a person trusts, and what a login has proven.

-- Whether the person has a second factor; kept by the triggers below, so that no way of adding or removing one forgets it.
alter table users add column mfa boolean not null default false;
-- As their organisations see it.
alter table memberships add column mfa boolean not null default false;

-- Codes of RFC 6238. Not asked for until the first code has confirmed that the person holds the secret.
create table totp_factors (
    user_id      uuid        primary key references users on delete cascade,
    -- Sealed under the platform's own key, bound to the row.
    secret       bytea       not null,
    -- The step of the last code that was taken: neither it nor an earlier one is taken again.
    last_step    bigint      not null default 0,
    created_at   timestamptz not null,
    confirmed_at timestamptz
);

-- SHA-256 of what is random: a slow hash would buy nothing.
create table recovery_codes (
    user_id uuid  not null references users on delete cascade,
    digest  bytea not null check (length(digest) = 32),
    used_at timestamptz,
    primary key (user_id, digest)
);

create table passkeys (
    id            uuid        primary key,
    user_id       uuid        not null references users on delete cascade,
    credential_id bytea       not null constraint passkeys_credential_key unique,
    -- Public key, counter and flags, as the library keeps them.
    credential    jsonb       not null,
    name          text        not null check (length(name) between 1 and 100),
    created_at    timestamptz not null,
    last_used_at  timestamptz
);
create index passkeys_of_user on passkeys (user_id);

-- Devices on which a second factor was proven, and is not asked for again for a while.
create table trusted_devices (
    id           uuid        primary key,
    user_id      uuid        not null references users on delete cascade,
    digest       bytea       not null unique check (length(digest) = 32),
    address      text,
    user_agent   text,
    created_at   timestamptz not null,
    last_used_at timestamptz not null,
    expires_at   timestamptz not null
);
create index trusted_devices_of_user on trusted_devices (user_id);

-- What was asked and is not answered yet: the second half of a login, or a passkey's challenge. By the SHA-256 of its token.
create table auth_challenges (
    digest     bytea       primary key check (length(digest) = 32),
    purpose    text        not null check (purpose in ('login', 'passkey-login', 'passkey-registration', 'step-up')),
    user_id    uuid        references users on delete cascade,
    session_id uuid        references sessions on delete cascade,
    address    text,
    state      jsonb       not null,
    attempts   smallint    not null default 0,
    expires_at timestamptz not null
);
create index auth_challenges_of_user on auth_challenges (user_id);

-- When a login proved a second factor, and when it last proved the best factor that its person has.
alter table sessions add column mfa_at timestamptz, add column proven_at timestamptz;

-- A password that is long enough only beside a second factor.
alter table credentials add column needs_mfa boolean not null default false;

-- Whose failures these are, where they are somebody's: for who lifts a wait.
alter table login_failures add column user_id uuid references users on delete cascade;
create index login_failures_of_user on login_failures (user_id) where user_id is not null;

create function mfa_of_person() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    whose uuid := coalesce(new.user_id, old.user_id);
begin
    update users u set mfa = exists (select from totp_factors f where f.user_id = whose and f.confirmed_at is not null)
                          or exists (select from passkeys p where p.user_id = whose)
    where u.id = whose;
    return null;
end
$$;
revoke all on function mfa_of_person() from public;
create trigger totp_factors_mfa after insert or delete or update of confirmed_at on totp_factors
for each row execute function mfa_of_person();
create trigger passkeys_mfa after insert or delete on passkeys
for each row execute function mfa_of_person();

create function mfa_of_members() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    update memberships set mfa = new.mfa where user_id = new.id;
    return null;
end
$$;
revoke all on function mfa_of_members() from public;
create trigger users_mfa after update of mfa on users
for each row when (old.mfa is distinct from new.mfa) execute function mfa_of_members();

create function mfa_of_new_member() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    select mfa into new.mfa from users where id = new.user_id;
    new.mfa := coalesce(new.mfa, false);
    return new;
end
$$;
revoke all on function mfa_of_new_member() from public;
create trigger memberships_mfa before insert on memberships
for each row execute function mfa_of_new_member();

grant select, insert, update, delete on totp_factors, recovery_codes, passkeys, trusted_devices, auth_challenges to tenure_auth;
grant select (id, expires_at), delete on trusted_devices to tenure_platform;
grant select (digest, expires_at), delete on auth_challenges to tenure_platform;

-- What an organisation asks of its members' logins; nothing where there is no row.
create table tenant_security (
    tenant_id   uuid        primary key references tenants,
    require_mfa boolean     not null,
    updated_at  timestamptz not null
);
call isolate_tenants('tenant_security');
create policy auth_reads on tenant_security for select to tenure_auth using (true);
grant select, insert, update on tenant_security to tenure_app;
grant select on tenant_security to tenure_auth;
