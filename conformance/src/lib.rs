//! The contract of Sessile as tests. It judges the project's own backends and any other driver alike.
//!
//! The contract is a table of clauses, `CONTRACT.md`. Each clause that can be judged today is one test of this suite, named
//! after its number. A driver that passes them all may stand under any store of Sessile.
//!
//! # Judge your driver
//!
//! Add a test target without a harness to your crate:
//!
//! ```toml
//! [dev-dependencies]
//! sessile-conformance = "0.1"
//!
//! [[test]]
//! name = "conformance"
//! harness = false
//! ```
//!
//! and say in `tests/conformance.rs` how a store of yours is opened. Here a journal is kept in memory:
//!
//! ```no_run
//! # use sessile_conformance::internal::MapJournal as MyJournal;
//! sessile_conformance::suite! {
//!     journal: mine,
//!     open: |_dir| async move { MyJournal::default() },
//! }
//! ```
//!
//! One that has files opens them below `dir.path()`, and answers a `Result`:
//!
//! ```no_run
//! # struct MyJournal;
//! # impl MyJournal {
//! #     async fn open(_path: std::path::PathBuf) -> sessile_core::Result<sessile_conformance::internal::MapJournal> {
//! #         Ok(Default::default())
//! #     }
//! # }
//! sessile_conformance::suite! {
//!     journal: mine,
//!     open: |dir| async move { MyJournal::open(dir.path().join("store")).await },
//! }
//! ```
//!
//! `open` is called often, also at the same time and in other processes: the suite starts its own executable again where
//! [`JournalInfo`](sessile_core::journal::JournalInfo) says that processes may share a store.
//!
//! # Hooks
//!
//! - `tamper: |dir| MyTamper(dir)` damages records where they are stored ([`Tamper`]). With it the suite judges that damage is
//!   found and located (J12, MSG13), stays with its tenant (TEN4), and that a newer format is refused (J17). For a journal over an
//!   ordered map there is [`KvTamper`].
//! - `crash: |disk| async move { .. }` opens a store on a simulated [`medium`]. With it the suite stops the machine after each
//!   operation, fills the disk and lets flushes fail (CRS1, CRS3). A journal with a seam of its own between itself and the
//!   file system can offer this; one that speaks to a server cannot.
//!
//! - `wire: |dir| MyWire(dir)` opens a store by way of an address that the suite gives ([`Wire`]). With it the suite cuts and
//!   stalls what passes between driver and server: a commit whose reply is lost is in doubt and never doubled (J7), whoever waits
//!   behind a wire that stands still waits no longer than asked (J10, LIN2), and a journal goes on afterwards.
//! - `restart: |dir| async move { .. }` kills the server below the store and starts it again. With it the suite judges that what a
//!   server acknowledged is there when it comes back (J6). An engine without a server needs none: its process is killed.
//! - `holds: |dir, bytes| async move { .. }` says whether the medium still has these bytes, where the store is in no files below
//!   the directory. With it the suite judges that a scrub that says so has removed what was erased (J13).
//! - `clean: |dir| async move { .. }` removes what is left of a store outside of the directory: a schema on a server, for example.
//!
//! Without `tamper` or `crash` the clauses that need it are *not judged*, and so is J13 where nobody can look at the medium. What
//! `wire` and `restart` add to their clauses is left out without them; for a journal that hosts share the summary says so.
//!
//! # Levels
//!
//! Each clause belongs to one [`Level`], a claim that either holds or does not:
//!
//! | level | the claim | made by |
//! | --- | --- | --- |
//! | Journal | it is a journal: the `J` clauses | every backend |
//! | Store | a store stands on it | every backend |
//! | Concurrent | callers may come at once | every backend |
//! | Shared | processes share a store | `JournalInfo::sharing` |
//! | Durable | what was acknowledged survives kills and crashes | `JournalInfo::durability` |
//! | Medium | it stands a full disk and a failed flush | nothing but `level: Medium` |
//!
//! The summary says of each whether it held, failed, or was not judged, and by which clauses. What is claimed must be judged in
//! full: there a clause that is *not judged* is a failure, elsewhere it is said and is none. So a driver that speaks to a server,
//! for which nobody can write the hook `crash`, passes without CRS3. `level: Journal` asks for less, which suits a driver in
//! the making: what is above is left alone. `level: Medium` asks for everything.
//!
//! # Judge your workspace driver
//!
//! The clauses on workspaces judge a [`WorkspaceDriver`](sessile_core::workspace::WorkspaceDriver) in the same way:
//!
//! ```no_run
//! # use sessile_conformance::internal::MapDriver;
//! # async fn open(_path: std::path::PathBuf) -> sessile_core::Result<MapDriver> { Ok(MapDriver::default()) }
//! sessile_conformance::suite! {
//!     workspace: mine,
//!     open: |dir| async move { open(dir.path().join("workspaces")).await },
//! }
//! ```
//!
//! Over a journal that processes share - `over: |dir| async move { .. }` opens one - it is also killed in the middle of
//! creations and disposals.
//!
//! # Judge your archive
//!
//! The clauses on archives judge an [`ArchiveBackend`](sessile_core::archive::ArchiveBackend), `archive: mine, open: |dir| async
//! move { .. }`. A journal is judged by them too, with an archive of the suite's own.
//!
//! # Read the result
//!
//! `cargo test --test conformance` runs all clauses, `cargo test --test conformance -- mine::msg5` one. After the tests a summary
//! says for each backend how many clauses were
//!
//! - **passed**: the clause holds;
//! - **failed**: it does not. The failure says what was expected and what came, the file and line of the assertion, the sentence of
//!   the contract that is broken, and where to look first;
//! - **unsupported**: the journal says that it does not do this (`scrub`, for example), and was seen to refuse it;
//! - **not judged**: a hook is missing or failed itself, or the clause is above the level that was asked for. Or a `j` clause failed:
//!   those come first, and as long as one fails nothing else of the backend is judged, for it would fail for the same reason.
//!
//! Notes below it tell what was judged in a weaker form, such as tasks in place of processes. `SESSILE_PROFILE=nightly` repeats
//! what is random fifty times as often. `machine`, which tries random commands against a model, prints its seed
//! (`SESSILE_SEED`) and shrinks what fails to a few commands.
//!
//! # Judge from a program
//!
//! [`judge`] runs one clause and answers its [`Outcome`]:
//!
//! ```no_run
//! # use sessile_conformance::internal::MapJournal as MyJournal;
//! use sessile_conformance::{Backend, Clause, Outcome, judge, run_as_child};
//!
//! let mine = Backend::journal("mine", |_dir| async { MyJournal::default() });
//! if run_as_child(&[mine.clone()]) {
//!     return; // this process was started by a clause
//! }
//! for clause in Clause::all() {
//!     if let Outcome::Failed(why) = judge(clause, &mine).outcome {
//!         println!("{}: {why}", clause.id);
//!     }
//! }
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a clause fails by panicking: this crate is a test suite"
)]
#![allow(
    clippy::result_large_err,
    clippy::large_enum_variant,
    reason = "the model predicts the store's own errors and holds its commands; it need not be small"
)]

mod backend;
mod clause;
#[doc(hidden)]
pub mod clauses;
mod dir;
mod failure;
mod gate;
#[doc(hidden)]
pub mod internal;
mod judge;
mod kv_tamper;
mod level;
pub mod medium;
mod open;
mod suite;
mod summary;
mod tamper;
mod wire;

pub use backend::Backend;
pub(crate) use clause::clauses;
pub use clause::{BoxFuture, Clause};
pub use dir::Dir;
pub use internal::{hooks::folder_holds, process::run_as_child};
pub use judge::{Judged, Outcome, judge};
pub use kv_tamper::KvTamper;
pub use level::Level;
#[doc(hidden)]
pub use open::marker;
pub use open::{IntoArchive, IntoDriver, IntoJournal};
pub use suite::main;
pub use tamper::{Damage, Tamper};
pub use wire::Wire;
