//! Storage for agent sessions: right under every race and crash, on the backend you choose.
//!
//! A *thread* is one line of work; it holds *sessions*, and they hold messages, runs, leases and what they cost. This crate
//! is the one to add: it re-exports the rules and traits of `sessile-core` and brings the places to keep them.
//!
//! ```
//! # #[cfg(feature = "memory")]
//! # fn main() -> sessile::Result<()> {
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let store = sessile::open("memory:").await?; // or "sqlite:agents.db"
//! store.close().await
//! # })
//! # }
//! # #[cfg(not(feature = "memory"))]
//! # fn main() {}
//! ```
//!
//! | backend | feature | survives | shared by |
//! | --- | --- | --- | --- |
//! | [`Memory`] | `memory`, on by default | nothing | the tasks of one process |
//! | [`disk::Disk`] | `disk` | loss of power | the tasks of one process, and readers beside it |
//! | [`object_store::Objects`] | `object_store`; `s3`, `gcs`, `azure` for the clouds | what the store does | any processes of any host |
//! | [`redb::Redb`] | `redb` | loss of power | the tasks of one process |
//! | [`sqlite::Sqlite`] | `sqlite`, on by default | loss of power | any processes of one host |
//!
//! Every backend implements [`journal::Journal`], and [`store::Store`] makes a store of any journal, yours included;
//! [`driver`] has what the five share, for writing another.

#[cfg(feature = "disk")]
pub mod disk;
#[cfg(feature = "memory")]
mod memory;
#[cfg(feature = "object_store")]
pub mod object_store;
mod open;
#[cfg(feature = "redb")]
pub mod redb;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(any(
    feature = "memory",
    feature = "disk",
    feature = "object_store",
    feature = "redb",
    feature = "sqlite"
))]
#[doc(hidden)]
pub mod tamper;

#[cfg(feature = "memory")]
pub use memory::Memory;
pub use open::{open, open_journal};
pub use sessile_core::*;
pub use sessile_driver as driver;
pub use sessile_driver::clock::{self, OsIds, SystemClock, options};

/// The example of the README is compiled and run.
#[cfg(all(doctest, feature = "memory"))]
#[doc = include_str!("../../README.md")]
struct Readme;
