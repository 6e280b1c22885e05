//! What validation must know of the tenant, behind small seams.

use std::collections::BTreeSet;

use crate::nodes::PluginReference;
use crate::timespan::Timespan;

/// The plugins a tenant can use.
pub trait Catalog {
    /// Whether an active version of the plugin lies in the range.
    fn resolve(&self, reference: &PluginReference) -> Resolution;
}

/// What a [`Catalog`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// An active version in the range.
    Found,
    /// No such plugin.
    UnknownPlugin {
        /// One with a similar name, as `publisher/name@range`.
        similar: Option<String>,
    },
    /// The plugin, but no active version in the range.
    NoVersion {
        /// The active versions there are.
        versions: Vec<String>,
    },
}

/// A catalog without plugins.
#[derive(Debug, Clone, Copy)]
pub struct NoCatalog;

impl Catalog for NoCatalog {
    fn resolve(&self, _: &PluginReference) -> Resolution {
        Resolution::UnknownPlugin { similar: None }
    }
}

/// What a tenant's plan allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanLimits {
    /// Nodes in a definition.
    pub nodes: usize,
    /// `limits.parallelism`.
    pub parallelism: u32,
    /// `limits.timeout`.
    pub timeout: Option<Timespan>,
}

impl PlanLimits {
    /// No bounds but those of every definition.
    pub const NONE: Self = Self { nodes: usize::MAX, parallelism: u32::MAX, timeout: None };
}

/// What validation must know of the tenant.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The plugins it can use.
    pub catalog: &'a dyn Catalog,
    /// The names of the secrets granted to the workflow.
    pub secrets: &'a BTreeSet<String>,
    /// What its plan allows.
    pub limits: PlanLimits,
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("limits", &self.limits).finish_non_exhaustive()
    }
}
