//! Every column that names a person, and what becomes of it when they leave. A test finds those that are missing here.

/// What becomes of a column that names somebody who is offboarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It names who takes over.
    Transferred,
    /// What it stands in ends with their membership: nobody takes over what acts in another's name.
    Ended,
    /// It is history, and stays.
    History,
    /// It is the person's own and no organisation's; it ends with their account.
    Person,
}

/// A column that names a person.
#[derive(Debug, Clone, Copy)]
pub struct PersonColumn {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// What becomes of it.
    pub then: Then,
}

const fn column(table: &'static str, column: &'static str, then: Then) -> PersonColumn {
    PersonColumn { table, column, then }
}

/// All of them, by table.
pub const PERSON_COLUMNS: &[PersonColumn] = &[
    column("api_keys", "answerable", Then::Transferred),
    column("api_keys", "created_by", Then::History),
    column("api_keys", "user_id", Then::Ended),
    column("approval_decisions", "user_id", Then::History),
    column("approvals", "answerable", Then::History),
    column("approvals", "requested_by", Then::History),
    column("auth_challenges", "user_id", Then::Person),
    column("credentials", "user_id", Then::Person),
    column("delegated_tokens", "user_id", Then::Ended),
    column("executions", "answerable", Then::History),
    // What they asked for goes on until its next step that acts, which asks what they may do, and is refused.
    column("executions", "requested_by", Then::History),
    column("identities", "user_id", Then::Person),
    column("invitations", "accepted_by", Then::History),
    // Nobody comes by the link of somebody who has left.
    column("invitations", "invited_by", Then::Ended),
    column("login_failures", "user_id", Then::Person),
    // A limit on who is deactivated limits nobody.
    column("member_rate_limits", "user_id", Then::History),
    column("mail_tokens", "user_id", Then::Person),
    // Their name in the membership, once more for the search; it goes with that.
    column("member_words", "user_id", Then::Person),
    column("memberships", "user_id", Then::Ended),
    column("passkeys", "user_id", Then::Person),
    column("platform_admins", "user_id", Then::Person),
    column("plugin_versions", "created_by", Then::History),
    column("plugins", "created_by", Then::History),
    column("plugins", "owner_id", Then::Transferred),
    column("recovery_codes", "user_id", Then::Person),
    column("secrets", "updated_by", Then::History),
    column("sessions", "user_id", Then::Ended),
    column("team_members", "user_id", Then::Ended),
    column("totp_factors", "user_id", Then::Person),
    column("trusted_devices", "user_id", Then::Person),
    column("user_import_lines", "user_id", Then::History),
    column("user_imports", "created_by", Then::History),
    column("workflow_versions", "author", Then::History),
    column("workflows", "created_by", Then::History),
    column("workflows", "owner_id", Then::Transferred),
];
