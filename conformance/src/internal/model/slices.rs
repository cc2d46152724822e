//! The budget of a project, and the slices of it that its threads have.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sessile_core::{
    Caller, Error, Timestamp,
    id::{ProjectId, ThreadId, Version},
    model::{Amount, Budget, BudgetKind, Money, OnExceeding, Totals, Usage},
};

use super::{
    Predicted,
    budgets::{Bound, amount, bound, bounds},
    runs::of as totals_of,
    state::*,
};

/// What a project knows of its budget.
#[derive(Clone, Debug, Default)]
pub(super) struct Escrow {
    /// Of slices that were given back.
    spent: Totals,
    out: BTreeMap<ThreadId, Slice>,
}

/// A slice that is out.
#[derive(Clone, Debug)]
struct Slice {
    /// The newest draw, and the one that it began with: versions of the project's journal.
    draw: Version,
    opened: Version,
    amount: Budget,
}

/// What a thread knows of its slice.
#[derive(Clone, Debug, Default)]
pub(super) struct Purse {
    is_on: bool,
    draw: Version,
    slice: Option<(Version, Budget)>,
    used: Totals,
    returned: Totals,
    returned_at: Version,
}

impl Thread {
    /// With the first session that is created under a project's budget, the thread begins to draw.
    pub(super) fn begin_slices(&mut self, has_budget: bool, now: Timestamp, caller: &Caller) {
        if has_budget && !self.purse.is_on {
            self.record(now, &caller.actor);
            self.purse.is_on = true;
        }
    }

    pub(super) fn spend_slice(&mut self, usage: &Usage) {
        if self.purse.is_on {
            self.purse.used.add(&totals_of(usage));
        }
    }

    pub(super) fn needs_slice(&self) -> bool {
        let Purse { is_on, slice, used, .. } = &self.purse;
        let is_left = |(_, slice): &(Version, Budget)| {
            bounds(slice).iter().all(|(kind, limit)| amount(used, kind) < *limit)
        };
        *is_on && !slice.as_ref().is_some_and(is_left)
    }
}

impl Escrow {
    fn drawn(&self, kind: &Bound, but: Option<ThreadId>) -> u64 {
        let others = self.out.iter().filter(|(thread, _)| Some(**thread) != but);
        others.filter_map(|(_, slice)| bound(&slice.amount, kind)).sum()
    }
}

impl Project {
    fn step(&mut self, now: Timestamp) -> Version {
        self.head += 1;
        self.last_at = self.last_at.max(now);
        self.head
    }

    /// The newest draw, and how many bounds it used up; nothing without a budget.
    fn draw(
        &mut self,
        id: ProjectId,
        thread: ThreadId,
        (purse, asks_for_more): (&Purse, bool),
        now: Timestamp,
    ) -> Predicted<Option<(Slice, usize)>> {
        let Some(budget) = self.config.budget.clone() else { return Ok(None) };
        let escrow = &self.escrow;
        let opened = purse.slice.as_ref().map(|(opened, _)| *opened);
        let held = escrow.out.get(&thread).filter(|slice| Some(slice.opened) == opened);
        let others = |kind: &Bound| amount(&escrow.spent, kind) + escrow.drawn(kind, Some(thread));
        let has = |kind: &Bound| held.and_then(|held| bound(&held.amount, kind)).unwrap_or(0);
        let used = |kind: &Bound| amount(&purse.used, kind);
        let rest = |kind: &Bound, limit: u64| {
            limit.saturating_sub(others(kind) + has(kind).max(used(kind)))
        };
        let refuses = budget.on_exceeding == OnExceeding::Refuse;
        let mut out = bounds(&budget).into_iter().filter(|(kind, limit)| {
            refuses && asks_for_more && has(kind) <= used(kind) && rest(kind, *limit) == 0
        });
        let is_out = out.next();
        drop(out);
        if let Some((kind, limit)) = &is_out
            && bounds(&budget).iter().all(|(kind, _)| used(kind) <= has(kind))
        {
            let (used, limit) = (others(kind) + has(kind), *limit);
            let kind = kind.clone().map_or(BudgetKind::Tokens, BudgetKind::Cost);
            return Err(Error::BudgetExceeded { of: id.into(), kind, used, limit }.into());
        }
        let (mut granted, mut used_up) = (Budget::default(), 0);
        for (kind, limit) in bounds(&budget) {
            let rest = rest(&kind, limit);
            let more = (rest / 8).max(limit / 128).max(1);
            let more = if has(&kind) > used(&kind) || is_out.is_some() || !asks_for_more {
                0
            } else if refuses {
                more.min(rest)
            } else {
                more
            };
            let grant = has(&kind).max(used(&kind)) + more;
            let is_below = others(&kind) + has(&kind) < limit;
            used_up += usize::from(is_below && others(&kind) + grant >= limit);
            match kind {
                Some(currency) => granted.cost = Some(Money { currency, micro: grant }),
                None => granted.tokens = Some(grant),
            }
        }
        let opened = held.map(|held| held.opened);
        let draw = self.step(now);
        let slice = Slice { draw, opened: opened.unwrap_or(draw), amount: granted };
        self.escrow.out.insert(thread, slice.clone());
        Ok(Some((slice, used_up)))
    }

    fn settle(&mut self, thread: ThreadId, purse: &Purse, now: Timestamp) {
        if self.escrow.out.get(&thread).is_some_and(|slice| slice.draw == purse.draw) {
            self.step(now);
            self.escrow.out.remove(&thread);
            self.escrow.spent.add(&purse.returned);
        }
    }

    /// Another config; taken away, a budget forgets what was spent.
    pub(super) fn configure(&mut self, config: sessile_core::model::ProjectConfig) {
        if config.budget.is_none() {
            self.escrow = Escrow::default();
        }
        self.config = config;
    }

    /// What is used of the budget, as `project` shows it.
    pub(super) fn budget_value(&self) -> Option<Value> {
        let budget = self.config.budget.as_ref()?;
        let sum = |of: &dyn Fn(&Bound) -> u64| {
            let kinds = bounds(budget);
            let kind = |wanted: bool| kinds.iter().find(|(it, _)| it.is_some() == wanted);
            Amount {
                tokens: kind(false).map_or(0, |(it, _)| of(it)),
                micro: kind(true).map_or(0, |(it, _)| of(it)),
            }
        };
        let spent = sum(&|kind| amount(&self.escrow.spent, kind));
        let reserved = sum(&|kind| self.escrow.drawn(kind, None));
        Some(json!({ "budget": budget, "spent": spent, "reserved": reserved }))
    }
}

impl Tenant {
    /// Draws a slice for a thread, or accounts for what it spent without one.
    pub(super) fn draw(
        &mut self,
        id: ThreadId,
        asks_for_more: bool,
        (now, caller): (Timestamp, &Caller),
    ) -> Predicted<()> {
        let thread = self.threads.get_mut(&id).expect("it is there");
        let project = self.projects.get_mut(&thread.project).expect("a thread is in a project");
        if thread.purse.slice.is_none() && thread.purse.draw > 0 {
            project.settle(id, &thread.purse, now);
        }
        let drawn = project.draw(thread.project, id, (&thread.purse, asks_for_more), now)?;
        thread.record(now, &caller.actor);
        match drawn {
            Some((slice, used_up)) => {
                for _ in 0..used_up {
                    thread.record(now, &caller.actor);
                }
                thread.purse.draw = slice.draw;
                thread.purse.slice = Some((slice.opened, slice.amount));
            }
            None => {
                let Purse { draw, returned_at, .. } = thread.purse;
                thread.purse = Purse { draw, returned_at, ..Purse::default() };
            }
        }
        Ok(())
    }

    /// Gives back what a thread has; the version of the record that did so last.
    pub(super) fn return_slice(
        &mut self,
        id: ThreadId,
        (now, caller): (Timestamp, &Caller),
    ) -> Predicted<Version> {
        loop {
            let thread = self.threads.get_mut(&id).expect("it is there");
            if !thread.purse.is_on {
                return Ok(thread.purse.returned_at);
            }
            if thread.purse.slice.is_some() {
                let version = thread.record(now, &caller.actor);
                thread.purse.slice = None;
                thread.purse.returned = std::mem::take(&mut thread.purse.used);
                thread.purse.returned_at = version;
            } else if thread.purse.used != Totals::default() {
                self.draw(id, false, (now, caller))?;
            } else {
                let project = self.projects.get_mut(&thread.project).expect("its project");
                if thread.purse.draw > 0 {
                    project.settle(id, &thread.purse, now);
                }
                return Ok(thread.purse.returned_at);
            }
        }
    }
}
