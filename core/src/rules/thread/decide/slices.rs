//! The thread's half of spending a project's budget.

use super::View;
use crate::{
    error::Result,
    record::{Event, Lane},
    rules::decision::{Decision, DecisionInput, Drafts, DrawnSlice, Reply, SliceStep},
};

impl View<'_> {
    /// Whether a slice of the project's budget has to be drawn before more is spent.
    pub(super) fn needs_slice(&self) -> bool {
        self.state.slices.as_ref().is_some_and(|slices| slices.is_on && !slices.is_left())
    }

    /// Whether a slice has to be given back before the thread goes. Whoever sends the command says which draw it settled.
    pub(super) fn needs_return(&self, input: &DecisionInput<'_>) -> bool {
        self.state.slices.as_ref().is_some_and(|slices| {
            let is_settled = slices.draw == 0 || input.call.settled == Some(slices.draw);
            slices.is_on && !(slices.is_settled() && is_settled)
        })
    }

    /// With the first session that is created under a project's budget, the thread begins to draw.
    pub(super) fn begin_slices(&self, input: &DecisionInput<'_>, drafts: &mut Drafts<'_>) {
        let has_budget = input.call.caps.as_ref().is_some_and(|caps| caps.config.budget.is_some());
        let is_on = self.state.slices.as_ref().is_some_and(|slices| slices.is_on);
        if has_budget && !is_on {
            drafts.push_trailing(Lane::Rest.of(0), Event::SlicesBegun {}, input.caller_body());
        }
    }

    pub(super) fn decide_slice(
        &self,
        input: &DecisionInput<'_>,
        step: &SliceStep,
    ) -> Result<Decision> {
        self.thread()?;
        let slices = self.state.slices.as_deref().filter(|slices| slices.is_on);
        let nothing = Ok(Decision::Answer(Reply::thread_changed(
            self.state.slices.as_ref().map_or(0, |slices| slices.returned_at),
        )));
        let Some(slices) = slices else { return nothing };
        let mut drafts = Drafts::after(input, self.state.version(), None);
        let version = match step {
            SliceStep::Credit(DrawnSlice { draw, opened, amount, used_up })
                if *draw > slices.draw =>
            {
                let (draw, opened, amount) = (*draw, *opened, amount.clone());
                let event = Event::SliceCredited { draw, opened, amount };
                let version = drafts.push(Lane::Rest.of(0), event, input.caller_body());
                for (kind, used, limit) in used_up {
                    let (kind, used, limit) = (kind.clone(), *used, *limit);
                    let event =
                        Event::BudgetUsedUp { session: None, project: true, kind, used, limit };
                    drafts.push(Lane::Rest.of(0), event, input.caller_body());
                }
                version
            }
            SliceStep::Return if slices.slice.is_some() => {
                let event = Event::SliceReturned { draw: slices.draw, spent: slices.used.clone() };
                drafts.push(Lane::Rest.of(0), event, input.caller_body())
            }
            SliceStep::Stop => {
                drafts.push(Lane::Rest.of(0), Event::SlicesEnded {}, input.caller_body())
            }
            _ => return nothing,
        };
        drafts.done(Reply::thread_changed(version))
    }
}
