-- Imports of people, and the end of a person's account.

-- Imports ------------------------------------------------------------------------------------------------------------

create table user_imports (
    tenant_id       uuid        not null references tenants,
    id              uuid        not null,
    dry_run         boolean     not null,
    state           text        not null check (state in ('waiting', 'running', 'finished', 'stopped', 'undoing', 'undone')),
    total           integer     not null,
    done            integer     not null default 0,
    added           integer     not null default 0,
    refused         integer     not null default 0,
    undone          integer     not null default 0,
    kept            integer     not null default 0,
    stopped_because text,
    cancelled       boolean     not null default false,
    created_by      uuid,
    -- Who asked last (for the import or its undoing), as JSON, and what they held then: their part in it goes no further than
    -- what they hold when a line's turn comes.
    actor           text        not null,
    held            text[]      not null,
    -- The node that is at it, and until when it is believed to be.
    lease_owner     uuid,
    lease_until     timestamptz,
    -- Those that waited longest come first.
    turn_at         timestamptz not null,
    created_at      timestamptz not null,
    finished_at     timestamptz,
    primary key (tenant_id, id)
);
-- One at a time in each organisation; also how those are found that have work left.
create unique index user_imports_one_at_a_time on user_imports (tenant_id) where state in ('waiting', 'running', 'undoing');
create index user_imports_by_age on user_imports (tenant_id, created_at, id);
call isolate_tenants('user_imports');
create policy auth_works on user_imports to tenure_auth using (true) with check (true);
grant select (tenant_id, id, dry_run, state, total, done, added, refused, undone, kept, stopped_because, created_by, created_at, finished_at)
    on user_imports to tenure_app;
grant insert on user_imports to tenure_app;
grant update (state, cancelled, actor, held, turn_at, finished_at) on user_imports to tenure_app;
grant select, update, delete on user_imports to tenure_auth;

create table user_import_lines (
    tenant_id   uuid    not null,
    import_id   uuid    not null,
    line        integer not null,
    id          uuid    not null,
    state       text    not null check (state in ('waiting', 'planned', 'added', 'refused', 'skipped', 'undone', 'kept')),
    username    text    not null,
    email       text    not null,
    user_id     uuid,
    -- Whether the person was not known before. Not for the organisation to read.
    made_person boolean not null default false,
    errors      jsonb   not null default '[]',
    -- The cells as JSON, sealed: there is a password among them. Null once the line is over.
    input       bytea,
    primary key (tenant_id, import_id, line),
    foreign key (tenant_id, import_id) references user_imports (tenant_id, id) on delete cascade
);
create index user_import_lines_by_state on user_import_lines (tenant_id, import_id, state, line);
create index user_import_lines_of_user on user_import_lines (tenant_id, user_id);
call isolate_tenants('user_import_lines');
create policy auth_works on user_import_lines to tenure_auth using (true) with check (true);
grant select (tenant_id, import_id, line, state, username, email, user_id, errors) on user_import_lines to tenure_app;
grant insert on user_import_lines to tenure_app;
grant select, update, delete on user_import_lines to tenure_auth;

-- An import that is undone takes back memberships that nobody agreed to.
grant delete on memberships to tenure_auth;

-- Erasure --------------------------------------------------------------------------------------------------------------

-- Whoever deletes their account leaves every team, and their keys end.
grant delete on team_members to tenure_auth;
grant update (revoked_at, updated_at) on api_keys to tenure_auth;
