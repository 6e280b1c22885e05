//! Puts the built console that `TENURE_EMBED_CONSOLE` names and the guests' packed images that `TENURE_EMBED_GUESTS` names into
//! the binary; none where they are not set. `cargo xtask release` sets both.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    guests()?;
    console()
}

/// What a variable names; none where it is not set.
fn named(variable: &str) -> io::Result<Option<PathBuf>> {
    println!("cargo:rerun-if-env-changed={variable}");
    let Some(directory) = env::var_os(variable).filter(|value| !value.is_empty()) else { return Ok(None) };
    let directory = fs::canonicalize(&directory)
        .map_err(|error| io::Error::other(format!("{variable}: {}: {error}", Path::new(&directory).display())))?;
    println!("cargo:rerun-if-changed={}", directory.display());
    Ok(Some(directory))
}

/// Each `<image>.cwasm.zst` of the directory with the digest in the `<image>.sha256` beside it.
fn guests() -> io::Result<()> {
    let mut code = String::from("const PACKED: &[(&str, &str, &[u8])] = &[\n");
    if let Some(directory) = named("TENURE_EMBED_GUESTS")? {
        let mut files = Vec::new();
        collect(&directory, &mut files)?;
        files.sort();
        files.retain(|path| path.to_string_lossy().ends_with(".cwasm.zst"));
        if files.len() != 2 {
            return Err(io::Error::other(format!(
                "TENURE_EMBED_GUESTS: {} must hold the images of two guests, as `cargo xtask release` leaves them",
                directory.display()
            )));
        }
        for path in files {
            let image = path.file_stem().map(Path::new).unwrap_or(&path);
            let digest = fs::read_to_string(directory.join(image).with_extension("sha256"))?;
            writeln!(code, "({:?}, {:?}, include_bytes!({path:?})),", image.display().to_string(), digest.trim())
                .map_err(io::Error::other)?;
        }
    }
    code.push_str("];\n");
    generate("guests.rs", &code)
}

fn console() -> io::Result<()> {
    let mut files = Vec::new();
    if let Some(dist) = named("TENURE_EMBED_CONSOLE")? {
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
    generate("console.rs", &code)
}

fn generate(name: &str, code: &str) -> io::Result<()> {
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(Path::new(&out).join(name), code)
}
