//! Appending.

use super::{View, state::StateWrite};
use crate::{
    command::{Append, Appended, Expect, SessionOutcome},
    error::{Counter, Error, Result, Subject},
    id::{EntryId, SessionId, ThreadId, Version},
    model::NewEntry,
    record::{Body, Event, Lane},
    rules::decision::{Decision, DecisionInput, Drafts, ENTRY_BYTES, Reply},
};

impl View<'_> {
    pub(super) fn append(
        &self,
        input: &DecisionInput<'_>,
        id: SessionId,
        append: &Append,
    ) -> Result<Decision> {
        let version = id.version();
        let session = self.state.session(version).ok_or_else(|| Error::not_found(id))?;
        for entry in &append.entries {
            if let Some(to) = entry.in_reply_to
                && to.thread() == self.id
            {
                self.entry_exists(input, to)?;
            }
            if let Some(run) = entry.run
                && run.thread() == self.id
                && self.state.run(run.version()).is_none()
            {
                self.ended_run(input, run).ok_or_else(|| Error::not_found(run))?;
            }
        }
        let far =
            append.entries.iter().filter_map(|e| e.in_reply_to).find(|e| e.thread() != self.id);
        if let Some(entry) = far {
            return Err(Error::wrong_thread(entry, self.id));
        }
        for run in append.entries.iter().filter_map(|e| e.run) {
            let owner = self
                .state
                .run(run.version())
                .map(|r| r.session)
                .or_else(|| self.ended_run(input, run));
            if run.thread() != self.id || owner != Some(version) {
                return Err(Error::wrong_thread(run, id));
            }
        }
        let lease = self.fence(input, version, session)?;
        let states = [
            StateWrite::new(id.into(), session.keyed.as_deref(), &append.state),
            StateWrite::new(self.id.into(), self.state.keyed.as_deref(), &append.thread_state),
        ];
        if let Some(run) = append
            .entries
            .iter()
            .filter_map(|e| e.run)
            .find(|r| self.state.run(r.version()).is_none())
        {
            return Err(Error::RunEnded { run });
        }
        refuse_oversize(input, id)?;
        states.iter().try_for_each(StateWrite::require_room)?;
        if let Expect::Tail(expected) = append.expect
            && expected != session.tail
        {
            let (what, actual) = (id.into(), session.tail);
            return Err(Error::Stale { what, counter: Counter::Tail, expected, actual });
        }
        states.iter().try_for_each(StateWrite::require_expected)?;
        let mut drafts = Drafts::after(input, self.state.version(), lease);
        let first = drafts.next();
        push_entries(input, &mut drafts, version, &append.entries);
        for state in states {
            state.write(&mut drafts, input.caller());
        }
        let appended = appended(self.id, first, append.entries.len());
        drafts.done(Reply::Session(SessionOutcome::Appended(appended)))
    }

    /// An entry of this thread whose session was not deleted.
    fn entry_exists(&self, input: &DecisionInput<'_>, id: EntryId) -> Result<()> {
        match input.fact(id.version()) {
            Some(Event::Entry { session, .. }) if self.state.session(*session).is_some() => Ok(()),
            _ => Err(Error::not_found(id)),
        }
    }
}

/// Refuses a call of which an entry is too large.
pub(crate) fn refuse_oversize(input: &DecisionInput<'_>, what: impl Into<Subject>) -> Result<()> {
    let limit = ENTRY_BYTES as u64;
    input
        .call
        .oversize
        .map_or(Ok(()), |actual| Err(Error::capacity(what, "bytes of an entry", limit, actual)))
}

/// The records of entries; their bodies were sealed when the call was prepared.
pub(super) fn push_entries(
    input: &DecisionInput<'_>,
    drafts: &mut Drafts<'_>,
    session: Version,
    entries: &[NewEntry],
) {
    for (entry, sealed) in entries.iter().zip(&input.call.bodies) {
        let event = Event::Entry {
            session,
            run: entry.run.map(|r| r.version()),
            in_reply_to: entry.in_reply_to.map(|e| e.version()),
        };
        let author = Body::Entry(entry.actor.as_ref().unwrap_or(&input.caller().actor).clone());
        drafts.push_sealed(Lane::Log.of(session), event, author, Some(sealed.clone()));
    }
}

/// Entries that begin at a version.
pub(super) fn appended(thread: ThreadId, first: Version, entries: usize) -> Appended {
    let count = u16::try_from(entries).unwrap_or(u16::MAX);
    Appended { first: EntryId::new(thread, first), count }
}
