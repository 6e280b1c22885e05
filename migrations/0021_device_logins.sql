-- Logins of programs without a browser of their own (RFC 8628): the program asks, and a person who is logged in says yes or no.
-- Both codes are kept as their SHA-256 alone. What was approved is used up with its row.
create table device_logins (
    digest       bytea       primary key check (length(digest) = 32),
    user_code    bytea       not null constraint device_logins_user_code_key unique check (length(user_code) = 32),
    -- What the program calls itself; the person is shown it, and the address, before they decide.
    client       text        not null check (length(client) between 1 and 100),
    address      text,
    user_agent   text,
    state        text        not null default 'pending' check (state in ('pending', 'approved', 'denied')),
    -- The login of whoever decided: its person and organisation are those of the login that begins.
    session_id   uuid        references sessions on delete cascade,
    -- The program asks no more often than this.
    poll_seconds integer     not null check (poll_seconds between 1 and 3600),
    polled_at    timestamptz,
    created_at   timestamptz not null,
    expires_at   timestamptz not null,
    constraint device_logins_decided check ((state = 'pending') = (session_id is null))
);
create index device_logins_of_session on device_logins (session_id);
create index device_logins_age on device_logins (expires_at);
grant select, insert, update, delete on device_logins to tenure_auth;
grant select (digest, expires_at), delete on device_logins to tenure_platform;

-- Logins of the command line are told apart from others.
alter table sessions drop constraint sessions_client_check;
alter table sessions add constraint sessions_client_check check (client in ('api', 'console', 'cli')) not valid;
alter table sessions validate constraint sessions_client_check;
