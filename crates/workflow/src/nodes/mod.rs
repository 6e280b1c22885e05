//! The node types. Each has one file that owns its configuration: how it is read, its JSON Schema, its expressions,
//! the shape of its output and its own faults. Adding a type is a file here and its line in `node_types!`.

mod approval;
mod branch;
mod common;
mod http;
mod map;
mod note;
mod plugin;
mod template;
mod transform;
mod wait;

pub use approval::{Approval, Approvers, OnReject};
pub use branch::{Branch, Case};
pub use common::{CanvasPosition, Node, NodeLimits, SetState};
pub use http::{Http, Method};
pub use map::{Map, OnItemError};
pub use note::Note;
pub use plugin::{Code as PluginCode, Language, Plugin, PluginReference};
pub use template::Template;
pub use transform::Transform;
pub use wait::Wait;

use serde_json::Value;

use crate::definition::fields::Object;
use crate::expression::Sites;
use crate::fault::Faults;
use crate::validate::{Context, Shape};

pub(crate) use common::{Place, check_id, parse_nodes, schema as common_schema};

/// Types of later releases: known by name, so that the fault can say so.
const LATER: [&str; 8] = ["agent", "aggregate", "image", "llm", "policy", "query", "router", "workflow"];

/// What a node type tells about itself.
pub(crate) trait NodeType {
    /// The value of `type`.
    const NAME: &'static str;
    /// Whether a `map` can run it for each item.
    const IN_MAP: bool = true;

    /// Reads the type's own fields; what is missing or wrong is told and replaced by a default.
    fn parse(object: &mut Object<'_>, faults: &mut Faults) -> Self;

    /// `{properties, required, …}` of the type's own fields, for the published JSON Schema.
    fn schema() -> Value;

    /// The expressions among the type's fields.
    fn expressions(&self, sites: &mut Sites<'_>);

    /// What its output looks like, as far as that is known.
    fn output(&self) -> Shape {
        Shape::Any
    }

    /// Faults that need to know more than the node itself.
    fn check(&self, _pointer: &str, _context: &Context<'_>, _faults: &mut Faults) {}
}

macro_rules! node_types {
    ($($name:ident),* $(,)?) => {
        /// A node's type with its configuration.
        #[derive(Debug, Clone, PartialEq)]
        pub enum NodeKind {
            $(#[doc = concat!("See [`", stringify!($name), "`].")] $name($name),)*
            /// A type that does not exist or comes later: only in definitions with faults.
            Unknown(String),
        }

        impl NodeKind {
            /// The names of all types of this release.
            pub const NAMES: &'static [&'static str] = &[$($name::NAME),*];

            fn parse_own(name: &str, object: &mut Object<'_>, faults: &mut Faults) -> Option<Self> {
                match name {
                    $($name::NAME => Some(Self::$name($name::parse(object, faults))),)*
                    _ => None,
                }
            }

            /// The value of `type`.
            #[must_use]
            pub fn name(&self) -> &str {
                match self { $(Self::$name(_) => $name::NAME,)* Self::Unknown(name) => name }
            }

            pub(crate) fn runs_in_map(&self) -> bool {
                match self { $(Self::$name(_) => $name::IN_MAP,)* Self::Unknown(_) => true }
            }

            pub(crate) fn expressions(&self, sites: &mut Sites<'_>) {
                match self { $(Self::$name(config) => config.expressions(sites),)* Self::Unknown(_) => {} }
            }

            pub(crate) fn output(&self) -> Shape {
                match self { $(Self::$name(config) => config.output(),)* Self::Unknown(_) => Shape::Any }
            }

            pub(crate) fn check(&self, pointer: &str, context: &Context<'_>, faults: &mut Faults) {
                match self { $(Self::$name(config) => config.check(pointer, context, faults),)* Self::Unknown(_) => {} }
            }
        }

        /// Name, whether a `map` can run it, and schema of each type.
        pub(crate) fn schemas() -> Vec<(&'static str, bool, Value)> {
            vec![$(($name::NAME, $name::IN_MAP, $name::schema())),*]
        }
    };
}

node_types! { Transform, Branch, Map, Http, Plugin, Approval, Wait, Note }
