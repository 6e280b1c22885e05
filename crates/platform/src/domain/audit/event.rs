use super::model::AuditLog;

tenure_kernel::actions! {
    /// What happens to the log itself.
    pub AuditEvent on AuditLog = "audit-log" {
        READ = "read", "The audit log was read. Repeats by one reader with one filter within a minute are folded into the first.";
        VERIFIED = "verified", "The audit log was verified; `fault` tells what was found.";
        EXPORTED = "exported", "The audit log was exported.";
        ROW_REFUSED = "row-refused", "A row waiting to be sealed was not what the application wrote, and was not sealed: somebody changed the tables.";
        SEALING_STOPPED = "sealing-stopped", "The stored log is not the one that was last signed. Nothing is sealed until it is.";
    }
}
