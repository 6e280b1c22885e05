-- How many characters an organisation asks of the passwords that its members choose; null is what the installation asks.
alter table tenant_security
    add column password_min_length smallint constraint tenant_security_password_min_length check (password_min_length between 12 and 64);
