//! Tenure's domains: vertical slices, each from its tables to its routes. [`app`] puts them together.

pub mod app;
pub mod config;
pub mod domain;
mod remembered;
pub mod sandbox;
#[cfg(feature = "testkit")]
pub mod testkit;
