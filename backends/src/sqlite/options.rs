//! Options of [`Sqlite`](super::Sqlite).

/// When a commit is flushed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Synchronous {
    /// Before it is acknowledged: it survives loss of power, as SQLite promises for WAL with `synchronous=FULL`.
    #[default]
    Full,
    /// At checkpoints only: an acknowledged commit survives the death of the process, but loss of power may take the
    /// newest ones back. Nothing is torn: what is left is a prefix of each journal.
    Normal,
}

impl Synchronous {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::Normal => "NORMAL",
        }
    }
}

/// How to open a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// When a commit is flushed. If processes choose differently, the weakest choice holds for all.
    pub synchronous: Synchronous,
    /// The name of a registered VFS to reach the file through; `None`: the system's.
    pub vfs: Option<&'static str>,
}

impl Options {
    /// Sets when a commit is flushed.
    #[must_use]
    pub const fn with_synchronous(mut self, synchronous: Synchronous) -> Self {
        self.synchronous = synchronous;
        self
    }

    /// Reaches the file through a registered VFS, which must support shared memory, as WAL needs it.
    #[must_use]
    pub const fn with_vfs(mut self, name: &'static str) -> Self {
        self.vfs = Some(name);
        self
    }
}
