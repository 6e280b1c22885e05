//! Puts the built console that `TENURE_EMBED_CONSOLE` names into the binary; none if it is not set.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=TENURE_EMBED_CONSOLE");
    let mut files = Vec::new();
    if let Some(dist) = env::var_os("TENURE_EMBED_CONSOLE").filter(|value| !value.is_empty()) {
        let dist = fs::canonicalize(dist)?;
        println!("cargo:rerun-if-changed={}", dist.display());
        collect(&dist, &mut files)?;
        files.sort();
        if !files.contains(&dist.join("index.html")) {
            return Err(io::Error::other(format!("TENURE_EMBED_CONSOLE: {} holds no index.html", dist.display())));
        }
        files.retain(|path| is_served(path));
        return write(&dist, &files);
    }
    write(Path::new(""), &files)
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), files)?;
        } else if entry.file_type()?.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// Source maps and hidden files stay outside.
fn is_served(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    !name.starts_with('.') && !name.ends_with(".map")
}

fn write(dist: &Path, files: &[PathBuf]) -> io::Result<()> {
    let mut code = String::from("pub(super) const FILES: &[(&str, &[u8])] = &[\n");
    for path in files {
        let name = path.strip_prefix(dist).map_err(io::Error::other)?.display().to_string();
        writeln!(code, "({:?}, include_bytes!({path:?})),", format!("/{name}")).map_err(io::Error::other)?;
    }
    code.push_str("];\n");
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(Path::new(&out).join("console.rs"), code)
}
