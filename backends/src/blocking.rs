//! Where work that blocks its thread is done.

use std::sync::{Arc, Mutex};

use event_listener::Event;
use sessile_core::error::{Error, Result};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::lock::lock;

/// Whether the caller's own thread may block: a worker of a multi-threaded tokio runtime hands its other tasks over.
pub(crate) fn in_place() -> bool {
    Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread)
}

/// Runs what blocks: in place on a multi-threaded tokio runtime; on another, on its pool of blocking threads; outside of
/// any, on a thread of its own. Where it does not run in place, dropping the future leaves it running.
pub(crate) async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    if in_place() {
        return Ok(tokio::task::block_in_place(work));
    }
    if let Ok(handle) = Handle::try_current() {
        let done = handle.spawn_blocking(work).await;
        return done.map_err(|e| Error::unavailable("the runtime runs no more work", e));
    }
    struct Done<T> {
        value: Mutex<Option<T>>,
        event: Event,
    }
    let done = Arc::new(Done { value: Mutex::new(None), event: Event::new() });
    let listener = done.event.listen();
    let thread = std::thread::Builder::new().name("sessile".into()).spawn({
        let done = done.clone();
        move || {
            /// Rings even if the work panics.
            struct Ring<T>(Arc<Done<T>>);
            impl<T> Drop for Ring<T> {
                fn drop(&mut self) {
                    self.0.event.notify(usize::MAX);
                }
            }
            let ring = Ring(done);
            let value = work();
            *lock(&ring.0.value) = Some(value);
        }
    });
    thread.map_err(|e| Error::unavailable("no thread to work on", e))?;
    listener.await;
    let value = lock(&done.value).take();
    value.ok_or_else(|| Error::Unavailable { reason: "the work panicked".into(), source: None })
}

/// Lets the other tasks of this thread be polled once.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}
