//! Appending.

use super::{View, state::StateWrite};
use crate::{
    command::{Append, Appended, Expect, SessionOutcome},
    error::{Counter, Error, Result, Subject},
    id::{EntryId, SessionId, ThreadId, Version},
    model::{Content, EntryKind, Marker, NewEntry},
    record::{Body, Effect, EntryHeader, Event, Lane, MarkedPlace, SealedBody},
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
            for named in entry.in_reply_to.into_iter().chain(entry.content.targets()) {
                if named.thread() == self.id {
                    self.entry_exists(input, named)?;
                }
            }
            if let Some(run) = entry.run
                && run.thread() == self.id
                && self.state.run(run.version()).is_none()
            {
                self.ended_run(input, run).ok_or_else(|| Error::not_found(run))?;
            }
        }
        for entry in &append.entries {
            let mut named = entry.in_reply_to.into_iter().chain(entry.content.targets());
            if let Some(far) = named.find(|named| named.thread() != self.id) {
                return Err(Error::wrong_thread(far, self.id));
            }
            self.targets_fit(input, id, &entry.content)?;
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
        let mut drafts = Drafts::after(input, self.state.version(), lease);
        let first = drafts.next();
        push_entries(input, &mut drafts, version, (&append.entries, &input.call.bodies));
        for state in &states {
            state.write(&mut drafts, input.caller());
        }
        // Whether a compression fits is said before how long the context is with it.
        let is_measured = match input.call.looked().map(|looked| &looked.refusal) {
            Some(Some(_)) => true,
            _ => self.measure(input, &mut drafts, version, session)?,
        };
        if let Expect::Tail(expected) = append.expect
            && expected != session.tail
        {
            let (what, actual) = (id.into(), session.tail);
            return Err(Error::Stale { what, counter: Counter::Tail, expected, actual });
        }
        states.iter().try_for_each(StateWrite::require_expected)?;
        if let Some(looked) = input.call.looked() {
            if looked.tail != session.tail {
                return Ok(Decision::Answer(Reply::LookAgain));
            }
            looked.refusal.clone().map_or(Ok(()), Err)?;
        }
        if !is_measured {
            return Ok(Decision::Answer(Reply::LookAgain));
        }
        let appended = appended(self.id, first, append.entries.len());
        drafts.done(Reply::Session(SessionOutcome::Appended(appended)))
    }

    /// An entry of this thread that somebody may read.
    pub(super) fn entry_exists(&self, input: &DecisionInput<'_>, id: EntryId) -> Result<()> {
        let entry = input.fact(id.version()).and_then(Event::as_entry);
        match entry.filter(|entry| self.state.is_readable(entry.session, id.version())) {
            Some(_) => Ok(()),
            None => Err(Error::not_found(id)),
        }
    }

    /// What an entry does, it does to entries that its session's log shows: an edit to a message, a compression to what a
    /// context can show, an annotation to all but annotations (MSG9).
    fn targets_fit(
        &self,
        input: &DecisionInput<'_>,
        session: SessionId,
        content: &Content,
    ) -> Result<()> {
        for target in content.targets() {
            let Some(entry) = input.fact(target.version()).and_then(Event::as_entry) else {
                return Err(Error::not_found(target));
            };
            if !self.state.shows(session.version(), entry.session, target.version()) {
                return Err(Error::wrong_thread(target, session));
            }
            let is = entry.effect.kind();
            let fits = match content.kind() {
                EntryKind::Message | EntryKind::Note | EntryKind::Marker => true,
                EntryKind::Edit => is == EntryKind::Message,
                EntryKind::Annotation => !matches!(is, EntryKind::Annotation | EntryKind::Marker),
                EntryKind::Compression => {
                    matches!(is, EntryKind::Message | EntryKind::Compression | EntryKind::Note)
                }
            };
            if !fits {
                let reason =
                    format!("{} of {target}, which is {}", content.kind().named(), is.named());
                return Err(Error::invalid("entries", reason));
            }
        }
        Ok(())
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
    (entries, bodies): (&[NewEntry], &[SealedBody]),
) {
    for (entry, sealed) in entries.iter().zip(bodies) {
        let event = Event::from(EntryHeader {
            session,
            run: entry.run.map(|r| r.version()),
            in_reply_to: entry.in_reply_to.map(|e| e.version()),
            copied_from: None,
            tokens: sealed.tokens,
            effect: effect(&entry.content),
        });
        let author = Body::Entry(entry.actor.as_ref().unwrap_or(&input.caller().actor).clone());
        drafts.push_sealed(Lane::Log.of(session), event, author, Some(sealed.clone()));
    }
}

const fn effect(content: &Content) -> Effect {
    match content {
        Content::Message(_) => Effect::Message,
        Content::Edit { target, .. } => Effect::Edit(target.version()),
        Content::Annotation { target, priority, .. } => {
            Effect::Annotation(target.version(), *priority)
        }
        Content::Compression { first, last, .. } => {
            Effect::Compression(first.version(), last.version())
        }
        Content::Note { kind, .. } => Effect::Note(*kind),
        Content::Marker(Marker { kind, session, edge, version }) => Effect::Marker(MarkedPlace {
            kind: *kind,
            to: session.version(),
            edge: match edge {
                Some(edge) => Some(edge.version()),
                None => None,
            },
            version: *version,
        }),
    }
}

/// Entries that begin at a version.
pub(super) fn appended(thread: ThreadId, first: Version, entries: usize) -> Appended {
    let count = u16::try_from(entries).unwrap_or(u16::MAX);
    Appended { first: EntryId::new(thread, first), count }
}
