-- Plugins, workflows and their immutable versions.

create table plugins (
    tenant_id      uuid        not null references tenants,
    id             uuid        not null,
    name           text        not null check (name ~ '^[a-z0-9][a-z0-9-]{0,63}/[a-z0-9][a-z0-9-]{0,63}$'),
    kind           text        not null check (kind in ('node')),
    -- Those of the highest version, for lists: SQL does not know the order of semantic versions.
    display_name   text        not null check (length(display_name) <= 200),
    description    text        check (length(description) <= 2000),
    latest_version text        not null,
    created_by     uuid,
    created_at     timestamptz not null,
    updated_at     timestamptz not null,
    deleted_at     timestamptz,
    primary key (tenant_id, id)
);
create unique index plugins_name_key on plugins (tenant_id, name) where deleted_at is null;
call isolate_tenants('plugins');
create policy engine_reads on plugins for select to tenure_engine using (true);
grant select, insert on plugins to tenure_app;
grant update (display_name, description, latest_version, updated_at, deleted_at) on plugins to tenure_app;
grant select on plugins to tenure_engine;

-- What was uploaded never changes; only its status does.
create table plugin_versions (
    tenant_id  uuid        not null,
    plugin_id  uuid        not null,
    version    text        not null check (length(version) <= 64),
    status     text        not null check (status in ('draft', 'active', 'deprecated')),
    manifest   text        not null check (octet_length(manifest) <= 262144),
    source     text        not null check (octet_length(source) <= 1048576),
    -- SHA-256 of manifest and source.
    digest     bytea       not null check (length(digest) = 32),
    -- The stages of its upload, as JSON.
    report     text        not null,
    created_by uuid,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (tenant_id, plugin_id, version),
    foreign key (tenant_id, plugin_id) references plugins (tenant_id, id)
);
create index plugin_versions_by_age on plugin_versions (tenant_id, plugin_id, created_at, version);
call isolate_tenants('plugin_versions');
create policy engine_reads on plugin_versions for select to tenure_engine using (true);
grant select, insert on plugin_versions to tenure_app;
grant update (status, updated_at) on plugin_versions to tenure_app;
grant select on plugin_versions to tenure_engine;

create table workflows (
    tenant_id      uuid        not null references tenants,
    id             uuid        not null,
    name           text        not null check (length(name) between 1 and 128),
    description    text        check (length(description) <= 10000),
    -- Where set, the workflow does not exist for those outside the team.
    team_id        uuid,
    tags           text[]      not null,
    latest_version integer     not null check (latest_version >= 1),
    created_by     uuid,
    created_at     timestamptz not null,
    updated_at     timestamptz not null,
    deleted_at     timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, team_id) references teams (tenant_id, id)
);
create unique index workflows_name_key on workflows (tenant_id, lower(name)) where deleted_at is null;
create index workflows_of_team on workflows (tenant_id, team_id);
call isolate_tenants('workflows');
create policy engine_reads on workflows for select to tenure_engine using (true);
grant select, insert on workflows to tenure_app;
grant update (name, description, team_id, tags, latest_version, updated_at, deleted_at) on workflows to tenure_app;
grant select on workflows to tenure_engine;

-- Nobody is granted update or delete. `definition` is text, not jsonb: the order of its nodes has a meaning.
create table workflow_versions (
    tenant_id   uuid        not null,
    workflow_id uuid        not null,
    version     integer     not null check (version >= 1),
    -- Canonical JSON; `digest` is its SHA-256.
    definition  text        not null,
    digest      bytea       not null check (length(digest) = 32),
    -- As it was sent.
    source      text        not null check (octet_length(source) <= 1048576),
    format      text        not null check (format in ('yaml', 'json')),
    node_count  integer     not null,
    author      uuid,
    message     text        check (length(message) <= 1000),
    created_at  timestamptz not null,
    primary key (tenant_id, workflow_id, version),
    foreign key (tenant_id, workflow_id) references workflows (tenant_id, id)
);
call isolate_tenants('workflow_versions');
create policy engine_reads on workflow_versions for select to tenure_engine using (true);
grant select, insert on workflow_versions to tenure_app;
grant select on workflow_versions to tenure_engine;

-- Which plugins a version names; no key on plugins, because a range names one that may come later.
create table workflow_plugin_uses (
    tenant_id   uuid    not null,
    workflow_id uuid    not null,
    version     integer not null,
    plugin_name text    not null,
    primary key (tenant_id, workflow_id, version, plugin_name),
    foreign key (tenant_id, workflow_id, version) references workflow_versions (tenant_id, workflow_id, version)
);
create index workflow_plugin_uses_of_plugin on workflow_plugin_uses (tenant_id, plugin_name);
call isolate_tenants('workflow_plugin_uses');
grant select, insert on workflow_plugin_uses to tenure_app;
