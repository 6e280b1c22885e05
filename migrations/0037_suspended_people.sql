-- The platform suspends people, as it does organisations. The column had a word for it that nothing set.

alter table users drop constraint users_status_check;
update users set status = 'suspended' where status = 'deactivated';
alter table users add constraint users_status_check check (status in ('active', 'suspended'));

-- Before each step that acts the engine asks what its starter may do now: of people it sees whether they are suspended, and
-- nothing else.
grant select (id, status) on users to tenure_engine;

-- Few are, and they are looked for.
create index users_suspended on users (lower(username)) where status = 'suspended';
