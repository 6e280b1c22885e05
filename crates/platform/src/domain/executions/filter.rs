//! The query of the list of executions. `state` may be repeated, or hold several names between commas; all else stands
//! once, as everywhere.

use axum::extract::FromRequestParts;
use axum::http::Request;
use axum::http::request::Parts;
use serde::Deserialize;
use tenure_kernel::describe::{Description, Input};
use tenure_kernel::{Error, PageQuery, Problem, Query, Result, ServiceAccountId, Timestamp, UserId, WorkflowId};
use utoipa::IntoParams;
use uuid::Uuid;

use super::model::ExecutionState;

/// As it stands in the address.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Of this workflow.
    #[param(value_type = Option<String>)]
    workflow_id: Option<WorkflowId>,
    /// In these states: repeat it, or put commas between several.
    #[param(value_type = Option<Vec<ExecutionState>>)]
    state: Option<String>,
    /// Asked for by this person, or this service account.
    requested_by: Option<String>,
    /// Asked for at this moment or later.
    created_after: Option<Timestamp>,
    /// Asked for before this moment.
    created_before: Option<Timestamp>,
    /// How many items at most, 1 to 200; 50 unless told.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Which executions a list shows, and which page of it.
#[derive(Debug)]
pub struct Listed {
    pub(super) filter: Filter,
    pub(super) page: PageQuery,
}

/// Which executions a list shows.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub(super) id: Option<tenure_kernel::ExecutionId>,
    pub(super) workflow: Option<WorkflowId>,
    pub(super) states: Option<Vec<String>>,
    pub(super) requested_by: Option<Uuid>,
    pub(super) from: Option<Timestamp>,
    pub(super) to: Option<Timestamp>,
}

/// The query with all `state=…` joined into one.
fn joined(query: &str) -> String {
    let (states, rest): (Vec<_>, Vec<_>) =
        form_urlencoded::parse(query.as_bytes()).partition(|(name, _)| name == "state");
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(rest);
    if !states.is_empty() {
        let states: Vec<&str> = states.iter().map(|(_, state)| state.as_ref()).collect();
        query.append_pair("state", &states.join(","));
    }
    query.finish()
}

/// A person or a service account.
fn member(text: &str) -> Result<Uuid> {
    let person = text.parse::<UserId>().map(UserId::uuid);
    person.or_else(|_| text.parse::<ServiceAccountId>().map(ServiceAccountId::uuid)).map_err(|_| {
        Problem::invalid(
            "#query/requested_by",
            "must be the identifier of a person, usr_…, or a service account, svc_…",
        )
        .into()
    })
}

fn states(text: &str) -> Result<Vec<String>> {
    let known = |name: &str| ExecutionState::parse(name.trim()).map(|state| state.as_str().to_owned());
    text.split(',').map(known).collect::<Option<_>>().ok_or_else(|| {
        let all = ExecutionState::ALL.map(ExecutionState::as_str).join(", ");
        Problem::invalid("#query/state", format!("must be among {all}")).into()
    })
}

impl<S: Send + Sync> FromRequestParts<S> for Listed {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let query = joined(parts.uri.query().unwrap_or_default());
        let request = Request::builder().uri(format!("/?{query}")).body(()).map_err(Error::internal)?;
        let Query(query) = Query::<ListQuery>::from_request_parts(&mut request.into_parts().0, state).await?;
        let filter = Filter {
            id: None,
            workflow: query.workflow_id,
            states: query.state.as_deref().map(states).transpose()?,
            requested_by: query.requested_by.as_deref().map(member).transpose()?,
            from: query.created_after,
            to: query.created_before,
        };
        Ok(Self { filter, page: PageQuery { limit: query.limit, cursor: query.cursor } })
    }
}

impl Input for Listed {
    fn describe(description: &mut Description) {
        <Query<ListQuery> as Input>::describe(description);
    }
}
