//! The domains, in dependency order: a domain imports only those above it (a test reads the `use` lines).

pub mod access;
pub mod tenancy;
pub mod rate_limits;
pub mod quotas;
pub mod mail;
pub mod identity;
pub mod roles;
pub mod members;
pub mod service_accounts;
pub mod api_keys;
pub mod oauth;
pub mod teams;
pub mod secrets;
pub mod invitations;
pub mod imports;
pub mod audit;
pub mod plugins;
pub mod workflows;
pub mod policies;
pub mod executions;
pub mod approvals;
pub mod engine;
pub mod platform;
pub mod offboarding;
pub mod account;
