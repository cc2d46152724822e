//! The budget of a project, and the slices of it that its threads have.
//!
//! A thread draws a slice here before it spends it in its own journal, so the project is never overspent, in whatever number of
//! processes; and it may refuse while slices are out that nobody uses.

use std::sync::Arc;

use rpds::RedBlackTreeMapSync;
use serde::{Deserialize, Serialize};

use super::state::ProjectState;
use crate::{
    error::{Error, Result},
    id::{ProjectId, ThreadId},
    model::{Budget, BudgetKind, BudgetUse, Money, Totals},
    record::{Event, Lane},
    rules::decision::{Decision, DecisionInput, Drafts, DrawnSlice, Reply, SliceStep},
};

/// Of what is left, a slice is this part.
const PART_OF_REST: u64 = 8;
/// It is at least this part of the whole, so that the rest is drawn in few steps.
const PART_OF_WHOLE: u64 = 128;

/// What is drawn of a budget.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Escrow {
    /// By slices that were given back.
    pub(crate) spent: Totals,
    /// Those that are out.
    pub(crate) slices: RedBlackTreeMapSync<ThreadId, Arc<DrawnSlice>>,
}

impl ProjectState {
    fn drawn(&self, kind: &BudgetKind, but: Option<ThreadId>) -> u64 {
        let slices = self.escrow.slices.iter().filter(|(thread, _)| Some(**thread) != but);
        let amounts = slices.filter_map(|(_, slice)| slice.amount.limit(kind));
        amounts.fold(0, u64::saturating_add)
    }

    pub(crate) fn budget_use(&self) -> Option<BudgetUse> {
        let budget = self.project.as_ref()?.config.budget.clone()?;
        let is_bound = |kind: &BudgetKind| budget.limit(kind).is_some();
        let of_kind = |kind: &BudgetKind, number: u64| if is_bound(kind) { number } else { 0 };
        let spent = budget.amount(|kind| of_kind(kind, self.escrow.spent.of(kind)));
        let reserved = budget.amount(|kind| of_kind(kind, self.drawn(kind, None)));
        Some(BudgetUse { budget, spent, reserved })
    }

    pub(super) fn decide_slice(
        &self,
        id: ProjectId,
        input: &DecisionInput<'_>,
        step: &SliceStep,
    ) -> Result<Decision> {
        let project = self.project.as_ref().ok_or_else(|| Error::not_found(id))?;
        match (step, &project.config.budget) {
            (SliceStep::Draw { .. }, None) => Ok(Decision::Answer(Reply::Slice(None))),
            (SliceStep::Draw { thread, known, opened, used, asks_for_more }, Some(budget)) => {
                let out = self.escrow.slices.get(thread);
                if let Some(out) = out.filter(|out| out.draw > *known) {
                    return Ok(Decision::Answer(Reply::Slice(Some(out.clone()))));
                }
                let held = out.filter(|out| Some(out.opened) == *opened);
                let held = held.map(|held| &**held);
                self.draw(id, input, (*thread, *asks_for_more), (budget, held, used))
            }
            (SliceStep::Settle { thread, draw, spent }, _) => {
                let out = self.escrow.slices.get(thread);
                if out.is_none_or(|out| out.draw != *draw) {
                    return Ok(Decision::Answer(Reply::thread_changed(0)));
                }
                let (thread, draw, spent) = (*thread, *draw, spent.clone());
                let mut drafts = Drafts::after(input, self.version(), None);
                let event = Event::SliceSettled { thread, draw, spent };
                let version = drafts.push(Lane::Rest.of(0), event, input.caller_body());
                drafts.done(Reply::thread_changed(version))
            }
            _ => Err(crate::rules::thread::wrong_journal()),
        }
    }

    /// Opens a slice, or enlarges the one that the thread has.
    fn draw(
        &self,
        id: ProjectId,
        input: &DecisionInput<'_>,
        (thread, asks_for_more): (ThreadId, bool),
        (budget, held, used): (&Budget, Option<&DrawnSlice>, &Totals),
    ) -> Result<Decision> {
        let others = |kind: &BudgetKind| {
            self.escrow.spent.of(kind).saturating_add(self.drawn(kind, Some(thread)))
        };
        let has = |kind: &BudgetKind| held.and_then(|held| held.amount.limit(kind)).unwrap_or(0);
        // What was spent is a fact, whatever is left.
        let floor = |kind: &BudgetKind| has(kind).max(used.of(kind));
        let rest = |kind: &BudgetKind, limit: u64| {
            limit.saturating_sub(others(kind)).saturating_sub(floor(kind))
        };
        let is_out =
            |kind: &BudgetKind, limit| has(kind) <= used.of(kind) && rest(kind, limit) == 0;
        let refused = budget.limits().find(|(kind, limit)| is_out(kind, *limit));
        let refused = refused.filter(|_| budget.refuses() && asks_for_more);
        if let Some((kind, limit)) = &refused
            && budget.limits().all(|(kind, _)| used.of(&kind) <= has(&kind))
        {
            let (of, used) = (id.into(), others(kind).saturating_add(has(kind)));
            return Err(Error::BudgetExceeded { of, kind: kind.clone(), used, limit: *limit });
        }
        let (mut amount, mut used_up) = (Budget::default(), Vec::new());
        for (kind, limit) in budget.limits() {
            let rest = rest(&kind, limit);
            let slice = (rest / PART_OF_REST).max(limit / PART_OF_WHOLE).max(1);
            let slice = match has(&kind) > used.of(&kind) || refused.is_some() || !asks_for_more {
                true => 0,
                false if budget.refuses() => slice.min(rest),
                false => slice,
            };
            let grant = floor(&kind).saturating_add(slice);
            let before = others(&kind).saturating_add(has(&kind));
            let after = others(&kind).saturating_add(grant);
            if before < limit && after >= limit {
                used_up.push((kind.clone(), after, limit));
            }
            match kind {
                BudgetKind::Cost(currency) => amount.cost = Some(Money { currency, micro: grant }),
                _ => amount.tokens = Some(grant),
            }
        }
        let draw = self.version() + 1;
        let opened = held.map_or(draw, |held| held.opened);
        let out = DrawnSlice { draw, opened, amount, used_up };
        let mut drafts = Drafts::after(input, self.version(), None);
        let event = Event::SliceDrawn {
            thread,
            opened: held.map(|held| held.opened),
            amount: out.amount.clone(),
            used_up: out.used_up.clone(),
        };
        drafts.push(Lane::Rest.of(0), event, input.caller_body());
        drafts.done(Reply::Slice(Some(out.into())))
    }

    pub(super) fn open_slice(&mut self, thread: ThreadId, slice: DrawnSlice) {
        self.escrow.slices.insert_mut(thread, slice.into());
    }

    pub(super) fn settle_slice(&mut self, thread: ThreadId, spent: &Totals) {
        self.escrow.slices.remove_mut(&thread);
        self.escrow.spent.add(spent);
    }
}
