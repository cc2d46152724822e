//! A backend as the suite sees it: how to open it, how to damage it, how to stop the machine under it.

use std::{
    any::Any,
    collections::BTreeMap,
    fmt,
    future::Future,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock},
};

use async_trait::async_trait;
use sessile_core::{
    id::{Space, Version},
    journal::{Journal, JournalInfo},
};

use crate::{BoxFuture, medium::SimDisk};

/// A directory of its own for one store. Files live in it; what lives in memory can be kept beside it.
#[derive(Clone)]
pub struct Dir {
    path: Arc<Path>,
    kept: Arc<Mutex<BTreeMap<&'static str, Arc<dyn Any + Send + Sync>>>>,
}

impl Dir {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path: path.into(), kept: Arc::default() }
    }

    /// Where files may be put.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps a value for as long as this store location exists, so that `tamper` can reach what `open` made.
    pub fn keep<T: Any + Send + Sync>(&self, value: Arc<T>) {
        self.kept.lock().expect("no panic inside").insert(std::any::type_name::<T>(), value);
    }

    /// The value of this type that was kept last.
    pub fn kept<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let kept = self.kept.lock().expect("no panic inside");
        Arc::clone(kept.get(std::any::type_name::<T>())?).downcast().ok()
    }
}

impl fmt::Debug for Dir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.path, f)
    }
}

/// How to hurt a record where it is stored, behind the journal's back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// One bit of the head's text changes; its sum and link stay.
    FlipHead,
    /// One bit of the inline body's text changes.
    FlipBody,
    /// The record changes places with the one at this version: all but the version number moves.
    Swap(Version),
    /// The record is taken out; what is around it stays.
    Drop,
    /// A copy of the record is put after it, and what followed moves up by one, the head's number too.
    Insert,
}

/// The hand that damages a store. Without one, the clauses on damage are not run, and said so.
#[async_trait]
pub trait Tamper: Send + Sync {
    /// Damages the record at a version. It exists, and all handles are idle.
    async fn damage(&self, space: &Space, version: Version, damage: Damage);

    /// Makes the store look as if a later release had written it; `false` if it has no format on a medium.
    /// No handle is open.
    async fn newer_format(&self) -> bool;
}

type Open = dyn Fn(Dir) -> BoxFuture<'static, sessile_core::Result<Arc<dyn Journal>>> + Send + Sync;
type OpenOn =
    dyn Fn(SimDisk) -> BoxFuture<'static, sessile_core::Result<Arc<dyn Journal>>> + Send + Sync;
type MakeTamper = dyn Fn(Dir) -> Box<dyn Tamper> + Send + Sync;

/// A backend under judgement.
#[derive(Clone)]
pub struct Backend {
    name: &'static str,
    open: Arc<Open>,
    tamper: Option<Arc<MakeTamper>>,
    crash: Option<Arc<OpenOn>>,
    info: Arc<OnceLock<JournalInfo>>,
    absent: Option<String>,
}

impl Backend {
    /// A backend and how to open a store of it in a directory; the same directory gives the same store.
    pub fn new<F, Fut, M>(name: &'static str, open: F) -> Self
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
            tamper: None,
            crash: None,
            info: Arc::default(),
            absent: None,
        }
    }

    /// With a hand that can damage it.
    #[must_use]
    pub fn with_tamper<F, T>(mut self, tamper: F) -> Self
    where
        F: Fn(Dir) -> T + Send + Sync + 'static,
        T: Tamper + 'static,
    {
        self.tamper = Some(Arc::new(move |dir| Box::new(tamper(dir))));
        self
    }

    /// With a way to open it on a simulated medium that can be stopped at any operation.
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

    /// Left out, for this reason, if there is one.
    #[must_use]
    pub fn with_absent(mut self, why: Option<String>) -> Self {
        self.absent = why;
        self
    }

    /// Why it is left out.
    pub(crate) fn absent(&self) -> Option<&str> {
        self.absent.as_deref()
    }

    /// Its name in test names.
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

    /// What its journals say of themselves; asked once, of a store made for the question.
    pub(crate) async fn probe(&self) -> sessile_core::Result<&JournalInfo> {
        if let Some(info) = self.info.get() {
            return Ok(info);
        }
        let temp = tempfile::tempdir()
            .map_err(|e| sessile_core::Error::unavailable("no temporary directory", e))?;
        let journal = self.open(&Dir::new(temp.path().to_owned())).await?;
        let info = journal.info().clone();
        journal.close().await?;
        Ok(self.info.get_or_init(|| info))
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What an `open` closure may answer: a journal, an `Arc` of one, or a `Result` of either. The marker keeps them apart.
pub trait IntoJournal<Marker> {
    /// The journal, or why it could not be opened.
    fn into_journal(self) -> sessile_core::Result<Arc<dyn Journal>>;
}

/// Markers of [`IntoJournal`].
#[doc(hidden)]
pub mod marker {
    #[derive(Debug)]
    pub struct Bare;
    #[derive(Debug)]
    pub struct Shared;
    #[derive(Debug)]
    pub struct Dyn;
    #[derive(Debug)]
    pub struct Fallible<M>(std::marker::PhantomData<M>);
}

impl<J: Journal> IntoJournal<marker::Bare> for J {
    fn into_journal(self) -> sessile_core::Result<Arc<dyn Journal>> {
        Ok(Arc::new(self))
    }
}

impl<J: Journal> IntoJournal<marker::Shared> for Arc<J> {
    fn into_journal(self) -> sessile_core::Result<Arc<dyn Journal>> {
        Ok(self)
    }
}

impl IntoJournal<marker::Dyn> for Arc<dyn Journal> {
    fn into_journal(self) -> sessile_core::Result<Arc<dyn Journal>> {
        Ok(self)
    }
}

impl<T: IntoJournal<M>, M> IntoJournal<marker::Fallible<M>> for sessile_core::Result<T> {
    fn into_journal(self) -> sessile_core::Result<Arc<dyn Journal>> {
        self?.into_journal()
    }
}
