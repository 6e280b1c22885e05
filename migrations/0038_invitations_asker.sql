-- With what somebody invited: a key that is revoked meanwhile invites nobody, and one that was cut down gave no more than it held.
-- Null for those that were sent before.
alter table invitations add column actor text, add column held text[];
