//! Commands on the thread itself.

use super::{
    ThreadFields, View,
    session::{SessionWith, session_made},
    state::{StateWrite, initial},
};
use crate::{
    command::{
        Begun, Created, NewSession, NewThread, SessionOutcome, ThreadCommand, ThreadOutcome,
        UpdateThread,
    },
    error::{Closure, Counter, Error, Result, Subject, ThreadAction},
    id::{ProjectId, ThreadId, Version},
    model::{ProjectStatus, SessionSample, SessionStatus, SubSessionStatus, ThreadStatus},
    record::{Body, Event, Lane, ThreadBody},
    rules::decision::{Decision, DecisionInput, Drafts, Reply},
};

/// Sessions an error names at most (THD5).
const SAMPLES: usize = 50;

impl View<'_> {
    /// Version 1 of a thread, with its first session if there is to be one. Whoever finds the thread there already finds
    /// that done; the session may still be to be made.
    pub(super) fn begin(
        &self,
        input: &DecisionInput<'_>,
        (project, reserved): (ProjectId, Version),
        (new, session): (&NewThread, Option<&NewSession>),
    ) -> Result<Decision> {
        if let Some(thread) = self.state.thread.as_deref() {
            return self.begin_in(input, (thread, reserved), (new, session));
        }
        if reserved == 0 {
            return Err(Error::not_found(self.id));
        }
        let mut drafts = Drafts::after(input, self.state.version(), None);
        let body = ThreadBody {
            external_id: new.external_id.clone(),
            title: new.title.clone(),
            labels: new.labels.clone(),
            by: input.caller().actor.clone(),
        };
        drafts.push(
            Lane::Rest.of(0),
            Event::ThreadCreated { project, reserved, budget: new.budget.clone() },
            Body::Thread(body),
        );
        let changes = initial(&new.state);
        StateWrite::new(self.id.into(), None, &changes).write(&mut drafts, input.caller());
        if let Some(session) = session {
            let with = (SessionWith::default(), &input.call.bodies[..]);
            self.push_session(input, &mut drafts, session, with)?;
        }
        self.begin_slices(input, &mut drafts);
        drafts.done(Reply::Thread(thread_made(self.id, new, session)))
    }

    /// In a thread that exists. It must have the external id: an id may be derived for two.
    fn begin_in(
        &self,
        input: &DecisionInput<'_>,
        (thread, reserved): (&ThreadFields, Version),
        (new, session): (&NewThread, Option<&NewSession>),
    ) -> Result<Decision> {
        if thread.reserved == reserved {
            return Ok(Decision::Answer(Reply::Thread(thread_made(self.id, new, session))));
        }
        if new.external_id.is_none() || new.external_id.as_deref() != thread.external_id.as_deref()
        {
            return Err(Error::not_found(self.id));
        }
        let thread = Created { id: self.id, created: false };
        let Some(session) = session else {
            return Ok(Decision::Answer(Reply::Thread(ThreadOutcome::ThreadCreated(thread))));
        };
        self.open()?;
        let begun = |reply| match reply {
            Reply::Session(SessionOutcome::SessionCreated(session)) => {
                Ok(Reply::Thread(ThreadOutcome::ThreadBegun(Begun { thread, session })))
            }
            _ => Err(super::wrong_journal()),
        };
        Ok(match self.create_session(input, session)? {
            Decision::Write(drafts, reply) => Decision::Write(drafts, begun(reply)?),
            Decision::Answer(reply) => Decision::Answer(begun(reply)?),
            Decision::Drop(_) => return Err(super::wrong_journal()),
        })
    }

    pub(super) fn decide_thread(
        &self,
        input: &DecisionInput<'_>,
        command: &ThreadCommand,
    ) -> Result<Decision> {
        match command {
            ThreadCommand::UpdateThread { expected, update, .. } => {
                self.update_thread(input, *expected, update)
            }
            ThreadCommand::ArchiveThread { .. } => self.archive(input),
            ThreadCommand::ReopenThread { .. } => self.reopen(input),
            ThreadCommand::DeleteThread { .. } => {
                self.delete(input, ThreadAction::Delete, |_| true)
            }
            ThreadCommand::PurgeThread { .. } => {
                self.delete(input, ThreadAction::Purge, |session| self.is_at_work(input, session))
            }
            ThreadCommand::EraseEntries { entries, .. } => self.erase(input, entries),
            ThreadCommand::TrimFeed { upto, .. } => self.trim(input, *upto),
            _ => Err(super::wrong_journal()),
        }
    }

    fn trim(&self, input: &DecisionInput<'_>, upto: Version) -> Result<Decision> {
        self.thread()?;
        if upto > self.state.version() {
            let space = self.id.space(&input.caller().tenant);
            return Err(Error::not_found(Subject::record(&space, upto)));
        }
        if upto <= self.state.trimmed {
            return Ok(Decision::Answer(Reply::thread_changed(self.state.trimmed)));
        }
        self.one(input, Event::FeedTrimmed { upto }, input.caller_body())
    }

    fn update_thread(
        &self,
        input: &DecisionInput<'_>,
        expected: Version,
        update: &UpdateThread,
    ) -> Result<Decision> {
        let thread = self.thread()?;
        self.open()?;
        stale(self.id, expected, thread.version)?;
        let body = ThreadBody {
            external_id: None,
            title: update.title.clone().unwrap_or_else(|| thread.title.clone()),
            labels: update.labels.clone().unwrap_or_else(|| thread.labels.clone()),
            by: input.caller().actor.clone(),
        };
        let before = self.state.budget(0).map(|it| it.budget.clone());
        let budget = update.budget.clone().unwrap_or(before);
        self.one(input, Event::ThreadUpdated { budget }, Body::Thread(body))
    }

    fn archive(&self, input: &DecisionInput<'_>) -> Result<Decision> {
        let thread = self.thread()?;
        if thread.status == ThreadStatus::Archived {
            return Ok(Decision::Answer(Reply::thread_changed(thread.version)));
        }
        self.refuse_if(ThreadAction::Archive, |session| self.is_at_work(input, session))?;
        // The leases that are left have expired: they end here, and a record says so.
        let sessions = self.state.sessions.iter();
        let expired: Vec<Version> =
            sessions.filter(|(_, s)| s.lease.is_some()).map(|(version, _)| *version).collect();
        let mut drafts = Drafts::after(input, self.state.version(), None);
        if !expired.is_empty() {
            let event = Event::LeasesExpired { sessions: expired };
            drafts.push(Lane::Rest.of(0), event, input.caller_body());
        }
        let version = drafts.push(Lane::Rest.of(0), Event::ThreadArchived {}, input.caller_body());
        drafts.done(Reply::thread_changed(version))
    }

    fn reopen(&self, input: &DecisionInput<'_>) -> Result<Decision> {
        let thread = self.thread()?;
        if thread.status == ThreadStatus::Open {
            return Ok(Decision::Answer(Reply::thread_changed(thread.version)));
        }
        self.one(input, Event::ThreadReopened {}, input.caller_body())
    }

    fn delete(
        &self,
        input: &DecisionInput<'_>,
        action: ThreadAction,
        stands_in_the_way: impl Fn(&super::SessionState) -> bool,
    ) -> Result<Decision> {
        let deleted = Reply::Thread(ThreadOutcome::Deleted);
        if self.state.thread.is_none() {
            return Ok(Decision::Answer(deleted));
        }
        self.refuse_if(action, stands_in_the_way)?;
        if self.needs_return(input) {
            return Ok(Decision::Answer(Reply::ReturnFirst));
        }
        Ok(Decision::Drop(deleted))
    }

    fn refuse_if(
        &self,
        action: ThreadAction,
        stands_in_the_way: impl Fn(&super::SessionState) -> bool,
    ) -> Result<()> {
        let mut found = self.state.sessions.iter().filter(|(_, s)| stands_in_the_way(s));
        let sample = |(v, s): (&Version, &std::sync::Arc<super::SessionState>)| SessionSample {
            session: self.session_id(*v),
            status: s.status,
        };
        let samples: Vec<_> = found.by_ref().take(SAMPLES).map(sample).collect();
        if samples.is_empty() {
            return Ok(());
        }
        let total = samples.len() as u64 + found.count() as u64;
        Err(Error::ThreadNotEmpty { thread: self.id, action, samples, total })
    }

    /// What an archived thread may not hold, and a purge does not take (THD5, THD13): also a child that has not begun.
    fn is_at_work(&self, input: &DecisionInput<'_>, session: &super::SessionState) -> bool {
        let edge = session.parent.and_then(|edge| self.state.edge(edge));
        let lease = session.lease.as_ref();
        matches!(
            session.status,
            SessionStatus::Active
                | SessionStatus::AwaitingHitl
                | SessionStatus::Locked
                | SessionStatus::AwaitingMerge
        ) || !session.live_runs.is_empty()
            || edge.is_some_and(|edge| edge.status == SubSessionStatus::Pending)
            || lease.is_some_and(|lease| !lease.has_expired(input.now, input.call.max_skew))
    }

    /// One record of the thread itself.
    pub(super) fn one(
        &self,
        input: &DecisionInput<'_>,
        event: Event,
        body: Body,
    ) -> Result<Decision> {
        let mut drafts = Drafts::after(input, self.state.version(), None);
        let version = drafts.push(Lane::Rest.of(0), event, body);
        drafts.done(Reply::thread_changed(version))
    }
}

/// What it answers that a thread was made, with its first session.
pub(crate) fn thread_made(
    id: ThreadId,
    new: &NewThread,
    session: Option<&NewSession>,
) -> ThreadOutcome {
    let thread = Created { id, created: true };
    match session {
        None => ThreadOutcome::ThreadCreated(thread),
        Some(session) => {
            let first = 2 + u64::from(!new.state.is_empty());
            let session = session_made(id, first, 0, session);
            ThreadOutcome::ThreadBegun(Begun { thread, session })
        }
    }
}

/// The compare of every compare-and-set.
pub(crate) fn stale(what: impl Into<Subject>, expected: Version, actual: Version) -> Result<()> {
    if expected == actual {
        Ok(())
    } else {
        Err(Error::Stale { what: what.into(), counter: Counter::Version, expected, actual })
    }
}

/// What an archived or vanishing project refuses.
pub(crate) const fn closed_project(project: ProjectId, status: ProjectStatus) -> Result<()> {
    match status {
        ProjectStatus::Open => Ok(()),
        ProjectStatus::Archived => Err(Error::closed(Closure::ProjectArchived(project))),
        ProjectStatus::Deleting => Err(Error::closed(Closure::ProjectDeleting(project))),
    }
}
