//! `approval`: waits for people to decide.

use serde_json::{Value, json};

use super::NodeType;
use crate::definition::fields::Object;
use crate::expression::Sites;
use crate::fault::{Code, Faults};
use crate::timespan::Timespan;
use crate::validate::Shape;

/// A question to people. Output: `{ decision, by, at, comment }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Who may decide.
    pub approvers: Approvers,
    /// Whether whoever started the execution may not decide; true unless given.
    pub not_requester: bool,
    /// jq whose result the approver sees; the decision is bound to its hash.
    pub show: Option<String>,
    /// How long the question stands; then the step fails as `expired`.
    pub expires: Option<Timespan>,
    /// What a rejection does.
    pub on_reject: OnReject,
}

/// Who may decide: whoever has one of the roles, is in one of the teams or is one of the users.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the type says it")]
pub struct Approvers {
    pub roles: Vec<String>,
    pub teams: Vec<String>,
    pub users: Vec<String>,
    /// How many must agree; one unless given.
    pub at_least: u32,
}

/// What a rejection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnReject {
    /// The step fails as `rejected`.
    #[default]
    Fail,
    /// The step succeeds; its output says `rejected`.
    Continue,
}

impl NodeType for Approval {
    const NAME: &'static str = "approval";

    fn parse(object: &mut Object<'_>, faults: &mut Faults) -> Self {
        let approvers = parse_approvers(object, faults);
        let words = [("fail", OnReject::Fail), ("continue", OnReject::Continue)];
        Self {
            approvers,
            not_requester: object.optional("not_requester").and_then(|item| item.boolean(faults)).unwrap_or(true),
            show: object.optional("show").and_then(|item| item.expression(faults)),
            expires: object.optional("expires").and_then(|item| item.timespan(faults)),
            on_reject: object.optional("on_reject").and_then(|item| item.word(&words, faults)).unwrap_or_default(),
        }
    }

    fn schema() -> Value {
        let names = json!({ "type": "array", "items": { "type": "string", "minLength": 1 } });
        json!({
            "description": "Waits for people to decide; its output is { decision, by, at, comment }.",
            "required": ["approvers"],
            "properties": {
                "approvers": {
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "roles": names,
                        "teams": names,
                        "users": names,
                        "at_least": { "type": "integer", "minimum": 1, "maximum": 100 }
                    },
                    "anyOf": [{ "required": ["roles"] }, { "required": ["teams"] }, { "required": ["users"] }]
                },
                "not_requester": { "type": "boolean", "description": "Whoever started the execution may not decide; true unless given." },
                "show": { "$ref": "#/$defs/jq", "description": "What the approver sees." },
                "expires": { "$ref": "#/$defs/duration" },
                "on_reject": { "enum": ["fail", "continue"] }
            }
        })
    }

    fn expressions(&self, sites: &mut Sites<'_>) {
        if let Some(show) = &self.show {
            sites.jq("show", show);
        }
    }

    fn output(&self) -> Shape {
        Shape::object([
            ("decision", Shape::Scalar("string")),
            ("by", Shape::Any),
            ("at", Shape::Scalar("string")),
            ("comment", Shape::Scalar("string")),
        ])
    }
}

fn parse_approvers(object: &mut Object<'_>, faults: &mut Faults) -> Approvers {
    let mut approvers = Approvers { at_least: 1, ..Approvers::default() };
    let Some(item) = object.required("approvers", faults) else { return approvers };
    let Some(mut object) = item.object(faults) else { return approvers };
    let mut names = |name| object.optional(name).and_then(|item| item.texts(faults)).unwrap_or_default();
    approvers.roles = names("roles");
    approvers.teams = names("teams");
    approvers.users = names("users");
    let at_least = object.optional("at_least");
    if let Some(at_least) = at_least.as_ref().and_then(|item| item.integer(1..=100, faults)) {
        approvers.at_least = u32::try_from(at_least).unwrap_or(1);
    }
    object.finish(faults);
    let only_users = approvers.roles.is_empty() && approvers.teams.is_empty();
    if only_users && approvers.users.is_empty() {
        let message = "nobody could decide; name at least one of `roles`, `teams`, `users`";
        faults.error(Code::MissingField, &item.pointer, message);
    } else if let (true, Some(at_least)) = (only_users, at_least)
        && approvers.users.len() < approvers.at_least as usize
    {
        let message = format!("{} must agree, but only {} may", approvers.at_least, approvers.users.len());
        faults.error(Code::InvalidValue, &at_least.pointer, message);
    }
    approvers
}
