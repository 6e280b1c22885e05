//! Imports of people, roles and API keys from CSV: read, tried or carried out line by line beside the requests, reported, undone.
//! Owns `user_imports` and `user_import_lines`, which hold those of every kind. What is of one kind stands in `people`, `roles` and
//! `keys`.
//!
//! No job of the kernel's queue: a job there holds one of the organisation's slots for executions. An import has a lease of
//! its own; when its node dies another goes on at the first line that is not done, and each line is one transaction.

mod event;
mod file;
mod http;
mod job;
mod keys;
mod line;
mod model;
mod people;
mod report;
mod roles;
mod shared;
mod store;

pub use event::{ImportEvent, KeyImportEvent, RoleImportEvent};
pub use http::routes;
pub use job::Importer;
pub use store::sweep;
