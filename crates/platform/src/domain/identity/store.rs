//! All SQL on people, credentials, sessions and refresh tokens, and the first row of a membership.

use std::time::Duration;

use tenure_kernel::{Change, Page, PageQuery, Personal, Result, SessionId, SystemTx, TenantId, Timestamp, UserId};

use super::begin::Proof;
use super::http::OrganizationRef;
use super::model::{NewPerson, Session, User};
use super::token::{RefreshToken, TokenConfig};
use crate::domain::tenancy::PasswordPolicy;

/// A person with what a login needs.
#[derive(Debug)]
pub struct Person {
    /// Who.
    pub user: User,
    /// Whether the person may log in at all.
    pub active: bool,
    /// PHC string, where they have a password.
    pub password: Option<String>,
}

/// The person of this user name or address, without regard to case.
///
/// # Errors
/// PostgreSQL's.
pub async fn find_person(tx: &mut SystemTx, name: &str) -> Result<Option<Person>> {
    let row = sqlx::query!(
        r#"select u.id as "id: UserId", u.username, u.email, u.full_name, u.status, u.created_at, c.secret as "secret?"
           from users u left join credentials c on c.user_id = u.id and c.kind = 'password'
           where lower(u.username) = lower($1) or lower(u.email) = lower($1)
           order by lower(u.username) = lower($1) desc limit 1"#,
        name
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(row.map(|row| Person {
        user: User {
            id: row.id,
            username: Personal(row.username),
            email: Personal(row.email),
            full_name: Personal(row.full_name),
            created_at: row.created_at,
        },
        active: row.status == "active",
        password: row.secret,
    }))
}

/// The PHC string of the person's password, where they have one.
pub(super) async fn password(tx: &mut SystemTx, user: UserId) -> Result<Option<String>> {
    let known =
        sqlx::query_scalar!("select secret from credentials where user_id = $1 and kind = 'password'", user.uuid())
            .fetch_optional(&mut *tx)
            .await?;
    Ok(known)
}

/// Puts `new` in the place of the password that was checked; `false` if another is there by now.
pub(super) async fn replace_password(
    tx: &mut SystemTx,
    user: UserId,
    checked: Option<&str>,
    new: &str,
) -> Result<bool> {
    let done = sqlx::query!(
        "update credentials set secret = $3, updated_at = $4 where user_id = $1 and kind = 'password' and secret = $2",
        user.uuid(),
        checked,
        new,
        tx.now()
    )
    .execute(&mut *tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Whether the password that was checked is still theirs; it stays so until the transaction ends. Checking takes a while,
/// and a login that begins must not escape the end of all logins that came with a change meanwhile.
pub(super) async fn is_password(tx: &mut SystemTx, user: UserId, checked: Option<&str>) -> Result<bool> {
    let row = sqlx::query!(
        "select 1 as one from credentials where user_id = $1 and kind = 'password' and secret = $2 for share",
        user.uuid(),
        checked
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(row.is_some())
}

/// Whose administrators are to read of what happens to this person's login: where they agreed to be a member. Nobody for
/// nobody: asked in either case, so that both take the same time.
pub(super) async fn audiences(tx: &mut SystemTx, user: Option<UserId>) -> Result<Vec<TenantId>> {
    let tenants = sqlx::query_scalar!(
        r#"select m.tenant_id as "tenant: TenantId" from memberships m join tenants t on t.tenant_id = m.tenant_id
           where m.user_id = $1 and t.status <> 'deleted'
             and m.status in ('active', 'locked')
           order by 1"#,
        user.map(UserId::uuid)
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(tenants)
}

/// A new person with a password; `created_in` is the tenant whose administrator makes them.
///
/// # Errors
/// PostgreSQL's; `users_username_key` and `users_email_key` where the name is taken.
pub async fn insert_person(tx: &mut SystemTx, new: &NewPerson, created_in: Option<TenantId>) -> Result<Change<User>> {
    let user = User {
        // Every organisation that adds this person sees it: it must not tell since when they are known.
        id: UserId::random(),
        username: Personal(new.username.as_str().to_owned()),
        email: Personal(new.email.as_str().to_owned()),
        full_name: Personal(new.full_name.clone()),
        created_at: tx.now(),
    };
    sqlx::query!(
        "with person as (insert into users (id, username, email, full_name, created_at, created_in)
             values ($1, $2, $3, $4, $5, $7))
         insert into credentials (user_id, kind, secret, updated_at, must_change) values ($1, 'password', $6, $5, $8)",
        user.id.uuid(),
        *user.username,
        *user.email,
        *user.full_name,
        user.created_at,
        new.password_hash.as_ref(),
        created_in.map(TenantId::uuid),
        new.must_change
    )
    .execute(&mut *tx)
    .await?;
    Ok(Change::Created(user))
}

/// Whether somebody has this user name.
///
/// # Errors
/// PostgreSQL's.
pub async fn username_is_taken(tx: &mut SystemTx, username: &str) -> Result<bool> {
    let taken = sqlx::query_scalar!(
        r#"select exists (select from users where lower(username) = lower($1)) as "taken!""#,
        username
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok(taken)
}

/// Makes the person a member of the tenant the transaction is in; pending, unless they agreed. `false` if they are one
/// already.
///
/// # Errors
/// PostgreSQL's.
pub async fn insert_membership(
    tx: &mut SystemTx,
    tenant: TenantId,
    user: &User,
    agreed: bool,
    roles: &[String],
) -> Result<bool> {
    let now = tx.now();
    let (status, accepted_at) = if agreed { ("active", Some(now)) } else { ("invited", None) };
    let done = sqlx::query!(
        "insert into memberships (
             tenant_id, user_id, username, email, full_name, status, roles, created_at, updated_at, accepted_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9) on conflict (tenant_id, user_id) do nothing",
        tenant.uuid(),
        user.id.uuid(),
        *user.username,
        *user.email,
        *user.full_name,
        status,
        roles,
        now,
        accepted_at
    )
    .execute(&mut *tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A tenant that a person belongs to.
#[derive(Debug)]
pub(super) struct Belonging {
    pub(super) tenant: TenantId,
    pub(super) slug: String,
    pub(super) name: String,
    pub(super) active: bool,
    /// The membership that the person was created with, before their first login.
    pub(super) pending: bool,
}

/// The tenants in which the person is an active member, or becomes one by logging in, oldest membership first.
pub(super) async fn belongings(tx: &mut SystemTx, user: UserId) -> Result<Vec<Belonging>> {
    let rows = sqlx::query!(
        r#"select t.tenant_id as "tenant: TenantId", t.slug, t.name, t.status, m.status = 'invited' as "pending!"
           from memberships m join tenants t on t.tenant_id = m.tenant_id join users u on u.id = m.user_id
           where m.user_id = $1 and t.status <> 'deleted' and u.status = 'active'
             and (m.status = 'active' or m.status = 'invited' and m.tenant_id = u.created_in)
           order by m.created_at, t.tenant_id"#,
        user.uuid()
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Belonging {
            tenant: row.tenant,
            slug: row.slug,
            name: row.name,
            active: row.status == "active",
            pending: row.pending,
        })
        .collect())
}

/// The person's membership of the organisation of this slug, if they have one or are asked to be a member.
pub(super) async fn belonging(tx: &mut SystemTx, user: UserId, slug: &str) -> Result<Option<Belonging>> {
    let row = sqlx::query!(
        r#"select t.tenant_id as "tenant: TenantId", t.slug, t.name, t.status, m.status = 'invited' as "pending!"
           from memberships m join tenants t on t.tenant_id = m.tenant_id
           where m.user_id = $1 and t.slug = $2 and t.status <> 'deleted' and m.status in ('active', 'invited')"#,
        user.uuid(),
        slug
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(row.map(|row| Belonging {
        tenant: row.tenant,
        slug: row.slug,
        name: row.name,
        active: row.status == "active",
        pending: row.pending,
    }))
}

/// What each of these organisations asks of a password that the person chooses: deactivated memberships ask nothing.
pub(super) async fn password_policies(tx: &mut SystemTx, user: UserId) -> Result<Vec<PasswordPolicy>> {
    let policies = sqlx::query_as!(
        PasswordPolicy,
        "select t.name, t.slug, s.password_min_length as min_length
         from memberships m join tenants t on t.tenant_id = m.tenant_id join users u on u.id = m.user_id
         left join tenant_security s on s.tenant_id = t.tenant_id
         where m.user_id = $1 and t.status <> 'deleted'
           and (m.status = 'active' or m.status = 'invited' and m.tenant_id = u.created_in)",
        user.uuid()
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(policies)
}

/// The organisations that ask the person to be a member.
pub(super) async fn invitations(tx: &mut SystemTx, user: UserId) -> Result<Vec<OrganizationRef>> {
    let rows = sqlx::query!(
        r#"select t.tenant_id as "tenant: TenantId", t.slug, t.name from memberships m join tenants t on t.tenant_id = m.tenant_id
           where m.user_id = $1 and m.status = 'invited' and t.status = 'active' order by m.created_at, t.tenant_id"#,
        user.uuid()
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(rows.into_iter().map(|row| OrganizationRef::new(row.tenant, row.slug, row.name)).collect())
}

/// Whether this membership was meant for who holds the account: the organisation made them, or they are known to read what is
/// sent to the address that it typed.
pub(super) async fn may_accept(tx: &mut SystemTx, tenant: TenantId, user: UserId) -> Result<bool> {
    let may = sqlx::query_scalar!(
        r#"select created_in is not distinct from $2 or email_verified_at is not null as "may!" from users where id = $1"#,
        user.uuid(),
        tenant.uuid()
    );
    Ok(may.fetch_one(&mut *tx).await?)
}

/// The person agrees to the membership of the tenant the transaction is in.
pub(super) async fn accept_membership(tx: &mut SystemTx, tenant: TenantId, user: UserId) -> Result<()> {
    sqlx::query!(
        "update memberships set status = 'active', accepted_at = $3, updated_at = $3
         where tenant_id = $1 and user_id = $2 and status = 'invited'",
        tenant.uuid(),
        user.uuid(),
        tx.now()
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// What a session is begun with.
pub(super) struct NewSession {
    /// That its person may have one.
    pub(super) proof: Proof,
    pub(super) tenant: TenantId,
    pub(super) client: &'static str,
    pub(super) lasts: Duration,
}

/// The one statement that makes a session.
pub(super) async fn insert_session(
    tx: &mut SystemTx,
    new: &NewSession,
    refresh: &RefreshToken,
) -> Result<Change<Session>> {
    let session = Session { id: tx.new_id(), user: new.proof.user(), tenant: new.tenant };
    let now = tx.now();
    let (goes_on, ends_at) = (new.proof.goes_on(), now.after(new.lasts));
    let (address, agent) = (tx.origin().address.map(|address| address.to_string()), tx.origin().user_agent.clone());
    sqlx::query!(
        "insert into sessions (id, user_id, tenant_id, client, address, user_agent, created_at, last_seen_at, expires_at,
                               mfa_at, proven_at, begun_at)
         values ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9, $10, $11)",
        session.id.uuid(),
        session.user.uuid(),
        new.tenant.uuid(),
        new.client,
        address,
        agent.as_deref(),
        now,
        goes_on.map_or(ends_at, |login| ends_at.min(login.ends_at)),
        new.proof.mfa_at() as Option<Timestamp>,
        new.proof.proven_at() as Option<Timestamp>,
        goes_on.map_or(now, |login| login.begun_at)
    )
    .execute(&mut *tx)
    .await?;
    insert_refresh(tx, session.id, refresh).await?;
    Ok(Change::Created(session))
}

async fn insert_refresh(tx: &mut SystemTx, session: SessionId, refresh: &RefreshToken) -> Result<()> {
    sqlx::query!(
        "insert into refresh_tokens (digest, session_id, issued_at) values ($1, $2, $3)",
        refresh.digest,
        session.uuid(),
        tx.now()
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// What a presented refresh token turned out to be.
pub(super) enum Presented {
    /// Unknown.
    Nothing,
    /// Of a login that is over, or whose person is no active member any more.
    Over(Session),
    /// Of a tenant that is suspended; it stays good.
    Suspended(Session),
    /// Used before: somebody has a copy. Its login has been ended.
    Reused(Session),
    /// Good, and used up now.
    Good(Session),
}

/// Uses up a refresh token and puts `next` in its place.
pub(super) async fn rotate(
    tx: &mut SystemTx,
    digest: &[u8],
    next: &RefreshToken,
    config: &TokenConfig,
) -> Result<Presented> {
    let row = sqlx::query!(
        r#"select s.id as "id: SessionId", s.user_id as "user: UserId", s.tenant_id as "tenant: TenantId", r.used_at,
                  s.revoked_at is null and s.expires_at > $2 and (s.mfa_at is not null or not u.mfa) as "alive!", t.status = 'active' as "tenant_active!",
                  u.status = 'active' and t.status <> 'deleted' and exists (
                      select from memberships m
                      where m.tenant_id = s.tenant_id and m.user_id = s.user_id and m.status = 'active') as "member!"
           from refresh_tokens r
           join sessions s on s.id = r.session_id
           join users u on u.id = s.user_id
           join tenants t on t.tenant_id = s.tenant_id
           where r.digest = $1 for update of r, s"#,
        digest,
        tx.now()
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else { return Ok(Presented::Nothing) };
    let session = Session { id: row.id, user: row.user, tenant: row.tenant };
    if !row.alive || !row.member {
        return Ok(Presented::Over(session));
    }
    if !row.tenant_active {
        return Ok(Presented::Suspended(session));
    }
    if row.used_at.is_some() {
        revoke(tx, session.id).await?;
        return Ok(Presented::Reused(session));
    }
    let now = tx.now();
    sqlx::query!(
        "with used as (update refresh_tokens set used_at = $2 where digest = $1)
         update sessions set last_seen_at = $2, expires_at = least($3, coalesce(begun_at, created_at) + make_interval(secs => $5)) where id = $4",
        digest,
        now,
        now.after(config.refresh_ttl),
        session.id.uuid(),
        config.login_ttl.as_secs_f64()
    )
    .execute(&mut *tx)
    .await?;
    insert_refresh(tx, session.id, next).await?;
    Ok(Presented::Good(session))
}

/// The session that a refresh token belongs to, used or not, alive or not.
pub(super) async fn session_of_refresh(tx: &mut SystemTx, digest: &[u8]) -> Result<Option<Session>> {
    let row = sqlx::query!(
        r#"select s.id as "id: SessionId", s.user_id as "user: UserId", s.tenant_id as "tenant: TenantId"
           from refresh_tokens r join sessions s on s.id = r.session_id where r.digest = $1"#,
        digest
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(row.map(|row| Session { id: row.id, user: row.user, tenant: row.tenant }))
}

/// Ends a login; `true` if it was not over already.
pub(super) async fn revoke(tx: &mut SystemTx, session: SessionId) -> Result<bool> {
    let done = sqlx::query!(
        "update sessions set revoked_at = $2 where id = $1 and revoked_at is null",
        session.uuid(),
        tx.now()
    )
    .execute(&mut *tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A login that has not ended, as its person sees it.
pub(super) struct Login {
    pub(super) id: SessionId,
    pub(super) tenant: TenantId,
    pub(super) slug: String,
    pub(super) name: String,
    pub(super) client: String,
    pub(super) address: Option<String>,
    pub(super) user_agent: Option<String>,
    pub(super) created_at: Timestamp,
    pub(super) last_seen_at: Timestamp,
    pub(super) expires_at: Timestamp,
}

/// The person's logins that have not ended, newest first.
pub(super) async fn logins(tx: &mut SystemTx, user: UserId, page: &PageQuery) -> Result<Page<Login>> {
    let (at, id) = page.after::<(Timestamp, SessionId)>()?.unzip();
    let rows = sqlx::query_as!(
        Login,
        r#"select s.id as "id: SessionId", s.tenant_id as "tenant: TenantId", t.slug, t.name, s.client, s.address, s.user_agent,
                  s.created_at, s.last_seen_at, s.expires_at
           from sessions s join tenants t on t.tenant_id = s.tenant_id
           where s.user_id = $1 and s.revoked_at is null and s.expires_at > $2 and t.status <> 'deleted'
             and ($3::timestamptz is null or (s.created_at, s.id) < ($3, $4::uuid))
           order by s.created_at desc, s.id desc limit $5"#,
        user.uuid(),
        tx.now(),
        at,
        id.map(SessionId::uuid),
        page.rows()?
    )
    .fetch_all(&mut *tx)
    .await?;
    page.page(rows, |last| (last.created_at, last.id))
}

/// A login that was ended just now.
pub(super) struct Ended {
    pub(super) session: Session,
    /// Whether a browser holds its refresh token in a cookie.
    pub(super) console: bool,
}

/// Ends this login of this person; nothing if there is none that has not ended.
pub(super) async fn end_login(tx: &mut SystemTx, user: UserId, id: SessionId) -> Result<Option<Ended>> {
    let row = sqlx::query!(
        r#"update sessions set revoked_at = $3 where id = $1 and user_id = $2 and revoked_at is null and expires_at > $3
           returning tenant_id as "tenant: TenantId", client = 'console' as "console!""#,
        id.uuid(),
        user.uuid(),
        tx.now()
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(row.map(|row| Ended { session: Session { id, user, tenant: row.tenant }, console: row.console }))
}

/// Ends every login of this person but `keep`. Locked in one order: two that do this at once would wait for each other. Once more
/// until there is none: what a login began while this waited for it, the statement that waited does not see, and the next one
/// does.
pub(super) async fn end_logins(tx: &mut SystemTx, user: UserId, keep: Option<SessionId>) -> Result<Vec<Ended>> {
    let mut all = Vec::new();
    loop {
        let ended = end_seen(tx, user, keep).await?;
        if ended.is_empty() {
            return Ok(all);
        }
        all.extend(ended);
    }
}

async fn end_seen(tx: &mut SystemTx, user: UserId, keep: Option<SessionId>) -> Result<Vec<Ended>> {
    let rows = sqlx::query!(
        r#"update sessions set revoked_at = $3 where id in (
               select id from sessions
               where user_id = $1 and revoked_at is null and expires_at > $3 and id is distinct from $2
               order by id for update)
           returning id as "id: SessionId", tenant_id as "tenant: TenantId", client = 'console' as "console!""#,
        user.uuid(),
        keep.map(SessionId::uuid),
        tx.now()
    )
    .fetch_all(&mut *tx)
    .await?;
    let ended = |id, tenant, console| Ended { session: Session { id, user, tenant }, console };
    Ok(rows.into_iter().map(|row| ended(row.id, row.tenant, row.console)).collect())
}

/// The person of this id.
///
/// # Errors
/// When there is none; PostgreSQL's.
pub async fn user(tx: &mut SystemTx, id: UserId) -> Result<User> {
    let row = sqlx::query!("select username, email, full_name, created_at from users where id = $1", id.uuid())
        .fetch_one(&mut *tx)
        .await?;
    Ok(User {
        id,
        username: Personal(row.username),
        email: Personal(row.email),
        full_name: Personal(row.full_name),
        created_at: row.created_at,
    })
}

/// The organisation of this id, in passing.
pub(super) async fn organization(tx: &mut SystemTx, id: TenantId) -> Result<OrganizationRef> {
    let row =
        sqlx::query!("select slug, name from tenants where tenant_id = $1", id.uuid()).fetch_one(&mut *tx).await?;
    Ok(OrganizationRef::new(id, row.slug, row.name))
}
