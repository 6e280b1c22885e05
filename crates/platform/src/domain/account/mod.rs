//! What a person may have of everything that is known of them. Owns no table; the end of an account is identity's.

mod export;
mod store;

pub use export::routes;
