//! All SQL of those who read the log.

use std::collections::HashMap;

use serde_json::Value;
use tenure_kernel::{EventId, Mode, Page, PageQuery, Result, ServiceAccountId, TenantTx, Timestamp, UserId};
use uuid::Uuid;

/// An event as it is shown, before its personal values are opened.
#[derive(Debug)]
pub(super) struct Row {
    pub id: EventId,
    pub at: Timestamp,
    pub seq: Option<i64>,
    pub principal: String,
    pub on_behalf_of: Option<String>,
    pub action: String,
    pub resource_type: String,
    pub resource_id: Option<String>,
    pub outcome: String,
    pub reason: Option<String>,
    pub request_id: Option<Uuid>,
    pub trace_id: Option<String>,
    pub region: String,
    pub diff: Option<Value>,
    pub personal: Option<Vec<u8>>,
}

/// Which events are wanted.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub id: Option<Uuid>,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    pub actor: Option<String>,
    pub action: Option<String>,
    /// Actions that begin so.
    pub action_prefix: Option<String>,
    pub resource_type: Option<String>,
    pub resource_id: Option<String>,
    pub outcome: Option<&'static str>,
    pub request_id: Option<Uuid>,
    /// Part of action or resource.
    pub text: Option<String>,
}

/// Events of the log and of its queue, newest first. What somebody put into the table past the application is in
/// neither once the sealer has looked at it, and is not shown.
pub(super) async fn events<M: Mode>(tx: &mut TenantTx<M>, filter: &Filter, page: &PageQuery) -> Result<Page<Row>> {
    let (at, id) = page.after::<(Timestamp, EventId)>()?.unzip();
    let rows = sqlx::query_as!(
        Row,
        r#"select e.id as "id!: EventId", e.at as "at!", s.seq as "seq?", e.principal as "principal!", e.on_behalf_of,
               e.action as "action!", e.resource_type as "resource_type!", e.resource_id, e.outcome as "outcome!",
               e.reason, e.request_id, e.trace_id, e.region as "region!", e.diff, e.personal
           from events e left join event_seals s on s.tenant_id = e.tenant_id and s.event_id = e.id
           where e.tenant_id = $1 and ($2::timestamptz is null or (e.at, e.id) < ($2, $3::uuid))
             and ($5::timestamptz is null or e.at >= $5) and ($6::timestamptz is null or e.at < $6)
             and ($7::text is null or e.principal = $7) and ($8::text is null or e.action = $8)
             and ($9::text is null or starts_with(e.action, $9)) and ($10::text is null or e.resource_type = $10)
             and ($11::text is null or e.resource_id = $11) and ($12::text is null or e.outcome = $12)
             and ($13::uuid is null or e.request_id = $13)
             and ($14::text is null or position(lower($14) in lower(e.action || ' ' || e.resource_type || ' ' || coalesce(e.resource_id, ''))) > 0)
             and ($15::uuid is null or e.id = $15)
             and (s.seq is not null or exists (
                 select from unsealed_events u where u.tenant_id = e.tenant_id and u.at = e.at and u.id = e.id))
           order by e.at desc, e.id desc limit $4"#,
        tx.tenant().uuid(),
        at,
        id.map(EventId::uuid),
        page.rows()?,
        filter.from,
        filter.to,
        filter.actor,
        filter.action,
        filter.action_prefix,
        filter.resource_type,
        filter.resource_id,
        filter.outcome,
        filter.request_id,
        filter.text,
        filter.id
    )
    .fetch_all(&mut *tx)
    .await?;
    page.page(rows, |row| (row.at, row.id))
}

/// A login of a person, or a try, before its personal values are opened.
#[derive(Debug)]
pub(super) struct LoginRow {
    pub id: EventId,
    pub at: Timestamp,
    pub action: String,
    pub resource_id: Option<String>,
    pub reason: Option<String>,
    pub diff: Option<Value>,
    pub personal: Option<Vec<u8>>,
}

/// Logins of this person in the tenant, and tries that failed, newest first; of the log and of its queue, as [`events`].
pub(super) async fn logins<M: Mode>(tx: &mut TenantTx<M>, user: UserId, page: &PageQuery) -> Result<Page<LoginRow>> {
    let (at, id) = page.after::<(Timestamp, EventId)>()?.unzip();
    let rows = sqlx::query_as!(
        LoginRow,
        r#"select e.id as "id!: EventId", e.at as "at!", e.action as "action!", e.resource_id, e.reason, e.diff, e.personal
           from events e left join event_seals s on s.tenant_id = e.tenant_id and s.event_id = e.id
           where e.tenant_id = $1 and e.on_behalf_of = $2
             and (e.action in ('session.started', 'session.login-failed')
                  or e.action = 'request.refused' and e.resource_id in (
                      'POST /api/v1/auth/login', 'POST /api/v1/auth/mfa', 'POST /api/v1/auth/passkey', 'POST /api/v1/auth/token'))
             and ($3::timestamptz is null or (e.at, e.id) < ($3, $4::uuid))
             and (s.seq is not null or exists (
                 select from unsealed_events u where u.tenant_id = e.tenant_id and u.at = e.at and u.id = e.id))
           order by e.at desc, e.id desc limit $5"#,
        tx.tenant().uuid(),
        user.to_string(),
        at,
        id.map(EventId::uuid),
        page.rows()?
    )
    .fetch_all(&mut *tx)
    .await?;
    page.page(rows, |row| (row.at, row.id))
}

/// Whether this reader has an event since `since` that tells of reading with this filter.
pub(super) async fn was_read<M: Mode>(
    tx: &mut TenantTx<M>,
    action: &str,
    filter: &Value,
    since: Timestamp,
) -> Result<bool> {
    let principal = tx.cx().actor().principal.to_string();
    let found = sqlx::query_scalar!(
        r#"select exists (
               select from events where tenant_id = $1 and principal = $2 and at > $3 and action = $4 and diff -> 0 -> 'value' = $5
           ) as "found!""#,
        tx.tenant().uuid(),
        principal,
        since,
        action,
        filter
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok(found)
}

/// What the people among these principals are called in this organisation.
pub(super) async fn names<M: Mode>(tx: &mut TenantTx<M>, principals: &[&str]) -> Result<HashMap<String, String>> {
    let ids: Vec<UserId> = principals.iter().filter_map(|text| text.parse().ok()).collect();
    let people = crate::domain::members::names(tx, &ids).await?;
    let ids: Vec<ServiceAccountId> = principals.iter().filter_map(|text| text.parse().ok()).collect();
    let accounts = crate::domain::service_accounts::names(tx, &ids).await?;
    let people = people.into_iter().map(|(id, name)| (id.to_string(), name));
    Ok(people.chain(accounts.into_iter().map(|(id, name)| (id.to_string(), name))).collect())
}
