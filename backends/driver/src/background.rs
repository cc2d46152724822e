//! Work that is left when whoever asked for it has gone.

pub use sessile_core::background::Background;
use sessile_core::background::Work;
use tokio::runtime::{Builder, Handle};

/// Carries out what is left as a task of the runtime of whoever leaves it, or on a thread of its own where there is none.
///
/// A runtime that is being shut down drops the task before it is done.
#[derive(Clone, Copy, Debug, Default)]
pub struct InBackground;

impl Background for InBackground {
    fn spawn(&self, work: Work) {
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(work);
            return;
        }
        let alone = move || {
            if let Ok(runtime) = Builder::new_current_thread().enable_all().build() {
                runtime.block_on(work);
            }
        };
        // Without a thread it is not done, as in a process that ends.
        let _started = std::thread::Builder::new().name("sessile-background".into()).spawn(alone);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    /// Tells, from the work, whether a runtime is there.
    fn leave() -> Receiver<bool> {
        let (tell, told) = channel();
        InBackground.spawn(Box::pin(async move {
            crate::blocking::yield_now().await;
            tell.send(Handle::try_current().is_ok()).unwrap();
        }));
        told
    }

    #[test]
    fn what_is_left_is_done_with_and_without_a_runtime() {
        assert!(leave().recv().unwrap());
        let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let told = runtime.block_on(async { leave() });
        assert!(told.recv().unwrap());
    }
}
