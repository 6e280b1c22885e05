//! Where the guests are that run expressions and plugins: a directory that was named, else what the program itself carries,
//! else where the build leaves them.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tenure_platform::config::GuestPaths;

use crate::config::Config;

/// `image, SHA-256 of the image, the image as Zstandard`, made by build.rs; empty without `TENURE_EMBED_GUESTS`.
mod embedded {
    include!(concat!(env!("OUT_DIR"), "/guests.rs"));

    /// What the program carries.
    pub(super) const IMAGES: &[(&str, &str, &[u8])] = PACKED;
}

/// Below the data directory.
const DIRECTORY: &str = "guests";
/// Below a directory of modules: their compiled form, native code that only the server's user may reach.
const IMAGES: &str = "images";

/// Why the program's own guests could not be put where they can be loaded from.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GuestsError {
    #[error("the guests cannot be unpacked into {path}: {error}; make room there, or choose another data directory", path = .path.display())]
    Unpack { path: PathBuf, error: io::Error },
    #[error("{image} in this program is damaged; install it again")]
    Damaged { image: &'static str },
}

/// Where to load them from. That something is there is only certain for what the program carries.
pub(crate) fn locate(config: &Config) -> Result<GuestPaths, GuestsError> {
    let beside = |modules: PathBuf| GuestPaths { images: modules.join(IMAGES), modules };
    let below = config.data_dir.join(DIRECTORY);
    if let Some(named) = &config.guests {
        return Ok(beside(named.clone()));
    }
    if !embedded::IMAGES.is_empty() {
        return unpack(&below);
    }
    if below.join(IMAGES).is_dir() {
        return Ok(beside(below));
    }
    Ok(beside(built().filter(|built| built.is_dir()).unwrap_or(below)))
}

/// Where `cargo xtask guests` leaves them.
fn built() -> Option<PathBuf> {
    let cache = std::env::var_os("TENURE_CACHE").map(PathBuf::from);
    let cache = cache.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cache/tenure")))?;
    Some(cache.join("guests/current"))
}

/// Once for each build of the program; later starts only compare digests.
fn unpack(below: &Path) -> Result<GuestPaths, GuestsError> {
    let mut key = Sha256::new();
    embedded::IMAGES.iter().for_each(|(_, digest, _)| key.update(digest));
    let mut key = hex(&key.finalize());
    key.truncate(16);
    let directory = below.join(key);
    let failed = |error| GuestsError::Unpack { path: directory.clone(), error };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory).map_err(failed)?;
    for (image, digest, packed) in embedded::IMAGES {
        let path = directory.join(image);
        if fs::read(&path).is_ok_and(|content| hex(&Sha256::digest(content)) == *digest) {
            continue;
        }
        let content = zstd::decode_all(*packed).map_err(|_| GuestsError::Damaged { image })?;
        if hex(&Sha256::digest(&content)) != *digest {
            return Err(GuestsError::Damaged { image });
        }
        // The digest first and both by renaming: an image that stands there is whole.
        replace(&path.with_extension("sha256"), digest.as_bytes()).map_err(failed)?;
        replace(&path, &content).map_err(failed)?;
    }
    Ok(GuestPaths { modules: directory.clone(), images: directory })
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let partial = path.with_extension(format!("partial-{}", std::process::id()));
    fs::write(&partial, content).and_then(|()| fs::rename(&partial, path)).inspect_err(|_| {
        // A full disk must not stay full because of what did not fit.
        let _ = fs::remove_file(&partial);
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
