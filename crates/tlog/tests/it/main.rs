//! Tests through the crate's public face.

mod export;
mod leaf;
mod merkle;
mod note;
mod tampering;
mod tiles;
