use tenure_kernel::event::Action;

use super::model::{Import, ImportKind};

/// What happens to an import of whatever kind.
pub(super) struct Events {
    pub(super) started: Action<Import>,
    pub(super) finished: Action<Import>,
    pub(super) cancelled: Action<Import>,
    pub(super) stopped: Action<Import>,
    pub(super) undo_started: Action<Import>,
    pub(super) undone: Action<Import>,
    pub(super) reported: Action<Import>,
}

/// The same of each kind, under the kind's own name.
macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $type:literal;)*) => {$(
        tenure_kernel::actions! {
            $(#[$doc])*
            pub $name on Import = $type {
                STARTED = "started", "An import, or a dry run of one, was handed in.";
                FINISHED = "finished", "An import went through its last line.";
                CANCELLED = "cancelled", "Somebody asked for an import to stop.";
                STOPPED = "stopped", "An import was stopped before its last line: somebody cancelled it, or who handed it in may add no more of its kind.";
                UNDO_STARTED = "undo-started", "An import is to be undone.";
                UNDONE = "undone", "An import was undone, but for what its lines name.";
                REPORTED = "reported", "The report of an import was saved as a file.";
            }
        }

        impl $name {
            const EVENTS: Events = Events {
                started: Self::STARTED,
                finished: Self::FINISHED,
                cancelled: Self::CANCELLED,
                stopped: Self::STOPPED,
                undo_started: Self::UNDO_STARTED,
                undone: Self::UNDONE,
                reported: Self::REPORTED,
            };
        }
    )*};
}

events! {
    /// What happens to imports of people. Each person that one adds or removes has an event of their own.
    ImportEvent = "user-import";
    /// What happens to imports of roles. Each role that one makes or removes has an event of its own.
    RoleImportEvent = "role-import";
    /// What happens to imports of API keys. Each key that one takes over or removes has an event of its own.
    KeyImportEvent = "api-key-import";
}

impl ImportKind {
    /// The events of imports of this kind.
    pub(super) const fn events(self) -> Events {
        match self {
            Self::Users => ImportEvent::EVENTS,
            Self::Roles => RoleImportEvent::EVENTS,
            Self::ApiKeys => KeyImportEvent::EVENTS,
        }
    }
}
