//! Commands: on one journal, and on two.

use super::{pending::as_indeterminate, shared::Shared, state::JournalState};
use crate::{
    command::{
        Caller, Description, Needs, SessionCommand, SessionOutcome, Target, ThreadCommand,
        ThreadOutcome,
    },
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
        let described = command.describe(caller)?;
        let space = described.target.space(&caller.tenant);
        let caps = if described.caps {
            let caps = self.caps(caller, &space).await?;
            Some(caps.ok_or_else(|| Error::not_found(described.target))?)
        } else {
            None
        };
        let request = Request::Session(command);
        let mut call = self.prepare(caller, &space, request, described.needs).await?;
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
        let Description { target, needs, .. } = command.describe(caller)?;
        let space = match (target, &command) {
            (Target::NewProject, _) => return self.create_project(caller, command, needs).await,
            (Target::Project(project), ThreadCommand::CreateThread { .. }) => {
                return self.create_thread(caller, project, command, needs).await;
            }
            (Target::Project(project), ThreadCommand::DeleteProject { .. }) => {
                return self.delete_project(caller, project, command).await;
            }
            (Target::Thread(thread), ThreadCommand::EraseEntries { .. }) => {
                return self.erase(caller, thread, command, needs).await;
            }
            (Target::Thread(thread), ThreadCommand::VacuumThread { .. }) => {
                return self.vacuum(caller, thread).await;
            }
            (Target::Project(project), _) => project.space(&caller.tenant),
            (Target::Thread(thread), _) => thread.space(&caller.tenant),
        };
        thread_outcome(self.call(caller, &space, Request::Thread(command), needs).await?)
    }

    pub(super) async fn call(
        &self,
        caller: &Caller,
        space: &Space,
        request: Request,
        needs: Needs,
    ) -> Result<Reply> {
        let call = self.prepare(caller, space, request, needs).await?;
        self.submit(space, call).await
    }

    /// The id follows from the key, if there is one: a retry meets its own project.
    async fn create_project(
        &self,
        caller: &Caller,
        command: ThreadCommand,
        needs: Needs,
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
            self.call(caller, &project.space(&caller.tenant), Request::Thread(command), needs)
                .await,
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
        needs: Needs,
    ) -> Result<ThreadOutcome> {
        let space = project.space(&caller.tenant);
        let millis = self.options.clock.now().millis();
        let thread = ThreadId::mint(&caller.tenant, millis, self.options.ids.random() as u64);
        let settled = self.settled(caller, &space).await?;
        let request = Request::Reserve { thread, settled, command: command.clone() };
        let Reply::Reserved { thread, version, replayed } =
            self.call(caller, &space, request, needs).await?
        else {
            return Err(wrong_journal());
        };
        let space = thread.space(&caller.tenant);
        if replayed && self.journal.head(&space).await?.is_some() {
            return Ok(ThreadOutcome::ThreadCreated(thread));
        }
        // It is idempotent by its reservation.
        let begin = Request::Begin { project, reserved: version, command };
        match self.call(caller, &space, begin, Needs::default()).await {
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
        let begun = thread_outcome(
            self.call(caller, &space, Request::Thread(command), Needs::default()).await?,
        )?;
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
        if threads > 0 {
            self.call(caller, &space, Request::UndoDelete, Needs::default()).await?;
            return Err(Error::ProjectNotEmpty { threads });
        }
        match thread_outcome(
            self.call(caller, &space, Request::FinishDelete, Needs::default()).await?,
        )? {
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
