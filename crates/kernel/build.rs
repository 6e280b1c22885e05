#![expect(clippy::print_stdout, reason = "how a build script speaks to cargo")]
//! Rebuilds the crate when a migration was added.
fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
