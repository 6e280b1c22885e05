//! The platform through its public surface, on a real PostgreSQL.

mod audit;
mod catalogue;
mod engine;
mod guests;
mod identity;
mod matrix;
mod plugins;
mod quotas;
mod secrets;
mod teams;
mod workflows;
