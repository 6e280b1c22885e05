//! A new organisation with its first administrator: registration, and `tenure organization create`.

use serde::{Deserialize, Serialize};
use tenure_kernel::{Audited, OnConstraint as _, Problem, Result, SystemTx, TeamId};

use super::event::UserEvent;
use super::model::{NewPerson, User};
use super::store;
use crate::domain::access::SystemRole;
use crate::domain::quotas::{self, Quota};
use crate::domain::tenancy::{self, Organization, OrganizationEvent, Plan};

/// Who may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// Anybody.
    Open,
    /// Whoever is invited by mail, into the organisation that invites them; `tenure organization create` makes organisations.
    Invite,
    /// Nobody; `tenure organization create` makes organisations.
    Closed,
}

impl Registration {
    /// Why nobody registers an organisation here; nothing where anybody may.
    pub(super) const fn refuses_organizations(self) -> Option<&'static str> {
        match self {
            Self::Open => None,
            Self::Invite => Some(
                "people come by invitation here; open the link that you were sent, or ask an administrator for one",
            ),
            Self::Closed => Some("registration is closed here; ask the platform's operator for an account"),
        }
    }
}

/// Creates the person, the organisation with its keys, the membership as administrator and a first team.
///
/// # Errors
/// 409 where the user name or address is taken; PostgreSQL's.
pub async fn create_organization(
    tx: &mut SystemTx,
    person: &NewPerson,
    name: &str,
    plan: Plan,
) -> Result<Audited<(User, Organization)>> {
    let organization = tenancy::store::insert(tx, name, plan).await?.audited(OrganizationEvent::CREATED);
    let tenant = organization.value().id;
    let user = store::insert_person(tx, person, None)
        .await
        .on_constraint("users_username_key", || Problem::conflict("this user name is taken; choose another"))
        .on_constraint("users_email_key", || {
            Problem::conflict("this address has an account already; log in with it")
        })?;
    let user = user.audited(UserEvent::REGISTERED);
    store::insert_membership(tx, tenant, user.value(), true, &[SystemRole::Admin.as_str().to_owned()]).await?;
    first_team(tx, &organization, user.value()).await?;
    Ok(user.and(organization))
}

async fn first_team(tx: &mut SystemTx, organization: &Audited<Organization>, user: &User) -> Result<()> {
    let (team, now): (TeamId, _) = (tx.new_id(), tx.now());
    sqlx::query!(
        "with team as (
             insert into teams (tenant_id, id, name, description, created_at, updated_at)
             values ($1, $2, 'Everyone', 'The first team of the organisation', $4, $4) returning tenant_id, id)
         insert into team_members (tenant_id, team_id, user_id, added_at) select tenant_id, id, $3, $4 from team",
        organization.value().id.uuid(),
        team.uuid(),
        user.id.uuid(),
        now
    )
    .execute(&mut *tx)
    .await?;
    quotas::begin_with(tx, organization.value().id, Quota::Teams, 1).await
}
