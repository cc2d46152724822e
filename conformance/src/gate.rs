//! The `J` clauses come first: what stands on a journal is not judged before it is known to be one.

use std::sync::{Condvar, Mutex};

use crate::{Clause, Outcome};

/// What the other clauses of a backend wait for: its `J` clauses in this run.
#[derive(Debug)]
pub(crate) struct Gate {
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Debug)]
struct State {
    /// `J` clauses that have not ended.
    open: usize,
    failed: Vec<&'static str>,
}

impl Gate {
    /// Opens after so many clauses.
    pub(crate) fn of(open: usize) -> Self {
        Self { state: Mutex::new(State { open, failed: Vec::new() }), moved: Condvar::new() }
    }

    /// A `J` clause has ended.
    pub(crate) fn heard(&self, clause: &Clause, outcome: &Outcome) {
        let mut state = self.state.lock().expect("no panic inside");
        state.open = state.open.saturating_sub(1);
        if matches!(outcome, Outcome::Failed(_)) {
            state.failed.push(clause.id);
        }
        self.moved.notify_all();
    }

    /// Blocks until all `J` clauses have ended; those that failed.
    ///
    /// It waits for what has begun only: tests begin in their order, and the `J` clauses stand first.
    pub(crate) fn wait(&self) -> Vec<&'static str> {
        let state = self.state.lock().expect("no panic inside");
        let state = self.moved.wait_while(state, |state| state.open > 0).expect("no panic inside");
        let mut failed = state.failed.clone();
        failed.sort_by_key(|id| (id.len(), *id));
        failed
    }
}
