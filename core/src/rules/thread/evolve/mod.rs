//! The fold: what a record changes. It decides nothing; what follows from what stands in the records.

mod archives;
mod collapses;
mod edges;
mod runs;
mod sessions;
mod workspaces;

use std::sync::Arc;

use self::edges::answered;
use super::{
    forks::Base,
    state::{
        HandoffLock, LeaseState, MeasuredContext, SessionState, ThreadFields, ThreadState, USERS,
    },
};
use crate::{
    id::{UserId, Version},
    model::{
        Actor, CollapseStatus, ContextLimit, Labels, NoteKind, RollUp, SessionStatus,
        SubSessionStatus, ThreadStatus,
    },
    record::{Body, Consequence, Effect, Event},
    rules::event::{EventRecord, Evolved},
};

const NO_SESSION: &str = "names a session that does not exist";
const NO_EDGE: &str = "names an edge that does not exist";
const NO_COLLAPSE: &str = "names a draft that does not exist";
const NO_RUN: &str = "names a run that does not live";
const NO_THREAD: &str = "stands before the thread was created";
const NO_CHANGES: &str = "changes a state and does not say how";
const FOREIGN: &str = "is not a record of a thread";

impl ThreadState {
    /// Folds the next record in. An error says why the record cannot follow; the state is then of no use.
    pub(crate) fn evolve(&mut self, event: &EventRecord<'_>) -> Evolved {
        self.last_at = self.last_at.max(event.at);
        if let Some(key) = event.key {
            let log = event.event.as_entry().map_or(0, |entry| entry.session);
            self.keys.remember(key, (event.version, event.count), (0, log), event.salt);
        }
        self.apply(event)?;
        let session = event.event.session_in(event.stream);
        if session != 0 {
            self.touch(session, event);
        }
        Ok(())
    }

    /// What every record of a session does: time, and the lease of whoever wrote it with its token. A child is created
    /// under its parent's.
    fn touch(&mut self, session: Version, event: &EventRecord<'_>) {
        let now = self.last_at;
        self.with_session(session, |s| {
            s.updated_at = now;
            s.last_record = event.version;
        });
        self.renew(session, event);
        // Records of a child that are written by the holder of its parent's lease.
        let parent = match event.event {
            Event::EdgeCreated { parent, .. } | Event::CollapseProposed { parent, .. } => {
                Some(*parent)
            }
            Event::CollapseRejected { collapse, .. } => {
                self.collapses.get(collapse).map(|draft| draft.parent)
            }
            _ => None,
        };
        if let Some(parent) = parent {
            self.renew(parent, event);
        }
    }

    fn renew(&mut self, session: Version, event: &EventRecord<'_>) {
        if event.lease.is_none() {
            return;
        }
        self.with_session(session, |s| {
            if let Some(lease) = &mut s.lease
                && event.lease == Some(lease.token)
            {
                Arc::make_mut(lease).renewed_at = event.at;
            }
        });
    }

    fn apply(&mut self, event: &EventRecord<'_>) -> Evolved {
        let (version, now) = (event.version, self.last_at);
        match event.event {
            Event::ThreadCreated { project, reserved, budget } => {
                self.set_budget(0, budget.as_ref());
                let Body::Thread(body) = event.body_or_erased() else {
                    return self.begin_erased(*project, *reserved, version);
                };
                self.thread = Some(Arc::new(ThreadFields {
                    project: *project,
                    reserved: *reserved,
                    external_id: body.external_id.as_deref().map(Arc::from),
                    title: body.title.clone(),
                    labels: body.labels.clone(),
                    status: ThreadStatus::Open,
                    users: body.by.user_id().cloned().into_iter().collect(),
                    created_by: Some(body.by.clone()),
                    created_at: now,
                    version,
                }));
                Ok(())
            }
            Event::ThreadUpdated { budget } => {
                self.set_budget(0, budget.as_ref());
                self.with_thread(|thread| {
                    thread.version = version;
                    if let Body::Thread(body) = event.body_or_erased() {
                        thread.title.clone_from(&body.title);
                        thread.labels.clone_from(&body.labels);
                        note_user(thread, body.by.user_id());
                    }
                })
            }
            Event::ThreadArchived {} | Event::ThreadReopened {} => self.with_thread(|thread| {
                let archived = matches!(event.event, Event::ThreadArchived {});
                thread.status = if archived { ThreadStatus::Archived } else { ThreadStatus::Open };
                thread.version = version;
            }),
            Event::EntriesErased { versions } => {
                self.erased.add(versions, version);
                let erased = self.erased.clone();
                self.keys.erase(|first| erased.erased_by(first) == Some(version));
                self.with_thread(|thread| {
                    if let Some(Body::Erasure(body)) = event.body {
                        thread.users.clone_from(&body.users);
                    }
                })
            }
            Event::FeedTrimmed { upto } => {
                self.trimmed = self.trimmed.max(*upto);
                Ok(())
            }
            Event::SessionCreated { base, budget } => {
                let mut session = SessionState::born(version, now);
                if let Some((of, upto)) = *base {
                    let asked = Base { session: of, upto };
                    let first = self.session(of).ok_or(NO_SESSION)?.first_entry;
                    self.forks.add(version, asked, first);
                    session.base = Some(asked);
                }
                self.describe(&mut session, event.body);
                if let Body::Session(body) = event.body_or_erased()
                    && let Some(external_id) = body.external_id.as_deref().map(Arc::<str>::from)
                {
                    self.named_sessions.insert_mut(Arc::clone(&external_id), version);
                    session.external_id = Some(external_id);
                }
                self.sessions.insert_mut(version, Arc::new(session));
                self.set_budget(version, budget.as_ref());
                Ok(())
            }
            Event::SessionUpdated { session, budget } => {
                let mut next = self.session(*session).ok_or(NO_SESSION)?.clone();
                self.describe(&mut next, event.body);
                next.version = version;
                self.sessions.insert_mut(*session, Arc::new(next));
                self.set_budget(*session, budget.as_ref());
                Ok(())
            }
            Event::SessionStatusSet { session, then } => {
                self.follow(*session, *then, event)?;
                self.edit_session(*session, |s| s.version = version)
            }
            Event::SessionReopened { session } => self.edit_session(*session, |s| {
                s.status = SessionStatus::Active;
                s.activity.ended = true;
                s.begin_activity();
                s.version = version;
            }),
            Event::SessionDeleted { session } => self.delete_session(*session),
            Event::EdgeCreated { .. } => self.create_edge(event),
            Event::EdgeUpdated { edge, failure_mode, completion_mode, answers } => {
                self.with_edge(*edge, |e| {
                    let body =
                        if let Some(Body::Edge(body)) = event.body { Some(body) } else { None };
                    if let Some(answers) = answered(*answers, body) {
                        e.answers = Some(answers);
                    }
                    e.failure_mode = *failure_mode;
                    e.completion_mode = *completion_mode;
                    if let Some(Body::Edge(body)) = event.body {
                        e.purpose = body.purpose.as_deref().map(Arc::from);
                    }
                    e.updated_at = now;
                    e.version = version;
                })
            }
            Event::EdgeDeleted { edge } => self.delete_edge(*edge),
            Event::Entry { session, .. }
            | Event::Edit { session, .. }
            | Event::Annotation { session, .. }
            | Event::Compression { session, .. }
            | Event::Note { session, .. }
            | Event::Collapsed { session, .. }
            | Event::Marker { session, .. } => {
                self.edit_session(*session, |s| {
                    s.entries += 1;
                    s.last_entry = version;
                    if s.first_entry == 0 {
                        s.first_entry = version;
                    }
                    if matches!(event.event, Event::Marker { .. }) {
                        return;
                    }
                    s.tail = version;
                    s.begin_activity();
                    if let Event::Note { kind, copied_from: None, .. } = event.event {
                        s.activity.note = version;
                        s.activity.ended |= *kind == NoteKind::End;
                    }
                    // What another kind of entry does to it stands in the measure that follows.
                    if let (Some(context), Some(entry)) = (&mut s.context, event.event.as_entry())
                        && let (
                            Effect::Message | Effect::Note(_) | Effect::Collapse(_),
                            Some(tokens),
                        ) = (entry.effect, entry.tokens)
                    {
                        let context = Arc::make_mut(context);
                        context.tokens = context.tokens.saturating_add(tokens.number());
                    }
                })?;
                if let Some(Body::Entry(actor)) = event.body {
                    self.note_writer(actor);
                }
                match event.event {
                    Event::Collapsed { collapse, copied_from: None, .. } => {
                        self.close_collapse(*collapse, CollapseStatus::Accepted, version)
                    }
                    _ => Ok(()),
                }
            }
            Event::ContextLimitSet { session, limit, tokens } => self.edit_session(*session, |s| {
                let measured = |limit: ContextLimit| MeasuredContext { limit, tokens: *tokens };
                s.context = limit.clone().map(measured).map(Arc::new);
            }),
            Event::ContextMeasured { session, tokens, .. } => self.edit_session(*session, |s| {
                s.context.iter_mut().for_each(|it| Arc::make_mut(it).tokens = *tokens);
            }),
            Event::HandoffLocked { session, ttl_millis } => {
                let (ttl_millis, at) = (*ttl_millis, event.at);
                self.set_lock(*session, Some(HandoffLock { token: version, ttl_millis, at }))?;
                self.edit_session(*session, |s| {
                    s.status = SessionStatus::Locked;
                    s.version = version;
                })
            }
            Event::HandoffReleased { session } => {
                self.set_lock(*session, None)?;
                self.edit_session(*session, |s| {
                    s.status = SessionStatus::Idle;
                    s.version = version;
                })
            }
            Event::HandedOff { session, owner_version } => {
                self.set_lock(*session, None)?;
                self.edit_session(*session, |s| {
                    s.previous_actors.extend(s.actor.take());
                    if let Some(Body::Owner(body)) = event.body {
                        s.actor = Some(Arc::new(body.to.clone()));
                    }
                    s.owner_version = *owner_version;
                    // It was the former owner's.
                    s.lease = None;
                    s.status = SessionStatus::Idle;
                    s.version = version;
                })
            }
            Event::BroadcastSent { session, owner_version } => {
                self.set_lock(*session, None)?;
                self.edit_session(*session, |s| {
                    s.owner_version = *owner_version;
                    s.broadcast = version;
                    s.status = SessionStatus::AwaitingMerge;
                    s.version = version;
                })
            }
            Event::BroadcastEnded { session } => self.edit_session(*session, |s| {
                s.status = SessionStatus::Idle;
                s.version = version;
            }),
            Event::SessionContinued { session, successor } => {
                self.continue_as(*session, *successor, version)
            }
            Event::MergeStepped { session, step } => {
                use SubSessionStatus::{MergeRejected, Merged};
                if matches!(step.to, Merged | MergeRejected) {
                    self.edit_session(*session, |s| {
                        s.activity.ended |= s.activity.number > 0 && s.live_runs.is_empty();
                    })?;
                }
                self.step_edge(*step, version)
            }
            Event::SummarySealed { session, above, then, .. } => {
                self.edit_session(*session, |s| {
                    s.activity.ended = true;
                    s.activity.summary = version;
                    s.activity.summarised = true;
                    if s.status != then.session {
                        s.version = version;
                    }
                })?;
                if let Some(edge) = above {
                    self.with_edge(*edge, |e| {
                        e.summary = version;
                        e.updated_at = now;
                        e.version = version;
                    })?;
                }
                self.follow(*session, *then, event)
            }
            Event::CollapseProposed { .. } => self.open_collapse(event),
            Event::CollapseRejected { collapse, .. } => {
                self.close_collapse(*collapse, CollapseStatus::Rejected, 0)
            }
            Event::ForkMerged { fork, upto, .. } => {
                self.edit_session(*fork, |s| s.merged = s.merged.max(*upto))
            }
            Event::RunStarted { session, iteration, retry_of, external_id, status, then } => {
                if let Some(digest) = external_id {
                    self.external_ids.set(*digest, version);
                }
                self.start_run(event, *session, *iteration, *retry_of, *status)?;
                self.follow(*session, *then, event)
            }
            Event::RunStatusSet { run, session, status, edges, then } => {
                let mut next = self.run(*run).ok_or(NO_RUN)?.clone();
                next.status = *status;
                next.awaits.clone_from(edges);
                next.version = version;
                self.runs.insert_mut(*run, Arc::new(next));
                self.follow(*session, *then, event)
            }
            Event::RunEnded { run, session, status, then, .. } => {
                self.end_run(*run, *session, *status, version)?;
                self.follow(*session, *then, event)
            }
            Event::UsageBooked { run, session, call, usage, .. } => {
                let mut next = self.run(*run).ok_or(NO_RUN)?.clone();
                next.totals.book(usage);
                next.calls.insert_mut(*call, version);
                let task = next.task.clone();
                self.runs.insert_mut(*run, Arc::new(next));
                self.spend(*session, usage);
                self.spend_slice(usage);
                self.count(*session, task.as_ref(), |r| {
                    r.totals.get_or_insert_default().book(usage)
                })
            }
            // What is used stands in the records before.
            Event::BudgetUsedUp { .. } => Ok(()),
            Event::SlicesBegun {}
            | Event::SlicesEnded {}
            | Event::SliceCredited { .. }
            | Event::SliceReturned { .. } => self.apply_slice(event.event, version),
            Event::LeaseGranted { session, ttl_millis } => {
                let holder = if let Some(Body::Actor(body)) = event.body {
                    Some(body.by.clone())
                } else {
                    None
                };
                self.edit_session(*session, |s| {
                    s.lease = Some(Arc::new(LeaseState {
                        token: version,
                        holder,
                        ttl_millis: *ttl_millis,
                        renewed_at: event.at,
                    }));
                })
            }
            Event::LeaseRenewed { session, ttl_millis } => self.edit_session(*session, |s| {
                if let Some(lease) = &mut s.lease {
                    Arc::make_mut(lease).ttl_millis = *ttl_millis;
                }
            }),
            Event::LeaseReleased { session } => self.edit_session(*session, |s| s.lease = None),
            Event::LeasesExpired { sessions } => sessions.iter().try_for_each(|session| {
                self.edit_session(*session, |s| {
                    s.lease = None;
                    s.updated_at = now;
                })
            }),
            Event::StateSet { session } => self.set_state(*session, event),
            Event::WorkspaceReserved { .. }
            | Event::WorkspaceReady { .. }
            | Event::WorkspaceChanged { .. }
            | Event::WorkspaceSaved { .. }
            | Event::WorkspaceLeaked { .. }
            | Event::WorkspaceDisposed { .. } => self.apply_workspace(event),
            Event::ArchiveReserved { .. }
            | Event::ArchiveAbandoned { .. }
            | Event::SessionArchived { .. }
            | Event::EntriesEvicted { .. }
            | Event::EntriesReturned { .. }
            | Event::SessionRestored { .. } => self.apply_archive(event),
            Event::ProjectCreated {}
            | Event::ProjectUpdated {}
            | Event::ProjectArchived {}
            | Event::ProjectReopened {}
            | Event::ProjectDeleting {}
            | Event::ProjectDeleteUndone {}
            | Event::ExternalIdBound { .. }
            | Event::SliceDrawn { .. }
            | Event::SliceSettled { .. }
            | Event::ThreadReserved { .. } => Err(FOREIGN),
        }
    }

    fn begin_erased(
        &mut self,
        project: crate::id::ProjectId,
        reserved: Version,
        version: Version,
    ) -> Evolved {
        self.thread = Some(Arc::new(ThreadFields {
            project,
            reserved,
            external_id: None,
            title: String::new(),
            labels: Labels::new(),
            status: ThreadStatus::Open,
            created_by: None,
            created_at: self.last_at,
            version,
            users: Vec::new(),
        }));
        Ok(())
    }

    fn with_thread(&mut self, change: impl FnOnce(&mut ThreadFields)) -> Evolved {
        change(Arc::make_mut(self.thread.as_mut().ok_or(NO_THREAD)?));
        Ok(())
    }

    fn with_session(&mut self, version: Version, change: impl FnOnce(&mut SessionState)) -> bool {
        let Some(session) = self.sessions.get_mut(&version) else { return false };
        change(Arc::make_mut(session));
        true
    }

    fn edit_session(
        &mut self,
        version: Version,
        change: impl FnOnce(&mut SessionState),
    ) -> Evolved {
        if self.with_session(version, change) { Ok(()) } else { Err(NO_SESSION) }
    }

    fn note_writer(&mut self, actor: &Actor) {
        if let (Some(thread), Some(user)) = (&mut self.thread, actor.user_id())
            && thread.users.last() != Some(user)
            && !(thread.users.len() == 1 && thread.users.first() == Some(user))
        {
            note_user(Arc::make_mut(thread), Some(user));
        }
    }

    fn follow(&mut self, session: Version, then: Consequence, event: &EventRecord<'_>) -> Evolved {
        self.edit_session(session, |s| {
            if then.session == SessionStatus::Failed && s.status != SessionStatus::Failed {
                s.ended_runs = 0;
                s.failed_runs = 0;
                s.activity.ended = true;
            }
            s.status = then.session;
        })?;
        then.edge.map_or(Ok(()), |step| self.step_edge(step, event.version))
    }

    /// Adds to the roll-ups of a session, of a task and of the thread.
    fn count(
        &mut self,
        session: Version,
        task: Option<&Arc<str>>,
        add: impl Fn(&mut RollUp),
    ) -> Evolved {
        self.edit_session(session, |s| add(Arc::make_mut(s.roll_up.get_or_insert_default())))?;
        if let Some(roll_up) = task.and_then(|t| self.tasks.get_mut(t)) {
            add(Arc::make_mut(roll_up));
        }
        add(Arc::make_mut(&mut self.roll_up));
        Ok(())
    }
}

/// Moves a person to the end of the list; the first place is the creator's.
fn note_user(thread: &mut ThreadFields, user: Option<&UserId>) {
    let Some(user) = user else { return };
    let creator = thread.created_by.as_ref().and_then(Actor::user_id);
    if creator == Some(user) {
        return;
    }
    thread.users.retain(|u| u != user);
    if thread.users.len() == USERS {
        thread.users.remove(usize::from(creator.is_some()));
    }
    thread.users.push(user.clone());
}
