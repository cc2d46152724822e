//! Stores: the traits programs use, and the one implementation over any journal.

mod answer;
mod card;
mod engine;
mod ext;
mod flow;
mod options;
mod pending;
mod prepare;
mod sequencer;
mod shared;
mod state;
mod traits;
mod vacuum;

pub use engine::Store;
pub use ext::{SessionStoreExt, ThreadStoreExt};
pub use options::StoreOptions;
pub use traits::{AnyStore, SessionStore, ThreadStore};
