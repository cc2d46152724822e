//! Copying entries from one log of the thread to another, and merging a fork.

use std::collections::HashMap;

use super::{
    View,
    entry::{appended, refuse_oversize},
};
use crate::{
    command::{Expect, SessionOutcome},
    error::{Counter, Error, Result},
    id::{EntryId, SessionId, Version},
    record::{Body, Effect, EntryHeader, Event, Lane},
    rules::decision::{Decision, DecisionInput, Drafts, Gathered, Reply},
    rules::thread::state::SessionState,
};

/// Entries of one copy or merge.
pub(crate) const COPIED_ENTRIES: usize = 1000;

impl View<'_> {
    pub(super) fn copy_entries(
        &self,
        input: &DecisionInput<'_>,
        id: SessionId,
        entries: &[EntryId],
        expect: Expect,
    ) -> Result<Decision> {
        let session = self.state.session(id.version()).ok_or_else(|| Error::not_found(id))?;
        let gathered = input.call.gathered().ok_or_else(super::wrong_journal)?;
        if let Some(missing) = gathered.missing {
            return Err(Error::not_found(missing));
        }
        self.still_there(gathered)?;
        if let Some(far) = entries.iter().find(|entry| entry.thread() != self.id) {
            return Err(Error::wrong_thread(*far, self.id));
        }
        let bound = gathered.entries.iter().find_map(|(version, header, _)| match header.effect {
            Effect::Compression(..) => Some((*version, "without what it is of")),
            Effect::Marker(_) => Some((*version, "elsewhere")),
            _ => None,
        });
        if let Some((version, bound)) = bound {
            let id = EntryId::new(self.id, version);
            let reason = "is a compression or a marker, and says nothing";
            return Err(Error::invalid("entries", format!("{id} {reason} {bound}")));
        }
        let lease = self.fence(input, id.version(), session)?;
        refuse_oversize(input, id)?;
        let mut drafts = Drafts::after(input, self.state.version(), lease);
        let first = drafts.next();
        let refuse = |copied, target| {
            let (copied, target) = (EntryId::new(self.id, copied), EntryId::new(self.id, target));
            let reason = format!("{copied} is of {target}, which {id} does not show");
            Err(Error::invalid("entries", reason))
        };
        let pushed = self.push_copies(input, &mut drafts, id, gathered, refuse)?;
        let is_measured = self.measure(input, &mut drafts, id.version(), session)?;
        expect_tail(id, session, expect)?;
        if !is_measured {
            return Ok(Decision::Answer(Reply::LookAgain));
        }
        let appended = appended(self.id, first, pushed);
        drafts.done(Reply::Session(SessionOutcome::Appended(appended)))
    }

    pub(super) fn merge_fork(
        &self,
        input: &DecisionInput<'_>,
        id: SessionId,
        expect: Expect,
    ) -> Result<Decision> {
        let (version, fork) = self.session(id)?;
        let Some(base) = fork.base else {
            return Err(Error::invalid("fork", format!("{id} is no fork")));
        };
        let into = self.session_id(base.session);
        let session = self.state.session(base.session).ok_or_else(|| Error::not_found(into))?;
        let lease = self.fence(input, base.session, session)?;
        let gathered = input.call.gathered().ok_or_else(super::wrong_journal)?;
        refuse_oversize(input, into)?;
        if gathered.entries.len() > COPIED_ENTRIES {
            let (limit, actual) = (COPIED_ENTRIES as u64, gathered.entries.len() as u64);
            return Err(Error::capacity(id, "entries of a merge", limit, actual));
        }
        let expected = expect_tail(into, session, expect);
        if gathered.tail != fork.tail {
            return Ok(Decision::Answer(Reply::LookAgain));
        }
        if gathered.entries.is_empty() {
            expected?;
            return Ok(Decision::Answer(Reply::Session(SessionOutcome::Merged(None))));
        }
        if self.is_erased_since(gathered) {
            return Ok(Decision::Answer(Reply::LookAgain));
        }
        self.still_there(gathered)?;
        let mut drafts = Drafts::after(input, self.state.version(), lease);
        let first = drafts.next();
        // A compression that reaches from what both have into what is new would swallow what came into the session since.
        let shared = base.upto.max(fork.merged);
        let moved = session.tail > shared;
        let reaching = gathered.entries.iter().find(|(_, header, _)| {
            matches!(header.effect, Effect::Compression(begin, end)
                if begin <= shared && end > shared)
        });
        if let (true, Some((compression, _, _))) = (moved, reaching) {
            let reason = format!(
                "{} reaches into what {into} has had since the fork; copy the entries instead",
                EntryId::new(self.id, *compression)
            );
            return Err(Error::invalid("fork", reason));
        }
        // What names an entry that was erased, and was therefore not brought along, stays behind as well.
        let pushed = self.push_copies(input, &mut drafts, into, gathered, |_, _| Ok(()))?;
        if pushed == 0 {
            expected?;
            return Ok(Decision::Answer(Reply::Session(SessionOutcome::Merged(None))));
        }
        let upto = gathered.entries.last().map_or(fork.tail, |(last, _, _)| *last);
        let event = Event::ForkMerged { session: base.session, fork: version, upto };
        drafts.push(Lane::Rest.of(base.session), event, input.caller_body());
        let is_measured = self.measure(input, &mut drafts, base.session, session)?;
        expected?;
        if !is_measured {
            return Ok(Decision::Answer(Reply::LookAgain));
        }
        let appended = appended(self.id, first, pushed);
        drafts.done(Reply::Session(SessionOutcome::Merged(Some(appended))))
    }

    /// Whether something was erased after it was read. Who named none of it reads again, without what is gone; who named it is
    /// told by [`still_there`](Self::still_there).
    pub(super) fn is_erased_since(&self, gathered: &Gathered) -> bool {
        let entries = gathered.entries.iter().map(|(version, ..)| version);
        let mut read = entries.chain(&gathered.edits);
        read.any(|version| self.state.erased.erased_by(*version).is_some())
    }

    /// What was read must still be readable: its session was not deleted since, and nothing of it erased.
    pub(super) fn still_there(&self, gathered: &Gathered) -> Result<()> {
        let gone = gathered.entries.iter().find(|(version, header, _)| {
            self.state.erased.erased_by(*version).is_some()
                || !self.state.is_readable(header.session, *version)
        });
        gone.map_or(Ok(()), |(version, _, _)| {
            Err(Error::not_found(EntryId::new(self.id, *version)))
        })
    }

    /// The copies, and how many. What names an entry that is copied, too, names the copy; what names another must name one
    /// that the log shows: else `unnamed` refuses it, or it is left out.
    fn push_copies(
        &self,
        input: &DecisionInput<'_>,
        drafts: &mut Drafts<'_>,
        into: SessionId,
        gathered: &Gathered,
        unnamed: impl Fn(Version, Version) -> Result<()>,
    ) -> Result<usize> {
        let mut copies: HashMap<Version, Version> = gathered.copies.clone();
        let origins: HashMap<Version, Version> = gathered
            .entries
            .iter()
            .map(|(version, header, _)| (*version, header.session))
            .collect();
        let mut pushed = 0;
        for ((version, header, author), sealed) in gathered.entries.iter().zip(&input.call.bodies) {
            let named = |target: Version| match copies.get(&target) {
                Some(copy) => Ok(*copy),
                None if self.shows_named(into, &origins, target, input) => Ok(target),
                None => Err(target),
            };
            let effect = match header.effect {
                Effect::Message | Effect::Note(_) | Effect::Marker(_) | Effect::Collapse(_) => {
                    Ok(header.effect)
                }
                Effect::Edit(target) => named(target).map(Effect::Edit),
                Effect::Annotation(target, priority) => {
                    named(target).map(|target| Effect::Annotation(target, priority))
                }
                Effect::Compression(first, last) => {
                    named(first).and_then(|first| Ok(Effect::Compression(first, named(last)?)))
                }
            };
            let effect = match effect {
                Ok(effect) => effect,
                Err(target) => {
                    unnamed(*version, target)?;
                    continue;
                }
            };
            let event = Event::from(EntryHeader {
                session: into.version(),
                run: None,
                in_reply_to: header.in_reply_to.map(|to| copies.get(&to).copied().unwrap_or(to)),
                copied_from: Some(*version),
                tokens: header.tokens,
                effect,
            });
            let author = author.as_ref().unwrap_or(&input.caller().actor).clone();
            let lane = Lane::Log.of(into.version());
            let copy = drafts.push_sealed(lane, event, Body::Entry(author), Some(sealed.clone()));
            copies.insert(*version, copy);
            pushed += 1;
        }
        Ok(pushed)
    }

    /// Whether a log shows an entry that a copied one names.
    fn shows_named(
        &self,
        into: SessionId,
        origins: &HashMap<Version, Version>,
        target: Version,
        input: &DecisionInput<'_>,
    ) -> bool {
        let origin = origins
            .get(&target)
            .copied()
            .or_else(|| input.fact(target).and_then(Event::as_entry).map(|entry| entry.session));
        origin.is_some_and(|of| self.state.shows(into.version(), of, target))
    }
}

/// `Stale` unless the session's last entry is the expected one.
pub(super) fn expect_tail(id: SessionId, session: &SessionState, expect: Expect) -> Result<()> {
    match expect {
        Expect::Tail(expected) if expected != session.tail => {
            let (what, actual) = (id.into(), session.tail);
            Err(Error::Stale { what, counter: Counter::Tail, expected, actual })
        }
        Expect::Tail(_) | Expect::Any => Ok(()),
    }
}
