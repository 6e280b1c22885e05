-- Secrets and plugins that are private to a team, as workflows are, and API keys that go some time after their end.

-- Private to a team ------------------------------------------------------------------------------------------------------

alter table secrets add column team_id uuid,
    add constraint secrets_team_fkey foreign key (tenant_id, team_id) references teams (tenant_id, id);
create index secrets_of_team on secrets (tenant_id, team_id);
alter table plugins add column team_id uuid,
    add constraint plugins_team_fkey foreign key (tenant_id, team_id) references teams (tenant_id, id);
create index plugins_of_team on plugins (tenant_id, team_id);
grant update (team_id) on plugins to tenure_app;

-- Who sees what is private to a team: those who are in it. The one place where this is said.
create function in_reach(team uuid, own_teams uuid[]) returns boolean
language sql immutable parallel safe
as $$ select team is null or team = any (own_teams) $$;

-- Which workflow may use what is private to a team: those that are private to the same. Whoever may run or change another
-- one would otherwise reach what they do not see.
create function may_use(team uuid, team_of_workflow uuid) returns boolean
language sql immutable parallel safe
as $$ select team is null or team is not distinct from team_of_workflow $$;

-- API keys ---------------------------------------------------------------------------------------------------------------

-- Upkeep sees when a key ended, and nothing of what it may do.
create policy platform_sees_age on api_keys for select to tenure_platform using (true);
create policy platform_sweeps on api_keys for delete to tenure_platform using (true);
grant select (tenant_id, id, expires_at, retires_at, revoked_at), delete on api_keys to tenure_platform;
-- The key that took its place stays, and forgets whose place it took.
alter table api_keys drop constraint api_keys_tenant_id_rotated_from_fkey;
alter table api_keys add constraint api_keys_rotated_from_fkey
    foreign key (tenant_id, rotated_from) references api_keys (tenant_id, id) on delete set null (rotated_from);
