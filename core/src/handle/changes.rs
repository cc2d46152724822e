//! The feed: every record of a thread, in order, from any version on.

use std::{
    collections::VecDeque,
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_core::Stream;

use super::Handle;
use crate::{
    command::{Feed, FeedFilter, FeedPage, FeedRecord},
    error::Result,
    id::{SessionId, ThreadId, Version},
};

/// How long one question to the store waits for more.
const WAIT: Duration = Duration::from_secs(20);

type Fetch = Pin<Box<dyn Future<Output = Result<FeedPage>> + Send>>;

/// The records of a thread as a [`Stream`], in order, each exactly once.
///
/// It ends at the newest record; [`follow`](Self::follow) waits for more instead. To go on later, in another process too,
/// keep the version of the last record and begin [`after`](Self::after) it. After an error the stream ends; records that were
/// trimmed meanwhile are the error `Trimmed`, never a gap. Which threads of a tenant have something new tells
/// [`threads`](Handle::threads), newest first: each row has its head.
pub struct Changes {
    handle: Handle,
    feed: Feed,
    read: VecDeque<FeedRecord>,
    fetch: Option<Fetch>,
    ended: bool,
}

impl Changes {
    pub(super) fn new(handle: &Handle, thread: ThreadId) -> Self {
        Self {
            handle: handle.clone(),
            feed: Feed {
                thread,
                after: 0,
                limit: 100,
                wait: Duration::ZERO,
                filter: FeedFilter::default(),
            },
            read: VecDeque::new(),
            fetch: None,
            ended: false,
        }
    }

    /// Begins after this version; from the first record without it.
    #[must_use]
    pub const fn after(mut self, version: Version) -> Self {
        self.feed.after = version;
        self
    }

    /// Reads this many records at a time, 1 to 1,000; 100 without it.
    #[must_use]
    pub const fn page_size(mut self, records: usize) -> Self {
        self.feed.limit = records;
        self
    }

    /// Only records that pass.
    #[must_use]
    pub fn matching(mut self, filter: FeedFilter) -> Self {
        self.feed.filter = filter;
        self
    }

    /// Only about this session.
    #[must_use]
    pub const fn of_session(mut self, session: SessionId) -> Self {
        self.feed.filter.session = Some(session);
        self
    }

    /// Only about this session and those below it.
    #[must_use]
    pub const fn of_subtree(mut self, session: SessionId) -> Self {
        self.feed.filter.subtree = Some(session);
        self
    }

    /// Waits for more at the end, without end.
    #[must_use]
    pub const fn follow(mut self) -> Self {
        self.feed.wait = WAIT;
        self
    }

    /// One page: waits at most this long for the first record, and is empty if none came.
    pub async fn page(self, wait: Duration) -> Result<FeedPage> {
        self.handle.store().feed(self.handle.caller(), Feed { wait, ..self.feed }).await
    }

    /// The next record; `None` at the end, and never where it follows.
    pub async fn try_next(&mut self) -> Result<Option<FeedRecord>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await.transpose()
    }
}

impl Stream for Changes {
    type Item = Result<FeedRecord>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let changes = self.get_mut();
        loop {
            if let Some(record) = changes.read.pop_front() {
                return Poll::Ready(Some(Ok(record)));
            }
            if changes.ended {
                return Poll::Ready(None);
            }
            let fetch = changes.fetch.get_or_insert_with(|| {
                let (handle, feed) = (changes.handle.clone(), changes.feed.clone());
                Box::pin(async move { handle.store().feed(handle.caller(), feed).await })
            });
            let Poll::Ready(page) = fetch.as_mut().poll(cx) else { return Poll::Pending };
            changes.fetch = None;
            match page {
                Ok(page) => {
                    changes.ended = page.after == changes.feed.after && changes.feed.wait.is_zero();
                    changes.feed.after = page.after;
                    changes.read = page.records.into();
                }
                Err(error) => {
                    changes.ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").field("feed", &self.feed).finish_non_exhaustive()
    }
}
