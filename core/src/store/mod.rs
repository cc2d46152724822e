//! Stores: the traits programs use, and the one implementation over any journal.

mod engine;
mod ext;
mod options;
mod waist;

pub use engine::Store;
pub use ext::{SessionStoreExt, ThreadStoreExt};
pub use options::StoreOptions;
pub use waist::{AnyStore, SessionStore, ThreadStore};
