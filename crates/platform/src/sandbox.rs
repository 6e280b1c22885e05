//! The sandbox as the domains share it: opened once at start, or the reason why it is not there.

use std::path::Path;
use std::sync::Arc;

use tenure_kernel::{Code, Problem, Result};
use tenure_sandbox::{ExpressionLimits, Expressions, ImageError, Images, Python, PythonConfig};

/// What is said of code that nobody signed.
pub(crate) const UNSIGNED: &str = "this installation runs signed plugins alone (plugins.require_signed), and signing comes in a later release; unset it for development";

/// The guests that run what tenants write. Cheap to clone.
#[derive(Clone)]
pub struct Sandbox {
    guests: Result<Guests, Arc<str>>,
    /// Whether code needs a trusted publisher's signature to run in a workflow.
    signed_only: bool,
}

#[derive(Clone)]
struct Guests {
    expressions: Expressions,
    python: Python,
}

impl Sandbox {
    /// Loads the compiled guests: modules in `guests`, their images in `images` (see [`Images::open`]). Whatever is missing makes a
    /// sandbox that refuses each call with the reason: compiling takes a minute of every core, which is for the build to spend.
    #[must_use]
    pub fn open(guests: &Path, images: &Path) -> Self {
        let load = || -> Result<Guests, ImageError> {
            let images = Images::open(guests, images)?;
            Ok(Guests {
                expressions: Expressions::new(&images, ExpressionLimits::default())?,
                python: Python::new(&images, PythonConfig::default())?,
            })
        };
        let guests = load().map_err(|error| {
            tracing::warn!(%error, "expressions and plugins cannot run");
            error.to_string().into()
        });
        Self { guests, signed_only: false }
    }

    /// No guests.
    #[must_use]
    pub fn absent() -> Self {
        Self { guests: Err("build the guests with cargo xtask guests".into()), signed_only: false }
    }

    /// The same, for workflows that may run signed code alone if `required`.
    #[must_use]
    pub fn signed_only(self, required: bool) -> Self {
        Self { signed_only: required, ..self }
    }

    /// Whether Python may run in a workflow. Asked when a definition is judged, when a version is activated and again
    /// before each call, so that what was saved under a laxer configuration does not outlive it.
    ///
    /// # Errors
    /// 403 for unsigned code where signatures are required.
    pub fn admits(&self, signed: bool) -> Result<(), Problem> {
        if signed || !self.signed_only { Ok(()) } else { Err(Problem::new(Code::Denied, UNSIGNED)) }
    }

    /// CEL, jq and templates.
    ///
    /// # Errors
    /// 503 where the guests are not built.
    pub fn expressions(&self) -> Result<&Expressions> {
        self.guests().map(|guests| &guests.expressions)
    }

    /// Python source.
    ///
    /// # Errors
    /// 503 where the guests are not built.
    pub fn python(&self) -> Result<&Python> {
        self.guests().map(|guests| &guests.python)
    }

    /// Why nothing runs, where that is so.
    #[must_use]
    pub fn missing(&self) -> Option<&str> {
        self.guests.as_ref().err().map(AsRef::as_ref)
    }

    fn guests(&self) -> Result<&Guests> {
        self.guests.as_ref().map_err(|reason| {
            Problem::unavailable(format!("what runs expressions and plugins is not there: {reason}")).into()
        })
    }
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox")
            .field("guests", &self.guests.as_ref().map(drop))
            .field("signed_only", &self.signed_only)
            .finish()
    }
}
