//! A store with the driver under judgement.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use sessile_core::{
    Caller, Handle,
    command::{NewProject, NewSession, NewThread, NewWorkspace},
    hash::Hash,
    id::{SessionId, ThreadId, WorkspaceId},
    model::{ProjectConfig, Workspace},
    store::Store,
    workspace::{
        FileChange, FileKind, FilePath, Label, Reap, ReapOutcome, Reaped, WorkspaceCapabilities,
        WorkspaceDriver, WorkspaceName,
    },
};

use super::{Files, Item};
use crate::internal::{ClauseContext, TestClock};

/// A store with the driver under judgement - that of the backend, or the one that every journal has -, a clock, a thread.
pub struct Lab {
    /// The context of the clause.
    pub cx: ClauseContext,
    /// The store.
    pub store: Store,
    /// Its clock.
    pub clock: Arc<TestClock>,
    /// Who calls.
    pub caller: Caller,
    /// A thread in a project of its own.
    pub thread: ThreadId,
    /// The kind of the driver.
    pub kind: String,
    /// What it keeps.
    pub can: WorkspaceCapabilities,
    /// The driver, opened once more, where it holds anything outside the journal.
    pub driver: Option<Arc<dyn WorkspaceDriver>>,
}

impl Lab {
    /// In the location of the context.
    pub async fn new(cx: &ClauseContext) -> Self {
        let clock = Arc::<TestClock>::default();
        let store = cx.store_with(Arc::clone(&clock), |options| options).await;
        Self::over(cx, store, clock).await
    }

    /// In the location of the context, with a thread in a project of this configuration.
    pub async fn with(cx: &ClauseContext, config: ProjectConfig) -> Self {
        let lab = Self::new(cx).await;
        let project = NewProject::named("project").with_config(config);
        let project = lab.handle().create_project(project).await.expect("a project");
        let thread = NewThread::titled("thread");
        let thread = lab.handle().create_thread(project, thread).await.expect("a thread");
        Self { thread, ..lab }
    }

    /// With a store that was opened otherwise.
    pub async fn over(cx: &ClauseContext, store: Store, clock: Arc<TestClock>) -> Self {
        let caller = cx.caller();
        let thread = cx.thread(&store, &caller).await;
        let driver = cx.driver().await;
        let (kind, can) = match &driver {
            Some(driver) => (driver.kind().to_owned(), driver.capabilities()),
            None => ("virtual".to_owned(), VIRTUAL),
        };
        Self { cx: cx.clone(), store, clock, caller, thread, kind, can, driver }
    }

    /// Another store in the same location, with nothing in memory.
    pub async fn another_store(&self) -> Store {
        self.cx.store_with(Arc::clone(&self.clock), |options| options).await
    }

    /// The caller's handle.
    pub fn handle(&self) -> Handle {
        self.store.as_caller(&self.caller)
    }

    /// A workspace to make, of the kind under judgement.
    pub fn new_workspace(&self, label: &str) -> NewWorkspace {
        let label = Label::new(label).expect("a label");
        NewWorkspace::of_kind(self.kind.as_str()).with_label(label)
    }

    /// A session with a workspace.
    pub async fn workspace(&self, label: &str) -> (SessionId, WorkspaceId) {
        let new = NewSession::named(label);
        let handle = self.handle();
        let made = handle.create_session_in(self.thread, new, self.new_workspace(label));
        let (session, workspace) = made.await.expect("a session with a workspace");
        (session, workspace.expect("the kind is registered"))
    }

    /// A session with a branch of a workspace.
    pub async fn branch(&self, label: &str, of: WorkspaceId) -> (SessionId, WorkspaceId) {
        let branch = NewWorkspace::branch_of(of).with_label(Label::new(label).expect("a label"));
        let handle = self.handle();
        let made = handle.create_session_in(self.thread, label, branch);
        let (session, workspace) = made.await.expect("a session with a branch");
        (session, workspace.expect("the kind is registered"))
    }

    /// Writes a file.
    pub async fn write(&self, workspace: WorkspaceId, path: &str, content: &str) {
        let change = FileChange::write(at(path), content);
        self.handle().change_files(workspace, [change]).await.expect("a file is written");
    }

    /// A file's content.
    pub async fn read(&self, workspace: WorkspaceId, path: &str) -> Option<String> {
        let bytes = self.handle().read_file(workspace, at(path)).await.ok()?;
        Some(String::from_utf8(bytes).expect("text"))
    }

    /// All that it holds, folder by folder.
    pub async fn files(&self, workspace: WorkspaceId) -> Files {
        let handle = self.handle();
        let mut items = BTreeMap::new();
        let mut folders = vec![None];
        while let Some(folder) = folders.pop() {
            let list = handle.list_files(workspace, folder.clone()).await.expect("a folder");
            let names: Vec<_> = list.iter().map(|entry| entry.path.name().to_vec()).collect();
            assert!(names.is_sorted(), "in the order of their bytes: {names:?}");
            if let (Some(folder), true) = (folder, list.is_empty()) {
                assert!(self.can.empty_directories, "{folder} is empty");
                items.insert(folder, Item::EmptyFolder);
            }
            for entry in list {
                let item = match entry.kind {
                    FileKind::Directory => {
                        folders.push(Some(entry.path));
                        continue;
                    }
                    FileKind::Link { target } => Item::Link(target),
                    FileKind::File { executable, bytes, digest } => {
                        let read = handle.read_file(workspace, entry.path.clone()).await;
                        let content = read.expect("a file that is listed");
                        assert_eq!(content.len() as u64, bytes, "{}", entry.path);
                        let is_it = digest.is_none_or(|digest| digest == Hash::of(&[&content]));
                        assert!(is_it, "{} has another digest", entry.path);
                        Item::File { content, executable }
                    }
                    other => panic!("{other:?} is listed"),
                };
                items.insert(entry.path, item);
            }
        }
        Files::new(items, self.can.empty_directories)
    }

    /// The records of workspaces.
    pub async fn records(&self) -> Vec<Workspace> {
        self.handle().workspaces(self.thread).all().await.expect("a list")
    }

    /// What the driver holds of this store.
    pub async fn held(&self) -> Vec<WorkspaceName> {
        let Some(driver) = &self.driver else { return Vec::new() };
        let mut held = driver.list(self.store.journal().info().store).await.expect("a list");
        held.sort();
        held
    }

    /// The driver holds what records of the thread claim, no more and no less.
    pub async fn agrees(&self) {
        self.agrees_in(&[self.thread]).await;
    }

    /// The same of several threads.
    pub async fn agrees_in(&self, threads: &[ThreadId]) {
        if self.driver.is_none() {
            return;
        }
        let mut claimed = Vec::new();
        for thread in threads {
            let records = self.handle().workspaces(*thread).all().await.expect("a list");
            let of_kind = records.into_iter().filter(|it| it.kind == self.kind);
            claimed.extend(of_kind.map(|it| it.name));
        }
        claimed.sort();
        let mut held: Vec<_> = self.held().await.iter().map(ToString::to_string).collect();
        held.sort();
        assert_eq!(held, claimed, "what is held, and what is claimed");
    }

    /// What lies outside of the driver agrees with what records claim, of this store and of others on the same root.
    pub async fn audit(&self, claimed: Vec<WorkspaceName>) {
        self.cx.backend().audit(self.cx.dir(), claimed).await;
    }

    /// The names that the records of the thread claim.
    pub async fn claimed(&self) -> Vec<WorkspaceName> {
        let records = self.records().await;
        records.iter().map(|it| it.name.parse().expect("a name")).collect()
    }

    /// Lets more time pass than a maker may take.
    pub fn makers_are_late(&self) {
        self.clock.advance(Duration::from_secs(3600));
    }

    /// Reaps what holds no work.
    pub async fn reap(&self, reap: Reap) -> Vec<Reaped> {
        self.store.reap(&self.caller, reap).await.expect("the reaper ends")
    }

    /// Reaps, and nothing that is leaked stays.
    pub async fn reap_all(&self) {
        for reaped in self.reap(Reap::new()).await {
            assert_eq!(reaped.outcome, ReapOutcome::Removed, "{reaped:?}");
        }
        assert_eq!(self.reap(Reap::new()).await, [], "again there is nothing");
    }
}

/// What the driver that every journal has keeps.
const VIRTUAL: WorkspaceCapabilities = WorkspaceCapabilities {
    executable: true,
    links: true,
    empty_directories: true,
    any_names: true,
    snapshots: true,
    in_journal: true,
};

/// A path.
fn at(path: &str) -> FilePath {
    FilePath::new(path).expect("a path")
}
