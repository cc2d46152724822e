//! Options of [`open`](super::open).

/// How to open a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Keeps with each commit what an open after a crash needs. Without it such an open reads the whole file: about 20 ms
    /// for 100,000 sessions, growing with the file; with it, a millisecond or two. The price is a second flush and about
    /// a third of the throughput of a single writer.
    pub quick_repair: bool,
    /// Bytes of pages kept in memory, at most: 128 MiB, if nothing else is said.
    pub cache_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { quick_repair: false, cache_bytes: 128 << 20 }
    }
}

impl Options {
    /// Sets whether an open after a crash is quick.
    #[must_use]
    pub const fn with_quick_repair(mut self, quick_repair: bool) -> Self {
        self.quick_repair = quick_repair;
        self
    }

    /// Sets how many bytes of pages are kept in memory.
    #[must_use]
    pub const fn with_cache_bytes(mut self, cache_bytes: usize) -> Self {
        self.cache_bytes = cache_bytes;
        self
    }
}
