//! Where the outermost key-encryption key lives.

use std::{
    fmt, fs,
    future::{Future, ready},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    pin::Pin,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    Kek, KeyId, KeyMaterial, WrapContext, WrappedKey,
    aead::{OpenError, SealError},
};

/// What a provider answers with, when it answers.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, ProviderError>> + Send + 'a>>;

/// Why a provider did not wrap or unwrap.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The key could not be wrapped.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The key does not unwrap here.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The provider cannot be reached or refuses; the text names no secret.
    #[error("the key provider {provider} failed: {reason}")]
    Unavailable {
        /// The provider.
        provider: String,
        /// What it said.
        reason: String,
    },
}

/// Holds a key-encryption key and wraps tenants' keys under it: a local file, or a service that never gives its key away.
pub trait KeyProvider: Send + Sync + fmt::Debug {
    /// Wraps a key, bound to its context.
    fn wrap<'a>(&'a self, key: &'a KeyMaterial, context: &'a WrapContext) -> Answer<'a, WrappedKey>;

    /// Unwraps a key of the same context.
    fn unwrap<'a>(&'a self, wrapped: &'a WrappedKey, context: &'a WrapContext) -> Answer<'a, KeyMaterial>;

    /// Whether a wrapped key is under this provider's present key, and so need not be wrapped anew by a rotation.
    fn is_current(&self, wrapped: &WrappedKey) -> bool;
}

/// Where the local provider's key came from. A production system must not run on [`Generated`](Self::Generated).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A value given by the operator (`TENURE_MASTER_KEY`).
    Value,
    /// A file that was there.
    File,
    /// A file that was made just now.
    Generated,
}

/// Why there is no local key.
#[derive(Debug, thiserror::Error)]
pub enum LocalKeyError {
    /// The value is neither base64 nor hex of 32 bytes. The value itself is not shown.
    #[error("the master key is not 32 bytes in base64 or hex: make one with `openssl rand -base64 32`")]
    Value,
    /// The file could not be read or made.
    #[error("the key file {path} cannot be read or made: {error}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
    /// Others may read or change the file, so the key may be known.
    #[error("the key file {path} has mode {mode:o}: others may read it; run `chmod 600` if they did not, else replace the key", path = path.display())]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is a directory, a link, a device, or not 32 bytes long.
    #[error("the key file {path} is not a regular file of 32 bytes", path = path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// The key is not usable.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// The provider whose key is on this machine: a file of 32 bytes that only its owner may read, or a value.
#[derive(Debug)]
pub struct LocalKeys {
    current: Kek,
    earlier: Vec<Kek>,
    source: KeySource,
}

impl LocalKeys {
    /// The key given as base64 or hex of 32 bytes.
    ///
    /// # Errors
    /// If it is neither.
    pub fn from_value(value: &str) -> Result<Self, LocalKeyError> {
        let material = parse_value(value.trim()).ok_or(LocalKeyError::Value)?;
        Self::new(&material, KeySource::Value)
    }

    /// The key in the file, which is made if it is not there. Two first starts at once end with one key.
    ///
    /// # Errors
    /// If the file cannot be read or made, is not 32 bytes long, or may be read by others than its owner.
    pub fn open_or_create(path: &Path) -> Result<Self, LocalKeyError> {
        let io = |error| LocalKeyError::Io { path: path.to_owned(), error };
        let mut source = KeySource::File;
        if let Err(error) = fs::symlink_metadata(path) {
            if error.kind() != io::ErrorKind::NotFound {
                return Err(io(error));
            }
            if create(path, &KeyMaterial::generate()?).map_err(io)? {
                source = KeySource::Generated;
            }
        }
        Self::new(&read(path)?, source)
    }

    /// The key in the file, which must be there.
    ///
    /// # Errors
    /// As [`open_or_create`](Self::open_or_create), and if there is no file.
    pub fn open(path: &Path) -> Result<Self, LocalKeyError> {
        Self::new(&read(path)?, KeySource::File)
    }

    fn new(material: &KeyMaterial, source: KeySource) -> Result<Self, LocalKeyError> {
        Ok(Self { current: Kek::new(material)?, earlier: Vec::new(), source })
    }

    /// Unwraps what is under another provider's keys too, until a rotation has wrapped it anew.
    #[must_use]
    pub fn with_earlier(mut self, earlier: Self) -> Self {
        self.earlier.push(earlier.current);
        self.earlier.extend(earlier.earlier);
        self
    }

    /// Where the key came from.
    #[must_use]
    pub const fn source(&self) -> KeySource {
        self.source
    }

    /// The present key's id.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.current.id()
    }

    /// Wraps a key at once.
    ///
    /// # Errors
    /// If the system's random generator fails.
    pub fn wrap_now(&self, key: &KeyMaterial, context: &WrapContext) -> Result<WrappedKey, SealError> {
        self.current.wrap(key, context)
    }

    /// Unwraps a key at once.
    ///
    /// # Errors
    /// If it is under no key of this provider, for another context, or was changed.
    pub fn unwrap_now(&self, wrapped: &WrappedKey, context: &WrapContext) -> Result<KeyMaterial, OpenError> {
        let id = Kek::id_of(wrapped).ok_or(OpenError)?;
        let mut keys = [&self.current].into_iter().chain(&self.earlier);
        keys.find(|kek| kek.id() == id).ok_or(OpenError)?.unwrap(wrapped, context)
    }
}

impl KeyProvider for LocalKeys {
    fn wrap<'a>(&'a self, key: &'a KeyMaterial, context: &'a WrapContext) -> Answer<'a, WrappedKey> {
        Box::pin(ready(self.wrap_now(key, context).map_err(Into::into)))
    }

    fn unwrap<'a>(&'a self, wrapped: &'a WrappedKey, context: &'a WrapContext) -> Answer<'a, KeyMaterial> {
        Box::pin(ready(self.unwrap_now(wrapped, context).map_err(Into::into)))
    }

    fn is_current(&self, wrapped: &WrappedKey) -> bool {
        Kek::id_of(wrapped) == Some(self.current.id())
    }
}

fn parse_value(value: &str) -> Option<KeyMaterial> {
    if value.len() == 2 * KeyMaterial::LEN {
        let digits = value.as_bytes().chunks_exact(2);
        let bytes: Option<Vec<u8>> =
            digits.map(|pair| u8::try_from(hex_digit(*pair.first()?)? << 4 | hex_digit(*pair.last()?)?).ok()).collect();
        return KeyMaterial::from_slice(&Zeroizing::new(bytes?));
    }
    KeyMaterial::from_slice(&Zeroizing::new(STANDARD.decode(value).ok()?))
}

fn hex_digit(digit: u8) -> Option<u32> {
    char::from(digit).to_digit(16)
}

/// Reads the key, if nobody else can.
fn read(path: &Path) -> Result<KeyMaterial, LocalKeyError> {
    let io = |error| LocalKeyError::Io { path: path.to_owned(), error };
    let not_a_key = || LocalKeyError::NotAKey { path: path.to_owned() };
    if !fs::symlink_metadata(path).map_err(io)?.is_file() {
        return Err(not_a_key());
    }
    // What is checked is the file that was opened, whatever the path means by now.
    let mut file = fs::File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(LocalKeyError::Mode { path: path.to_owned(), mode });
    }
    if !metadata.is_file() || metadata.len() != KeyMaterial::LEN as u64 {
        return Err(not_a_key());
    }
    let mut bytes = Zeroizing::new([0; KeyMaterial::LEN]);
    file.read_exact(&mut *bytes).map_err(io)?;
    KeyMaterial::from_slice(&*bytes).ok_or_else(not_a_key)
}

/// Makes the file whole or not at all, and says whether it was this call that made it.
fn create(path: &Path, material: &KeyMaterial) -> io::Result<bool> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let draft = directory.join(format!(".master-key-{}", Uuid::new_v4()));
    let write = || {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(material.expose())?;
        file.sync_all()?;
        // Unlike a rename, a link does not replace a file that another process made meanwhile.
        fs::hard_link(&draft, path)
    };
    let linked = write();
    let removed = fs::remove_file(&draft);
    match linked {
        Ok(()) => removed.and_then(|()| fs::File::open(directory)?.sync_all()).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}
