//! Sessions that are over: archived, and restored.

use std::collections::BTreeSet;

use sessile_core::{
    Error,
    ErrorKind::Precondition,
    command::{Archiving, SessionOutcome},
    error::State,
    id::{ArchiveId, SessionId, ThreadId, Version},
    model::{Actor, SessionStatus, SubSessionStatus},
};

use super::{Predicted, facts::Facts, guards::illegal, state::*};
use crate::internal::archives::ARCHIVE;

/// A record that holds entries of one session's log: those after one version, up to another, that are not erased.
#[derive(Clone, Debug)]
pub(super) struct Pack {
    session: Version,
    after: Version,
    held: BTreeSet<Version>,
}

impl Thread {
    pub(super) fn archive_session(
        &mut self,
        facts: &Facts<'_>,
        id: ThreadId,
        session: SessionId,
        archiving: &Archiving,
    ) -> Predicted<SessionOutcome> {
        use SubSessionStatus::{Archived, Failed, Idle, MergeRejected, Merged};
        let v = self.present(session)?;
        if let Some((archive, _)) = self.sessions[&v].archived {
            self.evict(facts, v, archiving);
            return Ok(SessionOutcome::Archived(ArchiveId::new(id, archive)));
        }
        let lapsed = self.sessions[&v].lease.as_ref().is_some_and(|lease| {
            facts.caller.lease.is_none() && facts.now > lease.expires_at().plus(facts.max_skew)
        });
        if !lapsed {
            self.fence(session, facts)?;
        }
        let status = self.sessions[&v].status;
        let is_at_rest = matches!(status, SessionStatus::Idle | SessionStatus::Failed);
        if !is_at_rest || self.live_runs(v).next().is_some() {
            return Err(illegal(session, status, SessionStatus::Archived));
        }
        if let Some((edge, _)) = self.below(v).find(|(_, edge)| edge.status.is_live()) {
            return Err(Error::ChildAtWork { session, edge: edge_id(id, edge) }.into());
        }
        let above = self.above(v).map(|(edge, above)| (edge, above.status));
        if let Some((edge, from)) = above
            && !matches!(from, Idle | Failed | Merged | MergeRejected)
        {
            let (what, to) = (edge_id(id, edge).into(), State::Edge(Archived));
            return Err(Error::IllegalTransition { what, from: State::Edge(from), to }.into());
        }
        if archiving.backend.as_deref() != Some(ARCHIVE) {
            return Err(Precondition.into());
        }
        let archive = self.record(facts.now, &facts.caller.actor);
        let version = self.record_in(v, facts.now, facts.caller);
        let it = self.session(v);
        it.archived = Some((archive, it.status));
        (it.status, it.lease, it.version) = (SessionStatus::Archived, None, version);
        if let Some((edge, before)) = above {
            self.step_edge(v, |_| true, Archived);
            self.edges.get_mut(&edge).expect("it is there").before_archive = Some(before);
        }
        self.evict(facts, v, archiving);
        Ok(SessionOutcome::Archived(ArchiveId::new(id, archive)))
    }

    /// The entries of its log leave the journal, and with them the records that held them since they came back.
    fn evict(&mut self, facts: &Facts<'_>, v: Version, archiving: &Archiving) {
        let mut own = self.entries.iter().filter(|(_, entry)| entry.session == v);
        let (first, last) = (own.next(), own.next_back());
        let Some((first, _)) = first.filter(|_| archiving.evict) else { return };
        let last = last.map_or(*first, |(last, _)| *last);
        let after = self.shown_elsewhere(v).max(*first - 1);
        let evicted = (after < last).then_some((after, last));
        if evicted.is_some() && self.sessions[&v].evicted != evicted {
            let version = self.record(facts.now, &facts.caller.actor);
            let it = self.session(v);
            (it.evicted, it.version) = (evicted, version);
            self.packs.retain(|pack| pack.session != v || pack.after < after);
            let is_own = |at: &Version| self.entries.get(at).is_some_and(|e| e.session == v);
            self.keys.forget(|outcome| match outcome {
                Any::Session(SessionOutcome::Appended(first)) => {
                    let first = first.first.version();
                    after < first && first <= last && is_own(&first)
                }
                _ => false,
            });
        }
    }

    /// Whether an entry stands in a bundle only.
    pub(super) fn is_evicted(&self, session: Version, version: Version) -> bool {
        let evicted = self.sessions.get(&session).and_then(|it| it.evicted);
        evicted.is_some_and(|(after, upto)| after < version && version <= upto)
    }

    /// Records that hold what is erased now are written anew.
    pub(super) fn erase_in_packs(
        &mut self,
        erased: &[Version],
        now: sessile_core::Timestamp,
        actor: &Actor,
    ) {
        let mut changed = 0;
        for Pack { held, .. } in &mut self.packs {
            let before = held.len();
            held.retain(|version| !erased.contains(version));
            changed += usize::from(held.len() < before);
        }
        for _ in 0..changed {
            self.record(now, actor);
        }
    }

    pub(super) fn restore_session(
        &mut self,
        facts: &Facts<'_>,
        session: SessionId,
    ) -> Predicted<SessionOutcome> {
        let v = self.present(session)?;
        let Some((_, before)) = self.sessions[&v].archived else {
            return Ok(SessionOutcome::Changed(self.sessions[&v].version));
        };
        if let Some((after, upto)) = self.session(v).evicted.take() {
            let back = self.entries.range(after + 1..=upto).filter(|(version, entry)| {
                entry.session == v && !self.erased.contains_key(*version)
            });
            let held = back.map(|(version, _)| *version).collect();
            self.packs.push(Pack { session: v, after, held });
            self.record(facts.now, &facts.caller.actor);
        }
        let version = self.record_in(v, facts.now, facts.caller);
        let it = self.session(v);
        (it.archived, it.status, it.version) = (None, before, version);
        let before = self.above(v).and_then(|(edge, above)| Some((edge, above.before_archive?)));
        if let Some((edge, before)) = before {
            self.step_edge(v, |_| true, before);
            self.edges.get_mut(&edge).expect("it is there").before_archive = None;
        }
        Ok(SessionOutcome::Changed(version))
    }

    /// Entries were erased: the bundles of archived sessions that hold them are written anew.
    pub(super) fn archive_anew(
        &mut self,
        erased: &[Version],
        now: sessile_core::Timestamp,
        actor: &Actor,
    ) {
        let of = |v: &Version| self.entries.get(v).map(|entry| entry.session);
        // The text of a collapse stands in the draft, which is the child's.
        let drafts = self
            .collapses
            .values()
            .filter(|draft| draft.entry.is_some_and(|entry| erased.contains(&entry)));
        let sessions: BTreeSet<Version> =
            erased.iter().filter_map(of).chain(drafts.map(|draft| draft.child)).collect();
        for v in sessions {
            if self.sessions.get(&v).is_none_or(|it| it.archived.is_none()) {
                continue;
            }
            let archive = self.record(now, actor);
            let version = self.record(now, actor);
            let updated_at = self.updated_at;
            let it = self.session(v);
            if let Some((bundle, _)) = &mut it.archived {
                *bundle = archive;
            }
            (it.version, it.updated_at) = (version, updated_at);
        }
    }
}
