//! Options of [`Disk`](super::Disk).

/// How to open a store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Opens only to read, beside a writer or alone. Nothing is written or repaired, no lock is taken, and every write is
    /// `Unsupported`.
    pub read_only: bool,
    /// Files kept open between calls. Calls under way have files open besides.
    pub files: usize,
    /// Bytes of memory for heads, and for the places of records.
    pub memory: usize,
    /// Writes that are flushed at the same time, each on a thread that blocks.
    pub flushes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { read_only: false, files: 256, memory: 64 << 20, flushes: 64 }
    }
}

impl Options {
    /// Opens only to read.
    #[must_use]
    pub const fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// Sets how many files are kept open between calls; at least 1.
    #[must_use]
    pub const fn with_files(mut self, files: usize) -> Self {
        self.files = files;
        self
    }

    /// Sets how many bytes of memory hold heads and places of records.
    #[must_use]
    pub const fn with_memory(mut self, bytes: usize) -> Self {
        self.memory = bytes;
        self
    }

    /// Sets how many writes are flushed at the same time; at least 1.
    #[must_use]
    pub const fn with_flushes(mut self, flushes: usize) -> Self {
        self.flushes = flushes;
        self
    }
}
