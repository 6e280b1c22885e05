-- Mail: messages that are delivered after their transaction, and the tokens that they carry.

-- Whether mail to the person's address has reached them: since when that is known; null until then.
alter table users add column email_verified_at timestamptz;

-- A message that waits to be delivered. Address and text are sealed under the platform's keys, because the text carries a
-- token, and erased once it is delivered or given up. No tenant's transaction sees the table.
create table mail_messages (
    id         uuid        primary key,
    kind       text        not null check (length(kind) between 1 and 40),
    -- The identifier of what it is about: a person or an invitation.
    about      text        not null check (length(about) <= 60),
    -- Whose administrators learn that it could not be delivered.
    tenants    uuid[]      not null,
    sealed     bytea,
    -- `discarded`: to nobody. Asked for an address that nobody has, and stored so that both take the same time.
    status     text        not null check (status in ('waiting', 'delivered', 'failed', 'discarded')),
    attempts   integer     not null default 0,
    created_at timestamptz not null,
    -- When it is tried next; while a node delivers it, until when no other takes it.
    next_at    timestamptz not null,
    -- When what it says is of no use any more.
    expires_at timestamptz not null,
    constraint mail_messages_erased check (sealed is null or status = 'waiting')
);
create index mail_messages_due on mail_messages (next_at) where status = 'waiting';
create index mail_messages_expired on mail_messages (expires_at);
grant select, insert, update on mail_messages to tenure_auth;
grant select (id, expires_at), delete on mail_messages to tenure_platform;

-- What an administrator sees of a message that could not be delivered: that it was there, and why.
create table mail_failures (
    tenant_id  uuid        not null references tenants,
    id         uuid        not null,
    kind       text        not null,
    about      text        not null,
    reason     text        not null check (length(reason) <= 300),
    failed_at  timestamptz not null,
    primary key (tenant_id, id)
);
create index mail_failures_age on mail_failures (tenant_id, failed_at, id);
call isolate_tenants('mail_failures');
create policy auth_tells on mail_failures for insert to tenure_auth with check (true);
grant insert on mail_failures to tenure_auth;
grant select on mail_failures to tenure_app;
create policy platform_sees_age on mail_failures for select to tenure_platform using (true);
create policy platform_sweeps on mail_failures for delete to tenure_platform using (true);
grant select (tenant_id, id, failed_at), delete on mail_failures to tenure_platform;

-- Links of messages, by the SHA-256 of what they carry: each for one purpose, one person and one address, and gone when used.
create table mail_tokens (
    digest     bytea       primary key check (length(digest) = 32),
    purpose    text        not null check (purpose in ('verify-email', 'change-email', 'reset-password', 'unlock')),
    -- Null where it was asked for by a name that nobody has: then it opens nothing.
    user_id    uuid        references users on delete cascade,
    email      text        not null check (length(email) <= 254),
    expires_at timestamptz not null
);
create index mail_tokens_of_user on mail_tokens (user_id, purpose);
create index mail_tokens_expired on mail_tokens (expires_at);
grant select, insert, delete on mail_tokens to tenure_auth;
grant select (digest, expires_at), delete on mail_tokens to tenure_platform;

-- How often messages were asked for lately: by person or by what was typed, and by address. Digests, no names.
create table mail_requests (
    subject text        primary key,
    asked   integer     not null,
    since   timestamptz not null
);
grant select, insert, update on mail_requests to tenure_auth;
grant select (subject, since), delete on mail_requests to tenure_platform;
