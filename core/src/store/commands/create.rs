//! Creating projects and threads.

use super::thread_outcome;
use crate::{
    command::{Caller, Key, Needs, ThreadCommand, ThreadOutcome},
    error::{Error, Result},
    hash::Hash,
    id::{ProjectId, Space, ThreadId, Version},
    rules::{
        decision::{Reply, Request},
        thread::wrong_journal,
    },
    store::inner::StoreInner,
};

/// Reservations that a creation looks up, so that the project can forget those whose thread has begun.
const LOOKED_UP: usize = 16;

impl StoreInner {
    /// Creates a project. Its id follows from the key, if there is one, so that a retry meets its own project.
    pub(super) async fn create_project(
        &self,
        caller: &Caller,
        command: ThreadCommand,
        needs: Needs,
    ) -> Result<ThreadOutcome> {
        let (millis, random) = match &caller.key {
            Some(key) => {
                let tenant = caller.tenant.as_str().as_bytes();
                let hash = match key {
                    Key::Rising { producer, n } => {
                        Hash::of(&[tenant, &[0], producer.as_bytes(), &n.to_be_bytes()])
                    }
                    Key::Text(text) => Hash::of(&[tenant, &[1], text.as_bytes()]),
                };
                let bits = hash.prefix_128();
                ((bits >> 64) as u64, bits as u64)
            }
            None => (self.options().clock.now().millis(), self.options().ids.random() as u64),
        };
        let project = ProjectId::mint(&caller.tenant, millis, random);
        match (
            self.call(caller, &project.space(&caller.tenant), Request::Thread(command), needs)
                .await,
            &caller.key,
        ) {
            // The key was remembered as long as the project lived.
            (Err(Error::NotFound { .. }), Some(key)) => {
                Err(Error::KeyExpired { key: Box::new(key.clone()), greatest: key.n() })
            }
            (reply, _) => thread_outcome(reply?),
        }
    }

    /// Writes to two journals: first a reservation to the project's, which is the moment of creation, then version 1 of
    /// the thread's own. A creation that was cut off between the two is finished by repeating it with its key.
    pub(super) async fn create_thread(
        &self,
        caller: &Caller,
        project: ProjectId,
        command: ThreadCommand,
        needs: Needs,
    ) -> Result<ThreadOutcome> {
        let space = project.space(&caller.tenant);
        let millis = self.options().clock.now().millis();
        let thread = ThreadId::mint(&caller.tenant, millis, self.options().ids.random() as u64);
        let settled =
            self.within(self.patience(caller), self.begun_reservations(caller, &space)).await?;
        let request = Request::Reserve { thread, settled, command: command.clone() };
        let Reply::Reserved { thread, version, replayed } =
            self.call(caller, &space, request, needs).await?
        else {
            return Err(wrong_journal());
        };
        let space = thread.space(&caller.tenant);
        if replayed && self.journal().head(&space).await?.is_some() {
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
