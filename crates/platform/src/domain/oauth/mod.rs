//! OAuth 2 as its clients know it: the token endpoint (RFC 6749) with token exchange (RFC 8693), and device authorization
//! (RFC 8628). Owns `device_logins`. Which delegated tokens are out the
//! identity domain keeps, which asks it of each that is shown.

mod answer;
mod device;
mod event;
mod exchange;
mod http;
mod revoke;
mod store;

pub use event::{DelegationEvent, DeviceLoginEvent};
pub use http::routes;
pub use store::sweep;
