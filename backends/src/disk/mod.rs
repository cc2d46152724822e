//! A journal in a folder of files that a person can read.
//!
//! ```text
//! <root>/_sessile.json                                    the store: id, format, which openings ended cleanly
//! <root>/_lock                                            who has it open for writing
//! <root>/<tenant>/projects/prj_<26>.jsonl                 a project's journal
//! <root>/<tenant>/projects/prj_<26>/threads/thd_<26>      empty: which threads the project has, for people
//! <root>/<tenant>/threads/<first four>/thd_<26>.jsonl     a thread's journal
//! <root>/<tenant>/threads/<first four>/thd_<26>/snapshot  a cache
//! <root>/<tenant>/threads/<first four>/thd_<26>/blobs/    large bodies, as they are
//! <root>/<tenant>/threads/<first four>/thd_<26>.dropped   instead of all these, once it is dropped
//! ```
//!
//! A line of these files is one batch, as a JSON object with its length and a CRC-32: `cat`, `grep` and `jq` work, and so
//! does `cp` of a store that was closed. A file that was closed cleanly ends in a line that seals it. Tenants are encoded so
//! that no two share a folder, on file systems without case either.
//!
//! # What holds
//!
//! - A commit is one line, written and flushed (`fdatasync`) before it is acknowledged; the first of a space also flushes
//!   the folder its file lies in, which threads of about twelve days share. The next line is written only then. Durability is [`PowerLoss`](sessile_core::journal::Durability::PowerLoss), on a file system that
//!   keeps what it said it flushed, and where a rename is atomic.
//! - One process writes: sharing is [`OneProcess`](sessile_core::journal::Sharing::OneProcess). A second writer is refused and told which process has the store.
//!   Handles that [only read](Options::read_only) may stand beside it, in any process.
//! - Commits to different spaces are flushed in parallel, at most [`Options::flushes`] at once; those of one space follow
//!   each other.
//! - An unfinished line that a crash left at the end of a file is cut when its space is first used, and reported by
//!   [`Disk::repairs`]; it was never acknowledged. Nothing else is ever cut: a bad line before a good one, and any damage to
//!   the end of a file whose last opening ended in a clean close, is `Corrupt` with its space and version. Damage stops its
//!   space; to the store's own file, the store.
//! - A write that failed is taken back, that is flushed, and the answer is `Unavailable`; the next may succeed. If taking it
//!   back or a flush fails, the commit is `Indeterminate` and its space `Unavailable` to writers until the store is opened
//!   again; other spaces go on.
//! - What was erased is gone from the file when `erase` answers: the file is written anew beside the old one and takes its
//!   place. `scrub` removes what crashes left lying, and is always `Done`.
//!
//! # What it costs
//!
//! - Opening reads one file. The first use of a space reads the end of its file; the first read of records reads the lines from
//!   there to the end: about 32 bytes of memory for each batch and 20 for each record, given back by [`Options::memory`]. A record
//!   that was read once is then read alone, and checked by a CRC-32 of its own. At most [`Options::files`] files stay open.
//! - Making a thread costs two flushes: its file's, and its folder's. Only a blob or a snapshot makes a folder for it.
//! - The first list of a tenant's threads looks at the end of each of their files, on up to eight threads; from then on about
//!   300 bytes a thread stay in memory, and its card as long as all cards together fit into [`Options::memory`]. With 100,000
//!   threads the first list reads 100,000 small pieces. A handle that only reads does so for every page.
//! - `close` flushes every file that was written since the store was opened. Erasing copies the file.
//! - A writer that goes away without `close` costs a flush for each space it wrote, when that is next asked for.
//!
//! # Not promised
//!
//! - Safety on a network file system, on one that does not lock, or if another program changes files while the store is open.
//! - That a handle that only reads never sees a commit a moment before it is acknowledged, or one that then fails.
//! - That two handles that only read, or a reader and the writer, agree at one moment.
//! - That what a person changes in a file is taken: its checksum no longer fits. The markers below a project are made, not
//!   read.
//! - That a copy of a store that is open is whole beyond what [`Disk::repairs`] would cut.
//! - That erased bytes leave the device: the file system frees them, it does not overwrite them.

mod blobs;
mod cell;
mod cleanup;
mod commit;
mod erase;
mod files;
mod handle;
mod journal;
mod lists;
mod lockfile;
mod log;
mod lookup;
#[doc(hidden)]
pub mod medium;
mod meta;
mod options;
mod path;
mod read;
mod scan;
mod shared;
mod snapshot;
mod tail;

use std::{io, path::Path, sync::Arc};

use async_lock::{RwLock, Semaphore};
use sessile_core::{
    error::{Error, Result},
    id::Space,
};

pub use self::options::Options;
#[doc(hidden)]
use self::{
    medium::{Medium, Os},
    shared::DiskShared,
};
use sessile_driver::{
    blocking,
    lines::{frame, line},
    lock,
};

/// An unfinished batch that a crash left at the end of a file, and that was cut when the space was first read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Repair {
    /// The space of the file.
    pub space: Space,
    /// Bytes that were cut, of one batch that was never acknowledged.
    pub bytes: u64,
}

/// A journal in a folder. What it promises stands at the [module](self).
///
/// # Where it blocks
///
/// On a worker of a multi-threaded tokio runtime, and in the future of its `block_on`, writes, long reads and first looks at
/// a space run in place; elsewhere - a task of a `LocalSet`, a `current_thread` runtime, or no runtime - on another thread.
/// Heads and reads of up to 64 records of a space that is known run on the caller's thread.
///
/// Dropping it without [`close`](sessile_core::journal::Journal::close) loses nothing that was acknowledged, and counts as a crash.
#[derive(Debug)]
pub struct Disk {
    shared: Arc<DiskShared>,
    /// Writes hold it; close takes it.
    gate: Arc<RwLock<()>>,
    /// Bounds the threads that flush.
    flushes: Arc<Semaphore>,
}

impl Disk {
    /// Opens a store, or makes one; the folder it lies in must exist.
    ///
    /// # Errors
    ///
    /// `Unavailable` if another process has it open for writing, which the error names; `Invalid` if the path is not a folder, its parent
    /// does not exist, or it is opened only to read and has no store; `CorruptFile` if the store's own file is damaged, or the folder holds
    /// other things; `NewerFormat` if a newer release wrote it.
    pub async fn open(root: impl AsRef<Path>, options: Options) -> Result<Self> {
        Self::open_on(Arc::new(Os), root, options).await
    }

    /// Opens a store on another medium than the file system, such as a simulated one.
    #[doc(hidden)]
    pub async fn open_on(
        medium: Arc<dyn Medium>,
        root: impl AsRef<Path>,
        options: Options,
    ) -> Result<Self> {
        let root = root.as_ref().to_owned();
        let flushes = Arc::new(Semaphore::new(options.flushes.max(1)));
        let open = move || DiskShared::open(medium, &root, &options);
        let shared = Arc::new(blocking::run(open).await??);
        Ok(Self { shared, gate: Arc::default(), flushes })
    }

    /// What this handle has cut so far from files that a crash left unfinished. A file is read when its space is first used,
    /// so the list grows; it is complete for a tenant once its threads and projects were listed.
    pub fn repairs(&self) -> Vec<Repair> {
        lock(&self.shared.repairs).clone()
    }
}

/// The error of a failed file operation that changed nothing.
fn failed(what: &str, path: &Path, e: io::Error) -> Error {
    Error::unavailable(format!("cannot {what} {}", path.display()), e)
}

#[cfg(test)]
mod tests;
