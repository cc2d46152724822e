//! Creating projects and threads.

use super::{external::External, thread_outcome};
use crate::{
    command::{Caller, Key, Needs, ThreadCommand, ThreadOutcome},
    error::{Error, Result},
    hash::Hash,
    id::{ProjectId, Space, ThreadId, Version},
    rules::{
        decision::{Reply, Request},
        thread::{thread_made, wrong_journal},
    },
    store::inner::StoreInner,
};

/// Reservations that a creation looks up, so that the project can forget those whose thread has begun.
const LOOKED_UP: usize = 16;

/// The id of a project that is created with a key and has no external id.
fn id_of_key(caller: &Caller, key: &Key) -> ProjectId {
    let tenant = caller.tenant.as_str().as_bytes();
    let hash = match key {
        Key::Rising { producer, n } => {
            Hash::of(&[tenant, &[0], producer.as_bytes(), &n.to_be_bytes()])
        }
        Key::Text(text) => Hash::of(&[tenant, &[1], text.as_bytes()]),
    };
    let bits = hash.prefix_128();
    ProjectId::mint(&caller.tenant, (bits >> 64) as u64, bits as u64)
}

/// A reservation of a thread, in its project's journal.
struct Reserved {
    thread: ThreadId,
    version: Version,
    /// The key of the call had reserved it before.
    replayed: bool,
}

impl StoreInner {
    /// Creates a project. Its id follows from the external id or from the key, if there is one, so that a retry meets its
    /// own project.
    pub(super) async fn create_project(
        &self,
        caller: &Caller,
        command: ThreadCommand,
        needs: Needs,
    ) -> Result<ThreadOutcome> {
        let ThreadCommand::CreateProject { project: new } = &command else {
            return Err(wrong_journal());
        };
        if let Some(external_id) = new.external_id.clone() {
            let named = self.create_named_project(caller, command, &external_id, needs);
            return Box::pin(named).await;
        }
        let project = match &caller.key {
            Some(key) => id_of_key(caller, key),
            None => {
                let millis = self.options().clock.now().millis();
                ProjectId::mint(&caller.tenant, millis, self.options().ids.random() as u64)
            }
        };
        let space = project.space(&caller.tenant);
        match (self.call(caller, &space, Request::Thread(command), needs).await, &caller.key) {
            // The key was remembered as long as the project lived.
            (Err(Error::NotFound { .. }), Some(key)) => {
                Err(Error::KeyExpired { key: Box::new(key.clone()), greatest: key.n() })
            }
            (reply, _) => thread_outcome(reply?),
        }
    }

    /// One commit decides who creates it (XID1): all callers meet at the one id that the external id stands for.
    async fn create_named_project(
        &self,
        caller: &Caller,
        command: ThreadCommand,
        external_id: &str,
        needs: Needs,
    ) -> Result<ThreadOutcome> {
        let external = External::project(external_id);
        let mut at = self.within(self.patience(caller), self.resolve(caller, &external)).await?;
        loop {
            let space = at.project().space(&caller.tenant);
            let needs = Needs { key: needs.key, facts: Vec::new() };
            match self.call(caller, &space, Request::Thread(command.clone()), needs).await {
                // Deleted, and ids are not used again.
                Err(Error::NotFound { .. }) => at = self.bind(caller, &external, at.bits).await?,
                reply => return thread_outcome(reply?),
            }
        }
    }

    /// Writes to two journals: first a reservation to the project's, which is the moment of creation, then version 1 of
    /// the thread's own, with the first session if there is one. A creation that was cut off between the two is finished
    /// by repeating it with its key or external id.
    pub(super) async fn create_thread(
        &self,
        caller: &Caller,
        project: ProjectId,
        command: ThreadCommand,
        needs: Needs,
    ) -> Result<ThreadOutcome> {
        let (new, session) = command.new_thread().ok_or_else(wrong_journal)?;
        if let Some(external_id) = new.external_id.clone() {
            let named = self.create_named_thread(caller, project, command, &external_id);
            return Box::pin(named).await;
        }
        let millis = self.options().clock.now().millis();
        let thread = ThreadId::mint(&caller.tenant, millis, self.options().ids.random() as u64);
        let reserved = self.reserve(caller, project, thread, &command, needs, Vec::new()).await?;
        let Reserved { thread, version, replayed } = reserved;
        let (made, has_session) = (thread_made(thread, new, session), session.is_some());
        let space = thread.space(&caller.tenant);
        if replayed && self.journal().head(&space).await?.is_some() {
            return Ok(made);
        }
        // It is idempotent by its reservation.
        let begin = Request::Begin { project, reserved: version, command };
        let mut call = self.prepare(caller, &space, (begin, Needs::default()), None).await?;
        if has_session {
            call.caps = self.project_caps(&caller.cached(), project).await?;
        }
        match self.submit(&space, call).await {
            // Dropped in the meantime: it was created, and is no more. The same key keeps its answer.
            Err(Error::NotFound { .. }) if replayed => Ok(made),
            begun => thread_outcome(begun?),
        }
    }

    /// Every caller meets at the one id that the external id stands for, and version 1 there decides who creates the
    /// thread (XID1). The key of the call is remembered there, too: by the thread.
    async fn create_named_thread(
        &self,
        caller: &Caller,
        project: ProjectId,
        command: ThreadCommand,
        external_id: &str,
    ) -> Result<ThreadOutcome> {
        let external = External::thread(project, external_id);
        let mut at = self.within(self.patience(caller), self.resolve(caller, &external)).await?;
        let mut without_thread = Vec::new();
        loop {
            let mut reserved = 0;
            if !at.exists {
                let settled = std::mem::take(&mut without_thread);
                let reserve =
                    self.reserve(caller, project, at.thread(), &command, Needs::default(), settled);
                reserved = reserve.await?.version;
            }
            match self.begin(caller, project, (at.thread(), reserved), &command).await {
                Err(Error::NotFound { .. }) => {
                    without_thread.extend((reserved > 0).then_some(reserved));
                    at = self.bind(caller, &external, at.bits).await?;
                }
                begun => return thread_outcome(begun?),
            }
        }
    }

    /// Begins a thread, or a session in the one that has begun there.
    async fn begin(
        &self,
        caller: &Caller,
        project: ProjectId,
        (thread, reserved): (ThreadId, Version),
        command: &ThreadCommand,
    ) -> Result<Reply> {
        let space = thread.space(&caller.tenant);
        let request = Request::Begin { project, reserved, command: command.clone() };
        let needs = Needs { key: true, facts: Vec::new() };
        let mut call = self.prepare(caller, &space, (request, needs), None).await?;
        if matches!(command, ThreadCommand::BeginThread { .. }) {
            let caps = self.project_caps(caller, project);
            call.caps = self.within(self.patience(caller), caps).await?;
        }
        self.submit(&space, call).await
    }

    /// Reserves an id in the project's journal; `settled` are reservations whose thread will never begin.
    async fn reserve(
        &self,
        caller: &Caller,
        project: ProjectId,
        thread: ThreadId,
        command: &ThreadCommand,
        needs: Needs,
        mut settled: Vec<Version>,
    ) -> Result<Reserved> {
        let space = project.space(&caller.tenant);
        let begun = self.begun_reservations(caller, &space);
        settled.extend(self.within(self.patience(caller), begun).await?);
        let request = Request::Reserve { thread, settled, command: command.clone() };
        match self.call(caller, &space, request, needs).await? {
            Reply::Reserved { thread, version, replayed } => {
                Ok(Reserved { thread, version, replayed })
            }
            _ => Err(wrong_journal()),
        }
    }

    /// Reservations of a project whose thread has begun, some of them. The next reservation names them, and the project
    /// forgets them.
    async fn begun_reservations(&self, caller: &Caller, space: &Space) -> Result<Vec<Version>> {
        let state = self.state(space, &caller.cached()).await?;
        let unsettled: Vec<_> = state
            .as_project()?
            .unsettled
            .iter()
            .take(LOOKED_UP)
            .map(|(version, thread)| (*version, *thread))
            .collect();
        let mut settled = Vec::new();
        for (version, thread) in unsettled {
            if self.journal().head(&thread.space(&caller.tenant)).await?.is_some() {
                settled.push(version);
            }
        }
        Ok(settled)
    }
}
