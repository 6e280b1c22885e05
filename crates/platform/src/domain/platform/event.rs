use super::admins::PlatformAdmin;
use super::setup::SetupLink;

tenure_kernel::actions! {
    /// Who administers the platform; told on the platform's stream.
    pub PlatformAdminEvent on PlatformAdmin = "platform-admin" {
        ADDED = "added", "A person became a platform administrator: made one on the server's machine, or, as the first, by the set-up link.";
        REMOVED = "removed", "Somebody on the server's machine took a person off the platform administrators.";
    }
}

tenure_kernel::actions! {
    /// The link that makes the first administrator; told on the platform's stream, and without what it carries.
    pub SetupLinkEvent on SetupLink = "setup-link" {
        MADE = "made", "A production instance without a platform administrator started, and printed a link that makes one; a link before opens nothing more.";
    }
}
