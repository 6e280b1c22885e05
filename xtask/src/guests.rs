//! The sandbox's guests, cached by the digest of what they are made of.
//!
//! `<cache>/guests/<digest>/` holds `expressions.wasm`, `python.wasm`, `manifest.json`, and in `images/` what is compiled of them, so
//! that no server ever compiles; `<cache>/guests/current` points to it.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

use crate::{
    context::Context,
    files,
    progress::{minutes, step},
    python, setup, shell,
};

/// What the modules depend on.
const SOURCES: [&str; 2] = ["guests", "wit/plugin.wit"];

const COMPONENTIZE_PY: &str = "componentize-py==0.25.0";
const TARGET: &str = "wasm32-unknown-unknown";
const PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld-22"];

/// Builds the guests, unless the cache has them; returns their directory.
pub(crate) fn build(cx: &Context) -> anyhow::Result<PathBuf> {
    let guests = cx.cache.join("guests");
    let key = format!("{}-{}", files::digest(cx, &SOURCES)?, COMPONENTIZE_PY.replace("==", "-"));
    let finished = guests.join(&key);
    if !finished.join("manifest.json").is_file() {
        let draft = guests.join(format!("{key}.new-{}", std::process::id()));
        fs::create_dir_all(&draft).with_context(|| format!("cannot create {}", draft.display()))?;
        step(cx, "build the expression guest", minutes(4), || expressions(cx, &draft))?;
        step(cx, "build the Python guest", minutes(1), || python_guest(cx, &draft))?;
        let manifest = serde_json::json!({ "sources": key, "python": COMPONENTIZE_PY, "files": ["expressions.wasm", "python.wasm"] });
        files::write(&draft.join("manifest.json"), format!("{manifest:#}\n"))?;
        let _ = fs::remove_dir_all(&finished);
        fs::rename(&draft, &finished).with_context(|| format!("cannot write {}", finished.display()))?;
    }
    images(cx, &finished)?;
    point_to(&guests.join("current"), &key)?;
    Ok(finished)
}

/// What decides how images are compiled, beside the modules.
const COMPILER: [&str; 4] =
    ["Cargo.lock", "crates/sandbox/src/engine.rs", "crates/sandbox/src/images.rs", "crates/sandbox/src/snapshot.rs"];
/// Beside the images: what they were compiled with, and their paths.
const COMPILED: &str = "compiled.json";

/// Compiles the modules, unless that was done with this compiler.
fn images(cx: &Context, guests: &Path) -> anyhow::Result<()> {
    let rustc = shell::capture(Command::new("rustc").current_dir(&cx.root).arg("--version"))?;
    let compiler = format!("{} {}", files::digest(cx, &COMPILER)?, String::from_utf8_lossy(&rustc).trim());
    let stamp = guests.join(COMPILED);
    let known: serde_json::Value =
        fs::read(&stamp).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    if known.get("compiler").and_then(serde_json::Value::as_str) == Some(compiler.as_str())
        && paths(&known).iter().all(|path| path.is_file())
        && !paths(&known).is_empty()
    {
        return Ok(());
    }
    step(cx, "build what compiles the guests", minutes(6), || {
        // With the workspace's tests in view, so that Cranelift is built with the features that the tests build it with.
        shell::run(&mut cx.cargo(&["build", "--quiet", "--workspace", "--example", "images"]))
    })?;
    let listed = step(cx, "compile the guests", minutes(1), || {
        let mut compile = Command::new(cx.target.join("debug/examples/images"));
        shell::capture(compile.arg(guests).arg(guests.join("images")))
    })?;
    let listed = String::from_utf8(listed).context("paths are UTF-8")?;
    let images: Vec<&str> = listed.lines().collect();
    let record = serde_json::json!({ "compiler": compiler, "images": images });
    files::write(&stamp, format!("{record:#}\n"))
}

fn paths(record: &serde_json::Value) -> Vec<PathBuf> {
    let images = record.get("images").and_then(serde_json::Value::as_array);
    images.into_iter().flatten().filter_map(|path| path.as_str().map(PathBuf::from)).collect()
}

/// Zstandard's: a few seconds, and within a tenth of the smallest.
const LEVEL: i32 = 15;

/// Leaves the images in `to` as the program carries them (`TENURE_EMBED_GUESTS`): compressed, each with its digest beside it.
pub(crate) fn pack(cx: &Context, guests: &Path, to: &Path) -> anyhow::Result<()> {
    let record: serde_json::Value = serde_json::from_slice(&files::read(&guests.join(COMPILED))?)?;
    let images = paths(&record);
    let packed = |image: &Path| Some(to.join(image.file_name()?).with_extension("cwasm.zst"));
    if images.iter().all(|image| packed(image).is_some_and(|path| path.is_file())) {
        return Ok(());
    }
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    step(cx, "pack the guests", minutes(1), || {
        std::thread::scope(|scope| {
            let work: Vec<_> = images
                .iter()
                .map(|image| {
                    scope.spawn(move || -> anyhow::Result<()> {
                        let content = files::read(image)?;
                        let digest = files::read(&image.with_extension("sha256"))?;
                        let path = packed(image).context("an image has a name")?;
                        files::write(&path.with_extension("").with_extension("sha256"), digest)?;
                        let out = zstd::bulk::compress(&content, LEVEL)?;
                        let draft = path.with_extension("new");
                        files::write(&draft, out)?;
                        fs::rename(&draft, &path).with_context(|| format!("cannot write {}", path.display()))
                    })
                })
                .collect();
            work.into_iter().try_for_each(|work| work.join().map_err(|_| anyhow::anyhow!("packing panicked"))?)
        })
    })
}

/// Replaces the link in one step, so that nobody finds it missing.
fn point_to(link: &Path, key: &str) -> anyhow::Result<()> {
    if fs::read_link(link).is_ok_and(|target| target == Path::new(key)) {
        return Ok(());
    }
    let draft = link.with_extension(format!("new-{}", std::process::id()));
    let _ = fs::remove_file(&draft);
    symlink(key, &draft)
        .and_then(|()| fs::rename(&draft, link))
        .with_context(|| format!("cannot write {}", link.display()))
}

/// With the installed target where rustup has it, else with Debian's Rust for the web, which builds the standard library too.
fn expressions(cx: &Context, to: &Path) -> anyhow::Result<()> {
    let target = cx.target.join("guests");
    let build =
        ["build", "--release", "--locked", "--quiet", "--target", TARGET, "--manifest-path", "guests/Cargo.toml"];
    let mut cargo = if installed_target(cx) {
        cx.cargo(&build)
    } else {
        debian_packages(cx)?;
        let mut cargo = Command::new("/usr/bin/cargo");
        cargo
            .current_dir(&cx.root)
            .args(build)
            .arg("-Zbuild-std=std,panic_abort")
            .env("RUSTC", "/usr/bin/rustc")
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-ld-22")
            // rustup's own cargo sets these for xtask; they would bring its compiler back.
            .env_remove("RUSTUP_TOOLCHAIN")
            .env_remove("CARGO")
            .env_remove("RUSTDOC");
        cargo
    };
    cargo.env("CARGO_TARGET_DIR", &target).env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    shell::run(&mut cargo)?;
    let module = target.join(TARGET).join("release/expressions.wasm");
    fs::copy(&module, to.join("expressions.wasm")).with_context(|| format!("cannot copy {}", module.display()))?;
    Ok(())
}

fn installed_target(cx: &Context) -> bool {
    let mut rustc = Command::new("rustc");
    rustc.current_dir(&cx.root).args(["--print", "target-libdir", "--target", TARGET]);
    shell::capture(&mut rustc).is_ok_and(|path| Path::new(String::from_utf8_lossy(&path).trim()).is_dir())
}

fn debian_packages(cx: &Context) -> anyhow::Result<()> {
    let there =
        ["/usr/bin/cargo", "/usr/bin/rustc", "/usr/bin/wasm-ld-22"].iter().all(|path| Path::new(path).is_file());
    if there && Path::new("/usr/lib/rustlib/src/rust").exists() {
        return Ok(());
    }
    setup::install(cx, &PACKAGES).with_context(|| {
        format!("the guests need Rust's target {TARGET}: `rustup target add {TARGET}`, or these packages of Debian")
    })
}

fn python_guest(cx: &Context, to: &Path) -> anyhow::Result<()> {
    let tool = python::environment(cx, &COMPONENTIZE_PY.replace("==", "-"), COMPONENTIZE_PY)?.join("componentize-py");
    let mut componentize = Command::new(tool);
    componentize
        .current_dir(&cx.root)
        .args(["--quiet", "--wit-path", "wit", "--world", "python", "componentize", "--python-path", "guests/python"])
        .arg("--output")
        .arg(to.join("python.wasm"))
        .arg("app")
        // Nothing of the machine's own Python may end up in the snapshot.
        .env_remove("PYTHONPATH")
        .env_remove("VIRTUAL_ENV")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONHASHSEED", "0");
    shell::run(&mut componentize)
}
