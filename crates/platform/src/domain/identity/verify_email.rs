//! `/api/v1/auth/verify-email`: a person shows that mail to their address reaches them.

use axum::extract::State;
use axum::http::Method;
use serde::Deserialize;
use tenure_kernel::{
    Anonymous, Audited, Authenticated, Json, NewEvent, NoContent, Problem, Result, Sample, SystemReason, SystemTx,
    TenantId,
};
use utoipa::ToSchema;

use super::event::UserEvent;
use super::letters;
use super::link_store::{self, Purpose};
use super::model::User;
use super::sessions::{By, person};
use super::store;
use crate::app::{App, Routes};
use crate::domain::mail::{self, LinkToken, Mailer, link_over};

/// The routes.
pub fn routes() -> Routes {
    Routes::new("Authentication")
        .post("/auth/verify-email", request, "Ask for a link that shows that your address is yours.\n\nIt goes to your address and works once, for three days. At most five an hour.")
        .public(
            Method::POST,
            "/auth/verify-email/confirm",
            "the link is the credential, and may be opened where nobody is logged in",
            confirm,
            "Show that an address is yours, with the link that was sent to it.",
        )
}

/// What a link carries.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkUse {
    /// What stands behind `#token=`.
    pub(super) token: String,
}

impl Sample for LinkUse {
    fn sample() -> serde_json::Value {
        serde_json::json!({"token": "tnr_ml_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})
    }
}

/// Writes the message that asks the person to show that the address is theirs.
pub(super) async fn send(tx: &mut SystemTx, mailer: &Mailer, user: &User, tenants: Vec<TenantId>) -> Result<()> {
    let token = LinkToken::random()?;
    link_store::insert(tx, Purpose::VerifyEmail, Some(user.id), &user.email, &token).await?;
    let message = letters::link(mailer, Purpose::VerifyEmail, &user.email, Some(user), tenants, &token);
    mail::enqueue(tx, &message).await?;
    Ok(())
}

async fn request(cx: Authenticated, State(app): State<App>) -> Result<NoContent> {
    let (id, _) = person(&cx)?;
    app.mail.required()?;
    let by = By::of(&cx);
    let asked = cx.kernel().system(SystemReason::Authenticate).from(&cx.cx().origin).run(async |tx| {
        let reached = link_store::of_id(tx, id).await?.ok_or_else(Problem::not_found)?;
        if reached.verified {
            return Err(Problem::conflict("your address is confirmed already").into());
        }
        if let Some(wait) = mail::limit(tx, "verify-email", &id.to_string(), cx.cx().origin.address).await? {
            return Err(mail::too_often(wait).into());
        }
        let tenants = store::audiences(tx, Some(id)).await?;
        send(tx, &app.mail, &reached.user, tenants).await?;
        let event = NewEvent::new(UserEvent::VERIFICATION_REQUESTED, id.to_string());
        Ok(Audited::of((), event.by(by.seen_from(by.tenant())).in_tenant(by.tenant())))
    });
    match asked.await {
        Ok(()) => app.mail.wake(),
        Err(error) => return Err(cx.refused(error).await),
    }
    Ok(NoContent)
}

async fn confirm(anonymous: Anonymous, State(_app): State<App>, Json(link): Json<LinkUse>) -> Result<NoContent> {
    let confirmed = async {
        let digest = LinkToken::digest(&link.token)?;
        let system = anonymous.kernel().system(SystemReason::Authenticate).from(anonymous.origin());
        system
            .run(async |tx| {
                let holder = link_store::use_up(tx, Purpose::VerifyEmail, &digest).await?.ok_or_else(link_over)?;
                if !link_store::verified(tx, holder.user, &holder.email).await? {
                    return Err(link_over());
                }
                let tenants = store::audiences(tx, Some(holder.user)).await?;
                Ok(Audited::many((), told(UserEvent::EMAIL_VERIFIED, holder.user, &tenants)))
            })
            .await
    };
    match confirmed.await {
        Ok(()) => Ok(NoContent),
        Err(error) => Err(anonymous.refused(error).await),
    }
}

/// The event for each organisation that is to read of it; for nobody's the platform's stream.
pub(super) fn told(
    action: tenure_kernel::Action<User>,
    user: tenure_kernel::UserId,
    tenants: &[TenantId],
) -> Vec<NewEvent> {
    let event = || NewEvent::new(action, user.to_string()).by(By::mail(user).seen_from_nowhere());
    if tenants.is_empty() {
        return vec![event()];
    }
    tenants.iter().map(|tenant| event().in_tenant(*tenant)).collect()
}
