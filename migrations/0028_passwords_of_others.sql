-- A password that somebody else chose for a person: it opens nothing but its own change. Those that are there stay as they are.
alter table credentials add column must_change boolean not null default false;
