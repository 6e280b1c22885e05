//! Who may decide, and when.

use tenure_kernel::{Code, Problem, TeamId, Timestamp, UserId};

use super::model::{ApprovalState, Decision, StoredApprovers};

/// The person who asks, as their membership tells.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) id: UserId,
    pub(super) username: String,
    pub(super) email: String,
    pub(super) roles: Vec<String>,
    pub(super) teams: Vec<(TeamId, String)>,
    /// Whether they hold `approval:decide`.
    pub(super) permitted: bool,
}

/// What a decision depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing<'a> {
    pub(super) state: ApprovalState,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) requested_by: UserId,
    pub(super) approvers: &'a StoredApprovers,
    pub(super) decisions: &'a [Decision],
}

/// Why somebody may not decide now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Over(ApprovalState),
    RanOut,
    NotPermitted,
    NotNamed,
    Requester,
    DecidedBefore,
}

impl Refusal {
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Over(ApprovalState::Approved) => "it was approved already",
            Self::Over(ApprovalState::Rejected) => "it was rejected already",
            Self::Over(ApprovalState::Cancelled) => "the execution ended without it",
            Self::Over(_) | Self::RanOut => "it has expired; nobody decided in time",
            Self::NotPermitted => "you need the permission approval:decide",
            Self::NotNamed => "you are not among the approvers that the workflow names",
            Self::Requester => "you started this execution; somebody else must decide",
            Self::DecidedBefore => "you have decided already; others must decide too",
        }
    }

    const fn reason(self) -> &'static str {
        match self {
            Self::Over(_) | Self::DecidedBefore => "already-decided",
            Self::RanOut => "expired",
            Self::NotPermitted => "not-permitted",
            Self::NotNamed => "not-an-approver",
            Self::Requester => "requester",
        }
    }

    /// 403 where the person is the wrong one, 409 where the moment is.
    pub(super) fn problem(self) -> Problem {
        let code = match self {
            Self::NotPermitted | Self::NotNamed | Self::Requester => Code::PermissionDenied,
            Self::Over(_) | Self::RanOut | Self::DecidedBefore => Code::Conflict,
        };
        Problem::new(code, self.words()).with("reason", self.reason())
    }
}

/// Words that may name the caller in a definition, in lower case.
impl Caller {
    pub(super) fn names(&self) -> Vec<String> {
        vec![self.id.to_string(), self.username.to_lowercase(), self.email.to_lowercase()]
    }

    pub(super) fn team_names(&self) -> Vec<String> {
        self.teams.iter().flat_map(|(id, name)| [id.to_string(), name.to_lowercase()]).collect()
    }

    fn is_named_by(&self, approvers: &StoredApprovers) -> bool {
        let (names, teams) = (self.names(), self.team_names());
        approvers.roles.iter().any(|role| self.roles.contains(role))
            || approvers.teams.iter().any(|team| teams.contains(&team.to_lowercase()))
            || approvers.users.iter().any(|user| names.contains(&user.to_lowercase()))
    }
}

/// Why this person may not decide; `None` if they may.
pub(super) fn refusal(standing: Standing<'_>, caller: &Caller, now: Timestamp) -> Option<Refusal> {
    let Standing { state, expires_at, requested_by, approvers, decisions } = standing;
    if state != ApprovalState::Pending {
        return Some(Refusal::Over(state));
    }
    if expires_at.is_some_and(|at| at <= now) {
        return Some(Refusal::RanOut);
    }
    if !caller.permitted {
        return Some(Refusal::NotPermitted);
    }
    if !caller.is_named_by(approvers) {
        return Some(Refusal::NotNamed);
    }
    if approvers.not_requester && requested_by == caller.id {
        return Some(Refusal::Requester);
    }
    decisions.iter().any(|decision| decision.by.id == caller.id).then_some(Refusal::DecidedBefore)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::approvals::model::Verdict;
    use crate::domain::executions::PersonRef;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn caller() -> Caller {
        let team = TeamId::new(at(1));
        Caller {
            id: UserId::new(at(1)),
            username: "Ada".to_owned(),
            email: "ada@example.com".to_owned(),
            roles: vec!["operator".to_owned()],
            teams: vec![(team, "Field".to_owned())],
            permitted: true,
        }
    }

    fn approvers(roles: &[&str], teams: &[&str], users: &[&str]) -> StoredApprovers {
        let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        StoredApprovers { roles: own(roles), teams: own(teams), users: own(users), at_least: 1, not_requester: true }
    }

    fn asked(approvers: &StoredApprovers, requested_by: UserId, decisions: &[Decision]) -> Option<Refusal> {
        let standing =
            Standing { state: ApprovalState::Pending, expires_at: Some(at(10)), requested_by, approvers, decisions };
        refusal(standing, &caller_of(requested_by), at(5))
    }

    fn caller_of(requested_by: UserId) -> Caller {
        // The requester is asked about only where a test says so.
        let mut caller = caller();
        if requested_by.uuid().is_nil() {
            caller.id = requested_by;
        }
        caller
    }

    #[test]
    fn people_are_named_by_role_team_or_themselves() {
        let other = UserId::new(at(2));
        for named in [
            approvers(&["operator"], &[], &[]),
            approvers(&["admin"], &["FIELD"], &[]),
            approvers(&[], &[], &["ada"]),
            approvers(&[], &[], &["Ada@Example.com"]),
        ] {
            assert_eq!(asked(&named, other, &[]), None, "{named:?}");
        }
        assert_eq!(asked(&approvers(&["admin"], &["office"], &["bob"]), other, &[]), Some(Refusal::NotNamed));
    }

    #[test]
    fn the_requester_and_whoever_decided_are_refused() {
        let nil = UserId::from_uuid(uuid::Uuid::nil());
        let mut named = approvers(&["operator"], &[], &[]);
        assert_eq!(asked(&named, nil, &[]), Some(Refusal::Requester));
        named.not_requester = false;
        assert_eq!(asked(&named, nil, &[]), None);
        let by = PersonRef { id: nil, name: "Ada".to_owned() };
        let decided = Decision { decision: Verdict::Approve, by, at: at(1), comment: None };
        assert_eq!(asked(&named, nil, &[decided]), Some(Refusal::DecidedBefore));
    }

    #[test]
    fn what_is_over_or_has_run_out_is_not_decided() {
        let named = approvers(&["operator"], &[], &[]);
        let standing = |state| Standing {
            state,
            expires_at: Some(at(10)),
            requested_by: UserId::new(at(3)),
            approvers: &named,
            decisions: &[],
        };
        assert_eq!(refusal(standing(ApprovalState::Pending), &caller(), at(10)), Some(Refusal::RanOut));
        for state in ApprovalState::ALL.into_iter().filter(|state| *state != ApprovalState::Pending) {
            assert_eq!(refusal(standing(state), &caller(), at(1)), Some(Refusal::Over(state)));
        }
    }
}
