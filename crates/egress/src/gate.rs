//! What a caller is asked before each hop: may the call go there?

use std::future::Future;
use std::pin::Pin;

use crate::error::EgressError;

/// Where a call is about to go, on its first hop and after every redirect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destination<'a> {
    /// The host that the connection is for, with every secret in place: in lower case, without the root's dot, an IPv6
    /// address without brackets, an IPv4-mapped one as IPv4.
    pub host: &'a str,
    /// Whether a whole secret stands in the host, so that it must not be written anywhere. A secret that holds the host
    /// and more, such as a whole URL, does not count: its host alone does not give it away.
    pub is_secret: bool,
}

/// Why a gate keeps a call from going on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GateRefusal {
    /// It may not go there; the reason, as the caller's tenant may read it.
    Denied(String),
    /// The caller has made as many calls as it may; the reason, as its tenant may read it.
    Exhausted(String),
    /// Nobody could say whether it may, so it may not.
    Undecided(String),
}

impl From<GateRefusal> for EgressError {
    fn from(refusal: GateRefusal) -> Self {
        match refusal {
            GateRefusal::Denied(reason) => Self::Denied { reason },
            GateRefusal::Exhausted(reason) => Self::Exhausted { reason },
            GateRefusal::Undecided(reason) => Self::Undecided { reason },
        }
    }
}

/// What a gate answers with.
pub type GateFuture<'a> = Pin<Box<dyn Future<Output = Result<(), GateRefusal>> + Send + 'a>>;

/// Decides for each hop whether the call may go there. The addresses behind the host are checked beside it, by the
/// client, whatever the gate says.
pub trait Gate: Send + Sync {
    /// # Errors
    /// [`GateRefusal`] ends the call; nothing was sent to the destination.
    fn admit<'a>(&'a self, to: Destination<'a>) -> GateFuture<'a>;
}

/// Lets every call through: for whoever has nothing to ask beyond the client's own checks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Anywhere;

impl Gate for Anywhere {
    fn admit<'a>(&'a self, _: Destination<'a>) -> GateFuture<'a> {
        Box::pin(std::future::ready(Ok(())))
    }
}
