//! Installations whose guests run: what `cargo xtask guests` built.

use std::path::PathBuf;
use std::sync::Once;

use tenure_platform::config::{GuestPaths, PlatformConfig};
use tenure_platform::testkit::{Setup, TestApp};
use tenure_sandbox::Images;

fn directory() -> PathBuf {
    if let Some(directory) = std::env::var_os("TENURE_GUESTS_DIR") {
        return directory.into();
    }
    let cache = std::env::var_os("TENURE_CACHE").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/tenure"));
    cache.or_else(home).expect("TENURE_GUESTS_DIR, TENURE_CACHE or HOME is set").join("guests/current")
}

/// Whether there are guests.
pub fn are_built() -> bool {
    directory().join("python.wasm").exists()
}

/// A platform with guests.
pub fn platform() -> PlatformConfig {
    let modules = directory();
    assert!(are_built(), "no guests in {}; run `cargo xtask guests`", modules.display());
    let images = modules.join("images");
    static COMPILED: Once = Once::new();
    COMPILED.call_once(|| drop(Images::prepare(&modules, &images).expect("the guests compile")));
    PlatformConfig { guests: Some(GuestPaths { modules, images }), ..PlatformConfig::default() }
}

/// An installation with guests.
pub async fn app() -> TestApp {
    TestApp::with(Setup { platform: platform(), ..Setup::default() }).await
}
