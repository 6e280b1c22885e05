//! The administrator who works without logging in: on the command line (`tenure run`), and where development switches
//! logins off. Their organisation, `Local`, the default one of an installation, is made on the enterprise plan when it is first
//! needed, whatever plan others get; nobody knows their password.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tenure_kernel::{Audited, Credential, Identity, NewEvent, Problem, Result, SystemReason, TenantId};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::begin::Proof;
use super::event::{UserEvent, started};
use super::mfa_store;
use super::model::{Email, NewPerson, Session, User, Username};
use super::signup::create_organization;
use super::store::{self, Belonging, NewSession};
use super::token::RefreshToken;
use crate::app::App;
use crate::domain::tenancy::Plan;

/// User name of the administrator, and first choice for the slug of their organisation.
const NAME: &str = "local";
const EMAIL: &str = "local@localhost";
/// The session ends with the process; its row must not end before.
const LASTS: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// A session of the local administrator.
#[derive(Debug)]
pub struct LocalLogin {
    app: App,
    user: User,
    organization: Belonging,
    session: Session,
}

impl LocalLogin {
    /// Begins a session, and makes person and organisation if they are not there.
    ///
    /// # Errors
    /// 409 where somebody else took the user name; PostgreSQL's.
    pub async fn begin(app: &App) -> Result<Self> {
        let password = Zeroizing::new(format!("{}{}", Uuid::new_v4(), Uuid::new_v4()));
        let person = NewPerson {
            username: Username::parse(NAME, "/username")?,
            email: Email::parse(EMAIL, "/email")?,
            full_name: "Local administrator".to_owned(),
            password_hash: app.passwords.hash(password).await?,
            must_change: false,
        };
        let (token, plan) = (RefreshToken::random()?, Plan::Enterprise);
        let (user, session, organization) = app
            .kernel
            .system(SystemReason::Authenticate)
            .run(async |tx| {
                let known = store::find_person(tx, NAME).await?;
                let created = match known {
                    Some(_) => None,
                    None => Some(create_organization(tx, &person, "Local", plan).await?),
                };
                let user = match (&created, known) {
                    (Some(created), _) => created.value().0.clone(),
                    (None, Some(known)) if *known.user.email == EMAIL => known.user,
                    _ => return Err(Problem::conflict("somebody registered the user name `local`").into()),
                };
                let organization = store::belongings(tx, user.id).await?.into_iter().next();
                let organization =
                    organization.ok_or_else(|| Problem::conflict("`local` belongs to no organisation"))?;
                tx.enter(organization.tenant).await?;
                let proof = Proof::of_nobody(user.id, tx.now().after(LASTS));
                let new = NewSession { proof, tenant: organization.tenant, client: "api", lasts: LASTS };
                let session = started(store::insert_session(tx, &new, &token).await?);
                let session = match created {
                    Some(created) => created.and(session).map(|(_, session)| session),
                    None => session,
                };
                Ok(session.map(|session| (user, session, organization)))
            })
            .await?;
        Ok(Self { app: app.clone(), user, organization, session })
    }

    /// Begins a session of somebody else whom this machine made for itself: `name` with the address `name@localhost`, a member of
    /// the local organisation. `None` where there is nobody of that name yet.
    ///
    /// # Errors
    /// 409 where somebody else took the name; PostgreSQL's.
    pub async fn begin_another(&self, name: &'static str) -> Result<Option<Self>> {
        let (app, token) = (&self.app, RefreshToken::random()?);
        let tenant = self.organization.tenant;
        let begun = app
            .kernel
            .system(SystemReason::Authenticate)
            .run(async |tx| {
                let Some(known) = store::find_person(tx, name).await? else {
                    return Ok(Audited::none("nobody of that name is there", None));
                };
                let user = known.user;
                let organization = store::belongings(tx, user.id).await?.into_iter().find(|one| one.tenant == tenant);
                let Some(organization) = organization.filter(|_| *user.email == format!("{name}@localhost")) else {
                    return Err(Problem::conflict(format!("somebody registered the user name `{name}`")).into());
                };
                tx.enter(tenant).await?;
                // Nobody logs in with the password that it was made with.
                mfa_store::password_is_own(tx, user.id, false).await?;
                let proof = Proof::of_nobody(user.id, tx.now().after(LASTS));
                let new = NewSession { proof, tenant, client: "api", lasts: LASTS };
                let session = started(store::insert_session(tx, &new, &token).await?);
                let session = if organization.pending {
                    // As with anybody: whoever was created agrees by their first login.
                    store::accept_membership(tx, tenant, user.id).await?;
                    session.also(NewEvent::new(UserEvent::JOINED, user.id.to_string()))
                } else {
                    session
                };
                Ok(session.map(|session| Some((user, session, organization))))
            })
            .await?;
        Ok(begun.map(|(user, session, organization)| Self { app: app.clone(), user, organization, session }))
    }

    /// The organisation.
    #[must_use]
    pub fn tenant(&self) -> TenantId {
        self.organization.tenant
    }

    /// A fresh access token, good for as long as the configuration says.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn access_token(&self) -> Result<String> {
        let now = self.app.kernel.clock().now();
        self.app.tokens.issue(self.session.user, self.session.tenant, self.session.id, now)
    }

    /// What a login by cookie would answer.
    ///
    /// # Errors
    /// When the token cannot be signed.
    pub fn answer(&self) -> Result<serde_json::Value> {
        Ok(json!({
            "access_token": self.access_token()?,
            "token_type": "Bearer",
            "expires_in": self.app.tokens.config().access_ttl.as_secs(),
            "user": self.user,
            "organization": {
                "id": self.organization.tenant, "slug": self.organization.slug, "name": self.organization.name
            },
        }))
    }

    /// Who they are and what they may do now, for work that does not come over HTTP
    /// ([`tenure_kernel::Kernel::act_as`]).
    ///
    /// # Errors
    /// 401 when they were stripped of their membership; PostgreSQL's.
    pub async fn identity(&self) -> Result<Arc<Identity>> {
        self.app.kernel.authenticate(Credential::Bearer(&self.access_token()?), None).await
    }
}
