use super::model::Import;

tenure_kernel::actions! {
    /// What happens to imports of people. Each person that one adds or removes has an event of their own.
    pub ImportEvent on Import = "user-import" {
        STARTED = "started", "An import of people, or a dry run of one, was handed in.";
        FINISHED = "finished", "An import went through its last line.";
        CANCELLED = "cancelled", "Somebody asked for an import to stop.";
        STOPPED = "stopped", "An import was stopped before its last line: somebody cancelled it, or who handed it in may add people no more.";
        UNDO_STARTED = "undo-started", "An import is to be undone.";
        UNDONE = "undone", "An import was undone, but for people who have joined since.";
        REPORTED = "reported", "The report of an import was saved as a file.";
    }
}
