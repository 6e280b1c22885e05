//! Plugins: a tenant's own code as workflow nodes, in many versions side by side. Owns `plugins`, `plugin_versions`,
//! `workflow_plugin_uses` and `execution_plugins`.
//!
//! An upload passes stages (`stages.rs`); what was uploaded never changes, only its status does.

mod catalog;
mod event;
mod http;
mod manifest;
mod model;
mod pins;
mod release;
mod run;
mod schema;
mod stages;
mod store;

pub use catalog::{Catalog, ResolvedPlugin, not_usable_by, pinned, remember_uses, resolve};
pub use event::{PluginEvent, PluginVersionEvent};
pub use http::routes;
pub use manifest::{Capability, HttpCapability};
pub use model::{Plugin, PluginStatus, PluginVersion};
pub use pins::{PinnedPlugin, kept, pin, pins};
pub use release::let_go;
