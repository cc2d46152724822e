//! What the hooks of a backend may answer.

use std::sync::Arc;

use sessile_core::journal::Journal;

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
