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
    ($tx:expr, $filter:expr, $found:expr, $limit:expr, $at:expr, $id:expr, $key:literal, $than:literal, $from:literal, $order:literal) => {
        match &$found.few {
            Some(few) => rows!(@$tx, $filter, $found, few, $limit, $at, $id, $key, $than, $from, $order, "m.user_id = any($14::uuid[])"),
            None => {
                let nobody: &[Uuid] = &[];
                rows!(@$tx, $filter, $found, nobody, $limit, $at, $id, $key, $than, $from, $order, "cardinality($14::uuid[]) = 0")
            }
        }
    };
    (@$tx:expr, $filter:expr, $found:expr, $few:expr, $limit:expr, $at:expr, $id:expr, $key:literal, $than:literal, $from:literal, $order:literal, $having:literal) => {
        sqlx::query_as!(
            Row,
            r#"select m.user_id as "id: UserId", m.username, m.email, m.full_name, m.status, m.roles, m.permissions,
                      m.attributes as "attributes: Json<Attributes>", m.created_at, m.updated_at,
                      m.accepted_at is not null as "accepted!", m.mfa and m.accepted_at is not null as "mfa!", m.last_login_at, m.last_active_at
               from memberships m
               where m.tenant_id = $1 and ("#
                + $key
                + ", m.user_id) "
                + $than
                + " ("
                + $from
                + r#") and "#
                + $having
                + r#"
                 and ($7::text[] is null or words_begin(m.username || ' ' || m.email || ' ' || m.full_name, $7))
                 and ($5::text is null or m.status = $5) and ($6::text is null or $6 = any(m.roles))
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
            $found.words.as_deref(),
            $filter.team.map(TeamId::uuid),
            $filter.last_login_after,
            $filter.last_login_before,
            $filter.never_logged_in,
            $filter.active_after,
            $filter.active_before,
            $few
        )
        .fetch_all(&mut *$tx)
        .await?
    };
}

/// Of so many a page is walked to sooner than they are sorted.
const MANY: i64 = 2_000;

/// More than any address has.
const MAX_SEARCH: usize = 512;

/// More words than anybody's names have in common with a search.
const MOST_WORDS: usize = 8;

/// Who is found by name, before anything else is asked.
struct Found {
    /// Nobody but these, where they are few. Otherwise each row is asked, and many say yes.
    few: Option<Vec<Uuid>>,
    /// What each of them is asked for: how words of their names begin.
    words: Option<Vec<String>>,
}

impl Found {
    const fn everybody() -> Self {
        Self { few: None, words: None }
    }
}

/// Each word is looked for by itself, and the rarest leads: the others are asked of who has that one.
async fn search<M: Mode>(tx: &mut TenantTx<M>, search: Option<&str>) -> Result<Found> {
    let Some(search) = search.map(str::trim).filter(|search| !search.is_empty()) else { return Ok(Found::everybody()) };
    if search.len() > MAX_SEARCH {
        return Err(Problem::invalid("#query/search", format!("must be at most {MAX_SEARCH} bytes")).into());
    }
    let words = sqlx::query_scalar!(r#"select words_of($1) as "words!""#, search).fetch_one(&mut *tx).await?;
    if words.is_empty() {
        return Ok(Found { few: Some(Vec::new()), words: None });
    }
    let mut few: Option<Vec<Uuid>> = None;
    for word in words.iter().take(MOST_WORDS) {
        let found = sqlx::query_scalar!(
            r#"select array(select user_id from member_words
                            where tenant_id = $1 and word >= $2 collate "C" and word < ($2 || chr(1114111)) collate "C" limit $3) as "found!""#,
            tx.tenant().uuid(),
            word,
            MANY + 1
        );
        let found = found.fetch_one(&mut *tx).await?;
        if found.len() as i64 <= MANY && few.as_ref().is_none_or(|few| found.len() < few.len()) {
            few = Some(found);
        }
    }
    Ok(Found { few, words: Some(words) })
}

/// A page of the members that the filter lets through.
pub(super) async fn list<M: Mode>(tx: &mut TenantTx<M>, filter: &MemberFilter) -> Result<Page<Member>> {
    let (page, sort) = (filter.page(), filter.sort.unwrap_or_default());
    let limit = page.rows()?;
    let found = search(tx, filter.search.as_deref()).await?;
    if sort == MemberSort::Username {
        let (at, id) = after::<String>(&page, sort)?.unzip();
        let rows = rows!(
            tx,
            filter,
            found,
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
            found,
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
            found,
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
            found,
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
            found,
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
