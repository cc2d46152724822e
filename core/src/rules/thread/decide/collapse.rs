//! Collapses: proposed, accepted, rejected.

use super::{View, copy::expect_tail};
use crate::{
    command::{Appended, Expect, ProposedCollapse, SessionOutcome},
    error::{Error, Result, State, Subject},
    id::{CollapseId, EntryId, SubSessionId, ThreadId, Version},
    model::{Autonomy, CollapseStatus, NewCollapse, no_manual_text},
    record::{Body, CollapseBody, CollapsedPlace, Effect, EntryHeader, Event, Lane},
    rules::{
        decision::{Decision, DecisionInput, Drafts, Reply},
        idempotency::Answer,
        thread::state::{CollapseState, SessionState},
    },
};

/// Open drafts of one session.
const OPEN_DRAFTS: usize = 64;

/// What a key answered for a proposal.
pub(super) fn proposed(id: ThreadId, answer: Answer) -> ProposedCollapse {
    ProposedCollapse {
        id: CollapseId::new(id, answer.first),
        // The one record more is the entry.
        entry: (answer.count > 1).then(|| EntryId::new(id, answer.first + 1)),
    }
}

const fn illegal(id: CollapseId, from: CollapseStatus, to: CollapseStatus) -> Error {
    let (from, to) = (State::Collapse(from), State::Collapse(to));
    Error::IllegalTransition { what: Subject::Collapse(id), from, to }
}

impl View<'_> {
    pub(super) fn propose_collapse(
        &self,
        input: &DecisionInput<'_>,
        id: SubSessionId,
        new: &NewCollapse,
    ) -> Result<Decision> {
        let caps = input.call.caps.as_ref().ok_or_else(|| Error::not_found(self.id))?;
        let autonomy = new.autonomy.unwrap_or(caps.config.autonomy);
        if new.text.is_none() && autonomy == Autonomy::Manual {
            return Err(no_manual_text());
        }
        let edge = self.state.edge(id.version()).ok_or_else(|| Error::not_found(id))?;
        let (child_id, parent_id) = (self.session_id(edge.child), self.session_id(edge.parent));
        let ((child_at, child), (parent_at, parent)) =
            (self.session(child_id)?, self.session(parent_id)?);
        if let Some(upto) = new.upto {
            if upto.thread() != self.id {
                return Err(Error::wrong_thread(upto, self.id));
            }
            self.entry_exists(input, upto)?;
            let of = input.fact(upto.version()).and_then(Event::as_entry).map(|it| it.session);
            if !of.is_some_and(|of| self.state.shows(child_at, of, upto.version())) {
                return Err(Error::wrong_thread(upto, child_id));
            }
        }
        // The draft is a record of the child's.
        child.require_not_archived(child_id)?;
        let lease = self.fence(input, parent_at, parent)?;
        let last = if child.tail == 0 { child_at } else { child.tail };
        let Some(drafted) = input.call.drafted() else {
            return Ok(Decision::Answer(Reply::Proceed { lock: None }));
        };
        let read = drafted.read.as_ref();
        let expected = new.exact.then(|| read.map_or(parent.tail, |read| read.parent_tail));
        let upto = read.map(|read| read.upto).or(new.upto.map(EntryId::version)).unwrap_or(last);
        let others = child.open_collapses.iter().filter(|(of, _)| *of != upto).count();
        if autonomy == Autonomy::Collaborative && others >= OPEN_DRAFTS {
            let (limit, actual) = (OPEN_DRAFTS as u64, others as u64 + 1);
            return Err(Error::capacity(child_id, "open collapses", limit, actual));
        }
        let mut drafts = Drafts::after(input, self.state.version(), lease);
        let event = Event::CollapseProposed {
            session: child_at,
            edge: id.version(),
            parent: parent_at,
            upto,
            autonomy,
            parent_tail: expected,
            previous: (child.last_collapse != 0).then_some(child.last_collapse),
            tokens: drafted.tokens,
            source_tokens: read.map(|read| read.tokens),
        };
        let body = CollapseBody { text: drafted.text.clone(), by: input.caller().actor.clone() };
        let draft = drafts.push(Lane::Rest.of(child_at), event, Body::Collapse(Box::new(body)));
        let mut proposed = ProposedCollapse { id: CollapseId::new(self.id, draft), entry: None };
        if autonomy != Autonomy::Collaborative {
            let place = CollapsedPlace { collapse: draft, child: child_at, upto };
            let entry = push_collapsed(input, &mut drafts, parent_at, place);
            proposed.entry = Some(EntryId::new(self.id, entry));
            if !self.measure(input, &mut drafts, parent_at, parent)? {
                return Ok(Decision::Answer(Reply::LookAgain));
            }
        }
        if let Some(expected) = expected {
            expect_tail(parent_id, parent, Expect::Tail(expected))?;
        }
        drafts.done(Reply::Session(SessionOutcome::CollapseProposed(proposed)))
    }

    pub(super) fn accept_collapse(
        &self,
        input: &DecisionInput<'_>,
        id: CollapseId,
        as_proposed: bool,
    ) -> Result<Decision> {
        let (draft, parent_at, parent) = self.draft(id)?;
        let lease = self.fence(input, parent_at, parent)?;
        let status = match draft.status {
            CollapseStatus::Open if !self.state.is_of_edge(draft) => CollapseStatus::Stale,
            status => status,
        };
        if status != CollapseStatus::Open {
            return Err(illegal(id, status, CollapseStatus::Accepted));
        }
        // Read before, and maybe erased since.
        let is_erased = as_proposed && self.state.erased.erased_by(id.version()).is_some();
        if is_erased || input.call.drafted().is_none() {
            let reason = "the text of the draft was erased; bring one";
            return Err(Error::invalid("text", reason));
        }
        let mut drafts = Drafts::after(input, self.state.version(), lease);
        let place = CollapsedPlace { collapse: id.version(), child: draft.child, upto: draft.upto };
        let entry = push_collapsed(input, &mut drafts, parent_at, place);
        if !self.measure(input, &mut drafts, parent_at, parent)? {
            return Ok(Decision::Answer(Reply::LookAgain));
        }
        if let Some(expected) = draft.parent_tail {
            expect_tail(self.session_id(parent_at), parent, Expect::Tail(expected))?;
        }
        let appended = Appended { first: EntryId::new(self.id, entry), count: 1 };
        drafts.done(Reply::Session(SessionOutcome::Appended(appended)))
    }

    pub(super) fn reject_collapse(
        &self,
        input: &DecisionInput<'_>,
        id: CollapseId,
    ) -> Result<Decision> {
        let (draft, parent_at, parent) = self.draft(id)?;
        let child = self.session_id(draft.child);
        self.state.session(draft.child).map_or(Ok(()), |it| it.require_not_archived(child))?;
        let lease = self.fence(input, parent_at, parent)?;
        // What cannot be accepted any more can be put away all the same.
        if draft.status != CollapseStatus::Open {
            return Err(illegal(id, draft.status, CollapseStatus::Rejected));
        }
        let event = Event::CollapseRejected { session: draft.child, collapse: id.version() };
        let mut drafts = Drafts::after(input, self.state.version(), lease);
        let version = drafts.push(Lane::Rest.of(draft.child), event, input.caller_body());
        drafts.done(Reply::changed(version))
    }

    /// A draft, with the session that it is for.
    fn draft(&self, id: CollapseId) -> Result<(&CollapseState, Version, &SessionState)> {
        let draft = self.state.collapses.get(&id.version()).ok_or_else(|| Error::not_found(id))?;
        let (version, parent) = self.session(self.session_id(draft.parent))?;
        Ok((draft, version, parent))
    }
}

/// The message in the parent's log; its body was sealed when the call was prepared.
fn push_collapsed(
    input: &DecisionInput<'_>,
    drafts: &mut Drafts<'_>,
    parent: Version,
    place: CollapsedPlace,
) -> Version {
    let sealed = input.call.bodies.first();
    let event = Event::from(EntryHeader {
        session: parent,
        run: None,
        in_reply_to: None,
        copied_from: None,
        tokens: sealed.and_then(|it| it.tokens),
        effect: Effect::Collapse(place),
    });
    let author = Body::Entry(input.caller().actor.clone());
    drafts.push_sealed(Lane::Log.of(parent), event, author, sealed.cloned())
}
