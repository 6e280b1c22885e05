//! The memory limit of one store.

use wasmtime::ResourceLimiter;

/// Refuses growth beyond a number of bytes, and remembers that it did.
pub(crate) struct Meter {
    limit: usize,
    used: usize,
    starved: bool,
}

impl Meter {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, used: 0, starved: false }
    }

    /// Whether growth was refused.
    pub(crate) fn starved(&self) -> bool {
        self.starved
    }

    /// Bytes of linear memory; it never shrinks, so this is also the most there was.
    pub(crate) fn used(&self) -> usize {
        self.used
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.used + desired.saturating_sub(current);
        let granted = used <= self.limit;
        if granted {
            self.used = used;
        } else {
            self.starved = true;
        }
        Ok(granted)
    }

    fn table_growing(&mut self, _current: usize, _desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        // The pool's size of a table bounds it.
        Ok(true)
    }
}
