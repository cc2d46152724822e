//! Budgets of a thread and of its sessions: what is spent of them, and what is reserved.
//!
//! What a session uses is spent of the nearest budget above it - its own, that of a session over it, the thread's - and of all
//! that are above that one. A child with a budget of its own holds a share of the nearest one above it: what is left of the
//! child's counts as used there, until its edge ends.

use std::sync::Arc;

use rpds::RedBlackTreeSetSync;
use serde::{Deserialize, Serialize};

use super::state::ThreadState;
use crate::{
    id::Version,
    model::{Budget, BudgetKind, BudgetUse, Totals, Usage},
};

/// The budget of a session or, as that of session 0, of the thread.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BudgetState {
    pub(crate) budget: Budget,
    /// Of a session's; what a thread spent stands in its roll-up.
    pub(crate) spent: Totals,
    /// The children that hold a share of it.
    pub(crate) shares: RedBlackTreeSetSync<Version>,
    /// Whose budget it is a share of.
    pub(crate) share_of: Option<Version>,
}

impl BudgetState {
    pub(super) fn new(budget: Budget, spent: Totals) -> Self {
        Self { budget, spent, shares: Default::default(), share_of: None }
    }
}

impl ThreadState {
    /// The budget of a session; of session 0, the thread's.
    pub(crate) fn budget(&self, of: Version) -> Option<&BudgetState> {
        match of {
            0 => self.budget.as_deref(),
            session => self.session(session)?.budget.as_deref(),
        }
    }

    /// What was spent of a budget.
    pub(super) fn spent(&self, of: Version, kind: &BudgetKind) -> u64 {
        let totals = match of {
            0 => self.roll_up.totals.as_ref(),
            session => self.budget(session).map(|it| &it.spent),
        };
        totals.map_or(0, |totals| totals.of(kind))
    }

    /// What is left of a budget that others hold a share of, for them.
    pub(super) fn share(&self, of: Version, kind: &BudgetKind) -> u64 {
        let limit = self.budget(of).and_then(|it| it.budget.limit(kind)).unwrap_or(0);
        limit.saturating_sub(self.spent(of, kind))
    }

    fn reserved(&self, of: Version, kind: &BudgetKind) -> u64 {
        let shares = self.budget(of).into_iter().flat_map(|it| &it.shares);
        shares.map(|child| self.share(*child, kind)).fold(0, u64::saturating_add)
    }

    /// What was spent of a budget, and what is reserved.
    pub(super) fn used(&self, of: Version, kind: &BudgetKind) -> u64 {
        self.spent(of, kind).saturating_add(self.reserved(of, kind))
    }

    /// Whether nothing is left of what a budget bounds.
    pub(super) fn is_used_up(&self, of: Version, kind: &BudgetKind) -> bool {
        let limit = self.budget(of).and_then(|it| it.budget.limit(kind));
        limit.is_some_and(|limit| self.used(of, kind) >= limit)
    }

    pub(crate) fn budget_use(&self, of: Version) -> Option<BudgetUse> {
        let budget = self.budget(of)?.budget.clone();
        let (spent, reserved) = (
            budget.amount(|kind| budget.limit(kind).map_or(0, |_| self.spent(of, kind))),
            budget.amount(|kind| budget.limit(kind).map_or(0, |_| self.reserved(of, kind))),
        );
        Some(BudgetUse { budget, spent, reserved })
    }

    /// Whose budgets bound what a session uses, the nearest first. What went on as another session is below that one, so that
    /// nobody gets rid of a budget by going on.
    pub(super) fn budgets_over(&self, session: Version) -> Vec<Version> {
        let mut found = Vec::new();
        let mut passed = Vec::new();
        let mut next = Some(session);
        while let Some(at) = next.filter(|at| !passed.contains(at)) {
            passed.push(at);
            let Some(state) = self.session(at) else { break };
            let budget = state.budget.as_deref();
            found.extend(budget.map(|_| at));
            next = budget.and_then(|it| it.share_of).or_else(|| {
                let successor = Some(state.continued_as).filter(|it| *it != 0);
                self.parent_of(at).or(successor)
            });
        }
        found.extend(self.budget.as_ref().map(|_| 0));
        found
    }

    /// A call that a session made is paid.
    pub(super) fn spend(&mut self, session: Version, usage: &Usage) {
        for of in self.budgets_over(session).into_iter().filter(|of| *of != 0) {
            self.with_budget(of, |it| it.spent.book(usage));
        }
    }

    fn with_budget(&mut self, of: Version, change: impl FnOnce(&mut BudgetState)) {
        let budget = match of {
            0 => self.budget.as_mut(),
            session => self
                .sessions
                .get_mut(&session)
                .and_then(|session| Arc::make_mut(session).budget.as_mut()),
        };
        if let Some(budget) = budget {
            change(Arc::make_mut(budget));
        }
    }

    /// A child holds a share from here on.
    pub(super) fn begin_share(&mut self, child: Version, of: Version) {
        self.with_budget(child, |it| it.share_of = Some(of));
        self.with_budget(of, |it| it.shares.insert_mut(child));
    }

    /// What is left of a child's share goes back.
    pub(super) fn end_share(&mut self, child: Version) {
        let Some(of) = self.budget(child).and_then(|it| it.share_of) else { return };
        self.with_budget(child, |it| it.share_of = None);
        self.with_budget(of, |it| {
            it.shares.remove_mut(&child);
        });
    }

    /// Nobody holds a share of this any more.
    fn end_shares_of(&mut self, of: Version) {
        let shares = self.budget(of).map(|it| it.shares.clone()).unwrap_or_default();
        shares.iter().for_each(|child| self.end_share(*child));
    }

    /// Sets or takes away the budget of a session, or of the thread. What the session itself spent so far counts.
    pub(super) fn set_budget(&mut self, of: Version, budget: Option<&Budget>) {
        match (budget, self.budget(of).is_some()) {
            (Some(budget), true) => self.with_budget(of, |it| it.budget.clone_from(budget)),
            (Some(budget), false) => {
                let roll_up = self.session(of).and_then(|session| session.roll_up.as_deref());
                let spent = roll_up.and_then(|it| it.totals.clone()).unwrap_or_default();
                self.put_budget(of, Some(BudgetState::new(budget.clone(), spent)));
            }
            (None, true) => {
                self.end_share(of);
                self.end_shares_of(of);
                self.put_budget(of, None);
            }
            (None, false) => {}
        }
    }

    fn put_budget(&mut self, of: Version, budget: Option<BudgetState>) {
        let budget = budget.map(Arc::new);
        if of == 0 {
            self.budget = budget;
        } else if let Some(session) = self.sessions.get_mut(&of) {
            Arc::make_mut(session).budget = budget;
        }
    }

    /// A session's budget goes with it where it goes on as another.
    pub(super) fn move_budget(&mut self, from: Version, to: Version) {
        let Some(state) = self.budget(from).cloned() else { return };
        let (share_of, shares) = (state.share_of, state.shares.clone());
        self.set_budget(from, None);
        let moved = BudgetState { shares: Default::default(), share_of: None, ..state };
        self.put_budget(to, Some(moved));
        shares.iter().for_each(|child| self.begin_share(*child, to));
        share_of.into_iter().for_each(|of| self.begin_share(to, of));
    }

    /// A session is gone, and its budget with it.
    pub(super) fn drop_budget(&mut self, of: Version) {
        self.set_budget(of, None);
    }
}
