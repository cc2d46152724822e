//! Projects and threads: what each command does.

use std::time::Duration;

use sessile_core::{
    Caller, Error,
    ErrorKind::{Capacity, NotFound, Precondition},
    Timestamp,
    command::{
        Begun, Created, NewSession, NewThread, SessionOutcome, ThreadCommand, ThreadOutcome,
        UpdateProject, UpdateThread,
    },
    error::{Closure, Counter, Subject, ThreadAction},
    id::{EntryId, ProjectId, ThreadId, Version},
    model::{Actor, ProjectStatus, SessionSample, ThreadStatus},
};

use super::{
    KeyedHistory, Model, Predicted, Refusal,
    facts::Facts,
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
            ThreadCommand::CreateThread { project, thread, .. }
            | ThreadCommand::BeginThread { project, thread, .. }
                if thread.external_id.is_some() =>
            {
                self.create_named_thread(caller, *project, command, now, actual)
            }
            ThreadCommand::UpdateProject { project, .. }
            | ThreadCommand::ArchiveProject { project }
            | ThreadCommand::ReopenProject { project }
            | ThreadCommand::CreateThread { project, .. }
            | ThreadCommand::BeginThread { project, .. } => {
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
                tenant.return_slice(*thread, (now, caller))?;
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
                if matches!(command, ThreadCommand::ArchiveThread { .. }) {
                    // What fails is for the sweep.
                    let _ = self.tenant(&caller.tenant).return_slice(*thread, (now, caller));
                }
                Ok(outcome)
            }
            ThreadCommand::ReturnBudget { thread } => {
                let tenant = self.tenant(&caller.tenant);
                tenant.threads.get(thread).ok_or_else(|| Error::not_found(*thread))?;
                tenant.return_slice(*thread, (now, caller)).map(ThreadOutcome::Changed)
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
        let ThreadCommand::CreateProject { project: new } = command else { unreachable!() };
        let created = |id| ThreadOutcome::ProjectCreated(Created { id, created: true });
        if new.external_id.is_some() {
            let mut projects = self.tenant(&caller.tenant).projects.iter();
            if let Some((id, known)) = projects.find(|(_, p)| p.external_id == new.external_id) {
                let first = known.keys.known(caller.key.as_ref(), command)?;
                let there = ThreadOutcome::ProjectCreated(Created { id: *id, created: false });
                return Ok(first.unwrap_or(there));
            }
        } else if let Some((first, id)) =
            caller.key.as_ref().and_then(|key| self.tenant(&caller.tenant).project_keys.get(key))
        {
            return if first == command {
                Ok(created(*id))
            } else {
                Err(keys::reused(caller.key.as_ref().expect("a slot comes of a key")))
            };
        }
        let id = match actual {
            Some(ThreadOutcome::ProjectCreated(made)) => made.id,
            _ => return Ok(created(ProjectId::from_bits(0))),
        };
        self.mint(id.bits(), id.tag(), caller);
        let mut keys = Keys::default();
        let outcome = created(id);
        keys.remember(caller.key.as_ref(), command.clone(), outcome);
        let project = Project {
            external_id: new.external_id.clone(),
            name: new.name.clone(),
            status: ProjectStatus::Open,
            config: new.config.clone(),
            created_at: now,
            updated_at: now,
            version: 1,
            head: 1,
            last_at: now,
            escrow: Default::default(),
            keys,
        };
        let tenant = self.tenant(&caller.tenant);
        tenant.projects.insert(id, project);
        if let Some(key) = caller.key.clone().filter(|_| new.external_id.is_none()) {
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
                let config = config.unwrap_or_else(|| project.config.clone());
                project.configure(config);
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
            ThreadCommand::CreateThread { .. } | ThreadCommand::BeginThread { .. } => {
                self.begin(caller, id, command, now, actual)
            }
            _ => unreachable!("no command to a project"),
        }
    }
}

impl Model {
    /// A thread that does not exist, with its first session if it is to have one.
    fn begin(
        &mut self,
        caller: &Caller,
        id: ProjectId,
        command: &ThreadCommand,
        now: Timestamp,
        actual: Option<&ThreadOutcome>,
    ) -> Predicted<ThreadOutcome> {
        let (new, session) = new_thread(command);
        let max_skew = self.max_skew;
        let tenant = self.tenant(&caller.tenant);
        let project = tenant.projects.get_mut(&id).ok_or_else(|| Error::not_found(id))?;
        if project.status == ProjectStatus::Archived {
            return Err(closed(Closure::ProjectArchived(id), command.name()));
        }
        // Which thread it would have been, nobody knows.
        let state = KeyedHistory::initial(&new.state);
        let first = session.map(|session| KeyedHistory::initial(&session.state));
        for state in [Some(&state), first.as_ref()].into_iter().flatten() {
            KeyedHistory::default()
                .has_room(ThreadId::from_bits(0).into(), state)
                .map_err(|_| Refusal::kind(Capacity))?;
        }
        let name = new.external_id.clone();
        let used = name.is_some_and(|name| !tenant.thread_names.insert((id, name)));
        project.head += 1 + u64::from(used);
        project.last_at = project.last_at.max(now);
        let thread = match actual {
            Some(ThreadOutcome::ThreadCreated(made)) => made.id,
            Some(ThreadOutcome::ThreadBegun(begun)) => begun.thread.id,
            _ => ThreadId::from_bits(0),
        };
        let made = Created { id: thread, created: true };
        let facts = Facts {
            caller,
            command: command.name(),
            now,
            caps: project.config.clone(),
            project: id,
            project_archived: false,
            max_skew,
        };
        let user = caller.actor.user_id().cloned();
        let mut begun = Thread {
            project: id,
            external_id: new.external_id.clone(),
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
            collapses: Default::default(),
            runs: Default::default(),
            entries: Default::default(),
            bases: Default::default(),
            summaries: Default::default(),
            unread: Default::default(),
            erased: Default::default(),
            packs: Default::default(),
            tasks: Default::default(),
            keyed: Default::default(),
            budget: new.budget.clone(),
            purse: Default::default(),
            writers: user.iter().cloned().collect(),
            touched: user.into_iter().collect(),
            keys: Keys::default(),
        };
        if !state.is_empty() {
            let version = begun.record(now, &caller.actor);
            begun.keyed.change(&state, version);
        }
        let outcome = match session {
            None => ThreadOutcome::ThreadCreated(made),
            Some(session) => match begun.create(&facts, thread, session)? {
                SessionOutcome::SessionCreated(session) => {
                    ThreadOutcome::ThreadBegun(Begun { thread: made, session })
                }
                _ => unreachable!("a session is created"),
            },
        };
        if actual.is_none() {
            return Ok(outcome);
        }
        if new.external_id.is_some() {
            let asked = Any::Thread(command.clone());
            begun.keys.remember(caller.key.as_ref(), asked, Any::Thread(outcome));
        }
        self.mint(thread.bits(), thread.tag(), caller);
        self.tenant(&caller.tenant).threads.insert(thread, begun);
        Ok(outcome)
    }

    /// The thread that has the external id, with its key log; else a new one.
    fn create_named_thread(
        &mut self,
        caller: &Caller,
        id: ProjectId,
        command: &ThreadCommand,
        now: Timestamp,
        actual: Option<&ThreadOutcome>,
    ) -> Predicted<ThreadOutcome> {
        let (new, session) = new_thread(command);
        let max_skew = self.max_skew;
        let tenant = self.tenant(&caller.tenant);
        let named = |t: &Thread| {
            t.project == id && t.external_id.is_some() && t.external_id == new.external_id
        };
        let Some((thread, known)) = tenant.threads.iter_mut().find(|(_, t)| named(t)) else {
            return self.begin(caller, id, command, now, actual);
        };
        let asked = Any::Thread(command.clone());
        if let Some(Any::Thread(first)) = known.keys.known(caller.key.as_ref(), &asked)? {
            return Ok(first);
        }
        let there = Created { id: *thread, created: false };
        let Some(session) = session else { return Ok(ThreadOutcome::ThreadCreated(there)) };
        if known.status == ThreadStatus::Archived {
            return Err(closed(Closure::ThreadArchived(*thread), command.name()));
        }
        let project = tenant.projects.get(&id).ok_or_else(|| Error::not_found(id))?;
        let facts = Facts {
            caller,
            command: command.name(),
            now,
            caps: project.config.clone(),
            project: id,
            project_archived: project.status == ProjectStatus::Archived,
            max_skew,
        };
        let before = known.head;
        let SessionOutcome::SessionCreated(session) = known.create(&facts, *thread, session)?
        else {
            unreachable!("a session is created");
        };
        let outcome = ThreadOutcome::ThreadBegun(Begun { thread: there, session });
        if known.head > before {
            known.keys.remember(caller.key.as_ref(), asked, Any::Thread(outcome));
        }
        Ok(outcome)
    }
}

fn new_thread(command: &ThreadCommand) -> (&NewThread, Option<&NewSession>) {
    match command {
        ThreadCommand::CreateThread { thread, .. } => (thread, None),
        ThreadCommand::BeginThread { thread, session, .. } => (thread, Some(session)),
        _ => unreachable!("no creation of a thread"),
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
                let UpdateThread { title, labels, budget } = update.clone();
                let used_up = self.used_up();
                self.title = title.unwrap_or_else(|| self.title.clone());
                self.labels = labels.unwrap_or_else(|| self.labels.clone());
                self.budget = budget.unwrap_or_else(|| self.budget.clone());
                if self.budget.is_none() {
                    self.end_shares_of(0);
                }
                self.version = self.record(now, &caller.actor);
                self.say_used_up(&used_up, now, caller);
                return Ok(ThreadOutcome::Changed(self.version));
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
        let fresh: Vec<_> = here.into_iter().filter(|v| !self.erased.contains_key(v)).collect();
        self.erased.extend(fresh.iter().map(|v| (*v, version)));
        let (erased, drafts) = (&self.erased, &self.collapses);
        self.keys.forget(|outcome| match outcome {
            Any::Session(SessionOutcome::Appended(first)) => {
                erased.contains_key(&first.first.version())
            }
            // The draft goes with its message.
            Any::Session(SessionOutcome::CollapseProposed(first)) => {
                let entry = drafts.get(&first.id.version()).and_then(|draft| draft.entry);
                entry.is_some_and(|entry| erased.contains_key(&entry))
            }
            _ => false,
        });
        self.erase_in_packs(&fresh, now, caller);
        self.archive_anew(&fresh, now, caller);
        Ok(ThreadOutcome::Changed(version))
    }
}
