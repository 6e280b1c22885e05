-- The link by which a production instance gets its first platform administrator.

-- There is one at most: whichever node starts last prints it, and what was printed before opens nothing. Kept as its SHA-256 alone.
create table setup_links (
    one        boolean     primary key default true check (one),
    digest     bytea       not null check (length(digest) = 32),
    created_at timestamptz not null,
    expires_at timestamptz not null
);
grant select, insert, update, delete on setup_links to tenure_auth;
