//! What is told of delegated tokens and of device logins.

/// A delegated token; it is known by its `jti`.
#[derive(Debug)]
pub enum Delegated {}

tenure_kernel::actions! {
    /// What happens to delegated tokens.
    pub DelegationEvent on Delegated = "delegation" {
        GRANTED = "granted", "Somebody cut a delegated token out of their login, key or delegated token, for themselves or for a service account that acts for them.";
        REVOKED = "revoked", "A delegated token was revoked, by who held it or whose it is, or with the one that it was cut out of.";
    }
}

/// A program that asks to log in; nothing of it is known but what it says of itself.
#[derive(Debug)]
pub enum DeviceLogin {}

tenure_kernel::actions! {
    /// What people decide about programs that want to log in as them.
    pub DeviceLoginEvent on DeviceLogin = "device-login" {
        APPROVED = "approved", "A person let a program log in as them; the login that begins is an event of its own.";
        DENIED = "denied", "A person did not let a program log in as them.";
    }
}
