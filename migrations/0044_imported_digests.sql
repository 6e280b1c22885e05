-- Every key of another system that was ever taken over, by its SHA-256, and whose it was: for good. Programs go on to send a key
-- that was given up or revoked, and whoever else knows it must not get them by importing it. Its key does not begin with the
-- tenant: no two keys of the installation are one. Nobody reads or writes it but the triggers below, so that no version and no
-- statement takes a key over past them.
create table imported_digests (
    digest    bytea   primary key check (octet_length(digest) = 32),
    tenant_id uuid    not null references tenants,
    -- Revoked or replaced by another: not even its own organisation takes it over again.
    ended     boolean not null default false
);
call isolate_tenants('imported_digests');

create function keep_imported_digest() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    known imported_digests;
begin
    insert into imported_digests (digest, tenant_id) values (new.digest, new.tenant_id) on conflict (digest) do nothing;
    select * into strict known from imported_digests where digest = new.digest;
    if known.tenant_id <> new.tenant_id
        or exists (select from api_keys where digest = new.digest and tenant_id <> new.tenant_id) then
        raise exception 'the key is another organisation''s'
            using errcode = 'unique_violation', constraint = 'imported_digests_of_another';
    elsif known.ended then
        raise exception 'the key was revoked or replaced'
            using errcode = 'unique_violation', constraint = 'imported_digests_ended';
    end if;
    return new;
end
$$;
revoke all on function keep_imported_digest() from public;
create trigger api_keys_keep_imported before insert on api_keys
for each row when (new.imported) execute function keep_imported_digest();

create function end_imported_digest() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    update imported_digests set ended = true where digest = new.digest and not ended;
    return null;
end
$$;
revoke all on function end_imported_digest() from public;
create trigger api_keys_end_imported after update of revoked_at, retires_at on api_keys
for each row when (new.imported and (new.revoked_at is not null or new.retires_at is not null))
execute function end_imported_digest();

-- The triggers are there, and their table is locked until this is committed: no key comes or ends in between.
insert into imported_digests (digest, tenant_id, ended)
select digest, tenant_id, revoked_at is not null or retires_at is not null from api_keys where imported;
