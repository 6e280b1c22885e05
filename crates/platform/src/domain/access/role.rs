//! The system roles. They cannot be changed or deleted; custom roles come beside them.

use serde::{Deserialize, Serialize};
use tenure_kernel::{PermissionId, PermissionSet};
use utoipa::ToSchema;

use PermissionId::{
    ApiKeyRead, ApiKeyWrite, ApprovalDecide, ApprovalRead, AuditRead, ExecutionCancel, ExecutionDelete, ExecutionRead,
    ExecutionRetry, PluginCreate, PluginDelete, PluginRead, PluginUpdate, RoleRead, SecretRead, SecretWrite,
    ServiceAccountRead, TeamRead, TenantRead, UserRead, WorkflowCreate, WorkflowDelete, WorkflowExecute, WorkflowRead,
    WorkflowUpdate,
};

/// A role that every tenant has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SystemRole {
    /// Everything inside the tenant.
    Admin,
    /// Builds workflows, plugins and queries.
    Developer,
    /// Runs, cancels and retries; decides approvals; sees results.
    Operator,
    /// Runs published workflows only: what an API client gets.
    Executor,
    /// Reads.
    Viewer,
    /// Reads the audit log and nothing else.
    Auditor,
}

impl SystemRole {
    /// Every system role.
    pub const ALL: [Self; 6] =
        [Self::Admin, Self::Developer, Self::Operator, Self::Executor, Self::Viewer, Self::Auditor];

    /// As memberships store it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Developer => "developer",
            Self::Operator => "operator",
            Self::Executor => "executor",
            Self::Viewer => "viewer",
            Self::Auditor => "auditor",
        }
    }

    /// From its stored name; an unknown one gives nothing and so grants nothing.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }

    /// What it is for.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Admin => "Everything inside the organisation.",
            Self::Developer => "Builds workflows, plugins and queries.",
            Self::Operator => "Runs, cancels and retries; decides approvals; sees results.",
            Self::Executor => "Runs published workflows only: what an API client gets.",
            Self::Viewer => "Reads.",
            Self::Auditor => "Reads the audit log and nothing else.",
        }
    }

    /// What it permits.
    #[must_use]
    pub const fn permissions(self) -> PermissionSet {
        const READS: PermissionSet = PermissionSet::of(&[
            WorkflowRead,
            ExecutionRead,
            ApprovalRead,
            PluginRead,
            TeamRead,
            UserRead,
            RoleRead,
            TenantRead,
        ]);
        match self {
            Self::Admin => PermissionSet::ALL,
            Self::Developer => READS.union(PermissionSet::of(&[
                WorkflowCreate,
                WorkflowUpdate,
                WorkflowDelete,
                WorkflowExecute,
                ExecutionCancel,
                ExecutionRetry,
                ExecutionDelete,
                PluginCreate,
                PluginUpdate,
                PluginDelete,
                SecretRead,
                SecretWrite,
                ApiKeyRead,
                ApiKeyWrite,
                ServiceAccountRead,
            ])),
            Self::Operator => READS.union(PermissionSet::of(&[
                WorkflowExecute,
                ExecutionCancel,
                ExecutionRetry,
                ExecutionDelete,
                ApprovalDecide,
                ApiKeyRead,
                ApiKeyWrite,
            ])),
            Self::Executor => PermissionSet::of(&[WorkflowRead, WorkflowExecute, ExecutionRead]),
            Self::Viewer => READS,
            Self::Auditor => PermissionSet::of(&[AuditRead, TenantRead]),
        }
    }
}

/// What a member with these roles and extra permissions may do.
#[must_use]
pub fn effective(roles: &[String], extra: &[String]) -> PermissionSet {
    let of_roles = roles.iter().filter_map(|name| SystemRole::parse(name)).map(SystemRole::permissions);
    of_roles.fold(PermissionSet::from_patterns(extra.iter().map(String::as_str)), PermissionSet::union)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_union_and_unknown_names_grant_nothing() {
        let both = effective(&["executor".to_owned(), "auditor".to_owned()], &[]);
        assert!(both.contains(PermissionSet::of(&[WorkflowExecute, AuditRead])));
        assert_eq!(effective(&["root".to_owned(), "Admin".to_owned()], &[]), PermissionSet::NONE);
        assert_eq!(effective(&[], &["team:read".to_owned()]).to_string(), "team:read");
    }

    #[test]
    fn only_the_admin_has_everything() {
        for role in SystemRole::ALL {
            assert_eq!(role.permissions() == PermissionSet::ALL, role == SystemRole::Admin, "{role:?}");
            assert_eq!(SystemRole::parse(role.as_str()), Some(role));
        }
    }
}
