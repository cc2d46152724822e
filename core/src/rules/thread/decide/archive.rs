//! Steps of archiving and restoring. A bundle is written after a record claims it, and removed after none does, so each step
//! here is one commit of several.

use std::time::Duration;

use super::{View, session::illegal};
use crate::{
    clock::Timestamp,
    command::{Caller, SessionOutcome},
    error::{Error, Result, State},
    id::{ArchiveId, SessionId, SubSessionId, ThreadId, Version},
    model::{SessionStatus, SubSessionStatus},
    record::{ArchiveBody, Body, Consequence, EdgeStep, ErasureBody, Event, Lane},
    rules::{
        decision::{ArchiveStep, Decision, DecisionInput, Drafts, Reply, Wanted, WrittenBundle},
        thread::{
            erased::ranges,
            evicted::{Evicted, Pack},
            state::{ArchiveReservation, SessionState, ThreadState},
        },
    },
};

impl ThreadState {
    /// Refuses to archive what is at work, has not begun, or is being merged (ARC1); answers the token held on it. A lease
    /// that others could claim ends with it.
    pub(crate) fn require_archivable(
        &self,
        thread: ThreadId,
        (version, session): (Version, &SessionState),
        caller: &Caller,
        (now, max_skew): (Timestamp, Duration),
    ) -> Result<Option<Version>> {
        use SubSessionStatus::{Failed, Idle, MergeRejected, Merged};
        let id = SessionId::new(thread, version);
        session.require_not_archived(id)?;
        let lease = match &session.lease {
            Some(lease) if caller.lease.is_none() && lease.has_expired(now, max_skew) => None,
            _ => session.fence(id, caller.lease)?,
        };
        session.require_not_former(id, &caller.actor)?;
        let is_at_rest = matches!(session.status, SessionStatus::Idle | SessionStatus::Failed);
        if !is_at_rest || !session.live_runs.is_empty() {
            return Err(illegal(id, session.status, SessionStatus::Archived));
        }
        if session.live_children > 0 {
            let is_live = |edge: &&Version| self.edge(**edge).is_some_and(|e| e.status.is_live());
            if let Some(edge) = session.children.iter().find(is_live) {
                let edge = SubSessionId::new(thread, *edge);
                return Err(Error::ChildAtWork { session: id, edge });
            }
        }
        if let Some((edge, above)) = session.parent.and_then(|edge| Some((edge, self.edge(edge)?)))
            && !matches!(above.status, Idle | Failed | Merged | MergeRejected)
        {
            let to = State::Edge(SubSessionStatus::Archived);
            let (what, from) = (SubSessionId::new(thread, edge).into(), State::Edge(above.status));
            return Err(Error::IllegalTransition { what, from, to });
        }
        Ok(lease)
    }
}

impl View<'_> {
    pub(super) fn decide_archive(
        &self,
        input: &DecisionInput<'_>,
        step: &ArchiveStep,
    ) -> Result<Decision> {
        self.thread()?;
        match step {
            ArchiveStep::Reserve { session, backend, ttl_millis, which } => {
                self.reserve_archive(input, *session, backend, (*ttl_millis, *which))
            }
            ArchiveStep::Archived { session, bundle } => {
                self.archive_session(input, *session, bundle)
            }
            ArchiveStep::Abandoned { session, archive, by_writer } => {
                self.abandon_archive(input, *session, *archive, *by_writer)
            }
            ArchiveStep::Evict { session, archive } => self.evict(input, *session, *archive),
            ArchiveStep::Returned { session, archive, after, upto, erasures } => {
                self.return_entries(input, (*session, *archive), (*after, *upto), *erasures)
            }
            ArchiveStep::Repacked { pack, erasures } => self.repack(input, *pack, *erasures),
            ArchiveStep::Restored { session, archive } => {
                self.restore_session(input, *session, *archive)
            }
        }
    }

    fn archivable(
        &self,
        input: &DecisionInput<'_>,
        session: (Version, &SessionState),
    ) -> Result<Option<Version>> {
        let time = (input.now, input.call.max_skew);
        self.state.require_archivable(self.id, session, input.caller(), time)
    }

    /// One bundle of a session is written at a time; a second one only if the first cannot be committed any more.
    fn reserve_archive(
        &self,
        input: &DecisionInput<'_>,
        id: SessionId,
        backend: &str,
        (ttl_millis, wanted): (u64, Wanted),
    ) -> Result<Decision> {
        if !matches!(wanted, Wanted::Anew(_)) {
            self.open()?;
        }
        let (version, session) = self.session(id)?;
        let lease = match (&session.archived, wanted) {
            (Some(archived), Wanted::Anew(archive)) if archived.archive == archive => None,
            (_, Wanted::Anew(_)) => return Ok(Decision::Answer(Reply::LookAgain)),
            (Some(archived), _) => {
                let archive = ArchiveId::new(self.id, archived.archive);
                return Ok(Decision::Answer(Reply::Session(SessionOutcome::Archived(archive))));
            }
            (None, _) => self.archivable(input, (version, session))?,
        };
        if matches!(wanted, Wanted::After(after) if after != session.last_record) {
            return Ok(Decision::Answer(Reply::LookAgain));
        }
        if let Some(reserved) = session.archiving.as_deref()
            && self.may_land(session, reserved)
            && !reserved.has_expired(input.now, input.call.max_skew)
        {
            return Err(Error::contended(&self.id.space(&input.caller().tenant)));
        }
        let event = Event::ArchiveReserved { session: version, ttl_millis };
        let body = self.archive_body(input, backend);
        let mut drafts = Drafts::after(input, self.state.version(), lease);
        let archive = drafts.push(Lane::Rest.of(version), event, body);
        drafts.done(Reply::changed(archive))
    }

    /// Whether a bundle still is what there is of the session: nothing was written to it since, and nothing erased.
    fn may_land(&self, session: &SessionState, reserved: &ArchiveReservation) -> bool {
        reserved.after == session.last_record && reserved.erasures == self.state.erased.count()
    }

    fn archive_body(&self, input: &DecisionInput<'_>, backend: &str) -> Body {
        let by = input.caller().actor.clone();
        Body::Archive(ArchiveBody { backend: backend.to_owned(), by })
    }

    fn archive_session(
        &self,
        input: &DecisionInput<'_>,
        id: SessionId,
        bundle: &WrittenBundle,
    ) -> Result<Decision> {
        let (version, session) = self.session(id)?;
        let is_anew = session.archived.is_some();
        if !is_anew {
            self.open()?;
        }
        match session.archiving.as_deref() {
            Some(reserved)
                if reserved.archive == bundle.archive && self.may_land(session, reserved) => {}
            _ => return Ok(Decision::Answer(Reply::LookAgain)),
        }
        let lease = if is_anew { None } else { self.archivable(input, (version, session))? };
        let to = SubSessionStatus::Archived;
        let edge = session.parent.filter(|_| !is_anew).map(|edge| EdgeStep { edge, to });
        let event = Event::SessionArchived {
            session: version,
            archive: bundle.archive,
            records: bundle.records,
            entries: bundle.entries,
            digest: bundle.digest,
            then: Consequence { session: SessionStatus::Archived, edge },
        };
        let body = self.archive_body(input, &bundle.backend);
        let mut drafts = Drafts::after(input, self.state.version(), lease);
        drafts.push(Lane::Rest.of(version), event, body);
        let archive = ArchiveId::new(self.id, bundle.archive);
        drafts.done(Reply::Session(SessionOutcome::Archived(archive)))
    }

    /// Answers `LookAgain` while somebody may come for the bundle, or has.
    fn abandon_archive(
        &self,
        input: &DecisionInput<'_>,
        id: SessionId,
        archive: Version,
        by_writer: bool,
    ) -> Result<Decision> {
        let session = self.state.session(id.version());
        if session.and_then(|it| it.archived.as_ref()).is_some_and(|it| it.archive == archive) {
            return Ok(Decision::Answer(Reply::LookAgain));
        }
        let reserved = session.and_then(|it| it.archiving.as_ref());
        match reserved.filter(|reserved| reserved.archive == archive) {
            None => Ok(Decision::Answer(Reply::changed(0))),
            Some(held) if !by_writer && !held.has_expired(input.now, input.call.max_skew) => {
                Ok(Decision::Answer(Reply::LookAgain))
            }
            Some(_) => {
                let session = id.version();
                let event = Event::ArchiveAbandoned { session, archive };
                self.one_of(input, session, None, event, input.caller_body())
            }
        }
    }

    /// What is evicted already stays so. What a fork shows is never evicted, as the fork is not archived with it.
    fn evict(
        &self,
        input: &DecisionInput<'_>,
        id: SessionId,
        archive: Version,
    ) -> Result<Decision> {
        self.open()?;
        let (version, session) = self.session(id)?;
        session.require_not_former(id, &input.caller().actor)?;
        let archived = session.archived.as_deref().filter(|it| it.archive == archive);
        let Some(archived) = archived else { return Ok(Decision::Answer(Reply::LookAgain)) };
        let evictable = self.state.evictable(version);
        let Some(Evicted { after, upto }) = evictable.filter(|_| archived.evicted != evictable)
        else {
            return Ok(Decision::Answer(Reply::changed(session.version)));
        };
        let is_over = |pack: &Pack| pack.session == version && pack.after >= after;
        let packs = self.state.returned.packs().filter(is_over).map(|pack| pack.version);
        let erased = ranges(packs.collect());
        let event = Event::EntriesEvicted { session: version, archive, after, upto, erased };
        let users = self.thread()?.users.clone();
        let body = Body::Erasure(ErasureBody { users, by: input.caller().actor.clone() });
        self.one_of(input, 0, None, event, body)
    }

    fn return_entries(
        &self,
        input: &DecisionInput<'_>,
        (id, archive): (SessionId, Version),
        (after, upto): (Version, Version),
        erasures: usize,
    ) -> Result<Decision> {
        self.open()?;
        let (version, session) = self.session(id)?;
        session.require_not_former(id, &input.caller().actor)?;
        let archived = session.archived.as_deref().filter(|it| it.archive == archive);
        let is_next = archived.and_then(|it| it.evicted).is_some_and(|it| it.after == after);
        if !is_next || erasures != self.state.erased.count() {
            return Ok(Decision::Answer(Reply::LookAgain));
        }
        self.push_pack(
            input,
            Event::EntriesReturned { session: version, after, upto, replaces: None },
        )
    }

    /// Erasing works in an archived thread, too.
    fn repack(
        &self,
        input: &DecisionInput<'_>,
        pack: Version,
        erasures: usize,
    ) -> Result<Decision> {
        let held = self.state.returned.packs().find(|it| it.version == pack);
        let Some(Pack { session, after, upto, .. }) =
            held.filter(|_| erasures == self.state.erased.count())
        else {
            return Ok(Decision::Answer(Reply::LookAgain));
        };
        let replaces = Some(pack);
        self.push_pack(input, Event::EntriesReturned { session, after, upto, replaces })
    }

    /// A record of entries that stand in the body of the call.
    fn push_pack(&self, input: &DecisionInput<'_>, event: Event) -> Result<Decision> {
        let sealed = input.call.bodies.first().cloned();
        let mut drafts = Drafts::after(input, self.state.version(), None);
        let version = drafts.push_sealed(Lane::Rest.of(0), event, input.caller_body(), sealed);
        drafts.done(Reply::changed(version))
    }

    fn restore_session(
        &self,
        input: &DecisionInput<'_>,
        id: SessionId,
        archive: Version,
    ) -> Result<Decision> {
        self.open()?;
        let (version, session) = self.session(id)?;
        session.require_not_former(id, &input.caller().actor)?;
        let before = match session.archived.as_deref() {
            None => return Ok(Decision::Answer(Reply::changed(session.version))),
            Some(archived) if archived.archive != archive || archived.evicted.is_some() => {
                return Ok(Decision::Answer(Reply::LookAgain));
            }
            Some(archived) => archived.before,
        };
        let edge = session.parent.and_then(|edge| {
            let to = self.state.edge(edge)?.before_archive?;
            Some(EdgeStep { edge, to })
        });
        let then = Consequence { session: before, edge };
        let event = Event::SessionRestored { session: version, archive, then };
        self.one_of(input, version, None, event, input.caller_body())
    }
}
