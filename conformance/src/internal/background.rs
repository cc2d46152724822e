//! What finishes the work of dropped futures in the suite.

use sessile_core::background::{Background, Work};

/// Carries out what is left as a task of the runtime that the clause runs in.
#[derive(Clone, Copy, Debug, Default)]
pub struct InTasks;

impl Background for InTasks {
    fn spawn(&self, work: Work) {
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(work);
        }
    }
}
