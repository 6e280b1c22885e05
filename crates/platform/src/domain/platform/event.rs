use super::admins::PlatformAdmin;

tenure_kernel::actions! {
    /// Who administers the platform; told on the platform's stream.
    pub PlatformAdminEvent on PlatformAdmin = "platform-admin" {
        ADDED = "added", "Somebody on the server's machine made a person a platform administrator.";
        REMOVED = "removed", "Somebody on the server's machine took a person off the platform administrators.";
    }
}
