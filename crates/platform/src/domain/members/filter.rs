//! Which members a list shows, and in which order.

use serde::{Deserialize, Serialize};
use tenure_kernel::{PageQuery, TeamId, Timestamp};
use utoipa::{IntoParams, ToSchema};

use super::model::MemberStatus;

/// Which members to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MemberFilter {
    /// Only of this status.
    pub(super) status: Option<MemberStatus>,
    /// Only with this role.
    pub(super) role: Option<String>,
    /// Only in this team.
    pub(super) team: Option<TeamId>,
    /// Words, or how they begin: each begins a word of the user name, the address or the name; whatever the case.
    pub(super) search: Option<String>,
    /// Logged in last at or after this moment.
    pub(super) last_login_after: Option<Timestamp>,
    /// Logged in last before this moment; who never did counts too, unless `never_logged_in` says otherwise.
    pub(super) last_login_before: Option<Timestamp>,
    /// Only who never logged in here, or only who did.
    pub(super) never_logged_in: Option<bool>,
    /// Did something, by a login or an API key, at or after this moment.
    pub(super) active_after: Option<Timestamp>,
    /// Did nothing since this moment.
    pub(super) active_before: Option<Timestamp>,
    /// In which order; by user name unless told.
    #[param(inline)]
    pub(super) sort: Option<MemberSort>,
    /// How many at most, 1 to 200.
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl MemberFilter {
    pub(super) fn page(&self) -> PageQuery {
        PageQuery { limit: self.limit, cursor: self.cursor.clone() }
    }
}

/// The order of a list of members. A cursor is of one order and is refused under another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub enum MemberSort {
    /// By user name.
    #[default]
    #[serde(rename = "username")]
    Username,
    /// The longest here first.
    #[serde(rename = "created_at")]
    Oldest,
    /// The newest first.
    #[serde(rename = "-created_at")]
    Newest,
    /// Who was not here for longest first, before them who never was.
    #[serde(rename = "last_login_at")]
    LongestAway,
    /// Who was here last first, behind them who never was.
    #[serde(rename = "-last_login_at")]
    LatestLogin,
}
