//! Events: every change and every refusal, written in the transaction of what it tells of.
//!
//! A store function that changes a row returns a [`Change`]; only [`Change::audited`] (or one of the named
//! alternatives on [`Audited`]) makes the [`Audited`] without which a write does not commit. So the diff comes from what
//! was written, and an event of another kind of resource cannot be attached.

use std::borrow::Cow;
use std::marker::PhantomData;

use serde::Serialize;
use serde_json::Value;
pub use tenure_tlog::leaf::{Outcome, PatchVerb};

use crate::context::Actor;
use crate::id::TenantId;
use crate::personal;

/// What happened, as `resource.verb`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct ActionInfo {
    /// `team.created`
    pub name: &'static str,
    /// `team`
    pub resource: &'static str,
    /// What it means, for the event catalogue.
    pub doc: &'static str,
}

/// An action on resources of type `R`. Made by [`actions!`](crate::actions).
#[derive(Debug)]
pub struct Action<R>(&'static ActionInfo, PhantomData<fn() -> R>);

impl<R> Clone for Action<R> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<R> Copy for Action<R> {}

impl<R> Action<R> {
    #[doc(hidden)]
    #[must_use]
    pub const fn new(info: &'static ActionInfo) -> Self {
        Self(info, PhantomData)
    }

    /// Its entry in the catalogue.
    #[must_use]
    pub const fn info(self) -> &'static ActionInfo {
        self.0
    }
}

/// Declares a slice's actions on one type of resource:
///
/// ```ignore
/// actions! {
///     /// What happens to teams.
///     pub TeamEvent on Team = "team" {
///         CREATED = "created", "A team was created.";
///     }
/// }
/// ```
#[macro_export]
macro_rules! actions {
    ($(#[$doc:meta])* $vis:vis $name:ident on $resource:ty = $type:literal { $($action:ident = $verb:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug)]
        $vis enum $name {}

        impl $name {
            /// All of them, for the event catalogue.
            $vis const ALL: &'static [&'static $crate::event::ActionInfo] = &[$(Self::$action.info()),*];
            $(
                #[doc = $text]
                $vis const $action: $crate::event::Action<$resource> = $crate::event::Action::new(
                    &$crate::event::ActionInfo { name: concat!($type, ".", $verb), resource: $type, doc: $text },
                );
            )*
        }
    };
}

/// Something that events tell of. Its serialised form is what the diff compares; fields of type
/// [`Personal`](crate::Personal) enter it salted, secret values are no `Serialize` and cannot.
pub trait Resource: Serialize {
    /// Its identifier as the API writes it.
    fn resource_id(&self) -> String;
}

/// An event that has not been written yet.
#[derive(Debug)]
pub struct NewEvent {
    pub(crate) action: &'static ActionInfo,
    pub(crate) resource_id: Option<String>,
    pub(crate) outcome: Outcome,
    pub(crate) reason: Option<Cow<'static, str>>,
    pub(crate) diff: Result<Vec<Operation>, serde_json::Error>,
    pub(crate) tenant: Option<TenantId>,
    pub(crate) actor: Option<Actor>,
    pub(crate) policy_version: Option<String>,
}

impl NewEvent {
    /// A success without a diff.
    #[must_use]
    pub fn new<R>(action: Action<R>, resource_id: impl Into<Option<String>>) -> Self {
        Self {
            action: action.info(),
            resource_id: resource_id.into(),
            outcome: Outcome::Success,
            reason: None,
            diff: Ok(Vec::new()),
            tenant: None,
            actor: None,
            policy_version: None,
        }
    }

    /// How it ended, and why, in a stable word or two.
    #[must_use]
    pub fn outcome(mut self, outcome: Outcome, reason: impl Into<Cow<'static, str>>) -> Self {
        self.outcome = outcome;
        self.reason = Some(reason.into());
        self
    }

    /// What else belongs to it: `{"op": "add", "path": "/<name>", "value": …}` in its diff.
    #[must_use]
    pub fn detail(mut self, name: &str, value: impl Serialize) -> Self {
        match (&mut self.diff, personal::marked(&value)) {
            (Ok(list), Ok(value)) => list.push(Operation::new(PatchVerb::Add, name, Some(value))),
            (Ok(_), Err(error)) => self.diff = Err(error),
            (Err(_), _) => {}
        }
        self
    }

    /// The stream it belongs to, where the transaction spans tenants.
    #[must_use]
    pub fn in_tenant(mut self, tenant: TenantId) -> Self {
        self.tenant = Some(tenant);
        self
    }

    /// The policy that decided ([`crate::decision::Decision::policy_version`]).
    #[must_use]
    pub fn decided_by(mut self, policy_version: impl Into<String>) -> Self {
        self.policy_version = Some(policy_version.into());
        self
    }

    /// Who did it, where that is not the transaction's own actor.
    #[must_use]
    pub fn by(mut self, actor: Actor) -> Self {
        self.actor = Some(actor);
        self
    }
}

/// A row before and after a store function changed it.
#[derive(Debug)]
#[must_use = "a change is committed only once it is audited"]
pub enum Change<R> {
    /// The row is new.
    Created(R),
    /// The row was there.
    Updated {
        /// As it was.
        before: R,
        /// As it is now.
        after: R,
    },
    /// The row is gone.
    Deleted(R),
}

impl<R: Resource> Change<R> {
    /// The event of this change, and the row as it is now (as it was, if it is gone).
    pub fn audited(self, action: Action<R>) -> Audited<R> {
        let (diff, row) = match self {
            Self::Created(row) => (diff(None, Some(&row)), row),
            Self::Updated { before, after } => (diff(Some(&before), Some(&after)), after),
            Self::Deleted(row) => (diff(Some(&row), None), row),
        };
        let event = NewEvent { diff, ..NewEvent::new(action, row.resource_id()) };
        Audited { value: row, events: vec![event] }
    }
}

/// A value together with the events without which it may not be committed.
#[derive(Debug)]
#[must_use = "only what is returned from the transaction is committed"]
pub struct Audited<T> {
    pub(crate) value: T,
    pub(crate) events: Vec<NewEvent>,
}

impl<T> Audited<T> {
    /// A value with one event of its own, where no row changed (a read of something sensitive, an attempt).
    pub fn of(value: T, event: NewEvent) -> Self {
        Self { value, events: vec![event] }
    }

    /// A value with the events of several changes.
    pub fn many(value: T, events: impl IntoIterator<Item = NewEvent>) -> Self {
        Self { value, events: events.into_iter().collect() }
    }

    /// No event, for a written reason: the uses are counted by a test.
    pub fn none(_reason: &'static str, value: T) -> Self {
        Self { value, events: Vec::new() }
    }

    /// The same events with another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Audited<U> {
        Audited { value: f(self.value), events: self.events }
    }

    /// The value with the events of both.
    pub fn and<U>(mut self, other: Audited<U>) -> Audited<(T, U)> {
        self.events.extend(other.events);
        Audited { value: (self.value, other.value), events: self.events }
    }

    /// One more event.
    pub fn also(mut self, event: NewEvent) -> Self {
        self.events.push(event);
        self
    }

    /// The same, with what else belongs to its events ([`NewEvent::detail`]).
    pub fn detail(mut self, name: &str, value: impl Serialize) -> Self {
        self.events = self.events.into_iter().map(|event| event.detail(name, &value)).collect();
        self
    }

    /// The same, told on this tenant's stream: where the transaction's own tenant may not read of it.
    pub fn in_tenant(mut self, tenant: TenantId) -> Self {
        for event in &mut self.events {
            event.tenant = Some(tenant);
        }
        self
    }

    /// The same, done by this actor, where that is not the transaction's own.
    pub fn by(mut self, actor: Actor) -> Self {
        for event in &mut self.events {
            event.actor = Some(actor);
        }
        self
    }

    /// The value, to go on working with it before the events are written.
    pub fn value(&self) -> &T {
        &self.value
    }
}

/// One step of a diff, before its personal values are salted.
#[derive(Debug, PartialEq)]
pub(crate) struct Operation {
    pub(crate) verb: PatchVerb,
    /// JSON pointer of the member.
    pub(crate) path: String,
    /// Nothing for a removal.
    pub(crate) value: Option<Value>,
    /// The value may not enter the log as it is.
    pub(crate) personal: bool,
}

impl Operation {
    /// A member that belongs to the event and to no row; nothing personal.
    pub(crate) fn added(name: &str, value: Value) -> Self {
        Self { verb: PatchVerb::Add, path: format!("/{name}"), value: Some(value), personal: false }
    }

    fn new(verb: PatchVerb, name: &str, value: Option<Value>) -> Self {
        let path = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        let personal = value.as_ref().is_some_and(personal::holds_mark);
        Self { verb, path, value: value.map(personal::unmarked), personal }
    }
}

/// The change as a JSON Patch (RFC 6902) of the resource's members; each old value stands before it in a `test`
/// operation, so that the patch can be read, and applied, in both directions. A member that holds a personal value
/// anywhere is personal as a whole.
fn diff<R: Resource>(before: Option<&R>, after: Option<&R>) -> Result<Vec<Operation>, serde_json::Error> {
    let members = |resource: Option<&R>| -> Result<serde_json::Map<String, Value>, serde_json::Error> {
        match resource.map(personal::marked).transpose()? {
            Some(Value::Object(map)) => Ok(map),
            Some(other) => Ok(serde_json::Map::from_iter([("value".to_owned(), other)])),
            None => Ok(serde_json::Map::new()),
        }
    };
    let (before, mut after) = (members(before)?, members(after)?);
    let mut patch = Vec::new();
    for (name, old) in before {
        let new = after.remove(&name);
        if new.as_ref() == Some(&old) {
            continue;
        }
        patch.push(Operation::new(PatchVerb::Test, &name, Some(old)));
        let verb = if new.is_some() { PatchVerb::Replace } else { PatchVerb::Remove };
        patch.push(Operation::new(verb, &name, new));
    }
    let added = after.into_iter().filter(|(_, new)| !new.is_null());
    patch.extend(added.map(|(name, new)| Operation::new(PatchVerb::Add, &name, Some(new))));
    Ok(patch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Serialize)]
    struct Team {
        name: &'static str,
        lead: Option<&'static str>,
    }

    impl Resource for Team {
        fn resource_id(&self) -> String {
            "team_1".to_owned()
        }
    }

    actions! {
        /// Test.
        TeamEvent on Team = "team" {
            RENAMED = "renamed", "A team was renamed.";
        }
    }

    fn patch(change: Change<Team>) -> Vec<(PatchVerb, String, Option<Value>)> {
        let audited = change.audited(TeamEvent::RENAMED);
        let event = audited.events.into_iter().next().unwrap();
        assert_eq!(event.action.name, "team.renamed");
        event.diff.unwrap().into_iter().map(|step| (step.verb, step.path, step.value)).collect()
    }

    #[test]
    fn the_diff_tells_old_and_new() {
        let change = Change::Updated { before: Team { name: "a", lead: None }, after: Team { name: "b", lead: None } };
        assert_eq!(
            patch(change),
            [
                (PatchVerb::Test, "/name".to_owned(), Some(json!("a"))),
                (PatchVerb::Replace, "/name".to_owned(), Some(json!("b")))
            ]
        );
    }

    #[test]
    fn a_new_row_is_added_member_by_member_and_a_gone_one_keeps_what_it_was() {
        let created = patch(Change::Created(Team { name: "a", lead: None }));
        assert_eq!(created, [(PatchVerb::Add, "/name".to_owned(), Some(json!("a")))]);
        let deleted = patch(Change::Deleted(Team { name: "a", lead: Some("x") }));
        assert_eq!(
            deleted[2..],
            [(PatchVerb::Test, "/name".to_owned(), Some(json!("a"))), (PatchVerb::Remove, "/name".to_owned(), None),]
        );
        assert_eq!(TeamEvent::ALL.len(), 1);
    }
}
