//! `/api/v1/platform/people`: who has a login here, found by name or address, and suspended in every organisation at once. The same on
//! the server's machine (`tenure platform-admin suspend`).

use serde::{Deserialize, Serialize};
use tenure_kernel::platform::platform_permission::{PersonRead, PersonSuspend};
use tenure_kernel::platform::{PlatformAuthorized, PlatformRight};
use tenure_kernel::{
    Audited, Json, Kernel, Page, PageQuery, Path, Personal, Problem, Query, Recent, Result, Sample, SystemReason,
    SystemTx, UserId, text,
};
use utoipa::{IntoParams, ToSchema};

use super::admins::operator;
use super::http::MAX_REASON;
use super::people_store as store;
use crate::app::Routes;
use crate::domain::identity::{self, PersonStatus};

/// With less everybody would be found.
const MIN_SEARCH: usize = 3;
/// The longest address.
const MAX_SEARCH: usize = 254;

/// The routes.
pub(super) fn routes() -> Routes {
    Routes::new("Platform")
        .get("/platform/people", list, "Find people of all organisations by user name or address, in the order of their user names.\n\nWith at least 3 characters of it, or with `status=suspended`: there is no list of everybody.")
        .post("/platform/people/{id}/suspend", suspend, "Suspend a person in every organisation.\n\nTheir logins end, and on every node within a second nothing of theirs works: login, refresh, API keys, delegated tokens, steps of executions that they started. Whoever tries to log in is answered as with a wrong password. Each of their organisations reads of it; the reason stands in the platform's part of the audit log alone. Nobody suspends themselves, or the last administrator of the platform.")
        .post("/platform/people/{id}/resume", resume, "Let a suspended person go on.\n\nThey log in again; their API keys work again at once. The reason stands in the platform's part of the audit log.")
}

/// A person as the platform sees them.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PlatformPerson {
    /// Identifier.
    pub id: UserId,
    /// The name they log in with.
    pub username: Personal<String>,
    /// Their address.
    pub email: Personal<String>,
    /// Whether the platform has suspended them.
    pub status: PersonStatus,
    /// Whether they have a second factor.
    pub mfa: bool,
    /// In how many organisations they agreed to be a member.
    pub organizations: i64,
}

/// Which people.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PeopleQuery {
    /// With this in the user name or address, whatever the case; 3 to 254 characters. Needed unless `status` is `suspended`.
    search: Option<String>,
    /// In this status.
    #[param(inline)]
    status: Option<PersonStatus>,
    /// How many items at most, 1 to 200; 50 unless told.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Why a person is suspended, or goes on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonReason {
    /// 1 to 500 characters; for the platform's part of the audit log, no organisation reads it.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

impl Sample for PersonReason {
    fn sample() -> serde_json::Value {
        serde_json::json!({"reason": "their laptop was stolen"})
    }
}

async fn list(
    cx: PlatformAuthorized<PersonRead>,
    Query(query): Query<PeopleQuery>,
) -> Result<Json<Page<PlatformPerson>>> {
    let page = PageQuery { limit: query.limit, cursor: query.cursor };
    let search = query.search.as_deref().map(str::trim).filter(|search| !search.is_empty());
    let length = search.map_or(0, |search| search.chars().count());
    let needed = query.status != Some(PersonStatus::Suspended);
    if length > MAX_SEARCH || (length < MIN_SEARCH && (needed || search.is_some())) {
        let detail = format!(
            "give {MIN_SEARCH} to {MAX_SEARCH} characters of a user name or address, or status=suspended without any"
        );
        return Err(Problem::invalid("/search", detail).into());
    }
    let listed = cx.run_on_people(async |tx| {
        let people = store::people(tx, search, query.status, &page).await?;
        Ok(Audited::none("the platform looks for a person, not at what they do", people))
    });
    listed.await.map(Json)
}

async fn suspend(
    cx: PlatformAuthorized<Recent<PersonSuspend>>,
    Path(id): Path<UserId>,
    Json(why): Json<PersonReason>,
) -> Result<Json<PlatformPerson>> {
    if cx.actor().user() == Some(id) {
        let detail = "this is you; have another administrator of the platform do it";
        return Err(cx.refused(Problem::conflict(detail).into()).await);
    }
    put(&cx, id, PersonStatus::Suspended, &why.reason).await
}

async fn resume(
    cx: PlatformAuthorized<Recent<PersonSuspend>>,
    Path(id): Path<UserId>,
    Json(why): Json<PersonReason>,
) -> Result<Json<PlatformPerson>> {
    put(&cx, id, PersonStatus::Active, &why.reason).await
}

async fn put<R: PlatformRight>(
    cx: &PlatformAuthorized<R>,
    id: UserId,
    status: PersonStatus,
    reason: &str,
) -> Result<Json<PlatformPerson>> {
    let reason = text::line(reason, "/reason", MAX_REASON)?;
    let decided = cx.run_on_people(async |tx| decide(tx, id, status, reason).await);
    decided.await.map(|decided| Json(decided.person))
}

/// What the operator decided about a person.
#[derive(Debug, Clone, Serialize)]
pub struct PersonDecided {
    /// As they are now.
    #[serde(flatten)]
    pub person: PlatformPerson,
    /// How many logins ended with it.
    pub logins_ended: usize,
}

/// Suspends the person of this user name or address, or lets them go on: whoever has a shell on the server's machine does.
///
/// # Errors
/// 404 for an unknown person, 409 for the last administrator of the platform, 422 for a reason that is none; PostgreSQL's.
pub async fn decide_about(kernel: &Kernel, name: &str, status: PersonStatus, reason: &str) -> Result<PersonDecided> {
    let reason = text::line(reason, "/reason", MAX_REASON)?;
    let system = kernel.system(SystemReason::ManagePeople).by(operator());
    system
        .run(async |tx| {
            let person = identity::find_person(tx, name).await?.ok_or_else(Problem::not_found)?;
            decide(tx, person.user.id, status, reason).await
        })
        .await
}

async fn decide(tx: &mut SystemTx, id: UserId, status: PersonStatus, reason: &str) -> Result<Audited<PersonDecided>> {
    let is_last = store::lock(tx, id).await?;
    let person = store::person(tx, id).await?.ok_or_else(Problem::not_found)?;
    if person.status == status {
        return Ok(Audited::none("it was so before", PersonDecided { person, logins_ended: 0 }));
    }
    if is_last && status == PersonStatus::Suspended {
        let detail = "nobody else administers the platform; make another administrator first";
        return Err(Problem::conflict(detail).into());
    }
    let (logins_ended, events) = identity::set_status(tx, id, status, reason).await?;
    let person = PlatformPerson { status, ..person };
    Ok(Audited::many(PersonDecided { person, logins_ended }, events))
}
