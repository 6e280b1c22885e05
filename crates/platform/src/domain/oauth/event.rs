//! What is told of delegated tokens.

/// A delegated token; it is known by its `jti`.
#[derive(Debug)]
pub enum Delegated {}

tenure_kernel::actions! {
    /// What happens to delegated tokens.
    pub DelegationEvent on Delegated = "delegation" {
        GRANTED = "granted", "Somebody cut a delegated token out of their login, key or delegated token, for themselves or for a service account that acts for them.";
    }
}
