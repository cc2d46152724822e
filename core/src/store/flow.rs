//! Commands: on one journal, and on two.

use super::{
    pending::as_indeterminate,
    prepare::{Target, check_session, check_thread},
    shared::Shared,
    state::JournalState,
};
use crate::{
    command::{Caller, SessionCommand, SessionOutcome, ThreadCommand, ThreadOutcome},
    error::{Error, ErrorKind, Result},
    hash::Hash,
    id::{ProjectId, Space, SpaceKind, ThreadId, Version},
    journal::{Commit, ListOrder, ListQuery, Position},
    rules::decision::{Caps, Reply, Request},
    rules::project::ProjectState,
    rules::thread::{ThreadState, wrong_journal},
};

/// Reservations a creation looks up, to let the project forget those that began.
const SETTLE: usize = 16;

pub(super) fn thread_of(machine: &JournalState) -> Result<&ThreadState> {
    if let JournalState::Thread(state) = machine { Ok(state) } else { Err(wrong_journal()) }
}

pub(super) fn project_of(machine: &JournalState) -> Result<&ProjectState> {
    if let JournalState::Project(state) = machine { Ok(state) } else { Err(wrong_journal()) }
}

pub(super) fn thread_outcome(reply: Reply) -> Result<ThreadOutcome> {
    if let Reply::Thread(outcome) = reply { Ok(outcome) } else { Err(wrong_journal()) }
}

impl Shared {
    pub(super) async fn apply_session(
        &self,
        caller: &Caller,
        command: SessionCommand,
    ) -> Result<SessionOutcome> {
        let thread = check_session(caller, &command)?;
        let space = thread.space(&caller.tenant);
        let needs_caps = matches!(
            command,
            SessionCommand::CreateSession { .. } | SessionCommand::LinkSessions(_)
        );
        let caps = if needs_caps { self.caps(caller, &space).await? } else { None };
        if needs_caps && caps.is_none() {
            // No thread, no project to ask: the state machine refuses with the right words.
            return Err(Error::not_found(thread));
        }
        let mut call = self.prepare(caller, &space, Request::Session(command)).await?;
        call.caps = caps;
        match self.submit(&space, call).await? {
            Reply::Session(outcome) => Ok(outcome),
            Reply::Thread(_) | Reply::Reserved { .. } => Err(wrong_journal()),
        }
    }

    /// The caps a session is created under: of its thread's project, as of now. A thread's project never changes, so
    /// the thread may be read from memory.
    async fn caps(&self, caller: &Caller, space: &Space) -> Result<Option<Caps>> {
        let thread = self.state(space, &caller.cached()).await?;
        let Some(project) = thread.project() else { return Ok(None) };
        let state = self.state(&project.space(&caller.tenant), caller).await?;
        Ok(project_of(&state)?.caps())
    }

    pub(super) async fn apply_thread(
        &self,
        caller: &Caller,
        command: ThreadCommand,
    ) -> Result<ThreadOutcome> {
        let target = check_thread(caller, &command)?;
        match (target, command) {
            (Target::NewProject, command) => self.create_project(caller, command).await,
            (Target::Project(project), command @ ThreadCommand::CreateThread { .. }) => {
                self.create_thread(caller, project, command).await
            }
            (Target::Project(project), command @ ThreadCommand::DeleteProject { .. }) => {
                self.delete_project(caller, project, command).await
            }
            (Target::Thread(thread), command @ ThreadCommand::EraseEntries { .. }) => {
                self.erase(caller, thread, command).await
            }
            (Target::Thread(thread), ThreadCommand::VacuumThread { .. }) => {
                self.vacuum(caller, thread).await
            }
            (Target::Project(project), command) => thread_outcome(
                self.call(caller, &project.space(&caller.tenant), Request::Thread(command)).await?,
            ),
            (Target::Thread(thread), command) => thread_outcome(
                self.call(caller, &thread.space(&caller.tenant), Request::Thread(command)).await?,
            ),
        }
    }

    pub(super) async fn call(
        &self,
        caller: &Caller,
        space: &Space,
        request: Request,
    ) -> Result<Reply> {
        let call = self.prepare(caller, space, request).await?;
        self.submit(space, call).await
    }

    /// The id follows from the key, if there is one: a retry meets its own project.
    async fn create_project(
        &self,
        caller: &Caller,
        command: ThreadCommand,
    ) -> Result<ThreadOutcome> {
        let (millis, random) = match &caller.key {
            Some(key) => {
                let parts = [
                    caller.tenant.as_str().as_bytes(),
                    &[0],
                    key.producer.as_bytes(),
                    &key.n.to_be_bytes(),
                ];
                let bits = Hash::of(&parts).prefix_128();
                ((bits >> 64) as u64, bits as u64)
            }
            None => (self.options.clock.now().millis(), self.options.ids.random() as u64),
        };
        let project = ProjectId::mint(&caller.tenant, millis, random);
        match (
            self.call(caller, &project.space(&caller.tenant), Request::Thread(command)).await,
            &caller.key,
        ) {
            // The key lived as long as what it created.
            (Err(Error::NotFound { .. }), Some(key)) => {
                Err(Error::KeyExpired { n: key.n, greatest: key.n })
            }
            (reply, _) => thread_outcome(reply?),
        }
    }

    /// Two journals: the reservation in the project's is the moment of creation; version 1 of the thread follows, and
    /// whoever repeats a keyed creation that was cut off between the two finishes it.
    async fn create_thread(
        &self,
        caller: &Caller,
        project: ProjectId,
        command: ThreadCommand,
    ) -> Result<ThreadOutcome> {
        let space = project.space(&caller.tenant);
        let millis = self.options.clock.now().millis();
        let thread = ThreadId::mint(&caller.tenant, millis, self.options.ids.random() as u64);
        let settled = self.settled(caller, &space).await?;
        let request = Request::Reserve { thread, settled, command: command.clone() };
        let Reply::Reserved { thread, version, replayed } =
            self.call(caller, &space, request).await?
        else {
            return Err(wrong_journal());
        };
        let space = thread.space(&caller.tenant);
        if replayed && self.journal.head(&space).await?.is_some() {
            return Ok(ThreadOutcome::ThreadCreated(thread));
        }
        match self
            .call(caller, &space, Request::Begin { project, reserved: version, command })
            .await
        {
            // Dropped in the meantime: it was created, and is no more. The same key keeps its answer.
            Err(Error::NotFound { .. }) if replayed => Ok(ThreadOutcome::ThreadCreated(thread)),
            begun => thread_outcome(begun?),
        }
    }

    /// Reservations of a project whose thread is in the journal: the next one names them, and the project forgets them.
    async fn settled(&self, caller: &Caller, space: &Space) -> Result<Vec<Version>> {
        let state = self.state(space, &caller.cached()).await?;
        let unsettled: Vec<_> = project_of(&state)?
            .unsettled
            .iter()
            .take(SETTLE)
            .map(|(version, thread)| (*version, *thread))
            .collect();
        let mut settled = Vec::new();
        for (version, thread) in unsettled {
            if self.journal.head(&thread.space(&caller.tenant)).await?.is_some() {
                settled.push(version);
            }
        }
        Ok(settled)
    }

    /// No reservation after `Deleting`; a tombstone for each reservation that has not begun, so that a creator that slept
    /// loses; then the project goes, or the deletion is undone because a thread lives (PRJ4).
    async fn delete_project(
        &self,
        caller: &Caller,
        project: ProjectId,
        command: ThreadCommand,
    ) -> Result<ThreadOutcome> {
        let space = project.space(&caller.tenant);
        if self.living_threads(caller, project).await? > 0
            && self.is_settled_open(caller, &space).await?
        {
            return Err(Error::ProjectNotEmpty {
                threads: self.living_threads(caller, project).await?,
            });
        }
        let begun = thread_outcome(self.call(caller, &space, Request::Thread(command)).await?)?;
        if begun == ThreadOutcome::Deleted {
            return Ok(begun);
        }
        match self.finish_delete(caller, project).await {
            // The project takes no threads any more, and nobody undid that: it is no refusal.
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                Err(as_indeterminate(&space, error))
            }
            done => done,
        }
    }

    async fn finish_delete(&self, caller: &Caller, project: ProjectId) -> Result<ThreadOutcome> {
        let space = project.space(&caller.tenant);
        let state = self.state(&space, caller).await?;
        for (_, thread) in &project_of(&state)?.unsettled {
            self.write_tombstone(&thread.space(&caller.tenant)).await?;
        }
        let threads = self.living_threads(caller, project).await?;
        let bare = Caller { key: None, ..caller.clone() };
        if threads > 0 {
            self.call(&bare, &space, Request::UndoDelete).await?;
            return Err(Error::ProjectNotEmpty { threads });
        }
        match thread_outcome(self.call(&bare, &space, Request::FinishDelete).await?)? {
            ThreadOutcome::Deleted => Ok(ThreadOutcome::Deleted),
            // Another deleter found a thread that has gone since, and undid it.
            _ => Err(Error::Contended { space }),
        }
    }

    /// Whether the project is there and not in the middle of a deletion: then a living thread is a plain refusal that
    /// writes nothing.
    async fn is_settled_open(&self, caller: &Caller, space: &Space) -> Result<bool> {
        let state = self.state(space, caller).await?;
        Ok(project_of(&state)?
            .caps()
            .is_some_and(|c| c.status != crate::model::ProjectStatus::Deleting))
    }

    /// Leaves a tombstone where nothing has begun.
    async fn write_tombstone(&self, space: &Space) -> Result<()> {
        loop {
            match self.journal.drop_space(space, None::<Position>).await? {
                Commit::Done | Commit::HeadMoved { .. } | Commit::Diverged { .. } => return Ok(()),
                Commit::Indeterminate { .. } => {}
            }
        }
    }

    async fn living_threads(&self, caller: &Caller, project: ProjectId) -> Result<u64> {
        let query = ListQuery {
            tenant: caller.tenant.clone(),
            kind: SpaceKind::Thread,
            project: Some(project),
            order: ListOrder::Id,
            after: None,
            limit: 50,
        };
        Ok(self.journal.list(&query).await?.len() as u64)
    }
}
