//! What is written to a person about their login.

use std::time::Duration;

use tenure_kernel::TenantId;

use super::link_store::Purpose;
use super::model::User;
use crate::domain::mail::{LinkToken, MailKind, Mailer, NewMail, Words};

/// A note without a link is of use this long.
const NOTE_LASTS: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// What a link is called, does, and what to do about one that nobody wanted.
struct Link {
    kind: MailKind,
    subject: &'static str,
    body: &'static str,
    otherwise: &'static str,
}

fn words_of(purpose: Purpose) -> Link {
    match purpose {
        Purpose::VerifyEmail => Link {
            kind: MailKind::VerifyEmail,
            subject: "Confirm your e-mail address",
            body: "Open this link to show that mail to this address reaches you:",
            otherwise: "If you have no account here, do nothing: without the link nobody can show that this address is theirs.",
        },
        Purpose::ChangeEmail => Link {
            kind: MailKind::ChangeEmail,
            subject: "Confirm your new e-mail address",
            body: "You want to use this address for your account. Open this link to make it yours; until then nothing changes:",
            otherwise: "If this was not you, do nothing.",
        },
        Purpose::ResetPassword => Link {
            kind: MailKind::ResetPassword,
            subject: "Set a new password",
            body: "Somebody, most likely you, asked for a new password. Open this link to choose it; all your sessions end then:",
            otherwise: "If this was not you, do nothing: your password stays as it is.",
        },
        Purpose::Unlock => Link {
            kind: MailKind::Unlock,
            subject: "Log in again without waiting",
            body: "Somebody, most likely you, asked to end the wait after failed logins. Open this link, then log in:",
            otherwise: "If this was not you, somebody is guessing your password. Do not open the link; the wait ends by itself.",
        },
    }
}

/// A link to the address. Without a person it is written all the same, to nobody.
pub(super) fn link(
    mailer: &Mailer,
    purpose: Purpose,
    to: &str,
    person: Option<&User>,
    tenants: Vec<TenantId>,
    token: &LinkToken,
) -> NewMail {
    let words = words_of(purpose);
    let link = mailer.link(purpose.as_str(), &token.text);
    let letter = Words {
        subject: words.subject,
        name: person.map_or("", |person| &person.full_name),
        body: words.body,
        link: Some((&link, purpose.lasts())),
        otherwise: words.otherwise,
        instance: mailer.instance(),
    }
    .letter();
    NewMail {
        kind: words.kind,
        to: to.to_owned(),
        letter,
        about: person.map(|person| person.id.to_string()).unwrap_or_default(),
        tenants,
        lasts: purpose.lasts(),
        to_somebody: person.is_some(),
    }
}

/// A note to the person that something happened to their login.
pub(super) fn note(mailer: &Mailer, kind: MailKind, to: &str, person: &User, tenants: Vec<TenantId>) -> NewMail {
    let (subject, body, otherwise) = match kind {
        MailKind::PasswordChanged => (
            "Your password was changed",
            "The password of your account was changed, and your other sessions have ended.",
            "If this was not you, set a new password with “Forgot your password?” on the login page, and tell your administrator.",
        ),
        MailKind::EmailTaken => (
            "Your e-mail address is in use already",
            "Somebody, perhaps you, wanted to use this address for another account. It is the address of yours, and stays so.",
            "There is nothing to do.",
        ),
        _ => (
            "Your e-mail address was changed",
            "Your account has another e-mail address now. Nothing will be sent to this one any more.",
            "If this was not you, tell your administrator at once: somebody else may hold your account.",
        ),
    };
    let words = Words { subject, name: &person.full_name, body, link: None, otherwise, instance: mailer.instance() };
    NewMail {
        kind,
        to: to.to_owned(),
        letter: words.letter(),
        about: person.id.to_string(),
        tenants,
        lasts: NOTE_LASTS,
        to_somebody: true,
    }
}
