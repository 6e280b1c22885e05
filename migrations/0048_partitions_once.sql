-- Of two nodes that make the same month at once the second waits for the lock, and must look again behind it: the first has made it.
create or replace function ensure_event_partition(month date) returns void
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    first date := date_trunc('month', month);
    name  text := 'events_' || to_char(first, 'YYYY_MM');
    since timestamptz := (first::text || ' 00:00:00+00')::timestamptz;
    until timestamptz := ((first + interval '1 month')::date::text || ' 00:00:00+00')::timestamptz;
begin
    if to_regclass('public.' || name) is not null then
        return;
    end if;
    -- Nobody may add to the month while it moves.
    lock table events_default in share row exclusive mode;
    if to_regclass('public.' || name) is not null then
        return;
    end if;
    execute format('create table %I (like events including all)', name);
    execute format('with late as (delete from events_default where at >= %L and at < %L returning *) insert into %I select * from late', since, until, name);
    execute format('alter table events attach partition %I for values from (%L) to (%L)', name, since, until);
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
end
$$;
