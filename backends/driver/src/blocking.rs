//! Runs work that blocks its thread, such as a call of a database or a file system.

use std::sync::{Arc, Mutex};

use event_listener::Event;
use sessile_core::error::{Error, Result};
use tokio::{
    runtime::{Handle, RuntimeFlavor, worker_index},
    task,
};

use crate::lock;

/// Where blocking work runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Here, on a worker of a multi-threaded runtime, whose other tasks move to another thread.
    Worker,
    /// Here, on a thread that does nothing but to wait for the future of this caller.
    Waiting,
    /// On the blocking pool of a current-thread runtime.
    Pool,
    /// On a new thread.
    NewThread,
}

impl Place {
    fn of_caller() -> Self {
        let Ok(handle) = Handle::try_current() else { return Self::NewThread };
        if handle.runtime_flavor() != RuntimeFlavor::MultiThread {
            return Self::Pool;
        }
        if worker_index().is_some() {
            return Self::Worker;
        }
        // No worker, and yet in a task: one of a `LocalSet`, whose other tasks run on this thread only, and where
        // `block_in_place` panics; or blocking work, which may fill the pool, so that waiting for the pool would never end.
        if task::try_id().is_some() { Self::NewThread } else { Self::Waiting }
    }
}

/// Whether the current thread may block: `true` on a worker of a multi-threaded tokio runtime, which moves its other tasks to
/// another thread, and in the future that `block_on` of such a runtime was given. `false` in a task of a `LocalSet`, in a
/// current-thread runtime, and outside of any runtime.
pub fn in_place() -> bool {
    matches!(Place::of_caller(), Place::Worker | Place::Waiting)
}

/// Runs blocking work on the current thread, after the other tasks of a worker have moved to another thread. Where
/// [`in_place`] is `false`, it keeps other tasks waiting.
pub fn here<T>(work: impl FnOnce() -> T) -> T {
    match Place::of_caller() {
        Place::Worker => task::block_in_place(work),
        Place::Waiting | Place::Pool | Place::NewThread => work(),
    }
}

/// Runs blocking work: on the current thread if it may block ([`in_place`]); on the blocking pool of a current-thread
/// runtime; on a new thread in a task of a `LocalSet` of a multi-threaded runtime, and outside of any runtime. Where it does
/// not run on the current thread, dropping the future does not stop the work.
///
/// # Errors
/// `Unavailable` if there is no thread for it, or if the work panics on a thread other than the current one.
pub async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    match Place::of_caller() {
        Place::Worker | Place::Waiting => Ok(here(work)),
        Place::Pool => task::spawn_blocking(work).await.map_err(|e| {
            Error::unavailable("cannot run blocking work: the runtime is shutting down", e)
        }),
        Place::NewThread => on_new_thread(work).await,
    }
}

async fn on_new_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
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

#[cfg(test)]
mod tests {
    use tokio::{
        runtime::{Builder, Runtime},
        task::LocalSet,
    };

    use super::*;

    fn threads() -> Runtime {
        Builder::new_multi_thread().worker_threads(1).build().unwrap()
    }

    /// Whether a call runs on the thread of its caller.
    async fn stays() -> bool {
        let caller = std::thread::current().id();
        let stays = run(std::thread::current).await.unwrap().id() == caller;
        assert_eq!(stays, in_place());
        stays
    }

    #[test]
    fn a_worker_and_block_on_block_in_place() {
        let runtime = threads();
        assert!(runtime.block_on(stays()));
        assert!(runtime.block_on(runtime.spawn(stays())).unwrap());
    }

    #[test]
    fn a_thread_with_other_tasks_is_not_blocked() {
        let local = || async { task::spawn_local(stays()).await.unwrap() };
        assert!(!LocalSet::new().block_on(&threads(), local()));
        let one = Builder::new_current_thread().build().unwrap();
        assert!(!LocalSet::new().block_on(&one, local()));
        assert!(!one.block_on(stays()));
        assert!(!sessile_testkit::journals::block_on(stays()));
    }

    #[test]
    fn the_future_of_block_on_may_block_beside_a_local_set() {
        assert!(LocalSet::new().block_on(&threads(), stays()));
    }
}
