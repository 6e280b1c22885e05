//! The catalogue of permissions: `resource:action`, one enum in one file.
//!
//! The OpenAPI document, the console and the documentation are generated from it. A route names its permission by the
//! type in its handler's signature (`Authorized<WorkflowCreate>`), nowhere else.

use std::fmt;

/// How a permission's holder touches the tenant's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// In a read-only transaction.
    Read,
    /// In a read-write transaction.
    Write,
}

/// Type-level [`Access`]: what a [`crate::TenantTx`] may do.
pub trait Mode: Send + Sync + 'static {
    /// The same as a value.
    const ACCESS: Access;
}

/// Read-only.
#[derive(Debug)]
pub enum Read {}
/// Read and write.
#[derive(Debug)]
pub enum Write {}

impl Mode for Read {
    const ACCESS: Access = Access::Read;
}
impl Mode for Write {
    const ACCESS: Access = Access::Write;
}

/// A permission, or several at once, as a type.
pub trait Permission: Send + Sync + 'static {
    /// Read or write.
    type Mode: Mode;
    /// All of these must be held.
    const NEEDS: PermissionSet;
    /// Whether a factor must have been proven just before ([`Recent`]).
    const STEP_UP: bool = false;
    /// Whether an API key passes all the same ([`RecentLogin`]).
    const KEYS_PASS: bool = false;
}

/// Asks for `P`, and for a factor that the caller's login has proven within the last five minutes. Only a person's login
/// can; an API key never does.
#[derive(Debug)]
pub struct Recent<P>(std::marker::PhantomData<fn() -> P>);

impl<P: Permission> Permission for Recent<P> {
    type Mode = P::Mode;
    const NEEDS: PermissionSet = P::NEEDS;
    const STEP_UP: bool = true;
}

/// As [`Recent`], of a person's login. An API key, which can prove nothing, passes: for a handler that lets it do something to
/// itself and to nothing else.
#[derive(Debug)]
pub struct RecentLogin<P>(std::marker::PhantomData<fn() -> P>);

impl<P: Permission> Permission for RecentLogin<P> {
    type Mode = P::Mode;
    const NEEDS: PermissionSet = P::NEEDS;
    const STEP_UP: bool = true;
    const KEYS_PASS: bool = true;
}

/// Asks for every permission of the tuple; it writes if its first one does.
#[derive(Debug)]
pub struct All<T>(std::marker::PhantomData<fn() -> T>);

impl<A: Permission, B: Permission> Permission for All<(A, B)> {
    type Mode = A::Mode;
    const NEEDS: PermissionSet = A::NEEDS.union(B::NEEDS);
    const STEP_UP: bool = A::STEP_UP || B::STEP_UP;
}

macro_rules! permissions {
    ($($mode:ident $name:ident = $text:literal, $doc:literal;)*) => {
        /// One permission, as a value.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum PermissionId { $(#[doc = $doc] $name),* }

        impl PermissionId {
            /// Every permission there is, in the catalogue's order.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// `resource:action`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// What its holder may do, for a person.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self { $(Self::$name => $doc),* }
            }

            /// Read or write.
            #[must_use]
            pub const fn access(self) -> Access {
                match self { $(Self::$name => Access::$mode),* }
            }
        }

        $(
            #[doc = $doc]
            #[derive(Debug)]
            pub enum $name {}
            impl Permission for $name {
                type Mode = $mode;
                const NEEDS: PermissionSet = PermissionSet::of(&[PermissionId::$name]);
            }
        )*
    };
}

permissions! {
    Write WorkflowCreate   = "workflow:create",   "Create workflows.";
    Read  WorkflowRead     = "workflow:read",     "See workflows, their versions and their definitions.";
    Write WorkflowUpdate   = "workflow:update",   "Save new versions of workflows.";
    Write WorkflowDelete   = "workflow:delete",   "Delete workflows.";
    Write WorkflowExecute  = "workflow:execute",  "Start executions of workflows.";
    Read  ExecutionRead    = "execution:read",    "See executions, their steps, inputs and outputs.";
    Write ExecutionCancel  = "execution:cancel",  "Pause and cancel executions that have not ended.";
    Write ExecutionRetry   = "execution:retry",   "Resume paused executions, and have failed ones go on.";
    Write ExecutionDelete  = "execution:delete",  "Delete executions that are over, with all that they hold.";
    Read  ApprovalRead     = "approval:read",     "See requests for approval.";
    Write ApprovalDecide   = "approval:decide",   "Approve or reject what others requested.";
    Write PluginCreate     = "plugin:create",     "Upload plugins and new versions of them.";
    Read  PluginRead       = "plugin:read",       "See plugins and their code.";
    Write PluginUpdate     = "plugin:update",     "Activate, deprecate and test plugins.";
    Write PluginDelete     = "plugin:delete",     "Delete plugins that nothing uses.";
    Read  SecretRead       = "secret:read",       "See the names of secrets and what they are granted to, never their values.";
    Write SecretWrite      = "secret:write",      "Set, grant and delete secrets.";
    Read  UserRead         = "user:read",         "See the members of the organisation.";
    Write UserWrite        = "user:write",        "Add members and change their status.";
    Read  RoleRead         = "role:read",         "See roles and what they permit.";
    Write RoleWrite        = "role:write",        "Make, change and delete the organisation's own roles.";
    Write RoleAssign       = "role:assign",       "Give and take roles.";
    Read  ApiKeyRead       = "api_key:read",       "See API keys, never the keys themselves: one's own, and with `user:write` everybody's.";
    Write ApiKeyWrite      = "api_key:write",      "Make, change, rotate and revoke one's own API keys, and with `user:write` revoke anybody's.";
    Read  ServiceAccountRead  = "service_account:read",  "See service accounts and their API keys, never the keys themselves.";
    Write ServiceAccountWrite = "service_account:write", "Create, change and delete service accounts; with `api_key:write` make, rotate and revoke their API keys.";
    Write DelegationAct    = "delegation:act",    "Act for people who hand a token of theirs on, within what it is cut down to; for service accounts.";
    Read  TeamRead         = "team:read",         "See teams and who is in them.";
    Write TeamWrite        = "team:write",        "Create, rename and delete teams, and change who is in them.";
    Read  AuditRead        = "audit:read",        "Read the audit log and verify it.";
    Read  TenantRead       = "tenant:read",       "See the organisation's plan, quotas and usage.";
    Write TenantUpdate     = "tenant:update",     "Change what holds for the whole organisation: its rate limits, and whether its members need a second factor.";
}

/// A set of permissions; a check is one bit test.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct PermissionSet(u128);

impl PermissionSet {
    /// None.
    pub const NONE: Self = Self(0);
    /// Every permission of a tenant: what `*` stands for. Platform permissions are another enum and never in it.
    pub const ALL: Self = Self::of(PermissionId::ALL);

    /// The set of these.
    #[must_use]
    pub const fn of(permissions: &[PermissionId]) -> Self {
        let mut bits = 0;
        let mut rest = permissions;
        while let [first, tail @ ..] = rest {
            bits |= 1 << (*first as u8);
            rest = tail;
        }
        Self(bits)
    }

    /// Those in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those in both: how a credential's scope cuts down what its owner may do.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that `held` lacks.
    #[must_use]
    pub const fn missing_from(self, held: Self) -> Self {
        Self(self.0 & !held.0)
    }

    /// Whether all of `needed` are in it.
    #[must_use]
    pub const fn contains(self, needed: Self) -> bool {
        needed.missing_from(self).is_empty()
    }

    /// Whether there is none in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its members in the catalogue's order.
    pub fn iter(self) -> impl Iterator<Item = PermissionId> {
        PermissionId::ALL.iter().copied().filter(move |id| self.0 & (1 << (*id as u8)) != 0)
    }

    /// The members that a list of names and wildcards (`*`, `workflow:*`) stands for. An unknown name stands for
    /// nothing: a permission of a later release that an older node meets is not granted.
    #[must_use]
    pub fn from_patterns<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Self {
        patterns.into_iter().fold(Self::NONE, |set, pattern| {
            let matches = |id: &PermissionId| match pattern.strip_suffix('*') {
                Some("") => true,
                Some(resource) => resource.ends_with(':') && id.as_str().starts_with(resource),
                None => id.as_str() == pattern,
            };
            PermissionId::ALL.iter().filter(|id| matches(id)).fold(set, |set, id| set.union(Self::of(&[*id])))
        })
    }
}

impl fmt::Display for PermissionSet {
    /// `workflow:read, workflow:create`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, id) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            f.write_str(id.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Debug for PermissionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(PermissionId::as_str)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_cover_their_resource_and_nothing_else() {
        let set = PermissionSet::from_patterns(["team:*", "workflow:read"]);
        assert_eq!(set.to_string(), "workflow:read, team:read, team:write");
        assert_eq!(PermissionSet::from_patterns(["*"]), PermissionSet::ALL);
        for nothing in ["", "team*", "te*", "team:", "unknown:read", ":*", "**"] {
            assert_eq!(PermissionSet::from_patterns([nothing]), PermissionSet::NONE, "{nothing}");
        }
    }

    #[test]
    fn names_are_distinct_and_well_formed() {
        let mut seen = std::collections::BTreeSet::new();
        for id in PermissionId::ALL {
            let (resource, action) = id.as_str().split_once(':').unwrap();
            assert!(!resource.is_empty() && !action.is_empty());
            assert!(seen.insert(id.as_str()), "{} twice", id.as_str());
        }
        assert!(PermissionId::ALL.len() <= 128, "the set has 128 bits");
    }
}
