use super::model::{Plugin, PluginVersion};

tenure_kernel::actions! {
    /// What happens to plugins.
    pub PluginEvent on Plugin = "plugin" {
        OWNER_CHANGED = "owner-changed", "A plugin's owner left, and somebody else owns it.";
        DELETED = "deleted", "A plugin that no workflow uses was deleted.";
    }
}

tenure_kernel::actions! {
    /// What happens to versions of plugins.
    pub PluginVersionEvent on PluginVersion = "plugin-version" {
        UPLOADED = "uploaded", "A version of a plugin was uploaded and passed its stages.";
        STATUS_CHANGED = "status-changed", "A version of a plugin was activated or deprecated.";
        TESTED = "tested", "A version of a plugin was called once, on input given for the test.";
    }
}
