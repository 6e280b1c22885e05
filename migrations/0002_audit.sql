-- The audit log: what the sealer makes of events (crates/platform/src/domain/audit).

-- One row per sealed event: its place in the tenant's Merkle tree. Insert-only, as `events`.
create table event_seals (
    tenant_id uuid        not null,
    seq       bigint      not null,
    event_id  uuid        not null,
    event_at  timestamptz not null,
    leaf_hash bytea       not null check (length(leaf_hash) = 32),
    seal_mac  bytea       not null check (length(seal_mac) = 32),
    primary key (tenant_id, seq)
);
-- No event is sealed twice, and its place is found by its id.
create unique index event_seals_of_event on event_seals (tenant_id, event_id);
call isolate_tenants('event_seals');
create policy sealer_reads on event_seals for select to tenure_sealer using (true);
create policy sealer_inserts on event_seals for insert to tenure_sealer with check (true);
grant select on event_seals to tenure_app;
grant select, insert on event_seals to tenure_sealer;

-- Signed tree heads (C2SP tlog-checkpoint). Insert-only.
create table checkpoints (
    tenant_id  uuid        not null,
    size       bigint      not null,
    root       bytea       not null check (length(root) = 32),
    note       text        not null,
    created_at timestamptz not null,
    primary key (tenant_id, size)
);
call isolate_tenants('checkpoints');
create policy sealer_reads on checkpoints for select to tenure_sealer using (true);
create policy sealer_inserts on checkpoints for insert to tenure_sealer with check (true);
grant select on checkpoints to tenure_app;
grant select, insert on checkpoints to tenure_sealer;

-- Where the next seal is appended: the roots of the perfect subtrees, largest first, 32 bytes each. Believed only as far as a signed
-- checkpoint says the same.
create table tree_states (
    tenant_id uuid   primary key,
    size      bigint not null,
    frontier  bytea  not null
);
call isolate_tenants('tree_states');
create policy sealer_reads on tree_states for select to tenure_sealer using (true);
create policy sealer_inserts on tree_states for insert to tenure_sealer with check (true);
create policy sealer_updates on tree_states for update to tenure_sealer using (true) with check (true);
grant select on tree_states to tenure_app;
grant select, insert, update on tree_states to tenure_sealer;

-- A verification must tell what waits for its seal from what was slipped in past it.
grant select on unsealed_events to tenure_app;
-- A queue: all of its rows die young.
alter table unsealed_events set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);

-- `tenure audit verify` goes through all tenants.
create policy sealer_reads on tenants for select to tenure_sealer using (true);
grant select (tenant_id, slug) on tenants to tenure_sealer;
