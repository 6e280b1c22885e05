//! Platform administrators are made and removed on the server's machine (`tenure platform-admin`), and nowhere else but for the
//! first ([`super::setup`]). There, too, an operator helps who has lost their second factors and is no single organisation's to help.

use serde::Serialize;
use tenure_kernel::record::PLATFORM_TENANT;
use tenure_kernel::{Audited, Kernel, Personal, Problem, Resource, Result, SystemReason, Timestamp, UserId};

use super::event::PlatformAdminEvent;
use super::store;
use crate::domain::identity::{self, User};

/// A person who administers the platform.
#[derive(Debug, Clone, Serialize)]
pub struct PlatformAdmin {
    /// Who.
    pub id: UserId,
    /// The name they log in with.
    pub username: Personal<String>,
    /// Their address.
    pub email: Personal<String>,
    /// Since when.
    pub created_at: Timestamp,
}

impl Resource for PlatformAdmin {
    fn resource_id(&self) -> String {
        self.id.to_string()
    }
}

/// Makes the person of this user name or address a platform administrator.
///
/// # Errors
/// 404 for an unknown person, 409 if they are one already; PostgreSQL's.
pub async fn add_admin(kernel: &Kernel, name: &str) -> Result<PlatformAdmin> {
    let system = kernel.system(SystemReason::ManagePeople).by(operator());
    system
        .run(async |tx| {
            let person = identity::find_person(tx, name).await?.ok_or_else(Problem::not_found)?;
            let admin = store::insert_admin(tx, person.user).await?;
            let admin = admin.ok_or_else(|| Problem::conflict("they are a platform administrator already"))?;
            store::forget_setup_link(tx).await?;
            Ok(admin.audited(PlatformAdminEvent::ADDED).in_tenant(PLATFORM_TENANT))
        })
        .await
}

/// Takes the person of this user name or address off the platform administrators, at once.
///
/// # Errors
/// 404 for whoever is none; PostgreSQL's.
pub async fn remove_admin(kernel: &Kernel, name: &str) -> Result<PlatformAdmin> {
    let system = kernel.system(SystemReason::ManagePeople).by(operator());
    system
        .run(async |tx| {
            let person = identity::find_person(tx, name).await?.ok_or_else(Problem::not_found)?;
            let admin = store::delete_admin(tx, person.user).await?.ok_or_else(Problem::not_found)?;
            Ok(admin.audited(PlatformAdminEvent::REMOVED).in_tenant(PLATFORM_TENANT))
        })
        .await
}

/// All of them, by user name.
///
/// # Errors
/// PostgreSQL's.
pub async fn admins(kernel: &Kernel) -> Result<Vec<PlatformAdmin>> {
    let system = kernel.system(SystemReason::ManagePeople);
    system.run(async |tx| Ok(Audited::none("the operator looks at who administers", store::admins(tx).await?))).await
}

/// Whose second factors were removed.
#[derive(Debug, Clone, Serialize)]
pub struct FactorsReset {
    /// Who.
    #[serde(flatten)]
    pub user: User,
    /// How many logins ended with them.
    pub logins_ended: usize,
}

/// Removes every second factor of the person of this user name or address, in whatever organisations they are, forgets the devices
/// that they trusted and ends their logins. Each organisation of theirs reads of it.
///
/// # Errors
/// 404 for an unknown person, 409 for who has no second factor; PostgreSQL's.
pub async fn reset_factors(kernel: &Kernel, name: &str) -> Result<FactorsReset> {
    let system = kernel.system(SystemReason::ManagePeople).by(operator());
    system
        .run(async |tx| {
            let person = identity::find_person(tx, name).await?.ok_or_else(Problem::not_found)?;
            let (logins_ended, events) = identity::reset_factors_everywhere(tx, person.user.id).await?;
            Ok(Audited::many(FactorsReset { user: person.user, logins_ended }, events))
        })
        .await
}

/// Whoever has a shell on the server's machine.
pub(super) fn operator() -> tenure_kernel::Actor {
    tenure_kernel::Actor::system(tenure_kernel::context::SystemPart::Operator)
}
