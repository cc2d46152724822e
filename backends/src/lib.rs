//! Storage for agent sessions: nothing acknowledged is lost, in any race, at any crash, on the backend you choose.
//!
//! A *tenant* has *projects*, a project has *threads* (each one line of work), a thread has *sessions*, and sessions hold
//! messages, runs, leases and what they cost.
//!
//! ```
//! # #[cfg(feature = "memory")]
//! # fn main() -> sessile::Result<()> {
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! use sessile::prelude::*;
//!
//! let store = sessile::open("memory:").await?; // or "sqlite:agents.db"
//! let ann = store.caller("acme", Actor::user("ann"))?; // whose data it is, and who calls
//!
//! let project = ann.create_project("website").await?;
//! let thread = ann.create_thread(project, "fix the login").await?;
//! let coder = ann.create_session(thread, "coder").await?;
//!
//! ann.append(coder, [user("Why?"), assistant("A typo.")]).await?; // both or none, and durable
//! let mut entries = ann.entries(coder); // a stream; pages where one wants pages
//! while let Some(entry) = entries.try_next().await? {
//!     println!("{entry}");
//! }
//! store.close().await
//! # })
//! # }
//! # #[cfg(not(feature = "memory"))]
//! # fn main() {}
//! ```
//!
//! Everything a program does is a method of [`Handle`]. Options of one call chain on it:
//! [`with_key`](Handle::with_key) for an idempotency key, [`within`](Handle::within) for a deadline,
//! [`with_lease`](Handle::with_lease) for a fencing token, [`cached`](Handle::cached) for answers from memory.
//!
//! # Backends
//!
//! Changing the backend is changing the address given to [`open`], which lists all addresses and their options.
//!
//! | address | feature | survives | shared by |
//! | --- | --- | --- | --- |
//! | `memory:` ([`Memory`]) | `memory`, on by default | nothing | tasks of one process |
//! | `sqlite:PATH` ([`sqlite::Sqlite`]) | `sqlite`, on by default | loss of power | processes of one host |
//! | `disk:PATH` ([`disk::Disk`]) | `disk` | loss of power | one process that writes, and any that read |
//! | `redb:PATH` ([`redb::open`]) | `redb` | loss of power | tasks of one process |
//! | `postgres://USER@HOST/DATABASE` ([`postgres::Postgres`]) | `postgres` | loss of power | processes of any host |
//! | `file://`, `s3://`, `gs://`, `az://` ([`object_store::Objects`]) | `object_store`; `s3`, `gcs`, `azure` | what the service survives | processes of any host |
//!
//! # Workspaces
//!
//! A session may have files that its agent works in: [`workspace`] says how. Every store has the kind `virtual`, which keeps them in
//! the journal; the features `git_worktree` and `directory` bring worktrees of a repository and copies of a folder.
//!
//! # Archives
//!
//! A session that is over may be archived: it takes nothing more and counts for no cap, is read as before, and comes back as it
//! was. [`archive`] says how; a project's [`Retention`](model::Retention) archives what nobody used for long.
//!
//! # Errors
//!
//! A write has three outcomes: done, refused (an error that changed nothing), or unknown. [`Error::kind`] says which it was
//! and what a program can do; [`Error`] has the fields, [`is_retryable`](Error::is_retryable) a short answer.
//!
//! | [`ErrorKind`] | what to do |
//! | --- | --- |
//! | `Invalid`, `TenantIsolation`, `Unsupported` | change the request; it can never succeed |
//! | `NotFound`, `Closed`, `Precondition`, `Capacity` | the state does not allow it: show the message, or change the state first |
//! | `Stale` | read again, decide again |
//! | `Fenced` | another process holds the lease: stop writing to this session |
//! | `Contended`, `Unavailable` | nothing was written: try again later |
//! | `Indeterminate` | it may have been written: ask again with the same idempotency key, or read |
//! | `Corrupt`, `NewerFormat` | the stored data is damaged, or a newer release wrote it: see `sessile verify` |
//!
//! # A driver of your own
//!
//! To add an engine, implement [`journal::Journal`]: append a batch if the head is still the expected one, read a range, keep
//! snapshots and blobs. [`driver`] has the parts that the drivers of this crate share, and [`Store::new`] makes a store of
//! any journal. The crate `sessile-conformance` judges it: its `CONTRACT.md` numbers what every backend must do, and each
//! clause is a test.

pub mod archive;
#[cfg(feature = "directory")]
pub mod directory;
#[cfg(feature = "disk")]
pub mod disk;
#[cfg(feature = "folder")]
#[allow(dead_code, unused_imports, reason = "each driver takes what it needs")]
mod folder;
#[cfg(feature = "git_worktree")]
pub mod git_worktree;
#[cfg(feature = "memory")]
mod memory;
#[cfg(feature = "object_store")]
pub mod object_store;
mod open;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(any(feature = "directory", feature = "git_worktree"))]
#[cfg_attr(
    not(feature = "git_worktree"),
    allow(dead_code, reason = "only `git` reads, and goes on without its caller")
)]
mod process;
#[cfg(feature = "redb")]
pub mod redb;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod tokens;

/// Workspaces: the files that agents work in. Every store has the kind `virtual`, which keeps them in its journal; more kinds
/// come with a store's options.
///
/// ```no_run
/// # #[cfg(all(feature = "sqlite", feature = "git_worktree"))]
/// # async fn example() -> sessile::Result<()> {
/// use std::sync::Arc;
/// use sessile::{Store, git_worktree::GitWorktree, workspace::WorkspaceDrivers};
///
/// let worktrees = GitWorktree::open("/srv/website", "/srv/worktrees").await?;
/// let drivers = WorkspaceDrivers::default().with(Arc::new(worktrees))?;
/// let journal = sessile::open_journal("sqlite:agents.db").await?;
/// let store = Store::new(journal, sessile::options().with_workspaces(drivers));
/// # Ok(())
/// # }
/// ```
pub mod workspace {
    #[cfg(feature = "directory")]
    pub use crate::folder::exchange::{Exchanged, checkout, commit};
    #[doc(inline)]
    pub use sessile_core::workspace::*;
}

#[cfg(feature = "memory")]
pub use memory::Memory;
pub use open::{open, open_archive, open_journal};
#[doc(hidden)]
pub use sessile_core::record;
#[doc(inline)]
pub use sessile_core::{
    Caller, Clock, Error, ErrorKind, Handle, IdSource, Key, Result, Store, Timestamp, background,
    command, error, handle, hash, id, journal, json, kinds, model, prelude, search, store,
};
#[doc(inline)]
pub use sessile_driver as driver;
#[doc(inline)]
pub use sessile_driver::clock::{self, OsIds, SystemClock, options};

/// The example of the README is compiled and run.
#[cfg(all(doctest, feature = "memory"))]
#[doc = include_str!("../../README.md")]
struct Readme;
