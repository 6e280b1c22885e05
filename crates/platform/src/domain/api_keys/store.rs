//! All SQL on `api_keys`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use sqlx::PgExecutor;
use tenure_kernel::limits::{OwnRates, Rates};
use tenure_kernel::permission::{ServiceAccountRead, UserWrite};
use tenure_kernel::{
    Change, Error, KeyId, Load, Mode, Page, PageQuery, Permission as _, Permitted, Personal, Principal, Problem,
    Result, ServiceAccountId, SystemTx, TeamId, TenantId, TenantTx, Timestamp, UserId, Write,
};
use uuid::Uuid;

use super::foreign;
use super::model::{ApiKey, Ends, Environment, KeyBlock, KeyOwner};
use super::text::{self, KeyDigest};
use crate::domain::rate_limits;
use crate::domain::rate_limits::store::{limit, stored};

struct Row {
    id: KeyId,
    name: String,
    user_id: Option<UserId>,
    service_account_id: Option<ServiceAccountId>,
    owner_name: Option<String>,
    environment: String,
    imported: bool,
    scopes: Vec<String>,
    allowed_cidrs: Vec<String>,
    rate_per_minute: Option<i32>,
    rate_per_hour: Option<i32>,
    rate_per_day: Option<i32>,
    expires_at: Option<Timestamp>,
    retires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    rotated_from: Option<KeyId>,
    created_by: Option<UserId>,
    answerable: Option<UserId>,
    second_factor: bool,
    blocked: Option<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
    last_used_at: Option<Timestamp>,
    last_used_address: Option<String>,
}

impl Row {
    fn read(self, now: Timestamp) -> Result<ApiKey> {
        let ends = Ends { expires: self.expires_at, retires: self.retires_at, revoked: self.revoked_at };
        let (owner, id) = match (self.user_id, self.service_account_id) {
            (Some(id), _) => (KeyOwner::User { id }, id.to_string()),
            (None, Some(id)) => (KeyOwner::ServiceAccount { id }, id.to_string()),
            (None, None) => return Err(Error::internal("a key of nobody")),
        };
        Ok(ApiKey {
            id: self.id,
            name: self.name,
            owner,
            owner_name: Personal(self.owner_name.unwrap_or(id)),
            environment: Environment::parse(&self.environment)
                .ok_or_else(|| Error::internal("a key of an unknown environment"))?,
            imported: self.imported,
            state: ends.state(now),
            blocked: self.blocked.as_deref().map(KeyBlock::parse).transpose()?,
            second_factor: self.second_factor,
            scopes: self.scopes,
            allowed_cidrs: self.allowed_cidrs,
            rate_limit: limit(self.rate_per_minute, self.rate_per_hour, self.rate_per_day),
            expires_at: self.expires_at,
            retires_at: self.retires_at,
            revoked_at: self.revoked_at,
            rotated_from: self.rotated_from,
            created_by: self.created_by,
            answerable: self.answerable,
            created_at: self.created_at,
            updated_at: self.updated_at,
            last_used_at: self.last_used_at,
            last_used_address: self.last_used_address.map(Personal),
        })
    }
}

/// Whose keys the actor sees.
struct Reach {
    /// Their own.
    user: Option<Uuid>,
    /// Every person's: who manages people sees what can act for them.
    people: bool,
    account: Option<Uuid>,
    /// Every service account's.
    accounts: bool,
}

impl Reach {
    fn of<M: Mode>(tx: &TenantTx<M>) -> Self {
        let (actor, held) = (tx.cx().actor(), tx.cx().identity.permissions);
        Self {
            user: actor.user().map(UserId::uuid),
            people: held.contains(UserWrite::NEEDS),
            account: actor.service_account().map(ServiceAccountId::uuid),
            accounts: held.contains(ServiceAccountRead::NEEDS),
        }
    }
}

impl Load for ApiKey {
    type Id = KeyId;

    async fn load<M: Mode>(tx: &mut TenantTx<M>, id: KeyId, lock: bool) -> Result<Option<Self>> {
        let (tenant, reach, now) = (tx.tenant().uuid(), Reach::of(tx), tx.now());
        if lock {
            sqlx::query!(
                "select 1 as one from api_keys where tenant_id = $1 and id = $2 for update",
                tenant,
                id.uuid()
            )
            .fetch_optional(&mut *tx)
            .await?;
        }
        let row = sqlx::query_as!(
            Row,
            r#"select k.id as "id: KeyId", k.name, k.user_id as "user_id: UserId", k.service_account_id as "service_account_id: ServiceAccountId",
                      coalesce(m.full_name, s.name) as owner_name, k.environment, k.imported, k.scopes,
                      k.allowed_cidrs, k.rate_per_minute, k.rate_per_hour, k.rate_per_day, k.expires_at, k.retires_at, k.revoked_at, k.rotated_from as "rotated_from: KeyId",
                      k.created_by as "created_by: UserId", k.created_at, k.updated_at, k.last_used_at, k.last_used_address,
                      k.answerable as "answerable: UserId", k.second_factor,
                      key_block(k.second_factor, m.mfa, (select require_mfa from tenant_security ts where ts.tenant_id = k.tenant_id)) as blocked
               from api_keys k left join memberships m on m.tenant_id = k.tenant_id and m.user_id = k.user_id
               left join service_accounts s on s.tenant_id = k.tenant_id and s.id = k.service_account_id
               where k.tenant_id = $1 and k.id = $2
                 and (k.user_id = $3 or k.service_account_id = $4 or ($5 and k.user_id is not null) or ($6 and k.service_account_id is not null))"#,
            tenant,
            id.uuid(),
            reach.user,
            reach.account,
            reach.people,
            reach.accounts
        )
        .fetch_optional(&mut *tx)
        .await?;
        row.map(|row| row.read(now)).transpose()
    }
}

/// The newest first; the actor's own alone, if they ask for `mine`.
pub(super) async fn list<M: Mode>(tx: &mut TenantTx<M>, page: &PageQuery, mine: bool) -> Result<Page<ApiKey>> {
    let (before, reach, now) = (page.after::<KeyId>()?, Reach::of(tx), tx.now());
    let rows = sqlx::query_as!(
        Row,
        r#"select k.id as "id: KeyId", k.name, k.user_id as "user_id: UserId", k.service_account_id as "service_account_id: ServiceAccountId",
                      coalesce(m.full_name, s.name) as owner_name, k.environment, k.imported, k.scopes,
                  k.allowed_cidrs, k.rate_per_minute, k.rate_per_hour, k.rate_per_day, k.expires_at, k.retires_at, k.revoked_at, k.rotated_from as "rotated_from: KeyId",
                  k.created_by as "created_by: UserId", k.created_at, k.updated_at, k.last_used_at, k.last_used_address,
                  k.answerable as "answerable: UserId", k.second_factor,
                  key_block(k.second_factor, m.mfa, (select require_mfa from tenant_security ts where ts.tenant_id = k.tenant_id)) as blocked
           from api_keys k left join memberships m on m.tenant_id = k.tenant_id and m.user_id = k.user_id
               left join service_accounts s on s.tenant_id = k.tenant_id and s.id = k.service_account_id
           where k.tenant_id = $1 and ($2::uuid is null or k.id < $2)
             and (k.user_id = $4 or k.service_account_id = $5 or ($6 and k.user_id is not null) or ($7 and k.service_account_id is not null))
             and (not $8 or k.user_id = $4 or k.service_account_id = $5)
           order by k.id desc limit $3"#,
        tx.tenant().uuid(),
        before.map(KeyId::uuid),
        page.rows()?,
        reach.user,
        reach.account,
        reach.people,
        reach.accounts,
        mine
    )
    .fetch_all(&mut *tx)
    .await?;
    let keys = rows.into_iter().map(|row| row.read(now)).collect::<Result<Vec<_>>>()?;
    page.page(keys, |key| key.id)
}

/// Keys of one organisation that work: more are a mistake, and every import would cost the others time.
const MAX_KEYS: i64 = 10_000;

/// Writes a key, where the organisation has not too many. Two that write at once may both be the last one.
///
/// # Errors
/// 409 for one too many; the constraint `api_keys_by_digest`, and of an imported one `imported_digests_of_another` and
/// `imported_digests_ended`; PostgreSQL's.
pub(super) async fn insert<'c>(
    executor: impl PgExecutor<'c>,
    tenant: TenantId,
    key: ApiKey,
    digest: &KeyDigest,
) -> Result<Change<ApiKey>> {
    let (user, account) = match key.owner {
        KeyOwner::User { id } => (Some(id.uuid()), None),
        KeyOwner::ServiceAccount { id } => (None, Some(id.uuid())),
    };
    let made = sqlx::query!(
        "insert into api_keys (tenant_id, id, user_id, name, environment, digest, scopes, allowed_cidrs, expires_at, rotated_from,
                               created_by, created_at, updated_at, service_account_id, rate_per_minute, rate_per_hour, rate_per_day, answerable, second_factor, imported)
         select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12, $13, $14, $15, $16, $17, $18, $19
         where (select count(*) from api_keys where tenant_id = $1 and revoked_at is null and retires_at is null
                and (expires_at is null or expires_at > $12)) < $20",
        tenant.uuid(),
        key.id.uuid(),
        user,
        key.name,
        key.environment.as_str(),
        digest,
        &key.scopes,
        &key.allowed_cidrs,
        key.expires_at as Option<Timestamp>,
        key.rotated_from.map(KeyId::uuid),
        key.created_by.map(UserId::uuid),
        key.created_at,
        account,
        stored(key.rate_limit.per_minute),
        stored(key.rate_limit.per_hour),
        stored(key.rate_limit.per_day),
        key.answerable.map(UserId::uuid),
        key.second_factor,
        key.imported,
        MAX_KEYS
    )
    .execute(executor)
    .await?;
    if made.rows_affected() == 0 {
        let detail = format!("an organisation has at most {MAX_KEYS} API keys that work; revoke one first");
        return Err(Problem::conflict(detail).into());
    }
    Ok(Change::Created(key))
}

/// Writes what may change of a key.
pub(super) async fn update(
    tx: &mut TenantTx<Write>,
    key: Permitted<ApiKey>,
    change: impl FnOnce(&mut ApiKey),
) -> Result<Change<ApiKey>> {
    let (before, now) = (key.into_inner(), tx.now());
    let mut after = before.clone();
    change(&mut after);
    let ends = Ends { expires: after.expires_at, retires: after.retires_at, revoked: after.revoked_at };
    let after = ApiKey { updated_at: now, state: ends.state(now), ..after };
    sqlx::query!(
        "update api_keys set name = $3, scopes = $4, allowed_cidrs = $5, retires_at = $6, revoked_at = $7, updated_at = $8,
                             rate_per_minute = $9, rate_per_hour = $10, rate_per_day = $11
         where tenant_id = $1 and id = $2",
        tx.tenant().uuid(),
        after.id.uuid(),
        after.name,
        &after.scopes,
        &after.allowed_cidrs,
        after.retires_at as Option<Timestamp>,
        after.revoked_at as Option<Timestamp>,
        now,
        stored(after.rate_limit.per_minute),
        stored(after.rate_limit.per_hour),
        stored(after.rate_limit.per_day)
    )
    .execute(&mut *tx)
    .await?;
    Ok(Change::Updated { before, after })
}

/// What an owner is called in the organisation.
pub(super) async fn name_of_member(tx: &mut TenantTx<Write>, user: UserId) -> Result<Option<String>> {
    let name = sqlx::query_scalar!(
        "select full_name from memberships where tenant_id = $1 and user_id = $2",
        tx.tenant().uuid(),
        user.uuid()
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(name)
}

/// Everything that decides what a key may do now.
pub(super) struct Standing {
    pub(super) tenant: TenantId,
    pub(super) owner: Principal,
    pub(super) digest: KeyDigest,
    /// Not revoked, and its owner may act.
    pub(super) alive: bool,
    pub(super) tenant_active: bool,
    pub(super) blocked: Option<KeyBlock>,
    pub(super) ends: Ends,
    pub(super) scopes: Vec<String>,
    pub(super) allowed_cidrs: Vec<String>,
    pub(super) rates: OwnRates,
    pub(super) roles: Vec<String>,
    pub(super) permissions: Vec<String>,
    pub(super) teams: Arc<[TeamId]>,
}

/// The key of this identifier, of whatever tenant: nobody knows yet whose it is.
pub(super) async fn standing(tx: &mut SystemTx, limits: &Rates, id: KeyId) -> Result<Option<Standing>> {
    let row = sqlx::query!(
        r#"select k.tenant_id as "tenant: TenantId", k.user_id as "user: UserId", k.service_account_id as "account: ServiceAccountId",
                  k.digest, k.scopes, k.allowed_cidrs, k.rate_per_minute, k.rate_per_hour, k.rate_per_day, k.expires_at, k.retires_at, k.revoked_at,
                  k.revoked_at is null and t.status <> 'deleted'
                      and coalesce(u.status = 'active' and m.status = 'active', s.status = 'active', false) as "alive!",
                  key_block(k.second_factor, u.mfa, (select require_mfa from tenant_security ts where ts.tenant_id = k.tenant_id)) as blocked,
                  t.status = 'active' as "tenant_active!",
                  coalesce(m.roles, s.roles, '{}') as "roles!",
                  coalesce(m.permissions, s.permissions, '{}')
                      || array(select unnest(r.permissions) from roles r where r.tenant_id = k.tenant_id and r.name = any(coalesce(m.roles, s.roles))) as "permissions!",
                  array(select team_id from team_members tm where tm.tenant_id = m.tenant_id and tm.user_id = m.user_id) as "teams!: Vec<TeamId>"
           from api_keys k
           join tenants t on t.tenant_id = k.tenant_id
           left join memberships m on m.tenant_id = k.tenant_id and m.user_id = k.user_id
           left join users u on u.id = k.user_id
           left join service_accounts s on s.tenant_id = k.tenant_id and s.id = k.service_account_id
           where k.id = $1"#,
        id.uuid()
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let owner = row.user.map(Principal::User).or(row.account.map(Principal::ServiceAccount));
    let key = limit(row.rate_per_minute, row.rate_per_hour, row.rate_per_day).spans();
    let rates = OwnRates { key, ..rate_limits::store::of_caller(tx, limits, row.tenant, row.user).await? };
    Ok(Some(Standing {
        tenant: row.tenant,
        owner: owner.ok_or_else(|| Error::internal("a key of nobody"))?,
        digest: row.digest.try_into().map_err(|_| Error::internal("a digest has not 32 bytes"))?,
        alive: row.alive,
        tenant_active: row.tenant_active,
        blocked: row.blocked.as_deref().map(KeyBlock::parse).transpose()?,
        ends: Ends { expires: row.expires_at, retires: row.retires_at, revoked: row.revoked_at },
        scopes: row.scopes,
        allowed_cidrs: row.allowed_cidrs,
        rates,
        roles: row.roles,
        permissions: row.permissions,
        teams: row.teams.into(),
    }))
}

/// The key of another system with this digest, of whatever tenant.
pub(super) async fn of_digest(tx: &mut SystemTx, digest: &KeyDigest) -> Result<Option<KeyId>> {
    let id = sqlx::query_scalar!(r#"select id as "id: KeyId" from api_keys where digest = $1 and imported"#, digest);
    Ok(id.fetch_optional(&mut *tx).await?)
}

/// Whether a credential is a key of another system that was taken over and not given up.
///
/// # Errors
/// PostgreSQL's.
pub async fn is_imported(tx: &mut SystemTx, text: &str) -> Result<bool> {
    Ok(foreign::may_be(text) && of_digest(tx, &text::digest(text)).await?.is_some())
}

/// Who in a tenant is called so, and under which name: service accounts, and this one person.
pub(super) async fn owners(
    tx: &mut SystemTx,
    tenant: TenantId,
    person: UserId,
    called: &str,
) -> Result<Vec<(KeyOwner, String)>> {
    let rows = sqlx::query!(
        r#"select null::uuid as "user: UserId", id as "account: ServiceAccountId", name as "name!" from service_accounts
           where tenant_id = $1 and lower(name) = lower($3)
           union all
           select user_id, null, full_name from memberships where tenant_id = $1 and user_id = $2 and lower(username) = lower($3)"#,
        tenant.uuid(),
        person.uuid(),
        called
    )
    .fetch_all(&mut *tx)
    .await?;
    let owner = |user: Option<UserId>, account: Option<ServiceAccountId>| {
        user.map(|id| KeyOwner::User { id }).or(account.map(|id| KeyOwner::ServiceAccount { id }))
    };
    Ok(rows.into_iter().filter_map(|row| Some((owner(row.user, row.account)?, row.name))).collect())
}

/// A key of another system, and whether another key took its place. It is locked first: whoever rotates or revokes it at the same
/// time is either seen here or waits.
pub(super) async fn imported(tx: &mut SystemTx, tenant: TenantId, id: KeyId) -> Result<Option<(ApiKey, bool)>> {
    sqlx::query!("select 1 as one from api_keys where tenant_id = $1 and id = $2 for update", tenant.uuid(), id.uuid())
        .fetch_optional(&mut *tx)
        .await?;
    let rotated = sqlx::query_scalar!(
        r#"select exists (select from api_keys where tenant_id = $1 and rotated_from = $2) as "rotated!""#,
        tenant.uuid(),
        id.uuid()
    )
    .fetch_one(&mut *tx)
    .await?;
    let now = tx.now();
    let row = sqlx::query_as!(
        Row,
        r#"select k.id as "id: KeyId", k.name, k.user_id as "user_id: UserId", k.service_account_id as "service_account_id: ServiceAccountId",
                  coalesce(m.full_name, s.name) as owner_name, k.environment, k.imported, k.scopes,
                  k.allowed_cidrs, k.rate_per_minute, k.rate_per_hour, k.rate_per_day, k.expires_at, k.retires_at, k.revoked_at, k.rotated_from as "rotated_from: KeyId",
                  k.created_by as "created_by: UserId", k.created_at, k.updated_at, k.last_used_at, k.last_used_address,
                  k.answerable as "answerable: UserId", k.second_factor, null as blocked
           from api_keys k left join memberships m on m.tenant_id = k.tenant_id and m.user_id = k.user_id
           left join service_accounts s on s.tenant_id = k.tenant_id and s.id = k.service_account_id
           where k.tenant_id = $1 and k.id = $2 and k.imported"#,
        tenant.uuid(),
        id.uuid()
    )
    .fetch_optional(&mut *tx)
    .await?;
    row.map(|row| Ok((row.read(now)?, rotated))).transpose()
}

/// Removes a key of another system. Its digest stays its organisation's, by a trigger.
pub(super) async fn remove_imported(tx: &mut SystemTx, tenant: TenantId, key: ApiKey) -> Result<Change<ApiKey>> {
    sqlx::query!("delete from api_keys where tenant_id = $1 and id = $2 and imported", tenant.uuid(), key.id.uuid())
        .execute(&mut *tx)
        .await?;
    Ok(Change::Deleted(key))
}

/// A use of a key.
#[derive(Debug, Clone, Copy)]
pub(super) struct LastUse {
    pub(super) at: Timestamp,
    pub(super) address: Option<IpAddr>,
}

/// Writes when keys were last used; another node may have written a later use.
pub(super) async fn note_uses(tx: &mut SystemTx, uses: &HashMap<KeyId, LastUse>) -> Result<()> {
    // In one order: two nodes that write the same keys must not wait for each other.
    let mut uses: Vec<_> = uses.iter().collect();
    uses.sort_unstable_by_key(|(key, _)| **key);
    let keys: Vec<Uuid> = uses.iter().map(|(key, _)| key.uuid()).collect();
    let times: Vec<Timestamp> = uses.iter().map(|(_, last)| last.at).collect();
    let addresses: Vec<Option<String>> =
        uses.iter().map(|(_, last)| last.address.map(|address| address.to_canonical().to_string())).collect();
    sqlx::query!(
        "with used as (
             select k.tenant_id, k.id, u.at, u.address
             from unnest($1::uuid[], $2::timestamptz[], $3::text[]) with ordinality as u (id, at, address, place)
             join api_keys k on k.id = u.id
             where k.last_used_at is null or k.last_used_at < u.at
             order by k.id for update of k)
         update api_keys k set last_used_at = used.at, last_used_address = used.address
         from used where k.tenant_id = used.tenant_id and k.id = used.id",
        &keys,
        &times as &[Timestamp],
        &addresses as &[Option<String>]
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// The person who answers for what a key starts: who made it, or the one that it took the place of by itself, or who took over
/// when they left.
///
/// # Errors
/// PostgreSQL's.
pub async fn answerable(tx: &mut TenantTx<Write>, key: KeyId) -> Result<Option<UserId>> {
    let person = sqlx::query_scalar!(
        r#"select answerable as "person: UserId" from api_keys where tenant_id = $1 and id = $2"#,
        tx.tenant().uuid(),
        key.uuid()
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(person.flatten())
}
