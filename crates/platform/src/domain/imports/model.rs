use serde::{Deserialize, Serialize};
use tenure_kernel::{ImportId, KeyId, Personal, Resource, Timestamp, UserId};
use utoipa::ToSchema;

/// An import of people, roles or API keys, or a dry run of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = UserImport)]
pub struct Import {
    /// Identifier.
    pub id: ImportId,
    /// What its lines are.
    #[serde(default)]
    pub kind: ImportKind,
    /// Whether it only says what would happen.
    pub dry_run: bool,
    /// Where it stands.
    pub state: ImportState,
    /// How many lines it has.
    pub total: i32,
    /// How many of them are over.
    pub done: i32,
    /// How many people, roles or keys were added, or would be.
    pub added: i32,
    /// How many lines were refused.
    pub refused: i32,
    /// How many of them were removed again.
    pub undone: i32,
    /// How many of them stayed when it was undone.
    pub kept: i32,
    /// Why it stopped before its last line.
    pub stopped_because: Option<String>,
    /// The person who handed it in.
    pub created_by: Option<UserId>,
    /// When it was handed in.
    pub created_at: Timestamp,
    /// When it was over.
    pub finished_at: Option<Timestamp>,
}

impl Resource for Import {
    fn resource_id(&self) -> String {
        self.id.to_string()
    }
}

macro_rules! states {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $state:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$of])* $state),* }

        impl $name {
            /// As it is stored.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$state => $text),* }
            }

            /// From what is stored.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$state),)* _ => None }
            }
        }
    };
}

states! {
    /// What the lines of an import are.
    #[derive(Default)]
    ImportKind {
        /// People.
        #[default]
        Users = "users",
        /// Roles.
        Roles = "roles",
        /// API keys.
        ApiKeys = "api_keys",
    }
}

states! {
    /// Where an import stands.
    ImportState {
        /// Nobody is at it yet.
        Waiting = "waiting",
        /// It goes through its lines.
        Running = "running",
        /// It went through all of them.
        Finished = "finished",
        /// It ended before its last line; what was added stays until it is undone.
        Stopped = "stopped",
        /// It takes back what it added.
        Undoing = "undoing",
        /// It took back what it could.
        Undone = "undone",
    }
}

states! {
    /// What came of a line.
    LineState {
        /// Its turn has not come.
        Waiting = "waiting",
        /// It would be added: the dry run found nothing against it.
        Planned = "planned",
        /// Its person is asked to be a member; its role or key is there.
        Added = "added",
        /// It was not added.
        Refused = "refused",
        /// The import stopped before it.
        Skipped = "skipped",
        /// It was added, and removed again.
        Undone = "undone",
        /// It was added, and stayed when the import was undone.
        Kept = "kept",
    }
}

/// A line of the file, and what came of it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = UserImportLine)]
pub struct ImportLine {
    /// Its number in the file, from 1; the header is one.
    pub line: i32,
    /// What came of it.
    pub state: LineState,
    /// The user name as it was written; empty where it is no person.
    pub username: Personal<String>,
    /// The address as it was written; empty where it is no person.
    pub email: Personal<String>,
    /// The name of a role or a key as it was written; empty where it is a person.
    pub name: String,
    /// The member, once there is one.
    pub user: Option<UserId>,
    /// The key, once there is one.
    pub key: Option<KeyId>,
    /// What stands against it.
    pub errors: Vec<LineError>,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = UserImportError)]
pub struct LineError {
    /// In which column; of the whole line where there is none.
    pub column: Option<String>,
    /// What is wrong and what to do.
    pub detail: String,
}

impl LineError {
    pub(super) fn at(column: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { column: Some(column.into()), detail: detail.into() }
    }

    pub(super) fn whole(detail: impl Into<String>) -> Self {
        Self { column: None, detail: detail.into() }
    }
}
