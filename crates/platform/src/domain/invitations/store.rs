//! All SQL on `invitations`, and on the teams that somebody is put into by one.

use tenure_kernel::{
    Actor, Change, InvitationId, Load, Mode, Page, PageQuery, PermissionSet, Permitted, Personal, Principal, Result,
    SystemTx, TeamId, TenantId, TenantTx, Timestamp, UserId, Write,
};
use uuid::Uuid;

use super::model::{Invitation, InvitationState, LASTS};
use crate::domain::access::Asker;
use crate::domain::mail::LinkToken;

struct Row {
    id: InvitationId,
    email: String,
    roles: Vec<String>,
    teams: Vec<TeamId>,
    status: String,
    invited_by: UserId,
    created_at: Timestamp,
    sent_at: Timestamp,
    expires_at: Timestamp,
    accepted_by: Option<UserId>,
}

impl Row {
    fn at(self, now: Timestamp) -> Invitation {
        Invitation {
            id: self.id,
            email: Personal(self.email),
            roles: self.roles,
            teams: self.teams,
            state: InvitationState::parse(&self.status, self.expires_at, now),
            invited_by: self.invited_by,
            created_at: self.created_at,
            sent_at: self.sent_at,
            expires_at: self.expires_at,
            accepted_by: self.accepted_by,
        }
    }
}

impl Load for Invitation {
    type Id = InvitationId;

    async fn load<M: Mode>(tx: &mut TenantTx<M>, id: InvitationId, lock: bool) -> Result<Option<Self>> {
        let tenant = tx.tenant().uuid();
        if lock {
            sqlx::query!(
                "select 1 as one from invitations where tenant_id = $1 and id = $2 for update",
                tenant,
                id.uuid()
            )
            .fetch_optional(&mut *tx)
            .await?;
        }
        let row = sqlx::query_as!(
            Row,
            r#"select id as "id: InvitationId", email, roles, teams as "teams: Vec<TeamId>", status,
                      invited_by as "invited_by: UserId", created_at, sent_at, expires_at, accepted_by as "accepted_by: UserId"
               from invitations where tenant_id = $1 and id = $2"#,
            tenant,
            id.uuid()
        )
        .fetch_optional(&mut *tx)
        .await?;
        let now = tx.now();
        Ok(row.map(|row| row.at(now)))
    }
}

/// Newest first.
pub(super) async fn list<M: Mode>(
    tx: &mut TenantTx<M>,
    page: &PageQuery,
    state: Option<InvitationState>,
) -> Result<Page<Invitation>> {
    let (at, id) = page.after::<(Timestamp, InvitationId)>()?.unzip();
    let (status, expired) = match state {
        None => (None, None),
        Some(InvitationState::Open) => (Some("open"), Some(false)),
        Some(InvitationState::Expired) => (Some("open"), Some(true)),
        Some(InvitationState::Accepted) => (Some("accepted"), None),
        Some(InvitationState::Revoked) => (Some("revoked"), None),
    };
    let now = tx.now();
    let rows = sqlx::query_as!(
        Row,
        r#"select id as "id: InvitationId", email, roles, teams as "teams: Vec<TeamId>", status,
                  invited_by as "invited_by: UserId", created_at, sent_at, expires_at, accepted_by as "accepted_by: UserId"
           from invitations
           where tenant_id = $1 and ($2::timestamptz is null or (created_at, id) < ($2, $3::uuid))
             and ($5::text is null or status = $5) and ($6::bool is null or (expires_at <= $7) = $6)
           order by created_at desc, id desc limit $4"#,
        tx.tenant().uuid(),
        at,
        id.map(InvitationId::uuid),
        page.rows()?,
        status,
        expired,
        now
    )
    .fetch_all(&mut *tx)
    .await?;
    page.page(rows.into_iter().map(|row| row.at(now)).collect(), |last: &Invitation| (last.created_at, last.id))
}

/// What is written of an invitation.
pub(super) struct NewInvitation {
    pub(super) email: String,
    pub(super) roles: Vec<String>,
    pub(super) teams: Vec<TeamId>,
    pub(super) invited_by: UserId,
    pub(super) asker: Asker,
}

/// A new invitation to the tenant that the transaction is in. One to the same address that has run out makes way for it.
///
/// # Errors
/// PostgreSQL's; `invitations_open_key` where the address is invited already.
pub(super) async fn insert(
    tx: &mut SystemTx,
    tenant: TenantId,
    new: NewInvitation,
    token: &LinkToken,
) -> Result<Change<Invitation>> {
    let now = tx.now();
    let (actor, held) = new.asker.stored()?;
    sqlx::query!(
        "update invitations set status = 'revoked', updated_at = $3
         where tenant_id = $1 and lower(email) = lower($2) and status = 'open' and expires_at <= $3",
        tenant.uuid(),
        new.email,
        now
    )
    .execute(&mut *tx)
    .await?;
    let invitation = Invitation {
        id: tx.new_id(),
        email: Personal(new.email),
        roles: new.roles,
        teams: new.teams,
        state: InvitationState::Open,
        invited_by: new.invited_by,
        created_at: now,
        sent_at: now,
        expires_at: now.after(LASTS),
        accepted_by: None,
    };
    let teams: Vec<Uuid> = invitation.teams.iter().map(|team| team.uuid()).collect();
    sqlx::query!(
        "insert into invitations (
             tenant_id, id, email, roles, teams, status, invited_by, digest, created_at, updated_at, sent_at, expires_at, actor, held)
         values ($1, $2, $3, $4, $5, 'open', $6, $7, $8, $8, $8, $9, $10, $11)",
        tenant.uuid(),
        invitation.id.uuid(),
        *invitation.email,
        &invitation.roles,
        &teams,
        invitation.invited_by.uuid(),
        token.digest,
        now,
        invitation.expires_at,
        actor,
        &held
    )
    .execute(&mut *tx)
    .await?;
    Ok(Change::Created(invitation))
}

/// The invitation of the tenant that the transaction is in, locked until its end.
pub(super) async fn locked(tx: &mut SystemTx, tenant: TenantId, id: InvitationId) -> Result<Option<Invitation>> {
    let row = sqlx::query_as!(
        Row,
        r#"select id as "id: InvitationId", email, roles, teams as "teams: Vec<TeamId>", status,
                  invited_by as "invited_by: UserId", created_at, sent_at, expires_at, accepted_by as "accepted_by: UserId"
           from invitations where tenant_id = $1 and id = $2 for update"#,
        tenant.uuid(),
        id.uuid()
    )
    .fetch_optional(&mut *tx)
    .await?;
    let now = tx.now();
    Ok(row.map(|row| row.at(now)))
}

/// Who invites by it, and with what.
pub(super) async fn asker(tx: &mut SystemTx, tenant: TenantId, invitation: &Invitation) -> Result<Asker> {
    let row = sqlx::query!(
        "select actor, held from invitations where tenant_id = $1 and id = $2",
        tenant.uuid(),
        invitation.id.uuid()
    )
    .fetch_one(&mut *tx)
    .await?;
    match (row.actor, row.held) {
        (Some(actor), Some(held)) => Asker::read(&actor, &held),
        // Sent by a version that did not write it down.
        _ => {
            let actor = Actor { principal: Principal::User(invitation.invited_by), ..Actor::anonymous() };
            Ok(Asker { actor, held: PermissionSet::ALL })
        }
    }
}

/// Gives an invitation another link, and time anew; it is `by` who invites from then on.
pub(super) async fn renew(
    tx: &mut SystemTx,
    tenant: TenantId,
    before: Invitation,
    (by, asker): (UserId, &Asker),
    token: &LinkToken,
) -> Result<Change<Invitation>> {
    let now = tx.now();
    let (actor, held) = asker.stored()?;
    let after = Invitation {
        invited_by: by,
        sent_at: now,
        expires_at: now.after(LASTS),
        state: InvitationState::Open,
        ..before.clone()
    };
    sqlx::query!(
        "update invitations set digest = $3, sent_at = $4, expires_at = $5, invited_by = $6, updated_at = $4, actor = $7, held = $8
         where tenant_id = $1 and id = $2",
        tenant.uuid(),
        after.id.uuid(),
        token.digest,
        now,
        after.expires_at,
        by.uuid(),
        actor,
        &held
    )
    .execute(&mut *tx)
    .await?;
    Ok(Change::Updated { before, after })
}

pub(super) async fn revoke(tx: &mut TenantTx<Write>, invitation: Permitted<Invitation>) -> Result<Change<Invitation>> {
    let before = invitation.into_inner();
    let after = Invitation { state: InvitationState::Revoked, ..before.clone() };
    sqlx::query!(
        "update invitations set status = 'revoked', updated_at = $3 where tenant_id = $1 and id = $2 and status = 'open'",
        tx.tenant().uuid(),
        after.id.uuid(),
        tx.now()
    )
    .execute(&mut *tx)
    .await?;
    Ok(Change::Updated { before, after })
}

/// An invitation that a link opens, with the organisation it is to.
pub(super) struct Opened {
    pub(super) tenant: TenantId,
    pub(super) slug: String,
    pub(super) name: String,
    pub(super) invitation: Invitation,
}

/// The invitation whose link this is, if it works and the organisation is there; its row is locked until the end.
pub(super) async fn open(tx: &mut SystemTx, digest: &[u8]) -> Result<Option<Opened>> {
    let found = sqlx::query!(
        r#"select t.tenant_id as "tenant: TenantId", t.slug, t.name, i.id as "id: InvitationId"
           from invitations i join tenants t on t.tenant_id = i.tenant_id
           where i.digest = $1 and i.status = 'open' and i.expires_at > $2 and t.status = 'active'"#,
        digest,
        tx.now()
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(found) = found else { return Ok(None) };
    tx.enter(found.tenant).await?;
    // It may have been taken back, or sent with another link, until the lock was there.
    let still = sqlx::query!(
        "select 1 as one from invitations
         where tenant_id = $1 and id = $2 and digest = $3 and status = 'open' for update",
        found.tenant.uuid(),
        found.id.uuid(),
        digest
    )
    .fetch_optional(&mut *tx)
    .await?;
    if still.is_none() {
        return Ok(None);
    }
    let invitation = locked(tx, found.tenant, found.id).await?;
    Ok(invitation.map(|invitation| Opened { tenant: found.tenant, slug: found.slug, name: found.name, invitation }))
}

/// The person accepted it.
pub(super) async fn accepted(
    tx: &mut SystemTx,
    tenant: TenantId,
    before: Invitation,
    by: UserId,
) -> Result<Change<Invitation>> {
    let after = Invitation { state: InvitationState::Accepted, accepted_by: Some(by), ..before.clone() };
    sqlx::query!(
        "update invitations set status = 'accepted', accepted_by = $3, updated_at = $4 where tenant_id = $1 and id = $2",
        tenant.uuid(),
        after.id.uuid(),
        by.uuid(),
        tx.now()
    )
    .execute(&mut *tx)
    .await?;
    Ok(Change::Updated { before, after })
}

/// Puts a member into these teams, as far as they are still there.
pub(super) async fn put_into_teams(tx: &mut SystemTx, tenant: TenantId, user: UserId, teams: &[TeamId]) -> Result<()> {
    let teams: Vec<Uuid> = teams.iter().map(|team| team.uuid()).collect();
    sqlx::query!(
        "insert into team_members (tenant_id, team_id, user_id, added_at)
         select tenant_id, id, $3, $4 from teams where tenant_id = $1 and id = any ($2)
         on conflict (tenant_id, team_id, user_id) do nothing",
        tenant.uuid(),
        &teams,
        user.uuid(),
        tx.now()
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// The first of these teams that the tenant does not have.
pub(super) async fn missing_team(tx: &mut SystemTx, tenant: TenantId, teams: &[TeamId]) -> Result<Option<TeamId>> {
    let asked: Vec<Uuid> = teams.iter().map(|team| team.uuid()).collect();
    let known = sqlx::query_scalar!(
        r#"select id as "id: TeamId" from teams where tenant_id = $1 and id = any ($2)"#,
        tenant.uuid(),
        &asked
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(teams.iter().find(|team| !known.contains(team)).copied())
}

/// Whether the organisation knows somebody of this address already, and not only as one who declined.
pub(super) async fn is_known(tx: &mut SystemTx, tenant: TenantId, email: &str) -> Result<bool> {
    let known = sqlx::query_scalar!(
        r#"select exists (
               select from memberships where tenant_id = $1 and lower(email) = lower($2)
                 and declined_at is null) as "known!""#,
        tenant.uuid(),
        email
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok(known)
}

/// What the organisation is called, and what it calls this member.
pub(super) async fn names(tx: &mut SystemTx, tenant: TenantId, user: UserId) -> Result<(String, String)> {
    let row = sqlx::query!(
        r#"select t.name, coalesce(nullif(m.full_name, ''), m.username) as inviter
           from tenants t left join memberships m on m.tenant_id = t.tenant_id and m.user_id = $2 where t.tenant_id = $1"#,
        tenant.uuid(),
        user.uuid()
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok((row.name, row.inviter.unwrap_or_else(|| "An administrator".to_owned())))
}
