//! What a caller chooses.

/// How to open a store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Only to read: beside a writer, or of a store that nobody writes. Nothing is written or repaired, no lock is taken,
    /// and every write is `Unsupported`.
    pub read_only: bool,
    /// Files kept open between calls. Calls under way have theirs besides.
    pub files: usize,
    /// Bytes of memory for what is known of threads: heads, and where their records stand.
    pub memory: usize,
    /// Commits, blobs and other writes that are flushed at the same time, each on a thread that blocks.
    pub flushes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { read_only: false, files: 256, memory: 64 << 20, flushes: 64 }
    }
}

impl Options {
    /// Only to read.
    #[must_use]
    pub const fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// With another bound on files kept open; at least one is.
    #[must_use]
    pub const fn with_files(mut self, files: usize) -> Self {
        self.files = files;
        self
    }

    /// With another bound on memory.
    #[must_use]
    pub const fn with_memory(mut self, bytes: usize) -> Self {
        self.memory = bytes;
        self
    }

    /// With another bound on flushes at the same time; at least one is.
    #[must_use]
    pub const fn with_flushes(mut self, flushes: usize) -> Self {
        self.flushes = flushes;
        self
    }
}
