//! What a clause gets: a fresh store location, and what it needs to work on it.

use std::{
    fmt,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use sessile_core::{
    Caller, ErrorKind,
    archive::{ArchiveBackend, ArchiveBackends},
    command::{NewSession, NewThread},
    hash::Hash,
    id::{ProjectId, SessionId, TenantId, ThreadId, UserId},
    journal::{Durability, Journal, JournalInfo, Sharing},
    model::Actor,
    store::{AnyStore, Store, StoreOptions},
    workspace::{WorkspaceDriver, WorkspaceDrivers},
};
use tempfile::TempDir;

use crate::{
    Backend, Dir, Tamper,
    internal::{InTasks, SeededIds, TestClock, archives::ARCHIVE, parent_pipe::ParentPipe},
};

/// The context of one clause on one backend: a fresh store location. Clones share it.
#[derive(Clone)]
pub struct ClauseContext {
    inner: Arc<Inner>,
    pub(crate) parent_pipe: ParentPipe,
}

struct Inner {
    backend: Backend,
    info: JournalInfo,
    dir: Dir,
    /// Removes the directory at the end; a child process does not own it.
    _temp: Option<TempDir>,
    tamper: Option<Box<dyn Tamper>>,
    /// The handle, where only one process may have one.
    shared: tokio::sync::Mutex<Option<Arc<dyn Journal>>>,
    opened: Mutex<Vec<Weak<dyn Journal>>>,
    archive: Arc<dyn ArchiveBackend>,
    seed: u64,
    drawn: AtomicU64,
    notes: Mutex<Vec<String>>,
    /// All locations of the clause that are to be cleaned, this one and [others](ClauseContext::another).
    locations: Arc<Mutex<Vec<Dir>>>,
}

impl ClauseContext {
    /// A fresh location of a backend.
    pub async fn fresh(backend: &Backend, seed: u64) -> Self {
        let temp = tempfile::tempdir().expect("a temporary directory");
        let dir = Dir::new(temp.path().to_owned());
        Self::at(backend, dir, Some(temp), seed, ParentPipe::default()).await
    }

    pub(crate) async fn at(
        backend: &Backend,
        dir: Dir,
        temp: Option<TempDir>,
        seed: u64,
        parent_pipe: ParentPipe,
    ) -> Self {
        Self::among(Arc::default(), backend, dir, temp, seed, parent_pipe).await
    }

    async fn among(
        locations: Arc<Mutex<Vec<Dir>>>,
        backend: &Backend,
        dir: Dir,
        temp: Option<TempDir>,
        seed: u64,
        parent_pipe: ParentPipe,
    ) -> Self {
        if backend.clean().is_some() {
            locations.lock().expect("no panic inside").push(dir.clone());
        }
        let info = backend.probe().await.expect("a fresh store opens").clone();
        let archive = backend.open_archive(&dir).await.expect("the archive opens");
        let inner = Inner {
            archive,
            backend: backend.clone(),
            info,
            tamper: backend.tamper(&dir),
            dir,
            _temp: temp,
            shared: tokio::sync::Mutex::default(),
            opened: Mutex::default(),
            seed,
            drawn: AtomicU64::new(0),
            notes: Mutex::default(),
            locations,
        };
        Self { inner: Arc::new(inner), parent_pipe }
    }

    /// Another fresh location of the same backend, for a case that needs one of its own.
    pub async fn another(&self) -> Self {
        let temp = tempfile::tempdir().expect("a temporary directory");
        let dir = Dir::new(temp.path().to_owned());
        let locations = Arc::clone(&self.inner.locations);
        Self::among(
            locations,
            &self.inner.backend,
            dir,
            Some(temp),
            self.seed(),
            self.parent_pipe.clone(),
        )
        .await
    }

    pub(crate) fn locations(&self) -> Vec<Dir> {
        self.inner.locations.lock().expect("no panic inside").clone()
    }

    /// The backend.
    pub fn backend(&self) -> &Backend {
        &self.inner.backend
    }

    /// Where the store is.
    pub fn dir(&self) -> &Dir {
        &self.inner.dir
    }

    /// What its journals say of themselves; but for the store id, which is of another store.
    pub fn info(&self) -> &JournalInfo {
        &self.inner.info
    }

    /// Whether several processes may open the store at once.
    pub fn many_processes(&self) -> bool {
        self.info().sharing >= Sharing::ManyProcesses
    }

    /// Whether the store survives its handles.
    pub fn durable(&self) -> bool {
        self.info().durability > Durability::None
    }

    /// Damages the store behind the journal, if the driver brought a `tamper` hook.
    pub fn tamper(&self) -> Option<&dyn Tamper> {
        self.inner.tamper.as_deref()
    }

    /// A seed. Each call answers another one; each run of the clause the same ones.
    pub fn seed(&self) -> u64 {
        let drawn = self.inner.drawn.fetch_add(1, Ordering::SeqCst);
        Hash::of(&[&self.inner.seed.to_be_bytes(), &drawn.to_be_bytes()]).prefix_64()
    }

    /// How often to repeat something random: `normal` times, or fifty times as often in the nightly profile.
    pub fn times(&self, normal: usize) -> usize {
        let nightly = std::env::var("SESSILE_PROFILE").is_ok_and(|p| p == "nightly");
        if nightly { normal * 50 } else { normal }
    }

    /// How often to repeat something of which a proof states the number: `normal` times, or `proof` times in the proof
    /// profile.
    pub fn scale(&self, normal: usize, proof: usize) -> usize {
        if std::env::var("SESSILE_PROFILE").is_ok_and(|p| p == "proof") { proof } else { normal }
    }

    /// Adds a line to the summary of the run.
    pub fn note(&self, text: impl Into<String>) {
        let text = text.into();
        let mut notes = self.inner.notes.lock().expect("no panic inside");
        if !notes.contains(&text) {
            notes.push(text);
        }
    }

    pub(crate) fn notes(&self) -> Vec<String> {
        self.inner.notes.lock().expect("no panic inside").clone()
    }

    /// In a child program: sends a line to the clause that started it, before the program ends.
    pub fn report(&self, line: impl Into<String>) {
        self.parent_pipe.report(line.into());
    }

    /// Opens another handle, or answers the refusal. Where a process may have one handle only: that one.
    pub async fn try_journal(&self) -> sessile_core::Result<Arc<dyn Journal>> {
        let inner = &self.inner;
        if self.many_processes() {
            let journal = inner.backend.open(&inner.dir).await?;
            let mut opened = inner.opened.lock().expect("no panic inside");
            opened.retain(|handle| handle.strong_count() > 0);
            opened.push(Arc::downgrade(&journal));
            return Ok(journal);
        }
        let mut shared = inner.shared.lock().await;
        if let Some(journal) = &*shared {
            return Ok(Arc::clone(journal));
        }
        let journal = inner.backend.open(&inner.dir).await?;
        *shared = Some(Arc::clone(&journal));
        Ok(journal)
    }

    /// Another handle to the store. Where a process may have one handle only: that one.
    pub async fn journal(&self) -> Arc<dyn Journal> {
        self.try_journal().await.expect("the store opens")
    }

    /// Closes every handle that this process has to a durable store. A store that is not durable stays open.
    pub async fn close_all(&self) {
        if !self.durable() {
            return;
        }
        let mut handles: Vec<Arc<dyn Journal>> = Vec::new();
        handles.extend(self.inner.shared.lock().await.take());
        let opened = std::mem::take(&mut *self.inner.opened.lock().expect("no panic inside"));
        handles.extend(opened.iter().filter_map(Weak::upgrade));
        for handle in handles {
            if let Err(error) = handle.close().await {
                assert_eq!(error.kind(), ErrorKind::Closed, "a handle closes: {error}");
            }
        }
    }

    /// A store over another handle, with a clock of its own that stands at [`TestClock::START`].
    pub async fn store(&self) -> Store {
        self.store_with(Arc::default(), |options| options).await
    }

    /// A store over another handle, with this clock and these options; with the workspace driver, where that is judged.
    pub async fn store_with(
        &self,
        clock: Arc<TestClock>,
        options: impl FnOnce(StoreOptions) -> StoreOptions,
    ) -> Store {
        let drivers = self.drivers().await;
        self.store_over(self.journal().await, clock, |it| options(it.with_workspaces(drivers)))
    }

    /// The workspace driver that is judged, if it is one; opened once more.
    pub async fn driver(&self) -> Option<Arc<dyn WorkspaceDriver>> {
        let driver = self.inner.backend.driver(&self.inner.dir).await;
        driver.map(|driver| driver.expect("the workspace driver opens"))
    }

    /// What a store is opened with: the workspace driver that is judged.
    pub async fn drivers(&self) -> WorkspaceDrivers {
        match self.driver().await {
            Some(driver) => WorkspaceDrivers::default().with(driver).expect("a kind of its own"),
            None => WorkspaceDrivers::default(),
        }
    }

    /// The archive that every store of this location has, as [`ARCHIVE`].
    pub fn archive(&self) -> Arc<dyn ArchiveBackend> {
        Arc::clone(&self.inner.archive)
    }

    /// The same archive, opened once more.
    pub async fn open_archive(&self) -> Arc<dyn ArchiveBackend> {
        let archive = self.inner.backend.open_archive(&self.inner.dir).await;
        archive.expect("the archive opens")
    }

    /// A store over this journal.
    pub fn store_over(
        &self,
        journal: Arc<dyn Journal>,
        clock: Arc<TestClock>,
        options: impl FnOnce(StoreOptions) -> StoreOptions,
    ) -> Store {
        let ids = Arc::new(SeededIds::new(self.seed()));
        let archives = ArchiveBackends::default().with(ARCHIVE, self.archive());
        let archives = archives.expect("a name of its own");
        let standard =
            StoreOptions::new(clock, ids).with_background(InTasks).with_archives(archives);
        Store::new(journal, options(standard))
    }

    /// The store as after a restart. A durable one: every handle of this process is closed, then opened again. Without
    /// durability: a new store, with nothing cached, over the same handle.
    pub async fn reopen(&self, store: Store) -> Store {
        self.reopen_with(store, Arc::default(), |options| options).await
    }

    /// [`reopen`](Self::reopen) with a clock and options.
    pub async fn reopen_with(
        &self,
        store: Store,
        clock: Arc<TestClock>,
        options: impl FnOnce(StoreOptions) -> StoreOptions,
    ) -> Store {
        drop(store);
        self.close_all().await;
        self.store_with(clock, options).await
    }

    /// Tenant `acme`, user `ada`.
    pub fn caller(&self) -> Caller {
        self.caller_of("acme", "ada")
    }

    /// A user of a tenant.
    pub fn caller_of(&self, tenant: &str, user: &str) -> Caller {
        let tenant = TenantId::new(tenant).expect("a valid tenant");
        let user = UserId::new(user).expect("a valid user");
        Caller::new(tenant.clone(), Actor::User { tenant, id: user })
    }

    /// A new project.
    pub async fn project(&self, store: &dyn AnyStore, caller: &Caller) -> ProjectId {
        store.as_caller(caller).create_project("project").await.expect("a project is created")
    }

    /// A new thread in a new project.
    pub async fn thread(&self, store: &dyn AnyStore, caller: &Caller) -> ThreadId {
        let project = self.project(store, caller).await;
        store
            .as_caller(caller)
            .create_thread(project, NewThread::titled("thread"))
            .await
            .expect("a thread")
    }

    /// A new session in a new thread of a new project.
    pub async fn session(&self, store: &dyn AnyStore, caller: &Caller) -> SessionId {
        let thread = self.thread(store, caller).await;
        self.session_in(store, caller, thread).await
    }

    /// A new session in this thread.
    pub async fn session_in(
        &self,
        store: &dyn AnyStore,
        caller: &Caller,
        thread: ThreadId,
    ) -> SessionId {
        store
            .as_caller(caller)
            .create_session(thread, NewSession::named("session"))
            .await
            .expect("a session")
    }
}

impl fmt::Debug for ClauseContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClauseContext")
            .field("backend", &self.inner.backend.name())
            .field("dir", &self.inner.dir)
            .finish_non_exhaustive()
    }
}
