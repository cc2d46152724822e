//! What a budget refuses, and what is said where one is used up (BUD1).

use std::collections::BTreeSet;

use super::{View, follow::Ahead};
use crate::{
    command::NewSession,
    error::{Error, Result, Subject},
    id::Version,
    model::{Budget, BudgetKind},
    record::{Draft, Event, Lane},
    rules::decision::DecisionInput,
};

impl View<'_> {
    fn exceeded(&self, of: Version, kind: &BudgetKind, limit: u64) -> Error {
        let used = self.state.used(of, kind);
        let of: Subject = if of == 0 { self.id.into() } else { self.session_id(of).into() };
        Error::BudgetExceeded { of, kind: kind.clone(), used, limit }
    }

    /// Refuses to spend more in a session where nothing is left of a budget over it. What a share holds was taken from the budget
    /// above it before, and is spent even if nothing else is left there.
    pub(super) fn require_budget(&self, session: Version) -> Result<()> {
        let mut held: Vec<BudgetKind> = Vec::new();
        for of in self.state.budgets_over(session) {
            let Some(it) = self.state.budget(of) else { continue };
            let used_up = |(kind, _): &(BudgetKind, u64)| {
                !held.contains(kind) && self.state.is_used_up(of, kind)
            };
            if it.budget.refuses()
                && let Some((kind, limit)) = it.budget.limits().find(used_up)
            {
                return Err(self.exceeded(of, &kind, limit));
            }
            let limits = it.budget.limits().map(|(kind, _)| kind);
            held = limits
                .filter(|kind| it.share_of.is_some() && self.state.share(of, kind) > 0)
                .collect();
        }
        Ok(())
    }

    /// Whose budget new children of a session take their shares from, if there is enough left of it.
    pub(super) fn require_shares<'a>(
        &self,
        parent: Version,
        children: impl Iterator<Item = &'a NewSession> + Clone,
    ) -> Result<Option<Version>> {
        self.require_budget(parent)?;
        let Some(of) = self.state.budgets_over(parent).first().copied() else { return Ok(None) };
        let Some(it) = self.state.budget(of).filter(|it| it.budget.refuses()) else {
            return Ok(Some(of));
        };
        for (kind, limit) in it.budget.limits() {
            let budgets = children.clone().filter_map(|child| child.budget.as_ref());
            let shares = budgets.filter_map(|budget| budget.limit(&kind));
            let more = shares.fold(0, u64::saturating_add);
            if more > limit.saturating_sub(self.state.used(of, &kind)) {
                return Err(self.exceeded(of, &kind, limit));
            }
        }
        Ok(Some(of))
    }

    /// A share that grows takes the more from where it is of, if there is enough left.
    pub(super) fn require_larger_share(
        &self,
        session: Version,
        budget: Option<&Budget>,
    ) -> Result<()> {
        let of = self.state.budget(session).and_then(|it| it.share_of);
        let Some((of, whole)) = of.and_then(|of| Some((of, self.state.budget(of)?))) else {
            return Ok(());
        };
        for (kind, limit) in whole.budget.limits().filter(|_| whole.budget.refuses()) {
            let share = budget.and_then(|budget| budget.limit(&kind)).unwrap_or(0);
            let share = share.saturating_sub(self.state.spent(session, &kind));
            let more = share.saturating_sub(self.state.share(session, &kind));
            if more > limit.saturating_sub(self.state.used(of, &kind)) {
                return Err(self.exceeded(of, &kind, limit));
            }
        }
        Ok(())
    }

    /// Adds to the records of a command what it says of budgets that they use up.
    pub(super) fn warn_of_budgets(
        &self,
        input: &DecisionInput<'_>,
        drafts: Vec<Draft>,
    ) -> Result<Vec<Draft>> {
        let mut touched = BTreeSet::new();
        for draft in &drafts {
            match &draft.event {
                Event::UsageBooked { session, .. } => {
                    touched.extend(self.state.budgets_over(*session));
                }
                Event::EdgeCreated { share_of: Some(of), .. } => {
                    touched.insert(*of);
                }
                Event::SessionUpdated { session, budget: Some(_) } => {
                    touched.insert(*session);
                    touched.extend(self.state.budget(*session).and_then(|it| it.share_of));
                }
                Event::ThreadUpdated { budget: Some(_) } => {
                    touched.insert(0);
                }
                _ => {}
            }
        }
        if touched.is_empty() {
            return Ok(drafts);
        }
        let mut ahead = Ahead::of(*self, input);
        drafts.into_iter().try_for_each(|draft| ahead.add(draft))?;
        for of in touched {
            let limits = ahead.state().budget(of).map(|it| it.budget.clone()).unwrap_or_default();
            for (kind, limit) in limits.limits() {
                if self.state.is_used_up(of, &kind) || !ahead.state().is_used_up(of, &kind) {
                    continue;
                }
                let session = (of != 0).then_some(of);
                let used = ahead.state().used(of, &kind);
                let project = false;
                let event = Event::BudgetUsedUp { session, project, kind, used, limit };
                ahead.push(Lane::Rest.of(of), event, input.caller_body())?;
            }
        }
        Ok(ahead.into_drafts())
    }
}
