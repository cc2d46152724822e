//! How long a context is that has a limit: known with each commit, said where it passes a threshold (CTX4), and refused where it
//! is to be (BUD2).

use super::View;
use crate::{
    error::{Error, Result},
    id::{SessionId, Version},
    model::{BudgetKind, ContextLimit, OnExceeding},
    record::{Event, Lane},
    rules::{
        decision::{Decision, DecisionInput, Drafts, Reply},
        thread::{ContextFold, context::LogEntry, state::SessionState},
    },
};

impl View<'_> {
    pub(super) fn set_context_limit(
        &self,
        input: &DecisionInput<'_>,
        id: SessionId,
        limit: Option<&ContextLimit>,
    ) -> Result<Decision> {
        let (version, session) = self.session(id)?;
        let lease = self.fence(input, version, session)?;
        let tokens = match limit {
            Some(_) => match fold_at_tail(input, session) {
                Some(fold) => fold.tokens().total(),
                None => return Ok(Decision::Answer(Reply::LookAgain)),
            },
            None => 0,
        };
        let event = Event::ContextLimitSet { session: version, limit: limit.cloned(), tokens };
        let mut drafts = Drafts::after(input, self.state.version(), lease);
        let set = drafts.push(Lane::Rest.of(version), event, input.caller_body());
        drafts.done(Reply::changed(set))
    }

    /// Adds how long the context is after these records, if it has a limit and that is to be said; refuses what takes it above
    /// a limit that is to be kept. `false`: what was looked at is not enough to know.
    pub(super) fn measure(
        &self,
        input: &DecisionInput<'_>,
        drafts: &mut Drafts<'_>,
        version: Version,
        session: &SessionState,
    ) -> Result<bool> {
        let Some(measured) = session.context.as_deref() else { return Ok(true) };
        let mut only_messages = true;
        let mut tokens = measured.tokens;
        for (_, entry) in drafts.entries() {
            only_messages &= entry.effect.kind().only_adds();
            tokens = tokens.saturating_add(entry.tokens.map_or(0, |tokens| tokens.number()));
        }
        if !only_messages {
            let Some(fold) = fold_at_tail(input, session) else { return Ok(false) };
            let mut fold = fold.clone();
            let at = input.now;
            for (version, entry) in drafts.entries() {
                let (effect, tokens) = (entry.effect, entry.tokens);
                // What it says matters to no size.
                fold.push(LogEntry { version, at, effect, tokens, actor: None, message: None });
            }
            tokens = fold.tokens().total();
        }
        if measured.limit.on_exceeding == OnExceeding::Refuse
            && tokens > measured.limit.tokens.max(measured.tokens)
        {
            return Err(Error::BudgetExceeded {
                of: self.session_id(version).into(),
                kind: BudgetKind::Context,
                used: measured.tokens,
                limit: measured.limit.tokens,
            });
        }
        let (before, after) =
            (measured.limit.reached(measured.tokens), measured.limit.reached(tokens));
        if before != after || !only_messages {
            let above = |percent: &u8| Some(*percent) > after;
            let event = Event::ContextMeasured {
                session: version,
                tokens,
                reached: after.filter(|_| after > before),
                left: measured
                    .limit
                    .thresholds
                    .iter()
                    .copied()
                    .find(above)
                    .filter(|_| after < before),
            };
            drafts.push_trailing(Lane::Rest.of(version), event, input.caller_body());
        }
        Ok(true)
    }
}

/// The log that was looked at, if it ends where the session does.
fn fold_at_tail<'a>(
    input: &'a DecisionInput<'_>,
    session: &SessionState,
) -> Option<&'a ContextFold> {
    let looked = input.call.looked().filter(|looked| looked.tail == session.tail)?;
    looked.fold.as_ref()
}
