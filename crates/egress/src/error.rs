//! What can go wrong with an outbound call, in words that name no internal address and no secret.

use std::time::Duration;

use crate::address::RefusedRange;

/// The class of an [`EgressError`], named as the engine's error classes are (`retry: { on: [...] }`).
///
/// A response with an unwelcome status is no error here: the caller judges it (`http-status`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// No answer in time.
    Timeout,
    /// The name does not resolve, nothing listens, TLS failed, the connection broke.
    Network,
    /// The address, port or redirect is not one a tenant may reach.
    RefusedAddress,
    /// A size or count is over its limit.
    Limit,
    /// Whoever makes the call may not go there.
    Denied,
    /// The caller has made as many calls as it may.
    Quota,
    /// The request itself cannot be sent; it was built by the workflow's expressions.
    InvalidRequest,
    /// The client could not be set up.
    Internal,
}

impl ErrorClass {
    /// The engine's name of this class.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Network => "network",
            Self::RefusedAddress => "refused-address",
            Self::Denied => "denied",
            Self::Quota => "quota",
            Self::Limit => "limit",
            Self::InvalidRequest => "expression",
            Self::Internal => "internal",
        }
    }
}

/// Why a call got no response. `host` is `name[:port]` as the tenant wrote it, with secrets masked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EgressError {
    /// A part of the request cannot be sent as it is.
    #[error("cannot send the request: {0}")]
    InvalidRequest(String),

    /// The URL names an address of a refused range.
    #[error("{host} is in a refused range ({range}): call a public address, or ask the operator to allow this host")]
    RefusedLiteral {
        /// The host as it is shown.
        host: String,
        /// The range it is in.
        range: RefusedRange,
    },

    /// The name resolves, at least in part, to addresses of a refused range.
    #[error("{host} resolves to a refused range ({range}): call a public host, or ask the operator to allow this one")]
    RefusedName {
        /// The host as it is shown.
        host: String,
        /// The range of the first refused address.
        range: RefusedRange,
    },

    /// The port belongs to a protocol that is not HTTP.
    #[error("port {port} is refused: use a port that serves http, or ask the operator to allow this host and port")]
    RefusedPort {
        /// The port.
        port: u16,
    },

    /// The response redirects to where the client will not go.
    #[error("the redirect from {host} was not followed: {reason}")]
    RefusedRedirect {
        /// The host that answered with the redirect.
        host: String,
        /// What is wrong with it and what to do.
        reason: String,
    },

    /// The caller's gate does not let the call go there.
    #[error("{reason}")]
    Denied {
        /// Why, as the gate says.
        reason: String,
    },

    /// The caller's gate counts calls, and none is left.
    #[error("{reason}")]
    Exhausted {
        /// Why, as the gate says.
        reason: String,
    },

    /// The caller's gate could not decide, so the call was not made.
    #[error("the call was not made: {reason}")]
    Undecided {
        /// What kept the gate from deciding.
        reason: String,
    },

    /// No connection within the limit.
    #[error("no connection to {host} within {}: check that it is up and reachable from here", seconds(.after))]
    ConnectTimeout {
        /// The host as it is shown.
        host: String,
        /// The limit that passed.
        after: Duration,
    },

    /// No complete response within the limit.
    #[error("{host} did not answer completely within {}: ask for less, or raise the node's timeout", seconds(.after))]
    Timeout {
        /// The host as it is shown.
        host: String,
        /// The limit that passed.
        after: Duration,
    },

    /// The name, the connection, TLS or the protocol failed.
    #[error("cannot reach {host}: {reason}")]
    Network {
        /// The host as it is shown.
        host: String,
        /// What failed.
        reason: String,
    },

    /// A size or count is over its limit.
    #[error("{what} is over its limit of {limit}")]
    Limit {
        /// What was measured, with its unit after the limit.
        what: &'static str,
        /// The limit, with its unit.
        limit: String,
    },

    /// The client cannot be set up with this policy.
    #[error("cannot set up outbound http: {0}")]
    Setup(String),
}

impl EgressError {
    /// The engine's class of this error.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        match self {
            Self::InvalidRequest(_) => ErrorClass::InvalidRequest,
            Self::RefusedLiteral { .. }
            | Self::RefusedName { .. }
            | Self::RefusedPort { .. }
            | Self::RefusedRedirect { .. } => ErrorClass::RefusedAddress,
            Self::ConnectTimeout { .. } | Self::Timeout { .. } => ErrorClass::Timeout,
            Self::Network { .. } => ErrorClass::Network,
            Self::Limit { .. } => ErrorClass::Limit,
            Self::Denied { .. } => ErrorClass::Denied,
            Self::Exhausted { .. } => ErrorClass::Quota,
            Self::Undecided { .. } | Self::Setup(_) => ErrorClass::Internal,
        }
    }

    pub(crate) fn invalid(reason: impl Into<String>) -> Self {
        Self::InvalidRequest(reason.into())
    }

    pub(crate) fn limit(what: &'static str, limit: usize, unit: &str) -> Self {
        Self::Limit { what, limit: format!("{limit} {unit}") }
    }

    pub(crate) fn network(host: &str, reason: impl Into<String>) -> Self {
        Self::Network { host: host.to_owned(), reason: reason.into() }
    }
}

fn seconds(duration: &Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}
