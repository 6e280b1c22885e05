//! The link that makes the first platform administrator: printed when a production instance starts that has none, good once, for
//! a day. What it opens is `POST /api/v1/setup`.

use std::time::Duration;

use axum::extract::State;
use axum::http::Method;
use serde::{Deserialize, Serialize};
use tenure_kernel::record::PLATFORM_TENANT;
use tenure_kernel::{
    Actor, Anonymous, Audited, Created, Error, Json, Kernel, Principal, Problem, Resource, Result, Sample,
    SystemReason, Timestamp,
};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::admins::operator;
use super::event::{PlatformAdminEvent, SetupLinkEvent};
use super::store;
use crate::app::{App, Routes};
use crate::domain::identity::{Email, NewPerson, PasswordRules, User, Username, create_organization, parse_name};
use crate::domain::mail::{LinkToken, link_over};
use crate::domain::tenancy::Organization;

/// How long a link works.
pub(super) const LASTS: Duration = Duration::from_secs(24 * 60 * 60);
const MAX_ORGANIZATION_NAME: usize = 100;

/// The route.
pub fn routes() -> Routes {
    Routes::new("Platform").public(
        Method::POST,
        "/setup",
        "the link is the credential, and there is nobody yet who could log in",
        set_up,
        "Become the first administrator of the platform, with the link that the server printed when it started.\n\nMakes the person and an organisation of theirs, since everybody logs in to one; it is an organisation like any other, with the installation's plan. A link works once, for a day, and not at all once somebody administers the platform.",
    )
}

/// A link, without what it carries.
#[derive(Debug, Clone, Serialize)]
pub struct SetupLink {
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl Resource for SetupLink {
    fn resource_id(&self) -> String {
        "setup-link".to_owned()
    }
}

/// A new link in the place of any other. Nothing where somebody administers the platform.
///
/// # Errors
/// PostgreSQL's, and when the system gives no randomness.
pub async fn setup_link(kernel: &Kernel) -> Result<Option<(LinkToken, SetupLink)>> {
    let token = LinkToken::random()?;
    let system = kernel.system(SystemReason::ManagePeople).by(operator());
    let made = system
        .run(async |tx| {
            if store::has_admins(tx).await? {
                return Ok(Audited::none("somebody administers the platform, so there is no link", None));
            }
            let link = store::put_setup_link(tx, &token.digest).await?;
            Ok(link.audited(SetupLinkEvent::MADE).in_tenant(PLATFORM_TENANT).map(Some))
        })
        .await?;
    Ok(made.map(|link| (token, link)))
}

/// Who becomes the platform's first administrator.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// What stands behind `#token=` in the link.
    #[schema(value_type = String)]
    token: Zeroizing<String>,
    /// Address of the person.
    email: String,
    /// 2 to 64 letters, digits, dots, hyphens, underscores.
    username: String,
    /// At least 12 characters.
    #[schema(value_type = String)]
    password: Zeroizing<String>,
    /// What the person is called.
    full_name: String,
    /// Name of their organisation; at most 100 characters.
    organization_name: String,
}

impl Sample for Setup {
    fn sample() -> serde_json::Value {
        serde_json::json!({
            "token": "tnr_ml_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "email": "olga@example.com", "username": "olga",
            "password": "a quiet green meadow", "full_name": "Olga Ladyzhenskaya", "organization_name": "Operations"
        })
    }
}

/// Whom the link made, and where; they log in next.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SetUp {
    /// The platform's administrator.
    user: User,
    /// Their organisation, which they administer, too.
    organization: Organization,
}

async fn set_up(anonymous: Anonymous, State(app): State<App>, Json(new): Json<Setup>) -> Result<Created<SetUp>> {
    // Before anything is hashed or told: to who holds no link this is a closed door.
    let digest = match open(&anonymous, &new.token).await {
        Ok(digest) => digest,
        Err(error) => return Err(anonymous.refused(error).await),
    };
    let (username, email) = (Username::parse(&new.username, "/username")?, Email::parse(&new.email, "/email")?);
    let full_name = parse_name(&new.full_name, "/full_name")?;
    let name = parse_name(&new.organization_name, "/organization_name")?;
    if name.chars().count() > MAX_ORGANIZATION_NAME {
        return Err(Problem::invalid("/organization_name", "must be at most 100 characters").into());
    }
    let rules = PasswordRules::new(username.as_str(), email.as_str(), &full_name).in_new(&name);
    let password = rules.parse(&new.password, "/password")?;
    let password_hash = app.passwords.hash(password).await?;
    let person = NewPerson { username, email, full_name, password_hash, must_change: false };
    let plan = app.config.default_plan;
    let made = anonymous.write_once(SystemReason::Authenticate, async |tx| {
        // Of two that use it at once the second waits here, and finds nothing.
        if !store::use_setup_link(tx, &digest).await? {
            return Err(link_over());
        }
        let created = create_organization(tx, &person, &name, plan).await?;
        let user = created.value().0.clone();
        let by = Actor { principal: Principal::User(user.id), ..Actor::anonymous() };
        let added = store::insert_admin(tx, user).await?;
        let added = added.ok_or_else(|| Error::from(Problem::conflict("they are a platform administrator already")))?;
        let added = added.audited(PlatformAdminEvent::ADDED).in_tenant(PLATFORM_TENANT).by(by);
        Ok(created.and(added).map(|((user, organization), _)| SetUp { user, organization }))
    });
    Ok(Created(made.await?, None))
}

/// What is stored of the link, if it opens anything.
async fn open(anonymous: &Anonymous, token: &str) -> Result<Vec<u8>> {
    let digest = LinkToken::digest(token)?;
    let system = anonymous.kernel().system(SystemReason::Authenticate).from(anonymous.origin());
    let good = system
        .run(async |tx| Ok(Audited::none("only looks; its use is an event", store::is_setup_link(tx, &digest).await?)))
        .await?;
    if good { Ok(digest) } else { Err(link_over()) }
}
