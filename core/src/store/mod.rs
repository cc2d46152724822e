//! Stores: the traits programs use, and the one implementation over any journal.

mod answer;
mod card;
mod engine;
mod ext;
mod flow;
mod machine;
mod options;
mod prepare;
mod sequencer;
mod shared;
mod slot;
mod vacuum;
mod waist;

pub use engine::Store;
pub use ext::{SessionStoreExt, ThreadStoreExt};
pub use options::StoreOptions;
pub use waist::{AnyStore, SessionStore, ThreadStore};
