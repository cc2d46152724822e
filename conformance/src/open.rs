//! What the hooks of a backend may answer.

use std::sync::Arc;

use sessile_core::{archive::ArchiveBackend, journal::Journal, workspace::WorkspaceDriver};

/// What `open` and `crash` may answer: a journal, an `Arc` of one, or a `Result` of either.
///
/// The parameter only tells these cases apart; nobody names it.
pub trait IntoJournal<Marker> {
    /// The journal, or why it could not be opened.
    fn into_journal(self) -> sessile_core::Result<Arc<dyn Journal>>;
}

/// The cases of [`IntoJournal`].
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

/// What `open` of a workspace driver may answer: a driver, an `Arc` of one, or a `Result` of either.
///
/// The parameter only tells these cases apart; nobody names it.
pub trait IntoDriver<Marker> {
    /// The driver, or why it could not be opened.
    fn into_driver(self) -> sessile_core::Result<Arc<dyn WorkspaceDriver>>;
}

impl<D: WorkspaceDriver> IntoDriver<marker::Bare> for D {
    fn into_driver(self) -> sessile_core::Result<Arc<dyn WorkspaceDriver>> {
        Ok(Arc::new(self))
    }
}

impl<D: WorkspaceDriver> IntoDriver<marker::Shared> for Arc<D> {
    fn into_driver(self) -> sessile_core::Result<Arc<dyn WorkspaceDriver>> {
        Ok(self)
    }
}

impl IntoDriver<marker::Dyn> for Arc<dyn WorkspaceDriver> {
    fn into_driver(self) -> sessile_core::Result<Arc<dyn WorkspaceDriver>> {
        Ok(self)
    }
}

impl<T: IntoDriver<M>, M> IntoDriver<marker::Fallible<M>> for sessile_core::Result<T> {
    fn into_driver(self) -> sessile_core::Result<Arc<dyn WorkspaceDriver>> {
        self?.into_driver()
    }
}

/// What `open` of an archive backend may answer: a backend, an `Arc` of one, or a `Result` of either.
///
/// The parameter only tells these cases apart; nobody names it.
pub trait IntoArchive<Marker> {
    /// The backend, or why it could not be opened.
    fn into_archive(self) -> sessile_core::Result<Arc<dyn ArchiveBackend>>;
}

impl<A: ArchiveBackend> IntoArchive<marker::Bare> for A {
    fn into_archive(self) -> sessile_core::Result<Arc<dyn ArchiveBackend>> {
        Ok(Arc::new(self))
    }
}

impl<A: ArchiveBackend> IntoArchive<marker::Shared> for Arc<A> {
    fn into_archive(self) -> sessile_core::Result<Arc<dyn ArchiveBackend>> {
        Ok(self)
    }
}

impl IntoArchive<marker::Dyn> for Arc<dyn ArchiveBackend> {
    fn into_archive(self) -> sessile_core::Result<Arc<dyn ArchiveBackend>> {
        Ok(self)
    }
}

impl<T: IntoArchive<M>, M> IntoArchive<marker::Fallible<M>> for sessile_core::Result<T> {
    fn into_archive(self) -> sessile_core::Result<Arc<dyn ArchiveBackend>> {
        self?.into_archive()
    }
}
