//! Runs work that blocks its thread, such as a call of a database or a file system.

use std::sync::{Arc, Mutex};

use event_listener::Event;
use sessile_core::error::{Error, Result};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::lock;

/// Whether the current thread may block: `true` on a multi-threaded tokio runtime, which moves the other tasks of a blocked
/// worker to another thread.
pub fn in_place() -> bool {
    Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread)
}

/// Runs blocking work: on the current thread of a multi-threaded tokio runtime; on the blocking pool of a current-thread
/// runtime; on a new thread outside of any runtime. Where it does not run on the current thread, dropping the future does not
/// stop the work.
///
/// # Errors
/// `Unavailable` if there is no thread for it, or if the work panics on a thread other than the current one.
pub async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    if in_place() {
        return Ok(tokio::task::block_in_place(work));
    }
    if let Ok(handle) = Handle::try_current() {
        let done = handle.spawn_blocking(work).await;
        return done.map_err(|e| {
            Error::unavailable("cannot run blocking work: the runtime is shutting down", e)
        });
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
            /// Notifies even if the work panics.
            struct NotifyOnDrop<T>(Arc<Done<T>>);
            impl<T> Drop for NotifyOnDrop<T> {
                fn drop(&mut self) {
                    self.0.event.notify(usize::MAX);
                }
            }
            let done = NotifyOnDrop(done);
            let value = work();
            *lock(&done.0.value) = Some(value);
        }
    });
    thread.map_err(|e| Error::unavailable("cannot start a thread for blocking work", e))?;
    listener.await;
    let value = lock(&done.value).take();
    value.ok_or_else(|| Error::failed("blocking work panicked"))
}

/// Returns `Pending` once, so that other tasks of the thread are polled.
pub async fn yield_now() {
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
