//! Sealing summaries.

use super::View;
use crate::{
    command::SessionOutcome,
    error::{Error, Result},
    id::{SessionId, SummaryId},
    model::{Deliverable, NewSummary, SessionStatus, SubSessionStatus, SummaryOutcome},
    record::{Body, Consequence, EdgeStep, Event, Lane, SummaryBody},
    rules::decision::{Decision, DecisionInput, Drafts, Reply},
};

impl View<'_> {
    pub(super) fn seal_summary(
        &self,
        input: &DecisionInput<'_>,
        id: SessionId,
        summary: &NewSummary,
    ) -> Result<Decision> {
        let (version, session) = self.session(id)?;
        for named in summary.named() {
            self.deliverable_exists(input, named)?;
        }
        let lease = self.fence(input, version, session)?;
        self.require_no_live_run(session)?;
        let activity = session.activity;
        let previous = (activity.summary != 0).then_some(activity.summary);
        if activity.number == 0 || activity.summarised {
            let last = previous.map(|version| SummaryId::new(self.id, version));
            return Err(Error::NothingToSummarise { session: id, last });
        }
        let status = match session.status {
            SessionStatus::Active | SessionStatus::AwaitingMerge => SessionStatus::Idle,
            other => other,
        };
        let edge = session.parent.and_then(|edge| {
            let is_live = self.state.edge(edge).is_some_and(|e| e.status.is_live());
            let to = match summary.outcome {
                SummaryOutcome::Failed => SubSessionStatus::Failed,
                SummaryOutcome::Succeeded | SummaryOutcome::Partial => SubSessionStatus::Idle,
            };
            is_live.then_some(EdgeStep { edge, to })
        });
        let event = Event::SummarySealed {
            session: version,
            activity: activity.number,
            outcome: summary.outcome,
            previous,
            above: session.parent,
            then: Consequence { session: status, edge },
        };
        let by = input.caller().actor.clone();
        let body = Body::Summary(SummaryBody { summary: summary.clone(), by }.into());
        let mut drafts = Drafts::after(input, self.state.version(), lease);
        let sealed = drafts.push(Lane::Rest.of(version), event, body);
        let sealed = SummaryId::new(self.id, sealed);
        drafts.done(Reply::Session(SessionOutcome::Summarised(sealed)))
    }

    /// What a summary names is of this thread, and somebody may read it.
    fn deliverable_exists(&self, input: &DecisionInput<'_>, named: &Deliverable) -> Result<()> {
        match named {
            Deliverable::Message(entry) if entry.thread() != self.id => {
                Err(Error::wrong_thread(*entry, self.id))
            }
            Deliverable::SessionSummary(summary) if summary.thread() != self.id => {
                Err(Error::wrong_thread(*summary, self.id))
            }
            Deliverable::Message(entry) => self.entry_exists(input, *entry),
            Deliverable::SessionSummary(summary) => match input.fact(summary.version()) {
                Some(Event::SummarySealed { session, .. })
                    if self.state.session(*session).is_some() =>
                {
                    Ok(())
                }
                _ => Err(Error::not_found(*summary)),
            },
            Deliverable::File { .. } | Deliverable::Artifact { .. } => Ok(()),
        }
    }
}
