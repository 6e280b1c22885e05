//! The platform through its public surface, on a real PostgreSQL.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test wants the first thing that goes wrong to stop it, and looks at tables past the kernel"
)]

mod asvs;
mod account;
mod api_keys;
mod approvals;
mod audit;
mod bad_input;
mod catalogue;
mod delegation;
mod deleted;
mod device;
mod durability;
mod engine;
mod escapes;
mod executions;
mod first_passwords;
mod foreign;
mod foreign_keys;
mod guesses;
mod guests;
mod by_mail;
mod identity;
mod imports;
mod isolation;
mod invitations;
mod key_claims;
mod key_imports;
mod keys_and_factors;
mod lockout;
mod logins;
mod mail;
mod mailbox;
mod matrix;
mod members;
mod mfa;
mod offboarding;
mod openapi;
mod own_records;
mod password_rules;
mod passwords;
mod people;
mod platform;
mod platform_log;
mod platform_people;
mod plugin_calls;
mod plugins;
mod private;
mod policies;
mod quotas;
mod quotas_held;
mod quotas_more;
mod rate_limits;
mod redis;
mod refusals;
mod requests;
mod revocation;
mod role_imports;
mod roles;
mod secrets;
mod sessions;
mod service_accounts;
mod signing_keys;
mod slots;
mod soft_passkey;
mod step_up;
mod starters;
mod switch;
mod teams;
mod tokens;
mod values;
mod workflows;
