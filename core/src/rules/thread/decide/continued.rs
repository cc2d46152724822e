//! Going on in another session.

use std::sync::Arc;

use super::{
    View,
    session::{SessionWith, illegal, session_made},
};
use crate::{
    command::{CreatedSession, NewSession, SessionOutcome},
    error::{Error, Result},
    id::{SessionId, ThreadId, Version},
    model::SessionStatus,
    record::{Event, Lane},
    rules::{
        decision::{Decision, DecisionInput, Drafts, Reply},
        idempotency::Answer,
        thread::state::SessionState,
    },
};

impl View<'_> {
    pub(super) fn continue_as(
        &self,
        input: &DecisionInput<'_>,
        id: SessionId,
        new: &NewSession,
    ) -> Result<Decision> {
        let caps = input.call.caps.as_ref().ok_or_else(super::wrong_journal)?;
        super::closed_project(self.thread()?.project, caps.status)?;
        let (version, session) = self.session(id)?;
        let base = self.fork_base(input, new)?;
        let lease = self.fence(input, version, session)?;
        if session.continued_as != 0 {
            let successor = self.session_id(session.continued_as);
            return Err(Error::AlreadyContinued { session: id, successor });
        }
        self.require_no_live_run(session)?;
        if matches!(
            session.status,
            SessionStatus::Locked | SessionStatus::AwaitingMerge | SessionStatus::Archived
        ) {
            return Err(illegal(id, session.status, SessionStatus::Idle));
        }
        let mut drafts = Drafts::after(input, self.state.version(), lease);
        let with = SessionWith { base, ..SessionWith::default() };
        let bodies = &input.call.bodies[..];
        let mut created =
            self.push_session(input, &mut drafts, &completed(new, session), (with, bodies))?;
        let successor = created.id.version();
        if let Some(held) = &session.lease {
            let event = Event::LeaseGranted { session: successor, ttl_millis: held.ttl_millis };
            let token = drafts.push(Lane::Rest.of(successor), event, input.caller_body());
            created.lease = Some(token);
        }
        let event = Event::SessionContinued { session: version, successor };
        drafts.push(Lane::Rest.of(version), event, input.caller_body());
        self.begin_slices(input, &mut drafts);
        drafts.done(Reply::Session(SessionOutcome::SessionCreated(created)))
    }
}

/// With what it takes over.
fn completed(new: &NewSession, from: &SessionState) -> NewSession {
    let owned = |text: &Option<Arc<str>>| text.as_deref().map(str::to_owned);
    let mut new = new.clone();
    new.name = new.name.or_else(|| owned(&from.name));
    new.task = new.task.or_else(|| owned(&from.task));
    new.actor = new.actor.or_else(|| from.actor.as_deref().cloned());
    if new.labels.is_empty() {
        new.labels = from.labels.as_deref().cloned().unwrap_or_default();
    }
    new
}

/// What it answered, with the lease if there was one: then there is one record more.
pub(super) fn continued(id: ThreadId, answer: Answer, new: &NewSession) -> CreatedSession {
    let mut made = session_made(id, answer.first, 0, new);
    let others = 2 + u64::from(!new.state.is_empty()) + new.turn.len() as u64;
    let last: Version = answer.first + u64::from(answer.count) - 1;
    made.lease = (u64::from(answer.count) > others).then_some(last - 1);
    made
}
