-- Who declined to be a member, and whom an administrator put out before they agreed, were one status. Only the former may be
-- invited again. Null for those who stand there so already: an administrator asks them again by making them `invited`.
alter table memberships add column declined_at timestamptz;

-- Whatever asks somebody again forgets that they declined: from then on it is the administrator who says how it stands.
create function forget_decline() returns trigger
language plpgsql set search_path = public, pg_temp
as $$
begin
    if new.status <> 'deactivated' then
        new.declined_at := null;
    end if;
    return new;
end
$$;
revoke all on function forget_decline() from public;
create trigger memberships_forget_decline before update of status on memberships
for each row execute function forget_decline();
