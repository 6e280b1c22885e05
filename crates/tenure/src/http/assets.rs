//! The built console: from a directory named at start, else the one that was built into the binary, else none.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use axum::body::Bytes;
use sha2::{Digest as _, Sha256};

/// `name below the console's directory, content`, made by build.rs; empty without `TENURE_EMBED_CONSOLE`.
mod embedded {
    include!(concat!(env!("OUT_DIR"), "/console.rs"));
}

/// What a file weighs at most; the console's largest is a tenth of it.
const MAX_FILE: u64 = 16 * 1024 * 1024;
const MAX_DEPTH: usize = 8;

/// A file, ready to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Asset {
    pub(crate) content: Bytes,
    pub(crate) media: &'static str,
    /// Weak, because the answer may be compressed.
    pub(crate) etag: String,
}

/// Files by their path, for example `/assets/index-3f9c.js`.
#[derive(Debug, Default)]
pub(crate) struct Assets {
    files: HashMap<String, Asset>,
}

/// Why the console's directory cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AssetsError {
    #[error("the console's file {path} cannot be read: {error}; is TENURE_ASSETS right?", path = .path.display())]
    Read { path: PathBuf, error: std::io::Error },
    #[error("{path} holds no index.html; build the console with `cargo xtask console` and name its dist directory in TENURE_ASSETS", path = .path.display())]
    NoIndex { path: PathBuf },
}

impl Assets {
    /// Reads `dir` once, or takes what is in the binary.
    pub(crate) fn load(dir: Option<&Path>) -> Result<Self, AssetsError> {
        let mut assets = Self::default();
        match dir {
            None => {
                for (path, content) in embedded::FILES {
                    assets.insert((*path).to_owned(), Bytes::from_static(content));
                }
            }
            Some(dir) => {
                assets.read(dir, dir, 0)?;
                if assets.get("/index.html").is_none() {
                    return Err(AssetsError::NoIndex { path: dir.to_owned() });
                }
            }
        }
        Ok(assets)
    }

    /// The file at this path.
    pub(crate) fn get(&self, path: &str) -> Option<&Asset> {
        self.files.get(path)
    }

    fn read(&mut self, root: &Path, dir: &Path, depth: usize) -> Result<(), AssetsError> {
        let fault = |path: &Path| {
            let path = path.to_owned();
            move |error| AssetsError::Read { path, error }
        };
        for entry in fs::read_dir(dir).map_err(fault(dir))? {
            let entry = entry.map_err(fault(dir))?;
            let path = entry.path();
            // Links are not followed: what is served lies in the directory.
            let kind = entry.file_type().map_err(fault(&path))?;
            if kind.is_dir() && depth < MAX_DEPTH {
                self.read(root, &path, depth + 1)?;
            }
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if !kind.is_file() || hidden || entry.metadata().map_err(fault(&path))?.len() > MAX_FILE {
                continue;
            }
            let Some(name) = path.strip_prefix(root).ok().and_then(Path::to_str) else { continue };
            self.insert(format!("/{name}"), fs::read(&path).map_err(fault(&path))?.into());
        }
        Ok(())
    }

    fn insert(&mut self, path: String, content: Bytes) {
        let digest = Sha256::digest(&content);
        let tag: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        let asset = Asset { content, media: media_type(&path), etag: format!("W/\"{tag}\"") };
        self.files.insert(path, asset);
    }
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
