//! Projects and threads: what each command does.

use std::time::Duration;

use sessile_core::{
    Caller, Error,
    ErrorKind::{Capacity, NotFound, Precondition},
    Timestamp,
    command::{SessionOutcome, ThreadCommand, ThreadOutcome, UpdateProject, UpdateThread},
    error::{Closure, Counter, Subject, ThreadAction},
    id::{EntryId, ProjectId, ThreadId, Version},
    model::{Actor, ProjectStatus, SessionSample, ThreadStatus},
};

use super::{
    KeyedHistory, Model, Predicted, Refusal,
    keys::{self, Keys},
    state::*,
    valid,
};

pub(super) fn closed(what: Closure, command: &'static str) -> Refusal {
    Error::Closed { what, operation: Some(command) }.into()
}

pub(super) fn stale(
    what: impl Into<Subject>,
    counter: Counter,
    expected: Version,
    actual: Version,
) -> Predicted<()> {
    if expected == actual {
        Ok(())
    } else {
        Err(Error::Stale { what: what.into(), counter, expected, actual }.into())
    }
}

impl Model {
    /// Carries out a command at a time. Creating commands take the id from the store's answer and check that it is new.
    ///
    /// # Panics
    /// When the store's answer mints an id that is not fresh, or not of the tenant.
    pub fn thread_command(
        &mut self,
        caller: &Caller,
        command: &ThreadCommand,
        now: Timestamp,
        actual: Option<&ThreadOutcome>,
    ) -> Predicted<ThreadOutcome> {
        valid::thread_command(caller, command)?;
        let max_skew = self.max_skew;
        match command {
            ThreadCommand::CreateProject { .. } => {
                self.create_project(caller, command, now, actual)
            }
            ThreadCommand::DeleteProject { project } => {
                let tenant = self.tenant(&caller.tenant);
                let threads = tenant.threads.values().filter(|t| t.project == *project).count();
                if threads > 0 {
                    return Err(Refusal::kind(sessile_core::ErrorKind::Precondition));
                }
                tenant.projects.remove(project);
                Ok(ThreadOutcome::Deleted)
            }
            ThreadCommand::UpdateProject { project, .. }
            | ThreadCommand::ArchiveProject { project }
            | ThreadCommand::ReopenProject { project }
            | ThreadCommand::CreateThread { project, .. } => {
                let known = self
                    .tenant(&caller.tenant)
                    .projects
                    .get(project)
                    .ok_or_else(|| Error::not_found(*project))?;
                if let Some(first) = known.keys.known(caller.key.as_ref(), command)? {
                    return Ok(first);
                }
                let before = known.head;
                let outcome = self.in_project(caller, *project, command, now, actual)?;
                let known =
                    self.tenant(&caller.tenant).projects.get_mut(project).ok_or(NotFound)?;
                if known.head > before {
                    known.keys.remember(caller.key.as_ref(), command.clone(), outcome);
                }
                Ok(outcome)
            }
            ThreadCommand::DeleteThread { thread } | ThreadCommand::PurgeThread { thread } => {
                let tenant = self.tenant(&caller.tenant);
                let Some(known) = tenant.threads.get(thread) else {
                    return Ok(ThreadOutcome::Deleted);
                };
                if matches!(command, ThreadCommand::PurgeThread { .. }) {
                    not_empty(*thread, ThreadAction::Purge, known.at_work(now, max_skew))?;
                } else {
                    let all = known.sessions.iter().map(|(v, s)| (*v, s.status)).collect();
                    not_empty(*thread, ThreadAction::Delete, all)?;
                }
                tenant.threads.remove(thread);
                Ok(ThreadOutcome::Deleted)
            }
            ThreadCommand::UpdateThread { thread, .. }
            | ThreadCommand::ArchiveThread { thread }
            | ThreadCommand::ReopenThread { thread }
            | ThreadCommand::EraseEntries { thread, .. } => {
                let known = self
                    .tenant(&caller.tenant)
                    .threads
                    .get_mut(thread)
                    .ok_or_else(|| Error::not_found(*thread))?;
                let asked = Any::Thread(command.clone());
                match known.keys.known(caller.key.as_ref(), &asked)? {
                    Some(Any::Thread(first)) => return Ok(first),
                    Some(Any::Session(_)) => unreachable!("a key answers one kind of command"),
                    None => {}
                }
                let before = known.head;
                let outcome = known.thread_command(caller, *thread, command, now, max_skew)?;
                if known.head > before {
                    known.keys.remember(caller.key.as_ref(), asked, Any::Thread(outcome));
                }
                Ok(outcome)
            }
            ThreadCommand::VacuumThread { thread } => {
                self.tenant(&caller.tenant)
                    .threads
                    .get(thread)
                    .ok_or_else(|| Error::not_found(*thread))?;
                Ok(ThreadOutcome::Vacuumed(0))
            }
            _ => unreachable!("refused as invalid"),
        }
    }

    fn mint(&mut self, bits: u128, tag: u32, caller: &Caller) {
        assert_eq!(tag, caller.tenant.tag(), "an id carries the tag of its tenant");
        assert!(self.minted.insert(bits), "an id was minted twice");
    }

    fn create_project(
        &mut self,
        caller: &Caller,
        command: &ThreadCommand,
        now: Timestamp,
        actual: Option<&ThreadOutcome>,
    ) -> Predicted<ThreadOutcome> {
        let ThreadCommand::CreateProject { name, config } = command else { unreachable!() };
        if let Some((first, id)) =
            caller.key.as_ref().and_then(|key| self.tenant(&caller.tenant).project_keys.get(key))
        {
            return if first == command {
                Ok(ThreadOutcome::ProjectCreated(*id))
            } else {
                Err(keys::reused(caller.key.as_ref().expect("a slot comes of a key")))
            };
        }
        let id = match actual {
            Some(ThreadOutcome::ProjectCreated(id)) => *id,
            _ => return Ok(ThreadOutcome::ProjectCreated(ProjectId::from_bits(0))),
        };
        self.mint(id.bits(), id.tag(), caller);
        let mut keys = Keys::default();
        let outcome = ThreadOutcome::ProjectCreated(id);
        keys.remember(caller.key.as_ref(), command.clone(), outcome);
        let project = Project {
            name: name.clone(),
            status: ProjectStatus::Open,
            config: config.clone(),
            created_at: now,
            updated_at: now,
            version: 1,
            head: 1,
            last_at: now,
            keys,
        };
        let tenant = self.tenant(&caller.tenant);
        tenant.projects.insert(id, project);
        if let Some(key) = caller.key.clone() {
            tenant.project_keys.insert(key, (command.clone(), id));
        }
        Ok(outcome)
    }

    fn in_project(
        &mut self,
        caller: &Caller,
        id: ProjectId,
        command: &ThreadCommand,
        now: Timestamp,
        actual: Option<&ThreadOutcome>,
    ) -> Predicted<ThreadOutcome> {
        let project = self.tenant(&caller.tenant).projects.get_mut(&id).ok_or(NotFound)?;
        let archived = project.status == ProjectStatus::Archived;
        match command {
            ThreadCommand::UpdateProject { expected, update, .. } => {
                if archived {
                    return Err(closed(Closure::ProjectArchived(id), command.name()));
                }
                stale(id, Counter::Version, *expected, project.version)?;
                let UpdateProject { name, config } = update.clone();
                project.name = name.unwrap_or_else(|| project.name.clone());
                project.config = config.unwrap_or_else(|| project.config.clone());
                Ok(project.changed(now))
            }
            ThreadCommand::ArchiveProject { .. } if !archived => {
                project.status = ProjectStatus::Archived;
                Ok(project.changed(now))
            }
            ThreadCommand::ReopenProject { .. } if archived => {
                project.status = ProjectStatus::Open;
                Ok(project.changed(now))
            }
            ThreadCommand::ArchiveProject { .. } | ThreadCommand::ReopenProject { .. } => {
                Ok(ThreadOutcome::Changed(project.version))
            }
            ThreadCommand::CreateThread { thread: new, .. } => {
                if archived {
                    return Err(closed(Closure::ProjectArchived(id), command.name()));
                }
                // Which thread it would have been, nobody knows.
                let state = KeyedHistory::initial(&new.state);
                KeyedHistory::default()
                    .has_room(ThreadId::from_bits(0).into(), &state)
                    .map_err(|_| Refusal::kind(Capacity))?;
                project.head += 1;
                project.last_at = project.last_at.max(now);
                let thread = match actual {
                    Some(ThreadOutcome::ThreadCreated(thread)) => *thread,
                    _ => return Ok(ThreadOutcome::ThreadCreated(ThreadId::from_bits(0))),
                };
                self.mint(thread.bits(), thread.tag(), caller);
                let user = caller.actor.user_id().cloned();
                let mut begun = Thread {
                    project: id,
                    title: new.title.clone(),
                    labels: new.labels.clone(),
                    status: ThreadStatus::Open,
                    created_by: caller.actor.clone(),
                    created_at: now,
                    updated_at: now,
                    version: 1,
                    head: 1,
                    sessions: Default::default(),
                    edges: Default::default(),
                    runs: Default::default(),
                    entries: Default::default(),
                    unread: Default::default(),
                    erased: Default::default(),
                    tasks: Default::default(),
                    keyed: Default::default(),
                    writers: user.iter().cloned().collect(),
                    touched: user.into_iter().collect(),
                    keys: Keys::default(),
                };
                if !state.is_empty() {
                    let version = begun.record(now, &caller.actor);
                    begun.keyed.change(&state, version);
                }
                self.tenant(&caller.tenant).threads.insert(thread, begun);
                Ok(ThreadOutcome::ThreadCreated(thread))
            }
            _ => unreachable!("no command to a project"),
        }
    }
}

impl Project {
    fn changed(&mut self, now: Timestamp) -> ThreadOutcome {
        self.head += 1;
        self.version = self.head;
        self.last_at = self.last_at.max(now);
        self.updated_at = self.last_at;
        ThreadOutcome::Changed(self.version)
    }
}

fn not_empty(
    thread: ThreadId,
    action: ThreadAction,
    sessions: Vec<(Version, sessile_core::model::SessionStatus)>,
) -> Predicted<()> {
    let total = sessions.len() as u64;
    let samples = sessions
        .into_iter()
        .take(50)
        .map(|(version, status)| SessionSample { session: session_id(thread, version), status })
        .collect();
    if total == 0 {
        Ok(())
    } else {
        Err(Error::ThreadNotEmpty { thread, action, samples, total }.into())
    }
}

impl Thread {
    fn thread_command(
        &mut self,
        caller: &Caller,
        id: ThreadId,
        command: &ThreadCommand,
        now: Timestamp,
        max_skew: Duration,
    ) -> Predicted<ThreadOutcome> {
        let archived = self.status == ThreadStatus::Archived;
        match command {
            ThreadCommand::UpdateThread { expected, update, .. } => {
                if archived {
                    return Err(closed(Closure::ThreadArchived(id), command.name()));
                }
                stale(id, Counter::Version, *expected, self.version)?;
                let UpdateThread { title, labels } = update.clone();
                self.title = title.unwrap_or_else(|| self.title.clone());
                self.labels = labels.unwrap_or_else(|| self.labels.clone());
            }
            ThreadCommand::ArchiveThread { .. } if !archived => {
                not_empty(id, ThreadAction::Archive, self.at_work(now, max_skew))?;
                let mut expired = false;
                let last = self.updated_at.max(now);
                for session in self.sessions.values_mut().filter(|s| s.lease.is_some()) {
                    session.lease = None;
                    session.updated_at = last;
                    expired = true;
                }
                if expired {
                    self.record(now, &caller.actor);
                }
                self.status = ThreadStatus::Archived;
            }
            ThreadCommand::ReopenThread { .. } if archived => self.status = ThreadStatus::Open,
            ThreadCommand::EraseEntries { entries, .. } => {
                return self.erase(id, entries, now, &caller.actor);
            }
            _ => return Ok(ThreadOutcome::Changed(self.version)),
        }
        self.version = self.record(now, &caller.actor);
        Ok(ThreadOutcome::Changed(self.version))
    }

    fn erase(
        &mut self,
        id: ThreadId,
        entries: &[EntryId],
        now: Timestamp,
        caller: &Actor,
    ) -> Predicted<ThreadOutcome> {
        let here: Vec<_> =
            entries.iter().filter(|e| e.thread() == id).map(|e| e.version()).collect();
        let known = |v: &Version| self.entries.contains_key(v) || self.unread.contains(v);
        if !here.iter().all(known) {
            return Err(NotFound.into());
        }
        if here.len() < entries.len() {
            return Err(Refusal::kind(Precondition));
        }
        if let Some(last) = here.iter().map(|v| self.erased.get(v)).collect::<Option<Vec<_>>>() {
            return Ok(ThreadOutcome::Changed(*last.into_iter().max().expect("one at least")));
        }
        let version = self.record(now, caller);
        for v in here {
            self.erased.entry(v).or_insert(version);
        }
        let erased = &self.erased;
        self.keys.forget(|outcome| {
            matches!(outcome, Any::Session(SessionOutcome::Appended(first))
                if erased.contains_key(&first.first.version()))
        });
        Ok(ThreadOutcome::Changed(version))
    }
}
