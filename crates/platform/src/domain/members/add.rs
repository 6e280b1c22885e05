//! A person becomes a member, or is taken back before they agreed to it.

use tenure_kernel::record::PLATFORM_TENANT;
use tenure_kernel::{
    Audited, NewEvent, OnConstraint as _, PermissionSet, Personal, Problem, Result, SystemTx, TenantId, Timestamp,
    UserId,
};

use super::event::MemberEvent;
use super::model::{Attributes, Member, MemberStatus};
use super::store;
use crate::domain::identity::{self, NewPerson, User, UserEvent};
use crate::domain::roles;

/// Somebody who was added.
#[derive(Debug)]
pub struct Added {
    /// As their organisation sees them.
    pub member: Member,
    /// Whether nobody knew them before. Not for the organisation to learn.
    pub made: bool,
}

/// Adds a person whom nobody knew, or one who is known, and lets nobody see which: both are `invited` until they agree,
/// under what the administrator typed and an identifier that tells nothing, and the organisation reads the same event.
///
/// # Errors
/// 409 where the user name is taken or the person is a member already; the constraint `memberships_roles_exist`;
/// PostgreSQL's.
pub async fn add(
    tx: &mut SystemTx,
    tenant: TenantId,
    person: &NewPerson,
    roles: Vec<String>,
    attributes: Attributes,
) -> Result<Audited<Added>> {
    let name_taken = || Problem::conflict("this user name is taken; choose another").field("/username", "is taken");
    let known = identity::find_person(tx, person.email.as_str()).await?;
    if identity::username_is_taken(tx, person.username.as_str()).await? {
        return Err(name_taken().into());
    }
    let (user, created) = match known {
        Some(known) => (User { id: known.user.id, ..typed(person, tx.now()) }, None),
        None => {
            let created = identity::insert_person(tx, person, Some(tenant)).await;
            let created = created.on_constraint("users_username_key", name_taken);
            // Two who add one new address at once: whoever comes second finds a person who is known, when they ask again.
            let same = || Problem::unavailable("somebody of this address was made at this very moment; send it again");
            let created = created.on_constraint("users_email_key", same)?;
            // Not for the organisation to read: there is no such event of a person who was known.
            let created = created.audited(UserEvent::CREATED).in_tenant(PLATFORM_TENANT);
            (created.value().clone(), Some(created))
        }
    };
    if !identity::insert_membership(tx, tenant, &user, false, &roles).await? {
        return Err(Problem::conflict("this person is a member of the organisation already").into());
    }
    let mut told = NewEvent::new(MemberEvent::ADDED, user.id.to_string()).detail("roles", &roles).in_tenant(tenant);
    if !attributes.is_empty() {
        store::set_attributes(tx, tenant, user.id, &attributes).await?;
        told = told.detail("attributes", Personal(attributes.clone()));
    }
    let member = Member {
        id: user.id,
        username: user.username,
        email: user.email,
        full_name: user.full_name,
        status: MemberStatus::Invited,
        roles,
        permissions: Vec::new(),
        attributes: Personal(attributes),
        created_at: tx.now(),
        updated_at: tx.now(),
        mfa: false,
        last_login_at: None,
        last_active_at: None,
        accepted: false,
    };
    Ok(match created {
        Some(created) => created.map(|_| Added { member, made: true }).also(told),
        None => Audited::of(Added { member, made: false }, told),
    })
}

/// As they were typed: what is known of them elsewhere is not the organisation's to see.
fn typed(person: &NewPerson, now: Timestamp) -> User {
    User {
        id: UserId::new(now),
        username: Personal(person.username.as_str().to_owned()),
        email: Personal(person.email.as_str().to_owned()),
        full_name: Personal(person.full_name.clone()),
        created_at: now,
    }
}

/// What became of a membership that was to be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is gone, and so is the person if nobody else knows them.
    Removed,
    /// It was gone before.
    Gone,
    /// Its person has agreed to it: it stays.
    Joined,
}

/// Takes a membership back that its person has not agreed to, and with `made_person` the person too, unless somebody else
/// has asked them meanwhile.
///
/// # Errors
/// 403 where they hold more than `held`: nobody takes what they do not have; PostgreSQL's.
pub async fn take_back(
    tx: &mut SystemTx,
    tenant: TenantId,
    held: PermissionSet,
    user: UserId,
    made_person: bool,
) -> Result<Audited<Taken>> {
    let Some(member) = store::lock_member(tx, tenant, user).await? else {
        return Ok(Audited::many(Taken::Gone, []));
    };
    if member.accepted {
        return Ok(Audited::many(Taken::Joined, []));
    }
    roles::within_own(&mut *tx, tenant, held, &member.roles, &member.permissions, "/roles").await?;
    let removed = store::delete_pending(tx, tenant, member).await?.audited(MemberEvent::REMOVED).in_tenant(tenant);
    let removed = removed.map(|_| Taken::Removed);
    if made_person && identity::delete_unknown_person(tx, tenant, user).await? {
        let erased = NewEvent::new(UserEvent::REMOVED, user.to_string()).in_tenant(PLATFORM_TENANT);
        return Ok(removed.also(erased));
    }
    Ok(removed)
}
