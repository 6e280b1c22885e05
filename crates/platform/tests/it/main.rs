//! The platform through its public surface, on a real PostgreSQL.

mod audit;
mod catalogue;
mod identity;
mod matrix;
mod quotas;
mod secrets;
mod teams;
