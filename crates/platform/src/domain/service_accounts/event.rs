use super::model::ServiceAccount;

tenure_kernel::actions! {
    /// What happens to service accounts.
    pub ServiceAccountEvent on ServiceAccount = "service-account" {
        CREATED = "created", "A service account was created.";
        UPDATED = "updated", "A service account was renamed or described anew, or its status, roles or permissions were changed.";
        DELETED = "deleted", "A service account was deleted, with its keys that worked no more.";
    }
}
