//! A backend under judgement, and its hooks.

use std::{
    fmt,
    future::Future,
    sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use sessile_core::{
    archive::ArchiveBackend,
    journal::{Journal, JournalInfo},
    workspace::{WorkspaceDriver, WorkspaceName},
};

use crate::{
    BoxFuture, Clause, Dir, IntoArchive, IntoDriver, IntoJournal, Level, Tamper, Wire,
    internal::{MapArchive, MapJournal},
    medium::SimDisk,
};

type Open = dyn Fn(Dir) -> BoxFuture<'static, sessile_core::Result<Arc<dyn Journal>>> + Send + Sync;
type OpenDriver =
    dyn Fn(Dir) -> BoxFuture<'static, sessile_core::Result<Arc<dyn WorkspaceDriver>>> + Send + Sync;
type OpenArchive =
    dyn Fn(Dir) -> BoxFuture<'static, sessile_core::Result<Arc<dyn ArchiveBackend>>> + Send + Sync;
type Audit = dyn Fn(Dir, Vec<WorkspaceName>) -> BoxFuture<'static, ()> + Send + Sync;
type OpenOn =
    dyn Fn(SimDisk) -> BoxFuture<'static, sessile_core::Result<Arc<dyn Journal>>> + Send + Sync;
type MakeTamper = dyn Fn(Dir) -> Box<dyn Tamper> + Send + Sync;
type Holds = dyn Fn(Dir, Vec<u8>) -> BoxFuture<'static, bool> + Send + Sync;
type MakeWire = dyn Fn(Dir) -> Box<dyn Wire> + Send + Sync;
type Clean = dyn Fn(Dir) -> BoxFuture<'static, ()> + Send + Sync;
type Restart = Clean;

/// The clauses on delegation that make workspaces.
const DELEGATES_FILES: &[&str] = &[
    "SPN1", "SPN2", "SPN3", "SPN5", "SPN7", "HOF4", "HOF5", "HOF8", "BRD2", "BRD3", "SES9", "ARC7",
];

/// The clause that restarts the server.
const RESTARTS: &str = "J6";

/// A clause that is being judged.
pub(crate) enum Turn<'a> {
    Alone(#[allow(dead_code, reason = "it is held")] RwLockWriteGuard<'a, ()>),
    WithOthers(#[allow(dead_code, reason = "it is held")] RwLockReadGuard<'a, ()>),
}

/// A journal or a workspace driver to judge: its name, how to open a store of it, and what else the suite may do to one.
///
/// [`suite!`](crate::suite) makes these; a program that calls [`judge`](crate::judge) makes its own.
#[derive(Clone)]
pub struct Backend {
    name: &'static str,
    open: Arc<Open>,
    workspace: Option<Arc<OpenDriver>>,
    archive: Option<Arc<OpenArchive>>,
    audit: Option<Arc<Audit>>,
    tamper: Option<Arc<MakeTamper>>,
    crash: Option<Arc<OpenOn>>,
    wire: Option<Arc<MakeWire>>,
    restart: Option<Arc<Restart>>,
    holds: Option<Arc<Holds>>,
    clean: Option<Arc<Clean>>,
    turns: Arc<RwLock<()>>,
    info: Arc<OnceLock<JournalInfo>>,
    absent: Option<String>,
    level: Option<Level>,
}

impl Backend {
    /// A journal. `name` begins the names of its tests; `open` opens a store in a directory, always the same store in the same
    /// directory.
    pub fn journal<F, Fut, M>(name: &'static str, open: F) -> Self
    where
        F: Fn(Dir) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: IntoJournal<M>,
    {
        Self {
            name,
            open: Arc::new(move |dir| {
                let opening = open(dir);
                Box::pin(async move { opening.await.into_journal() })
            }),
            workspace: None,
            archive: None,
            audit: None,
            tamper: None,
            crash: None,
            wire: None,
            restart: None,
            holds: None,
            clean: None,
            turns: Arc::default(),
            info: Arc::default(),
            absent: None,
            level: None,
        }
    }

    /// A workspace driver, judged by the clauses on workspaces. `open` opens it with a root in a directory: always the same
    /// root, and the same repository or template if it has one, in the same directory. Records stand in a journal in memory,
    /// unless [`with_journal`](Self::with_journal) brings another.
    pub fn workspace<F, Fut, M>(name: &'static str, open: F) -> Self
    where
        F: Fn(Dir) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: IntoDriver<M>,
    {
        let workspace: Arc<OpenDriver> = Arc::new(move |dir| {
            let opening = open(dir);
            Box::pin(async move { opening.await.into_driver() })
        });
        let in_memory = |_dir| async { MapJournal::default() };
        Self { workspace: Some(workspace), ..Self::journal(name, in_memory) }
    }

    /// An archive backend, judged by the clauses on archives. `open` opens it in a directory: always the same objects in the same
    /// directory. Records stand in a journal in memory, unless [`with_journal`](Self::with_journal) brings another.
    pub fn archive<F, Fut, M>(name: &'static str, open: F) -> Self
    where
        F: Fn(Dir) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: IntoArchive<M>,
    {
        let archive: Arc<OpenArchive> = Arc::new(move |dir| {
            let opening = open(dir);
            Box::pin(async move { opening.await.into_archive() })
        });
        let in_memory = |_dir| async { MapJournal::default() };
        Self { archive: Some(archive), ..Self::journal(name, in_memory) }
    }

    /// The archive of a location: the one under judgement, or one of maps.
    pub(crate) async fn open_archive(
        &self,
        dir: &Dir,
    ) -> sessile_core::Result<Arc<dyn ArchiveBackend>> {
        match &self.archive {
            Some(open) => open(dir.clone()).await,
            None => Ok(MapArchive::of(dir)),
        }
    }

    /// Keeps the records of a workspace driver in this journal: over one that several processes share the suite kills them.
    #[must_use]
    pub fn with_journal<F, Fut, M>(self, open: F) -> Self
    where
        F: Fn(Dir) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: IntoJournal<M>,
    {
        Self { open: Self::journal(self.name, open).open, ..self }
    }

    /// Looks, from outside of the driver, at all that it works on, while nobody works: it gets the directory and the names of
    /// all workspaces that any record claims, and panics if it finds more, or less, or anything else changed that was there
    /// before the driver.
    #[must_use]
    pub fn with_audit<F, Fut>(mut self, audit: F) -> Self
    where
        F: Fn(Dir, Vec<WorkspaceName>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.audit = Some(Arc::new(move |dir, names| Box::pin(audit(dir, names))));
        self
    }

    pub(crate) async fn audit(&self, dir: &Dir, claimed: Vec<WorkspaceName>) {
        if let Some(audit) = &self.audit {
            audit(dir.clone(), claimed).await;
        }
    }

    /// Whether a clause is about it: all are about a journal, those on workspaces about a workspace driver, with those on
    /// delegation that make some, and those on archives about an archive backend.
    pub fn is_judged_by(&self, clause: &Clause) -> bool {
        match (&self.workspace, &self.archive) {
            (None, None) => true,
            (Some(_), _) => clause.id.starts_with("WSP") || DELEGATES_FILES.contains(&clause.id),
            (None, Some(_)) => clause.id.starts_with("ARC") || clause.id == "SES12",
        }
    }

    pub(crate) async fn driver(
        &self,
        dir: &Dir,
    ) -> Option<sessile_core::Result<Arc<dyn WorkspaceDriver>>> {
        match &self.workspace {
            Some(open) => Some(open(dir.clone()).await),
            None => None,
        }
    }

    /// Adds a hook that damages a store; see [`Tamper`].
    #[must_use]
    pub fn with_tamper<F, T>(mut self, tamper: F) -> Self
    where
        F: Fn(Dir) -> T + Send + Sync + 'static,
        T: Tamper + 'static,
    {
        self.tamper = Some(Arc::new(move |dir| Box::new(tamper(dir))));
        self
    }

    /// Asks for this level, and for those below it that [`JournalInfo`] claims: each of their clauses must be judged, and those
    /// above are not. Without it all clauses are judged that can be, and all levels are asked for that `JournalInfo` claims.
    #[must_use]
    pub fn with_level(mut self, level: Level) -> Self {
        self.level = Some(level);
        self
    }

    /// The highest level to judge.
    pub(crate) fn highest(&self) -> Level {
        self.level.unwrap_or(Level::Medium)
    }

    /// Whether its journal claims a level; unknown claims are taken for claims: it could not be opened.
    pub(crate) fn claims(&self, level: Level) -> bool {
        self.info.get().is_none_or(|info| level.is_claimed_by(info))
    }

    /// Whether each clause of a level must be judged.
    pub(crate) fn must_hold(&self, level: Level) -> bool {
        self.level == Some(level) || level <= self.highest() && self.claims(level)
    }

    /// A level that was asked for although its journal says that it has not got it.
    pub(crate) fn overreaches(&self) -> Option<Level> {
        self.level.filter(|level| *level != Level::Medium && !self.claims(*level))
    }

    /// Adds a hook that opens a store on a simulated medium; see [`medium`](crate::medium).
    #[must_use]
    pub fn with_crash<F, Fut, M>(mut self, open: F) -> Self
    where
        F: Fn(SimDisk) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: IntoJournal<M>,
    {
        self.crash = Some(Arc::new(move |disk| {
            let opening = open(disk);
            Box::pin(async move { opening.await.into_journal() })
        }));
        self
    }

    /// Adds a hook that opens a store by way of an address that the suite gives; see [`Wire`].
    #[must_use]
    pub fn with_wire<F, W>(mut self, wire: F) -> Self
    where
        F: Fn(Dir) -> W + Send + Sync + 'static,
        W: Wire + 'static,
    {
        self.wire = Some(Arc::new(move |dir| Box::new(wire(dir))));
        self
    }

    pub(crate) fn wire(&self, dir: &Dir) -> Option<Box<dyn Wire>> {
        self.wire.as_ref().map(|make| make(dir.clone()))
    }

    /// Adds a hook that kills the server below the store of a `Dir`, as hard as it can be killed, and starts it again. No other
    /// clause of the backend runs meanwhile. An engine without a server does not need it: its process is killed.
    #[must_use]
    pub fn with_restart<F, Fut>(mut self, restart: F) -> Self
    where
        F: Fn(Dir) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.restart = Some(Arc::new(move |dir| Box::pin(restart(dir))));
        self
    }

    pub(crate) fn restart(&self) -> Option<&Restart> {
        self.restart.as_deref()
    }

    /// Held while a clause is judged: one that restarts the server is judged alone.
    pub(crate) fn turn(&self, clause: &Clause) -> Turn<'_> {
        match clause.id == RESTARTS && self.restart.is_some() {
            true => Turn::Alone(self.turns.write().unwrap_or_else(PoisonError::into_inner)),
            false => Turn::WithOthers(self.turns.read().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    /// Adds a hook that says whether the medium still holds these bytes, where the store is not in files below the directory: it
    /// looks at all that the store of this `Dir` has ever written and a reader of the medium could find, and makes the engine
    /// write first what it has only in memory.
    #[must_use]
    pub fn with_holds<F, Fut>(mut self, holds: F) -> Self
    where
        F: Fn(Dir, Vec<u8>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        self.holds = Some(Arc::new(move |dir, bytes| Box::pin(holds(dir, bytes))));
        self
    }

    pub(crate) fn holds(&self) -> Option<&Holds> {
        self.holds.as_deref()
    }

    /// Adds a hook that removes what the store of a `Dir` has left outside of its directory: a schema on a server, for example. It
    /// is called when the suite is done with the store.
    #[must_use]
    pub fn with_clean<F, Fut>(mut self, clean: F) -> Self
    where
        F: Fn(Dir) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.clean = Some(Arc::new(move |dir| Box::pin(clean(dir))));
        self
    }

    pub(crate) fn clean(&self) -> Option<&Clean> {
        self.clean.as_deref()
    }

    /// Leaves the backend out if a reason is given: a server that is not there, for example.
    #[must_use]
    pub fn with_absent(mut self, why: Option<String>) -> Self {
        self.absent = why;
        self
    }

    /// The reason why it is left out.
    pub(crate) fn absent(&self) -> Option<&str> {
        self.absent.as_deref()
    }

    /// The name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) async fn open(&self, dir: &Dir) -> sessile_core::Result<Arc<dyn Journal>> {
        (self.open)(dir.clone()).await
    }

    pub(crate) fn tamper(&self, dir: &Dir) -> Option<Box<dyn Tamper>> {
        self.tamper.as_ref().map(|make| make(dir.clone()))
    }

    pub(crate) fn crash(&self) -> Option<Arc<OpenOn>> {
        self.crash.clone()
    }

    /// What its journals say of themselves. Asked once, of a store that is made for it.
    pub(crate) async fn probe(&self) -> sessile_core::Result<&JournalInfo> {
        if let Some(info) = self.info.get() {
            return Ok(info);
        }
        let temp = tempfile::tempdir()
            .map_err(|e| sessile_core::Error::unavailable("no temporary directory", e))?;
        let dir = Dir::new(temp.path().to_owned());
        let journal = self.open(&dir).await?;
        let info = journal.info().clone();
        journal.close().await?;
        if let Some(clean) = self.clean() {
            clean(dir).await;
        }
        Ok(self.info.get_or_init(|| info))
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend").field("name", &self.name).finish_non_exhaustive()
    }
}
