//! What drivers of Sessile share: the parts of a journal that do not depend on the engine below it.
//!
//! A driver implements [`Journal`](sessile_core::journal::Journal) over an engine. Every driver also checks batches against
//! its limits, compares heads, wakes those who wait, keeps blocking work off the threads of a runtime, and most combine
//! commits. Sessile's own drivers take these parts from this crate; so can yours.
//!
//! | for | take |
//! | --- | --- |
//! | a whole journal over an ordered map | [`kv`] |
//! | limits, versions that follow, comparing heads, what to answer to a writer that is behind | [`check`] |
//! | commits of many callers in one transaction | [`group`], over an engine that implements [`engine::Engine`] |
//! | the right to write, kept for the writer that just lost | [`reservation`] |
//! | waiting for a commit of the same process | [`notifier`] |
//! | calls that block a thread; a fair share for other tasks | [`blocking`], [`coop`] |
//! | lists in both orders, in memory | [`index`] |
//! | batches as lines of JSON with a checksum, and file names for any text | [`lines`] |
//! | clocks and identifiers of the operating system | [`clock`] |
//! | work that is left when a future is dropped | [`background`] |
//! | the process that has a file locked | [`owner`] |
//! | a mutex that survives a panic of its holder | [`lock`] |
//!
//! What the head of a space says to a writer:
//!
//! ```
//! use sessile_core::{hash::Hash, journal::Position};
//! use sessile_driver::check::{HeadMatch, compare_heads};
//!
//! let head = Some(Position { version: 3, hash: Hash::of(&[b"three"]) });
//! let older = Some(Position { version: 2, hash: Hash::of(&[b"two"]) });
//! assert_eq!(compare_heads(head, head), HeadMatch::Same); // commit
//! assert_eq!(compare_heads(head, older), HeadMatch::Moved); // answer `Commit::HeadMoved`
//! assert_eq!(compare_heads(older, head), HeadMatch::Diverged); // answer `Commit::Diverged`
//! ```

pub mod background;
pub mod blocking;
pub mod check;
pub mod clock;
pub mod coop;
pub mod engine;
pub mod group;
pub mod index;
pub mod kv;
pub mod lines;
mod mutex;
pub mod notifier;
pub mod owner;
pub mod reservation;

pub use mutex::lock;
