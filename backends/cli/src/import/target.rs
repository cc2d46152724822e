//! Where an import writes: the project, and its threads.

use std::collections::BTreeMap;

use sessile::{
    Key,
    command::NewThread,
    handle::Handle,
    hash::Hash,
    id::{ProjectId, SessionId, ThreadId},
    model::ProjectStatus,
};

use super::source::Source;
use crate::{fail::Result, lists};

/// The label that says which source a thread or session was made from.
pub(super) const LABEL: &str = "import";

/// The project that is imported into.
pub(super) struct Target {
    pub(super) importer: Handle,
    project: ProjectId,
    /// Threads that earlier imports made, by their label.
    threads: BTreeMap<String, ThreadId>,
}

/// A thread, and the sessions that earlier imports made in it, by their label.
pub(super) struct Thread {
    pub(super) id: ThreadId,
    pub(super) sessions: BTreeMap<String, SessionId>,
}

impl Target {
    /// The tenant's oldest open project of this name; else a new one, whose id follows from tenant and key.
    pub(super) async fn find(importer: Handle, name: &str) -> Result<Self> {
        let named = lists::projects(&importer, Some(name)).await?;
        let open = named.iter().find(|p| p.status == ProjectStatus::Open);
        let project = match open.or(named.first()) {
            Some(project) => project.id,
            None => {
                let key =
                    Key::rising(Hash::of(&[b"import project ", name.as_bytes()]).to_string(), 1);
                importer.with_key(key).create_project(name).await?
            }
        };
        let rows = lists::threads(&importer, project).await?;
        let label = |row: &sessile::model::ThreadRow| row.labels.get(LABEL).map(str::to_owned);
        let threads = rows.iter().filter_map(|row| Some((label(row)?, row.id))).collect();
        Ok(Self { importer, project, threads })
    }

    /// The thread of a folder. The key makes one thread of two imports that run at the same time; the label finds it
    /// when the key is long forgotten.
    pub(super) async fn thread(&self, folder: &Source) -> Result<Thread> {
        let digest = folder.digest("folder", &self.importer.caller().tenant);
        if let Some(&id) = self.threads.get(&digest) {
            let rows = lists::sessions(&self.importer, id).await?;
            let label = |row: &sessile::model::SessionRow| row.labels.get(LABEL).map(str::to_owned);
            let sessions = rows.iter().filter_map(|row| Some((label(row)?, row.id))).collect();
            return Ok(Thread { id, sessions });
        }
        let once = self.importer.with_key(Key::rising(digest.clone(), 1));
        let thread = NewThread::titled(folder.title.clone()).with_label(LABEL, digest);
        let id = once.create_thread(self.project, thread).await?;
        Ok(Thread { id, sessions: BTreeMap::new() })
    }
}
