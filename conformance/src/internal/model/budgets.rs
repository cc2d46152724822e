//! Budgets of threads and sessions: what is used of each, what is refused, what is said.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sessile_core::{
    Caller, Error, Timestamp,
    command::NewSession,
    id::{ThreadId, Version},
    model::{Amount, Budget, BudgetKind, Currency, OnExceeding, Totals, Usage},
};

use super::{Predicted, runs::of as totals_of, state::*};

/// What a budget bounds: tokens, or the cost in a currency.
pub(super) type Bound = Option<Currency>;

/// The budget of a session.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the fields of the core's own type")]
pub struct SessionBudget {
    pub budget: Budget,
    /// By the session and those below it, since it has one; by itself before that.
    pub spent: Totals,
    /// Whose it is a share of; 0 is the thread.
    pub of: Option<Version>,
}

pub(super) fn bounds(budget: &Budget) -> Vec<(Bound, u64)> {
    let tokens = budget.tokens.map(|tokens| (None, tokens));
    let cost = budget.cost.as_ref().map(|cost| (Some(cost.currency.clone()), cost.micro));
    tokens.into_iter().chain(cost).collect()
}

pub(super) fn bound(budget: &Budget, bound: &Bound) -> Option<u64> {
    bounds(budget).into_iter().find(|(it, _)| it == bound).map(|(_, limit)| limit)
}

pub(super) fn amount(totals: &Totals, bound: &Bound) -> u64 {
    let tokens = totals.tokens;
    match bound {
        None => tokens.input + tokens.output + tokens.cache_read + tokens.cache_write,
        Some(currency) => totals.cost.get(currency).copied().unwrap_or(0),
    }
}

impl Thread {
    fn budget_of(&self, of: Version) -> Option<&Budget> {
        match of {
            0 => self.budget.as_ref(),
            v => self.sessions.get(&v)?.budget.as_ref().map(|it| &it.budget),
        }
    }

    fn spent_of(&self, of: Version, kind: &Bound) -> u64 {
        match of {
            0 => self.roll_up(|_| true).totals.map_or(0, |totals| amount(&totals, kind)),
            v => self.sessions[&v].budget.as_ref().map_or(0, |it| amount(&it.spent, kind)),
        }
    }

    fn left_of(&self, of: Version, kind: &Bound) -> u64 {
        let limit = self.budget_of(of).and_then(|budget| bound(budget, kind)).unwrap_or(0);
        limit.saturating_sub(self.spent_of(of, kind))
    }

    fn reserved_of(&self, of: Version, kind: &Bound) -> u64 {
        let shares = self
            .sessions
            .iter()
            .filter(|(_, s)| s.budget.as_ref().is_some_and(|it| it.of == Some(of)));
        shares.map(|(v, _)| self.left_of(*v, kind)).sum()
    }

    fn used_of(&self, of: Version, kind: &Bound) -> u64 {
        self.spent_of(of, kind) + self.reserved_of(of, kind)
    }

    fn exceeded(&self, id: ThreadId, of: Version, (kind, limit): (Bound, u64)) -> Error {
        let used = self.used_of(of, &kind);
        let kind = kind.map_or(BudgetKind::Tokens, BudgetKind::Cost);
        let of = if of == 0 { id.into() } else { session_id(id, of).into() };
        Error::BudgetExceeded { of, kind, used, limit }
    }

    /// Whose budgets a session spends of, from below.
    fn payers(&self, session: Version) -> Vec<Version> {
        let mut payers = Vec::new();
        let mut seen = BTreeSet::new();
        let mut at = session;
        while at != 0 && seen.insert(at) {
            let Some(it) = self.sessions.get(&at) else { break };
            let mut next = self.above(at).map(|(_, e)| e.parent).or(it.continued_as).unwrap_or(0);
            if let Some(budget) = &it.budget {
                payers.push(at);
                next = budget.of.unwrap_or(next);
            }
            at = next;
        }
        payers.extend(self.budget.as_ref().map(|_| 0));
        payers
    }

    pub(super) fn may_spend(&self, id: ThreadId, session: Version) -> Predicted<()> {
        let mut held = Vec::new();
        for of in self.payers(session) {
            let budget = self.budget_of(of).expect("it pays");
            for (kind, limit) in bounds(budget) {
                let refuses = budget.on_exceeding == OnExceeding::Refuse && !held.contains(&kind);
                if refuses && self.used_of(of, &kind) >= limit {
                    return Err(self.exceeded(id, of, (kind, limit)).into());
                }
            }
            let is_share = self
                .sessions
                .get(&of)
                .and_then(|it| it.budget.as_ref())
                .is_some_and(|it| it.of.is_some());
            let left = |(kind, _): (Bound, u64)| (self.left_of(of, &kind) > 0).then_some(kind);
            held = bounds(budget).into_iter().filter(|_| is_share).filter_map(left).collect();
        }
        Ok(())
    }

    /// New children take their shares from the nearest budget.
    pub(super) fn may_share(
        &self,
        id: ThreadId,
        parent: Version,
        children: &[NewSession],
    ) -> Predicted<()> {
        self.may_spend(id, parent)?;
        let Some(of) = self.payers(parent).first().copied() else { return Ok(()) };
        for (kind, limit) in bounds(self.budget_of(of).expect("it pays")) {
            let asked = children.iter().filter_map(|child| bound(child.budget.as_ref()?, &kind));
            let more: u64 = asked.sum();
            let refuses = self.budget_of(of).map(|b| b.on_exceeding) == Some(OnExceeding::Refuse);
            if refuses && more > limit.saturating_sub(self.used_of(of, &kind)) {
                return Err(self.exceeded(id, of, (kind, limit)).into());
            }
        }
        Ok(())
    }

    /// A new session has a budget: a share, if it is a child and there is one to share.
    pub(super) fn give_budget(&mut self, session: Version, new: &NewSession) {
        let Some(budget) = new.budget.clone() else { return };
        let parent = new.parent.as_ref().map(|edge| edge.parent.version());
        let of = parent.and_then(|parent| self.payers(parent).first().copied());
        let spent = Totals::default();
        self.session(session).budget = Some(SessionBudget { budget, spent, of });
    }

    /// A share that becomes larger takes that from where it is of.
    pub(super) fn may_enlarge(
        &self,
        id: ThreadId,
        v: Version,
        budget: Option<&Budget>,
    ) -> Predicted<()> {
        let Some(of) = self.sessions[&v].budget.as_ref().and_then(|it| it.of) else {
            return Ok(());
        };
        let whole = self.budget_of(of).expect("a share is of a budget");
        for (kind, limit) in bounds(whole) {
            let next = budget.and_then(|budget| bound(budget, &kind)).unwrap_or(0);
            let next = next.saturating_sub(self.spent_of(v, &kind));
            let more = next.saturating_sub(self.left_of(v, &kind));
            let refuses = whole.on_exceeding == OnExceeding::Refuse;
            if refuses && more > limit.saturating_sub(self.used_of(of, &kind)) {
                return Err(self.exceeded(id, of, (kind, limit)).into());
            }
        }
        Ok(())
    }

    pub(super) fn change_budget(&mut self, v: Version, budget: Option<Budget>) {
        let own = self.roll_up(|run| run.session == v).totals.unwrap_or_default();
        let it = self.session(v);
        match (&mut it.budget, budget) {
            (Some(known), Some(budget)) => known.budget = budget,
            (None, Some(budget)) => {
                it.budget = Some(SessionBudget { budget, spent: own, of: None })
            }
            (_, None) => {
                it.budget = None;
                self.end_shares_of(v);
            }
        }
    }

    /// Nobody holds a share of this budget any more.
    pub(super) fn end_shares_of(&mut self, of: Version) {
        for it in self.sessions.values_mut().filter_map(|s| s.budget.as_mut()) {
            it.of = it.of.filter(|it| *it != of);
        }
    }

    /// A child's edge ended.
    pub(super) fn end_share(&mut self, child: Version) {
        if let Some(budget) = self.sessions.get_mut(&child).and_then(|s| s.budget.as_mut()) {
            budget.of = None;
        }
    }

    pub(super) fn move_budget(&mut self, from: Version, to: Version) {
        let budget = self.session(from).budget.take();
        self.session(to).budget = budget;
        for it in self.sessions.values_mut().filter_map(|s| s.budget.as_mut()) {
            it.of = it.of.map(|of| if of == from { to } else { of });
        }
    }

    pub(super) fn pay(&mut self, session: Version, usage: &Usage) {
        for of in self.payers(session) {
            if let Some(budget) = self.sessions.get_mut(&of).and_then(|it| it.budget.as_mut()) {
                budget.spent.add(&totals_of(usage));
            }
        }
    }

    /// What is used up.
    pub(super) fn used_up(&self) -> BTreeSet<(Version, Bound)> {
        let all = std::iter::once(0).chain(self.sessions.keys().copied());
        let bounds = all.flat_map(|of| {
            let budget = self.budget_of(of);
            budget.into_iter().flat_map(bounds).map(move |(kind, limit)| (of, kind, limit))
        });
        let used_up = bounds.filter(|(of, kind, limit)| self.used_of(*of, kind) >= *limit);
        used_up.map(|(of, kind, _)| (of, kind)).collect()
    }

    /// A record for each that is used up since.
    pub(super) fn say_used_up(
        &mut self,
        before: &BTreeSet<(Version, Bound)>,
        now: Timestamp,
        caller: &Caller,
    ) {
        for (of, kind) in self.used_up() {
            let was = self.sessions.get(&of).and_then(|it| it.continues).unwrap_or(of);
            if !before.contains(&(of, kind.clone())) && !before.contains(&(was, kind)) {
                self.record_in(of, now, caller);
            }
        }
    }

    /// A budget as `session` and `thread` show it.
    pub(super) fn budget_value(&self, of: Version) -> Option<Value> {
        let budget = self.budget_of(of)?;
        let sum = |of_kind: &dyn Fn(&Bound) -> u64| {
            let kinds = bounds(budget);
            let kind = |wanted: bool| kinds.iter().find(|(it, _)| it.is_some() == wanted);
            Amount {
                tokens: kind(false).map_or(0, |(it, _)| of_kind(it)),
                micro: kind(true).map_or(0, |(it, _)| of_kind(it)),
            }
        };
        let spent = sum(&|kind| self.spent_of(of, kind));
        let reserved = sum(&|kind| self.reserved_of(of, kind));
        Some(json!({ "budget": budget, "spent": spent, "reserved": reserved }))
    }
}
