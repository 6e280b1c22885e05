use super::model::ApiKey;

tenure_kernel::actions! {
    /// What happens to API keys.
    pub ApiKeyEvent on ApiKey = "api-key" {
        CREATED = "created", "An API key was made.";
        UPDATED = "updated", "An API key was renamed, cut down further, or may be used from elsewhere or more often.";
        ROTATED = "rotated", "Another API key took the place of this one, which works on until its grace is over.";
        HANDED_OVER = "handed-over", "Somebody else answers for what a service account starts with this API key.";
        IMPORTED = "imported", "An API key that another system had made was taken over.";
        IMPORT_REFUSED = "import-refused", "Somebody brought an API key to an import that is another organisation's, or was once.";
        REMOVED = "removed", "An import was undone, and with it an API key that it had taken over.";
        REVOKED = "revoked", "An API key was revoked.";
    }
}
