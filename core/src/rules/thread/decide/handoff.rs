//! Handing sessions over, to one recipient or to several.

use super::{
    View,
    lease::millis,
    session::{SessionWith, illegal, records_beside_inherited, session_made},
};
use crate::{
    command::{CreatedSession, NewSession, NewSubSession, SessionCommand, SessionOutcome},
    error::{Counter, Error, Result},
    id::{SessionId, Version},
    model::{Actor, SessionStatus},
    record::{Body, Event, Lane, OwnerBody},
    rules::{
        decision::{Decision, DecisionInput, Drafts, Provision, Reply},
        idempotency::Answer,
        thread::state::SessionState,
    },
};

/// A recipient, with its edge and its owner.
type Recipient<'a> = (&'a NewSession, &'a NewSubSession, &'a Actor);

impl View<'_> {
    pub(super) fn hand_off(
        &self,
        input: &DecisionInput<'_>,
        command: &SessionCommand,
        expected: u64,
    ) -> Result<Decision> {
        let is_broadcast = matches!(command, SessionCommand::Broadcast { .. });
        let recipients: Vec<Recipient<'_>> = command
            .new_sessions()
            .iter()
            .filter_map(|new| Some((new, new.parent.as_ref()?, new.actor.as_ref()?)))
            .collect();
        let (_, first, to) = *recipients.first().ok_or_else(super::wrong_journal)?;
        let caps = input.call.caps.as_ref().ok_or_else(super::wrong_journal)?;
        super::closed_project(self.thread()?.project, caps.status)?;
        let (version, source) = self.session(first.parent)?;
        for (_, edge, _) in &recipients {
            let spawner = self.spawner(input, edge)?;
            self.spawner_is_parent(edge, spawner)?;
            self.summarised_is_here(edge)?;
        }
        // What another handoff did explains all that follows from it.
        if expected != source.owner_version {
            let (what, actual) = (first.parent.into(), source.owner_version);
            return Err(Error::Stale { what, counter: Counter::OwnerVersion, expected, actual });
        }
        let lease = self.fence(input, version, source)?;
        self.require_owner(input, first.parent, source)?;
        recipients.iter().try_for_each(|(_, edge, _)| self.spawner_lives(edge))?;
        let then = if is_broadcast { SessionStatus::AwaitingMerge } else { SessionStatus::Locked };
        self.require_lockable(input, first.parent, source, then)?;
        self.caps(caps, version, (0, recipients.len()))?;
        let sessions = recipients.iter().map(|(new, _, _)| *new);
        self.require_one_commit(input, first.parent, sessions.clone())?;
        let share_of = self.require_shares(version, sessions)?;
        for (at, (_, edge, _)) in recipients.iter().enumerate() {
            let child = input.call.child(at);
            if edge.inherit.is_gathered() && !self.inherits_now(child, edge, source)? {
                return Ok(Decision::Answer(Reply::LookAgain));
            }
        }
        let provisions = (0..recipients.len()).filter_map(|at| input.call.child(at));
        let mut wanted = false;
        for provision in provisions.filter_map(|child| child.workspace.as_ref()) {
            match provision {
                Provision::Wanted => wanted = true,
                Provision::Made(made) if !self.is_based_on_now(made) => {
                    return Ok(Decision::Answer(Reply::LookAgain));
                }
                Provision::Made(_) => {}
            }
        }
        let mut drafts = Drafts::after(input, self.state.version(), lease);
        if wanted {
            let time = input.call.workspace_time.saturating_mul(recipients.len() as u32);
            let ttl_millis = millis(time);
            let event = Event::HandoffLocked { session: version, ttl_millis };
            let lock = drafts.push(Lane::Rest.of(version), event, input.caller_body());
            // The key stands for the handoff, not for its lock.
            return drafts.without_key(Reply::Proceed { lock: Some(lock) });
        }
        let owner_version = source.owner_version + 1;
        let (event, body) = if is_broadcast {
            (Event::BroadcastSent { session: version, owner_version }, input.caller_body())
        } else {
            let (to, by) = (to.clone(), input.caller().actor.clone());
            let event = Event::HandedOff { session: version, owner_version };
            (event, Body::Owner(OwnerBody { to, by }.into()))
        };
        let sent = drafts.push(Lane::Rest.of(version), event, body);
        let mut bodies = &input.call.bodies[..];
        let mut made = Vec::with_capacity(recipients.len());
        for (at, (new, _, _)) in recipients.iter().enumerate() {
            let child = input.call.child(at);
            let own = child.map_or(0, |it| it.inherited.entries.len()) + new.turn.len();
            let (own, rest) = bodies.split_at_checked(own).unwrap_or_default();
            bodies = rest;
            let (caps, base) = (caps.version, self.history(new));
            let broadcast = is_broadcast.then_some(sent);
            let answers = None;
            let with = SessionWith { caps, base, broadcast, answers, share_of, child };
            made.push(self.push_session(input, &mut drafts, new, (with, own))?);
        }
        drafts.begin_trailing();
        for (at, created) in made.iter_mut().enumerate() {
            self.push_made(input, &mut drafts, created, input.call.child(at))?;
        }
        self.begin_slices(input, &mut drafts);
        let outcome = match made.as_slice() {
            [one] if !is_broadcast => SessionOutcome::HandedOff(*one),
            _ => SessionOutcome::BroadcastSent(made),
        };
        drafts.done(Reply::Session(outcome))
    }

    /// Only its owner hands a session over; anybody, if it has none (HOF3).
    fn require_owner(
        &self,
        input: &DecisionInput<'_>,
        id: SessionId,
        source: &SessionState,
    ) -> Result<()> {
        match &source.actor {
            Some(owner) if !owner.is_same(&input.caller().actor) => {
                Err(Error::NotOwner { session: id, owner: Box::new((**owner).clone()) })
            }
            _ => Ok(()),
        }
    }

    /// An idle session, one whose lock has expired, or the one that this very handoff locked (HOF3, HOF5).
    fn require_lockable(
        &self,
        input: &DecisionInput<'_>,
        id: SessionId,
        source: &SessionState,
        then: SessionStatus,
    ) -> Result<()> {
        let held = source.lock.as_ref();
        let current = held.map(|lock| lock.token);
        match (held, input.call.lock()) {
            (_, Some(given)) if current != Some(given) => {
                Err(Error::Fenced { session: id, current, given: Some(given) })
            }
            (Some(_), Some(_)) => Ok(()),
            (Some(lock), None) if lock.has_expired(input.now, input.call.max_skew) => Ok(()),
            _ if source.status == SessionStatus::Idle => Ok(()),
            _ => Err(illegal(id, source.status, then)),
        }
    }

    /// Takes back the lock of a handoff that came to nothing.
    pub(super) fn unlock(
        &self,
        input: &DecisionInput<'_>,
        id: SessionId,
        lock: Version,
    ) -> Result<Decision> {
        let (version, session) = self.session(id)?;
        if session.lock.is_none_or(|held| held.token != lock) {
            return Ok(Decision::Answer(Reply::changed(0)));
        }
        let event = Event::HandoffReleased { session: version };
        self.one_of(input, version, None, event, input.caller_body())
    }

    /// What a broadcast answered. Nobody noted how many entries each recipient inherited: those who were to inherit the same got
    /// equally many. Where they were to inherit different things, their edges tell where the records of each begin; what is not
    /// told because an edge is gone, is left out (MSG4).
    pub(super) fn recipients(
        &self,
        answer: Answer,
        recipients: &[NewSession],
    ) -> Vec<CreatedSession> {
        let of_edge = |new: &NewSession| new.parent.as_ref().map(|edge| edge.inherit.clone());
        let gathers =
            |new: &&NewSession| new.parent.as_ref().is_some_and(|edge| edge.inherit.is_gathered());
        let gathering: Vec<_> = recipients.iter().filter(gathers).collect();
        let is_alike = gathering.windows(2).all(|two| match two {
            [one, other] => of_edge(one) == of_edge(other),
            _ => true,
        });
        // The first of the records says that it was sent.
        let others: u64 = 1 + recipients.iter().map(records_beside_inherited).sum::<u64>();
        let inherited = u64::from(answer.count).saturating_sub(others);
        let edges = self.state.edges.iter();
        let edges: Vec<Version> = edges
            .filter(|(_, edge)| edge.broadcast == Some(answer.first))
            .map(|(version, _)| *version)
            .collect();
        let end = answer.first + u64::from(answer.count);
        let mut first = answer.first + 1;
        let mut made = Vec::with_capacity(recipients.len());
        for (at, new) in recipients.iter().enumerate() {
            let inherited = if !gathers(&new) {
                0
            } else if is_alike {
                inherited / gathering.len() as u64
            } else if edges.len() == recipients.len() {
                let next = edges.get(at + 1).map_or(end, |edge| edge - 1);
                (next - first).saturating_sub(records_beside_inherited(new))
            } else {
                break;
            };
            let one = session_made(self.id, first, inherited as usize, new);
            made.push(CreatedSession { workspace: self.given_workspace(first), ..one });
            first += records_beside_inherited(new) + inherited;
        }
        made
    }
}
