-- Whether the login that made a key had proven a second factor. Who stole a password and made a key with it would otherwise keep
-- that key past the second factor that its owner sets up. Keys that stand today are believed where their owner has a factor.
alter table api_keys add column second_factor boolean not null default false;
update api_keys k set second_factor = true
from memberships m where m.tenant_id = k.tenant_id and m.user_id = k.user_id and m.mfa;
grant select (second_factor) on api_keys to tenure_app, tenure_engine;

-- Why a person's key does nothing although it has not ended; null where nothing stands in its way, and for service accounts,
-- which have no factors.
create function key_block(second_factor boolean, owner_has_one boolean, asked_for boolean) returns text
language sql immutable parallel safe
as $$ select case when owner_has_one and not second_factor then 'made_without_second_factor'
                  when asked_for and not owner_has_one then 'owner_without_second_factor' end $$;

-- Who answers for what a service account's key starts: for their own key people answer themselves. `created_by` is history and
-- stays; who answers can change when they leave. The trigger fills it for the version before, too.
alter table api_keys add column answerable uuid;
alter table api_keys add check (answerable is null or service_account_id is not null);
update api_keys set answerable = created_by where service_account_id is not null;
create index api_keys_of_answerable on api_keys (tenant_id, answerable) where answerable is not null;
grant select (answerable), update (answerable) on api_keys to tenure_app;

create function answered_by_its_maker() returns trigger
language plpgsql set search_path = public, pg_temp
as $$
begin
    new.answerable := coalesce(new.answerable, new.created_by);
    return new;
end
$$;
revoke all on function answered_by_its_maker() from public;
create trigger api_keys_answered before insert on api_keys
for each row when (new.service_account_id is not null) execute function answered_by_its_maker();
