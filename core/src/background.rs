//! What is left to do when whoever asked for it has gone.

use std::{fmt, future::Future, pin::Pin};

/// Work that nobody waits for.
pub type Work = Pin<Box<dyn Future<Output = ()> + Send + 'static>>;

/// Carries out work that nobody waits for: the core has no runtime and no threads of its own. A store asks for it where a
/// future is dropped that had something to finish ([`Handle::in_run`](crate::Handle::in_run)), and nowhere else.
///
/// Not promised: that the work is carried out. The process may end, and the runtime with it; nothing relies on it but how soon
/// a thing is done.
pub trait Background: Send + Sync + fmt::Debug + 'static {
    /// Begins the work and returns at once. It is called in `Drop`, so it neither waits nor panics.
    fn spawn(&self, work: Work);
}
