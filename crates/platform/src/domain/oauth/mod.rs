//! OAuth 2 as its clients know it: the token endpoint (RFC 6749) with token exchange (RFC 8693), and device authorization
//! (RFC 8628). Owns `device_logins`. A delegated token is worth what it was cut out of, and so nothing of it is stored.

mod answer;
mod device;
mod event;
mod exchange;
mod http;
mod store;

pub use event::{DelegationEvent, DeviceLoginEvent};
pub use http::routes;
pub use store::sweep;
