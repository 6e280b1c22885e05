//! All SQL on people as the platform sees them.

use std::collections::HashMap;

use tenure_kernel::{Page, PageQuery, Personal, Result, SystemTx, UserId};

use super::people::PlatformPerson;
use crate::domain::identity::PersonStatus;

struct Row {
    id: UserId,
    username: String,
    email: String,
    status: String,
    mfa: bool,
    organizations: i64,
    /// What the list is ordered by.
    place: String,
}

impl From<Row> for PlatformPerson {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            username: Personal(row.username),
            email: Personal(row.email),
            status: PersonStatus::parse(&row.status),
            mfa: row.mfa,
            organizations: row.organizations,
        }
    }
}

/// People by their user name, those whose name or address `search` is found in.
pub(super) async fn people(
    tx: &mut SystemTx,
    search: Option<&str>,
    status: Option<PersonStatus>,
    page: &PageQuery,
) -> Result<Page<PlatformPerson>> {
    let after = page.after::<String>()?;
    let rows = sqlx::query_as!(
        Row,
        r#"select u.id as "id: UserId", u.username, u.email, u.status, u.mfa, lower(u.username) as "place!",
                  (select count(*) from memberships m join tenants t on t.tenant_id = m.tenant_id
                   where m.user_id = u.id and m.status in ('active', 'locked') and t.status <> 'deleted') as "organizations!"
           from users u
           where ($1::text is null or position(lower($1) in lower(u.username)) > 0 or position(lower($1) in lower(u.email)) > 0)
             and ($2::text is null or u.status = $2) and ($3::text is null or lower(u.username) > $3)
           order by lower(u.username) limit $4"#,
        search,
        status.map(PersonStatus::as_str),
        after,
        page.rows()?
    )
    .fetch_all(&mut *tx)
    .await?;
    let Page { items, next_cursor } = page.page(rows, |last| last.place.clone())?;
    Ok(Page { items: items.into_iter().map(PlatformPerson::from).collect(), next_cursor })
}

/// What these people log in with, by their identifiers.
pub(super) async fn usernames(tx: &mut SystemTx, ids: &[UserId]) -> Result<HashMap<UserId, String>> {
    let ids: Vec<uuid::Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let rows = sqlx::query!(r#"select id as "id: UserId", username from users where id = any($1)"#, &ids);
    Ok(rows.fetch_all(&mut *tx).await?.into_iter().map(|row| (row.id, row.username)).collect())
}

/// One of them.
pub(super) async fn person(tx: &mut SystemTx, id: UserId) -> Result<Option<PlatformPerson>> {
    let row = sqlx::query_as!(
        Row,
        r#"select u.id as "id: UserId", u.username, u.email, u.status, u.mfa, lower(u.username) as "place!",
                  (select count(*) from memberships m join tenants t on t.tenant_id = m.tenant_id
                   where m.user_id = u.id and m.status in ('active', 'locked') and t.status <> 'deleted') as "organizations!"
           from users u where u.id = $1"#,
        id.uuid()
    );
    Ok(row.fetch_optional(&mut *tx).await?.map(PlatformPerson::from))
}

/// Nobody logs in as this person, and nobody else decides about them or an administrator, until the transaction ends: two
/// administrators who suspend each other at once are judged one after the other. Whether they are the last administrator who is
/// not suspended.
pub(super) async fn lock(tx: &mut SystemTx, id: UserId) -> Result<bool> {
    let rows = sqlx::query!(
        r#"select u.id as "id: UserId", u.status, a.user_id is not null as "admin!"
           from users u left join platform_admins a on a.user_id = u.id
           where u.id = $1 or a.user_id is not null order by u.id for update of u"#,
        id.uuid()
    )
    .fetch_all(&mut *tx)
    .await?;
    let (own, others): (Vec<_>, Vec<_>) =
        rows.into_iter().filter(|row| row.admin && row.status == "active").partition(|row| row.id == id);
    Ok(!own.is_empty() && others.is_empty())
}
