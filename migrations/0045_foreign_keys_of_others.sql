-- How many lines of an import brought a key that is another organisation's: after a few it stops.
alter table user_imports add column of_others integer not null default 0;
