-- The history of a person's logins is read from the events that tell of them, which say on whose behalf they were tried.
-- Few events name somebody there, so the index is small; it is led by the tenant like every other.
create index events_by_beneficiary on events (tenant_id, on_behalf_of, at, id) where on_behalf_of is not null;
