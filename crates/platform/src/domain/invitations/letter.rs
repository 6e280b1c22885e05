use tenure_kernel::TenantId;

use super::model::{Invitation, LASTS};
use crate::domain::mail::{LinkToken, MailKind, Mailer, NewMail, Words};

/// The message with the link. Who invites is named by what the organisation calls them.
pub(super) fn letter(
    mailer: &Mailer,
    invitation: &Invitation,
    tenant: TenantId,
    organization: &str,
    inviter: &str,
    token: &LinkToken,
) -> NewMail {
    let subject = format!("Invitation to {organization}");
    let body = format!("{inviter} invites you to be a member of “{organization}”. Open this link to join:");
    let link = mailer.link("accept-invitation", &token.text);
    let words = Words {
        subject: &subject,
        name: "",
        body: &body,
        link: Some((&link, LASTS)),
        otherwise: "If you do not know who this is, do nothing. If you join, its administrators see your name and address.",
        instance: mailer.instance(),
    };
    NewMail {
        kind: MailKind::Invitation,
        to: invitation.email.0.clone(),
        letter: words.letter(),
        about: invitation.id.to_string(),
        tenants: vec![tenant],
        lasts: LASTS,
        to_somebody: true,
    }
}
