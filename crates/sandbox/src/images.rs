//! Compiled images of the guests: native code, so who may write it decides what the server runs.

use crate::engine::Guest;
use crate::error::ImageError;
use crate::snapshot::snapshot;
use aws_lc_rs::digest::{SHA256, digest};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use wasmtime::component::Component;
use wasmtime::{Engine, Module};

/// Where the guests' modules and their images are.
///
/// An image is `<guest>-<module>-<key>.cwasm` with its SHA-256 beside it; the first part stands for the module, the second for the
/// version of wasmtime and its settings, so that an image of another build is never loaded.
#[derive(Debug, Clone)]
pub struct Images {
    directory: PathBuf,
    expressions: PathBuf,
    python: PathBuf,
}

impl Images {
    /// `guests` holds `expressions.wasm` and `python.wasm`, `images` their compiled forms; both directories may be one. Compiles
    /// nothing. Where a module is missing, the one image of its guest that this build can load is taken: whoever ships images
    /// need not ship modules.
    ///
    /// # Errors
    /// [`ImageError::NotBuilt`] or [`ImageError::NotCompiled`], whose messages say what to run, and [`ImageError::Permissions`]
    /// where others than the server's user may reach `images`.
    pub fn open(guests: &Path, images: &Path) -> Result<Self, ImageError> {
        let this = Self::locate(guests, images)?;
        for guest in Guest::ALL {
            let path = this.path(guest);
            if !path.exists() {
                return Err(ImageError::NotCompiled { guest: guest.name(), path: path.to_owned() });
            }
        }
        check_private(images)?;
        Ok(this)
    }

    /// Opens the images, and first makes those that are missing: takes the expression guest's snapshot, with its tables built, and
    /// compiles both guests. That is some ten seconds of both cores (more in a debug build) and 320 MiB, so it is a step of the
    /// build (`cargo xtask guests`) and nothing that a server does.
    ///
    /// # Errors
    /// As [`Images::open`], and the compiler's.
    pub fn prepare(guests: &Path, images: &Path) -> Result<Self, ImageError> {
        if !images.exists() {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(images);
            made.map_err(|source| ImageError::Io { path: images.to_owned(), source })?;
        }
        check_private(images)?;
        let this = Self::locate(guests, images)?;
        // One process compiles, the others wait for it and find what it made.
        let lock = images.join("lock");
        let io = |source| ImageError::Io { path: lock.clone(), source };
        let guard = fs::File::create(&lock).map_err(io)?;
        guard.lock().map_err(io)?;
        for guest in Guest::ALL {
            if !this.path(guest).exists() {
                compile(guest, &module(guests, guest), this.path(guest))?;
            }
        }
        Ok(this)
    }

    /// The files of the image of each guest: what to ship, each with the `.sha256` beside it.
    pub fn files(&self) -> [&Path; 2] {
        [&self.expressions, &self.python]
    }

    pub(crate) fn load_module(&self, guest: Guest, engine: &Engine) -> Result<Module, ImageError> {
        let path = self.verified(guest)?;
        #[expect(
            unsafe_code,
            reason = "the image was compiled by this crate, lies in a directory of this user alone, and has the recorded digest"
        )]
        let module = unsafe { Module::deserialize_file(engine, path) };
        module.map_err(|error| refused(guest, &error))
    }

    pub(crate) fn load_component(&self, guest: Guest, engine: &Engine) -> Result<Component, ImageError> {
        let path = self.verified(guest)?;
        #[expect(
            unsafe_code,
            reason = "the image was compiled by this crate, lies in a directory of this user alone, and has the recorded digest"
        )]
        let component = unsafe { Component::deserialize_file(engine, path) };
        component.map_err(|error| refused(guest, &error))
    }

    fn verified(&self, guest: Guest) -> Result<&Path, ImageError> {
        check_private(&self.directory)?;
        let path = self.path(guest);
        let recorded = read(&path.with_extension("sha256"))?;
        if hex(digest(&SHA256, &read(path)?).as_ref()).as_bytes() != recorded {
            return Err(ImageError::Digest { path: path.to_owned() });
        }
        Ok(path)
    }

    fn locate(guests: &Path, images: &Path) -> Result<Self, ImageError> {
        let image = |guest: Guest| {
            let module = module(guests, guest);
            let mut hasher = DefaultHasher::new();
            compiler(guest)?.precompile_compatibility_hash().hash(&mut hasher);
            let tail = format!("-{:016x}.cwasm", hasher.finish());
            if !module.exists() {
                let shipped = only(images, &format!("{}-", guest.name()), &tail)?;
                return shipped.ok_or(ImageError::NotBuilt { guest: guest.name(), path: module });
            }
            let mut key = hex(digest(&SHA256, &read(&module)?).as_ref());
            key.truncate(16);
            Ok(images.join(format!("{}-{key}{tail}", guest.name())))
        };
        let (expressions, python) = (image(Guest::Expressions)?, image(Guest::Python)?);
        Ok(Self { directory: images.to_owned(), expressions, python })
    }

    fn path(&self, guest: Guest) -> &Path {
        match guest {
            Guest::Expressions => &self.expressions,
            Guest::Python => &self.python,
        }
    }
}

fn module(guests: &Path, guest: Guest) -> PathBuf {
    guests.join(guest.name()).with_extension("wasm")
}

/// The file of this beginning and end, if there is one and no other.
fn only(directory: &Path, head: &str, tail: &str) -> Result<Option<PathBuf>, ImageError> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(ImageError::Io { path: directory.to_owned(), source }),
    };
    let mut fitting = entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with(head) && name.ends_with(tail)
    });
    let first = fitting.next();
    Ok(first.filter(|_| fitting.next().is_none()))
}

fn compile(guest: Guest, module: &Path, image: &Path) -> Result<(), ImageError> {
    let wasm = read(module)?;
    let engine = compiler(guest)?;
    let compiled = match guest {
        Guest::Expressions => snapshot(&wasm).and_then(|module| engine.precompile_module(&module)),
        Guest::Python => engine.precompile_component(&wasm),
    };
    let compiled = compiled.map_err(|error| refused(guest, &error))?;
    // The digest first and both by renaming: an image that stands there is whole.
    write(&image.with_extension("sha256"), hex(digest(&SHA256, &compiled).as_ref()).as_bytes())?;
    write(image, &compiled)
}

fn compiler(guest: Guest) -> Result<Engine, ImageError> {
    guest.config().and_then(|config| Engine::new(&config)).map_err(|error| refused(guest, &error))
}

fn refused(guest: Guest, error: &wasmtime::Error) -> ImageError {
    ImageError::Wasm { guest: guest.name(), message: format!("{error:#}") }
}

fn check_private(images: &Path) -> Result<(), ImageError> {
    let io = |source| ImageError::Io { path: images.to_owned(), source };
    let metadata = fs::metadata(images).map_err(io)?;
    let fault = |fault| Err(ImageError::Permissions { path: images.to_owned(), fault });
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return fault("it is another user's");
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        return fault("others may enter it");
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, ImageError> {
    fs::read(path).map_err(|source| ImageError::Io { path: path.to_owned(), source })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), ImageError> {
    let partial = path.with_extension(format!("partial-{}", std::process::id()));
    fs::write(&partial, bytes)
        .and_then(|()| fs::rename(&partial, path))
        .map_err(|source| ImageError::Io { path: path.to_owned(), source })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
