//! The list of members: one statement an order, each of which walks its own index, so that a page of a hundred thousand
//! costs what its rows cost.

use serde::de::DeserializeOwned;
use sqlx::types::Json;
use tenure_kernel::{Mode, Page, PageQuery, Problem, Result, TeamId, TenantTx, Timestamp, UserId};
use uuid::Uuid;

use super::filter::{MemberFilter, MemberSort};
use super::model::{Attributes, Member, MemberStatus};
use super::store::Row;

/// `$2` and `$3` are the key of the last row of the page before; where there is none, `$from` stands for what is before
/// every row. No `is null or`: with it the index could not be entered in its middle.
macro_rules! rows {
    ($tx:expr, $filter:expr, $limit:expr, $at:expr, $id:expr, $key:literal, $than:literal, $from:literal, $order:literal) => {
        sqlx::query_as!(
            Row,
            r#"select m.user_id as "id: UserId", m.username, m.email, m.full_name, m.status, m.roles, m.permissions,
                      m.attributes as "attributes: Json<Attributes>", m.created_at, m.updated_at,
                      m.accepted_at is not null as "accepted!", m.last_login_at, m.last_active_at
               from memberships m
               where m.tenant_id = $1 and ("#
                + $key
                + ", m.user_id) "
                + $than
                + " ("
                + $from
                + r#")
                 and ($5::text is null or m.status = $5) and ($6::text is null or $6 = any(m.roles))
                 and ($7::text is null or position(lower($7) in lower(m.username || ' ' || m.email || ' ' || m.full_name)) > 0)
                 and ($8::uuid is null or exists (
                     select from team_members t where t.tenant_id = m.tenant_id and t.user_id = m.user_id and t.team_id = $8))
                 and ($9::timestamptz is null or m.last_login_at >= $9)
                 and ($10::timestamptz is null or m.last_login_at < $10 or m.last_login_at is null)
                 and ($11::boolean is null or (m.last_login_at is null) = $11)
                 and ($12::timestamptz is null or m.last_active_at >= $12)
                 and ($13::timestamptz is null or m.last_active_at < $13 or m.last_active_at is null)
               order by "#
                + $order
                + " limit $4",
            $tx.tenant().uuid(),
            $at,
            $id,
            $limit,
            $filter.status.map(MemberStatus::as_str),
            $filter.role,
            $filter.search,
            $filter.team.map(TeamId::uuid),
            $filter.last_login_after,
            $filter.last_login_before,
            $filter.never_logged_in,
            $filter.active_after,
            $filter.active_before
        )
        .fetch_all(&mut *$tx)
        .await?
    };
}

/// A page of the members that the filter lets through.
pub(super) async fn list<M: Mode>(tx: &mut TenantTx<M>, filter: &MemberFilter) -> Result<Page<Member>> {
    let (page, sort) = (filter.page(), filter.sort.unwrap_or_default());
    let limit = page.rows()?;
    if sort == MemberSort::Username {
        let (at, id) = after::<String>(&page, sort)?.unzip();
        let rows = rows!(
            tx,
            filter,
            limit,
            at,
            id,
            "lower(m.username)",
            ">",
            "coalesce($2::text, ''), coalesce($3::uuid, '00000000-0000-0000-0000-000000000000')",
            "lower(m.username), m.user_id"
        );
        return page.page(members(rows), |last| (sort, last.username.to_lowercase(), last.id));
    }
    let (at, id) = after::<Option<Timestamp>>(&page, sort)?.unzip();
    let at = at.flatten();
    let rows = match sort {
        MemberSort::Username | MemberSort::Oldest => rows!(
            tx,
            filter,
            limit,
            at,
            id,
            "m.created_at",
            ">",
            "coalesce($2::timestamptz, '-infinity'), coalesce($3::uuid, '00000000-0000-0000-0000-000000000000')",
            "m.created_at, m.user_id"
        ),
        MemberSort::Newest => rows!(
            tx,
            filter,
            limit,
            at,
            id,
            "m.created_at",
            "<",
            "coalesce($2::timestamptz, 'infinity'), coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')",
            "m.created_at desc, m.user_id desc"
        ),
        MemberSort::LongestAway => rows!(
            tx,
            filter,
            limit,
            at,
            id,
            "coalesce(m.last_login_at, '-infinity')",
            ">",
            "coalesce($2::timestamptz, '-infinity'), coalesce($3::uuid, '00000000-0000-0000-0000-000000000000')",
            "coalesce(m.last_login_at, '-infinity'), m.user_id"
        ),
        // A person without a time, as opposed to no person at all, is one who was never here.
        MemberSort::LatestLogin => rows!(
            tx,
            filter,
            limit,
            at,
            id,
            "coalesce(m.last_login_at, '-infinity')",
            "<",
            "coalesce($2::timestamptz, case when $3::uuid is null then 'infinity'::timestamptz else '-infinity'::timestamptz end), coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')",
            "coalesce(m.last_login_at, '-infinity') desc, m.user_id desc"
        ),
    };
    let by_age = matches!(sort, MemberSort::Oldest | MemberSort::Newest);
    page.page(members(rows), |last| (sort, if by_age { Some(last.created_at) } else { last.last_login_at }, last.id))
}

/// The key that the page begins after. A cursor of another order would lead to just anywhere.
fn after<K: DeserializeOwned>(page: &PageQuery, sort: MemberSort) -> Result<Option<(K, Uuid)>> {
    match page.after::<(MemberSort, K, UserId)>()? {
        Some((of, key, id)) if of == sort => Ok(Some((key, id.uuid()))),
        Some(_) => {
            Err(Problem::invalid("#query/cursor", "is of a list in another order; begin again without one").into())
        }
        None => Ok(None),
    }
}

fn members(rows: Vec<Row>) -> Vec<Member> {
    rows.into_iter().map(Member::from).collect()
}
