-- Members are found by how words of their names begin, by an index: each letter that somebody types is no scan of a hundred thousand.
-- What separates words is the same wherever the database comes from: space and the marks of ASCII.
create function words_of(names text) returns text[]
language sql immutable parallel safe
as $$ select array(select distinct word from regexp_split_to_table(lower(names), '[\s!-/:-@\[-`{-~]+') word where word <> '') $$;

-- Whether each of these words begins a word of the names.
create function words_begin(names text, searched text[]) returns boolean
language sql immutable parallel safe
as $$ select not exists (
    select from unnest(searched) one where not exists (select from unnest(words_of(names)) word where starts_with(word, one))) $$;

-- A table, and no index on an expression: what a policy guards asks an index only for what tells nothing of other rows, as
-- comparisons of text do and a search in a document does not. In the order of bytes, in which what begins alike stands together.
create table member_words (
    tenant_id uuid not null,
    word      text not null collate "C",
    user_id   uuid not null,
    primary key (tenant_id, word, user_id),
    foreign key (tenant_id, user_id) references memberships (tenant_id, user_id) on delete cascade
);
create index member_words_of_member on member_words (tenant_id, user_id);
call isolate_tenants('member_words');
grant select on member_words to tenure_app;

create function note_words() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    delete from member_words where tenant_id = new.tenant_id and user_id = new.user_id;
    insert into member_words (tenant_id, word, user_id)
    select new.tenant_id, word, new.user_id from unnest(words_of(new.username || ' ' || new.email || ' ' || new.full_name)) word;
    return null;
end
$$;
revoke all on function note_words() from public;
create trigger memberships_note_words after insert or update of username, email, full_name on memberships
for each row execute function note_words();

insert into member_words (tenant_id, word, user_id)
select m.tenant_id, word, m.user_id
from memberships m cross join unnest(words_of(m.username || ' ' || m.email || ' ' || m.full_name)) word;
