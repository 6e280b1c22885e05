//! The classes of failure a step can end with (spec 20, *Failure*).

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a step failed, as the journal, `retry.on` and `continue_on_error` name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorClass {
    /// It took longer than its `timeout`.
    Timeout,
    /// The execution was cancelled.
    Cancelled,
    /// The answer's status is not among `expect.status`.
    HttpStatus,
    /// No answer: name, connection, TLS or protocol.
    Network,
    /// The address is one that outbound calls may not reach.
    RefusedAddress,
    /// The plugin raised an exception.
    Plugin,
    /// A bound on memory, CPU, output or log was reached.
    Limit,
    /// An expression or template failed.
    Expression,
    /// An approver said no.
    Rejected,
    /// Nobody decided in time.
    Expired,
    /// The actor on whose behalf the execution runs lost the permission.
    PermissionWithdrawn,
    /// A quota is used up.
    Quota,
    /// A policy decision denied the step.
    Denied,
    /// A loop reached `limits.recursion`.
    RecursionLimit,
    /// A fault of the platform's own.
    Internal,
}

impl ErrorClass {
    /// Every class, in the order of the specification.
    pub const ALL: [Self; 15] = [
        Self::Timeout,
        Self::Cancelled,
        Self::HttpStatus,
        Self::Network,
        Self::RefusedAddress,
        Self::Plugin,
        Self::Limit,
        Self::Expression,
        Self::Rejected,
        Self::Expired,
        Self::PermissionWithdrawn,
        Self::Quota,
        Self::Denied,
        Self::RecursionLimit,
        Self::Internal,
    ];

    /// The class's stable name, e.g. `http-status`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::HttpStatus => "http-status",
            Self::Network => "network",
            Self::RefusedAddress => "refused-address",
            Self::Plugin => "plugin",
            Self::Limit => "limit",
            Self::Expression => "expression",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::PermissionWithdrawn => "permission-withdrawn",
            Self::Quota => "quota",
            Self::Denied => "denied",
            Self::RecursionLimit => "recursion-limit",
            Self::Internal => "internal",
        }
    }

    /// Whether trying again can help at all: a decision by a person, a policy or the engine stands.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        !matches!(
            self,
            Self::Cancelled
                | Self::Rejected
                | Self::Expired
                | Self::PermissionWithdrawn
                | Self::Denied
                | Self::RecursionLimit
        )
    }
}

impl std::fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ErrorClass {
    type Err = UnknownErrorClass;

    fn from_str(text: &str) -> Result<Self, UnknownErrorClass> {
        Self::ALL.into_iter().find(|class| class.as_str() == text).ok_or(UnknownErrorClass)
    }
}

/// The text names no [`ErrorClass`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such error class")]
pub struct UnknownErrorClass;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serde_display_and_parse_agree() {
        for class in ErrorClass::ALL {
            assert_eq!(serde_json::to_value(class).unwrap(), class.as_str());
            assert_eq!(class.to_string().parse(), Ok(class));
        }
        assert_eq!("teapot".parse::<ErrorClass>(), Err(UnknownErrorClass));
    }
}
