use std::time::Duration;

use serde::{Deserialize, Serialize};
use tenure_kernel::{MailId, Resource, TenantId};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::letters::Letter;
use super::smtp::{Authority, Sender, SmtpUrl};

/// How messages are delivered.
#[derive(Debug, Clone)]
pub struct MailConfig {
    /// The server that takes them; none where there is none.
    pub smtp: Option<SmtpUrl>,
    /// Whom they are from.
    pub from: Sender,
    /// A certificate authority beside the machine's own that the server's certificate may be from.
    pub authority: Option<Authority>,
    /// Where the links in messages lead: the console's origin, without a final slash.
    pub public_url: String,
    /// How long after the first failure a message is tried again; each further time three times as long, up to an hour.
    pub first_wait: Duration,
}

impl Default for MailConfig {
    fn default() -> Self {
        Self {
            smtp: None,
            from: Sender::default(),
            authority: None,
            public_url: "http://localhost:8080".to_owned(),
            first_wait: Duration::from_secs(5),
        }
    }
}

/// How messages leave this instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// An SMTP server takes them.
    Smtp,
    /// They are shown in the development instance's outbox.
    Outbox,
    /// Not at all: what needs mail is refused.
    None,
}

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MailKind {
    /// A link that shows that an address reaches its person.
    VerifyEmail,
    /// A link that makes an address a person's own, in the place of another.
    ChangeEmail,
    /// A note to the address that was a person's.
    EmailChanged,
    /// A note to an address that somebody wanted, and that is somebody's already.
    EmailTaken,
    /// A link that sets a new password.
    ResetPassword,
    /// A note that the password was changed.
    PasswordChanged,
    /// A link that ends a lock-out.
    Unlock,
    /// A link that makes somebody a member.
    Invitation,
}

impl MailKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::VerifyEmail,
        Self::ChangeEmail,
        Self::EmailChanged,
        Self::EmailTaken,
        Self::ResetPassword,
        Self::PasswordChanged,
        Self::Unlock,
        Self::Invitation,
    ];

    /// As it is stored and told.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify-email",
            Self::ChangeEmail => "change-email",
            Self::EmailChanged => "email-changed",
            Self::EmailTaken => "email-taken",
            Self::ResetPassword => "reset-password",
            Self::PasswordChanged => "password-changed",
            Self::Unlock => "unlock",
            Self::Invitation => "invitation",
        }
    }
}

/// A message to be.
#[derive(Debug)]
pub struct NewMail {
    /// What it is for.
    pub kind: MailKind,
    /// Its address, which was parsed as one.
    pub to: String,
    /// What it says.
    pub letter: Letter,
    /// The identifier of the person or the invitation that it is about; empty for nobody.
    pub about: String,
    /// Whose administrators learn that it could not be delivered.
    pub tenants: Vec<TenantId>,
    /// How long what it says is of use.
    pub lasts: Duration,
    /// Whether it goes to somebody. One to nobody is stored, so that both take the same time, and never sent.
    pub to_somebody: bool,
}

/// What lies sealed in a message's row.
#[derive(Serialize, Deserialize)]
pub(super) struct Sealable {
    pub(super) to: String,
    pub(super) subject: String,
    pub(super) text: Zeroizing<String>,
}

/// A message, as events tell of it.
#[derive(Debug, Serialize)]
pub struct MailMessage {
    /// Identifier.
    pub id: MailId,
    /// What it was for.
    pub kind: String,
}

impl Resource for MailMessage {
    fn resource_id(&self) -> String {
        self.id.to_string()
    }
}
