//! Lists: item by item as a stream, or page by page.

use std::{
    collections::VecDeque,
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;

use super::{Handle, only};
use crate::{
    clock::Timestamp,
    command::{
        Cursor, EntryFilter, Page, Paging, RunScope, SessionAnswer, SessionFilter, SessionQuery,
        ThreadAnswer, ThreadFilter, ThreadQuery, TimelineFilter, TimelineRow, TimelineScope,
    },
    error::Result,
    id::{EntryId, RunId, SessionId, ThreadId, Version},
    journal::Direction,
    model::{
        Actor, Collapse, Entry, EntryKind, LedgerRow, Project, Resumable, Run, SessionRow,
        SubSession, Summary, ThreadRow, Workspace,
    },
    search::SearchText,
};

type Fetch<T> = Pin<Box<dyn Future<Output = Result<Page<T>>> + Send>>;

/// A list that is read as far as it is used: a [`Stream`] of items, and pages where those are wanted.
///
/// ```no_run
/// # use sessile_core::{prelude::*, handle::Handle, id::SessionId};
/// # async fn example(ann: Handle, session: SessionId) -> Result<()> {
/// let mut entries = ann.entries(session);
/// while let Some(entry) = entries.try_next().await? {
///     println!("{entry}");
/// }
/// let newest = ann.entries(session).backward().page(Paging::first(50)).await?;
/// # Ok(())
/// # }
/// ```
///
/// It is no snapshot: each page is read when it is needed, and holds what is there by then. Every item that is there from
/// the first page to the last is listed exactly once. After an error the stream ends; pages can be asked again.
pub struct List<T: Listed> {
    handle: Handle,
    query: T::Query,
    page: Paging,
    read: VecDeque<T>,
    fetch: Option<Fetch<T>>,
    ended: bool,
}

/// What a [`List`] can hold; implemented by the items of this crate's lists and by nothing else.
pub trait Listed: sealed::Sealed + Sized + Send + Unpin + 'static {
    /// Which of them are listed.
    #[doc(hidden)]
    type Query: Clone + Send + Unpin + 'static;

    /// Reads one page.
    #[doc(hidden)]
    fn fetch(
        handle: Handle,
        query: Self::Query,
        page: Paging,
    ) -> impl Future<Output = Result<Page<Self>>> + Send;
}

mod sealed {
    pub trait Sealed {}
}

impl<T: Listed> List<T> {
    pub(super) fn new(handle: &Handle, query: T::Query) -> Self {
        Self {
            handle: handle.clone(),
            query,
            page: Paging::default(),
            read: VecDeque::new(),
            fetch: None,
            ended: false,
        }
    }

    /// Begins after this cursor, which an earlier page of the same list gave.
    #[must_use]
    pub const fn after(mut self, cursor: Cursor) -> Self {
        self.page.after = Some(cursor);
        self
    }

    /// Reads this many items at a time, 1 to 1,000; 100 without it.
    #[must_use]
    pub const fn page_size(mut self, items: usize) -> Self {
        self.page.limit = items;
        self
    }

    /// One page.
    pub async fn page(self, page: Paging) -> Result<Page<T>> {
        T::fetch(self.handle, self.query, page).await
    }

    /// The next item; `None` at the end.
    pub async fn try_next(&mut self) -> Result<Option<T>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await.transpose()
    }

    /// All items, in memory: for lists that are known to be small.
    pub async fn all(mut self) -> Result<Vec<T>> {
        let mut items = Vec::new();
        while let Some(item) = self.try_next().await? {
            items.push(item);
        }
        Ok(items)
    }
}

impl<T: Listed> Stream for List<T> {
    type Item = Result<T>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let list = self.get_mut();
        loop {
            if let Some(item) = list.read.pop_front() {
                return Poll::Ready(Some(Ok(item)));
            }
            if list.ended {
                return Poll::Ready(None);
            }
            let fetch = list.fetch.get_or_insert_with(|| {
                Box::pin(T::fetch(list.handle.clone(), list.query.clone(), list.page))
            });
            let Poll::Ready(page) = fetch.as_mut().poll(cx) else { return Poll::Pending };
            list.fetch = None;
            match page {
                Ok(page) => {
                    list.page.after = page.next;
                    list.ended = page.next.is_none();
                    list.read = page.items.into();
                }
                Err(error) => {
                    list.ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}

impl<T: Listed> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List").field("page", &self.page).finish_non_exhaustive()
    }
}

impl List<Entry> {
    pub(super) fn of_entries(handle: &Handle, session: SessionId) -> Self {
        Self::new(handle, (session, EntryFilter::default()))
    }

    /// Oldest or newest first; oldest without it.
    #[must_use]
    pub const fn direction(mut self, direction: Direction) -> Self {
        self.query.1.direction = direction;
        self
    }

    /// Newest first.
    #[must_use]
    pub const fn backward(self) -> Self {
        self.direction(Direction::Backward)
    }

    /// Only those of this run.
    #[must_use]
    pub const fn of_run(mut self, run: RunId) -> Self {
        self.query.1.run = Some(run);
        self
    }

    /// Only answers to this entry.
    #[must_use]
    pub const fn in_reply_to(mut self, entry: EntryId) -> Self {
        self.query.1.in_reply_to = Some(entry);
        self
    }

    /// Only those after this version of the thread: what came since it was read.
    #[must_use]
    pub const fn after_version(mut self, version: Version) -> Self {
        self.query.1.after = version;
        self
    }

    /// Only those at this time or later, by [`Entry::at`].
    #[must_use]
    pub const fn since(mut self, time: Timestamp) -> Self {
        self.query.1.since = Some(time);
        self
    }
}

impl List<SessionRow> {
    /// Each row with the session's state.
    #[must_use]
    pub const fn with_state(mut self) -> Self {
        self.query.1.with_state = true;
        self
    }

    /// Only those that match; the filter also says which end comes first.
    #[must_use]
    pub fn matching(mut self, filter: SessionFilter) -> Self {
        let with_state = self.query.1.with_state || filter.with_state;
        self.query.1 = SessionFilter { with_state, ..filter };
        self
    }
}

impl List<TimelineRow> {
    /// Only those that match; the filter also says which end comes first.
    #[must_use]
    pub fn matching(mut self, filter: TimelineFilter) -> Self {
        self.query.1 = filter;
        self
    }

    /// Oldest first.
    #[must_use]
    pub const fn forward(mut self) -> Self {
        self.query.1.direction = Direction::Forward;
        self
    }

    /// Only those in which a person sees this text.
    #[must_use]
    pub fn containing(mut self, text: SearchText) -> Self {
        self.query.1.text = Some(text);
        self
    }

    /// Only by this author.
    #[must_use]
    pub fn by(mut self, actor: Actor) -> Self {
        self.query.1.actor = Some(actor);
        self
    }

    /// Only of this session's own log.
    #[must_use]
    pub const fn of_session(mut self, session: SessionId) -> Self {
        self.query.1.session = Some(session);
        self
    }

    /// Only of this run.
    #[must_use]
    pub const fn of_run(mut self, run: RunId) -> Self {
        self.query.1.run = Some(run);
        self
    }

    /// Only of this kind.
    #[must_use]
    pub const fn of_kind(mut self, kind: EntryKind) -> Self {
        self.query.1.kind = Some(kind);
        self
    }

    /// Only at this time or later.
    #[must_use]
    pub const fn since(mut self, time: Timestamp) -> Self {
        self.query.1.since = Some(time);
        self
    }

    /// Only at this time or earlier.
    #[must_use]
    pub const fn until(mut self, time: Timestamp) -> Self {
        self.query.1.until = Some(time);
        self
    }
}

macro_rules! listed {
    ($($item:ident, $query:ty, |$asked:ident, $page:ident| $request:expr, $ask:ident, $answer:path;)*) => {
        $(
            impl sealed::Sealed for $item {}

            impl Listed for $item {
                type Query = $query;

                async fn fetch(handle: Handle, $asked: $query, $page: Paging) -> Result<Page<Self>> {
                    handle.$ask($request, only!($answer(page) => page)).await
                }
            }
        )*
    };
}

listed! {
    Project, (), |_all, page| ThreadQuery::Projects(page), ask_thread, ThreadAnswer::Projects;
    ThreadRow, ThreadFilter, |filter, page| ThreadQuery::Threads(filter, page), ask_thread, ThreadAnswer::Threads;
    SessionRow, (ThreadId, SessionFilter), |of, page| SessionQuery::Sessions(of.0, of.1, page), ask, SessionAnswer::Sessions;
    SubSession, SessionId, |parent, page| SessionQuery::Children(parent, page), ask, SessionAnswer::Edges;
    Run, RunScope, |scope, page| SessionQuery::Runs(scope, page), ask, SessionAnswer::Runs;
    LedgerRow, SessionId, |session, page| SessionQuery::Ledger(session, page), ask, SessionAnswer::Ledger;
    TimelineRow, (TimelineScope, TimelineFilter), |of, page| ThreadQuery::Timeline(of.0, Box::new(of.1), page), ask_thread, ThreadAnswer::Timeline;
    Resumable, ThreadId, |thread, page| SessionQuery::Resumable(thread, page), ask, SessionAnswer::Resumable;
    Summary, SessionId, |session, page| SessionQuery::Summaries(session, page), ask, SessionAnswer::Summaries;
    Collapse, SessionId, |session, page| SessionQuery::Collapses(session, page), ask, SessionAnswer::Collapses;
    Workspace, ThreadId, |thread, page| SessionQuery::Workspaces(thread, page), ask, SessionAnswer::Workspaces;
    Entry, (SessionId, EntryFilter), |of, page| SessionQuery::Entries(of.0, of.1, page), ask, SessionAnswer::Entries;
}
