//! The one HTTP client for calls that tenants cause.
//!
//! Whatever a workflow, a plugin or a webhook asks for goes through [`EgressClient::send`], which
//!
//! - **refuses internal addresses** ([`RefusedRange`]): the URL's host is checked in every notation, a name is resolved,
//!   *all* its addresses are checked, and the connection goes to one of the checked addresses and nowhere else, so that
//!   a name cannot change its meaning in between (DNS rebinding). Redirects are followed by hand, each hop checked anew.
//!   Only hosts that the platform's configuration names ([`AllowList`]) are exempt;
//! - **asks** a [`Gate`] of the caller's before each hop, with the host that the connection is for;
//! - **bounds** time, sizes, header counts and redirects ([`EgressLimits`]); dropping the future cancels the call;
//! - **keeps secrets in**: a request holds placeholders ([`Placeholders`]) that are replaced as the last thing before
//!   sending, and an answer that echoes a secret is redacted before it is handed back. Errors never hold one.
//!
//! It speaks HTTP/1.1 alone, uses no proxy, keeps no cookies and sends no `Referer`.
//!
//! The libraries underneath log the hosts they connect to at `debug` and `trace` (targets `reqwest`, `hyper_util`,
//! `rustls`). A secret may be a host, so a subscriber should hold these targets at `info`.

mod address;
mod client;
mod decode;
mod error;
mod gate;
mod placeholders;
mod policy;
mod prepare;
mod redact;
mod redirect;
mod request;
mod resolve;

pub use address::RefusedRange;
pub use client::EgressClient;
pub use error::{EgressError, ErrorClass};
pub use gate::{Anywhere, Destination, Gate, GateFuture, GateRefusal};
pub use placeholders::{MIN_SECRET_BYTES, Placeholders};
pub use policy::{AllowList, EgressLimits, EgressPolicy};
pub use redact::Redactor;
pub use request::{Body, EgressRequest, EgressResponse, Timing};
pub use resolve::{Lookup, SystemLookup};

pub use http::{Method, StatusCode};
pub use ipnet::IpNet;
