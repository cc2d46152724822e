//! Where an import writes: the project, and its threads.

use std::collections::BTreeMap;

use sessile::{
    Caller, Key,
    command::NewThread,
    hash::Hash,
    id::{ProjectId, SessionId, ThreadId},
    model::{ProjectConfig, ProjectStatus},
    store::{Store, ThreadStoreExt},
};

use super::source::Source;
use crate::{fail::Result, walk};

/// The label that says which source a thread or session was made from.
pub(super) const LABEL: &str = "import";

/// A project of a store.
pub(super) struct Target<'a> {
    pub(super) store: &'a Store,
    pub(super) caller: Caller,
    project: ProjectId,
    /// Threads that earlier imports made, by their label.
    threads: BTreeMap<String, ThreadId>,
}

/// A thread, and the sessions that earlier imports made in it, by their label.
pub(super) struct Thread {
    pub(super) id: ThreadId,
    pub(super) sessions: BTreeMap<String, SessionId>,
}

impl<'a> Target<'a> {
    /// The tenant's oldest open project of this name; else a new one, whose id follows from tenant and key.
    pub(super) async fn find(store: &'a Store, caller: Caller, name: &str) -> Result<Self> {
        let named = walk::projects(store, &caller, Some(name)).await?;
        let open = named.iter().find(|p| p.status == ProjectStatus::Open);
        let project = match open.or(named.first()) {
            Some(project) => project.id,
            None => {
                let key = Key::new(Hash::of(&[b"import project ", name.as_bytes()]).to_string(), 1);
                store.create_project(&caller.with_key(key), name, ProjectConfig::default()).await?
            }
        };
        let rows = walk::threads(store, &caller, project).await?;
        let label = |row: &sessile::model::ThreadRow| row.labels.get(LABEL).map(str::to_owned);
        let threads = rows.iter().filter_map(|row| Some((label(row)?, row.id))).collect();
        Ok(Self { store, caller, project, threads })
    }

    /// The thread of a folder. The key makes one thread of two imports that run at the same time; the label finds it
    /// when the key is long forgotten.
    pub(super) async fn thread(&self, folder: &Source) -> Result<Thread> {
        let digest = folder.digest("folder", &self.caller.tenant);
        if let Some(&id) = self.threads.get(&digest) {
            let rows = walk::sessions(self.store, &self.caller, id).await?;
            let label = |row: &sessile::model::SessionRow| row.labels.get(LABEL).map(str::to_owned);
            let sessions = rows.iter().filter_map(|row| Some((label(row)?, row.id))).collect();
            return Ok(Thread { id, sessions });
        }
        let caller = self.caller.with_key(Key::new(digest.clone(), 1));
        let thread = NewThread::titled(folder.title.clone()).with_label(LABEL, digest);
        let id = self.store.create_thread(&caller, self.project, thread).await?;
        Ok(Thread { id, sessions: BTreeMap::new() })
    }
}
