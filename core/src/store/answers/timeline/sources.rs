//! The threads that a page is merged from.

use std::collections::{BTreeMap, VecDeque};

use futures_util::future::join_all;

use super::{Merge, Pending, Place};
use crate::{
    clock::Timestamp,
    command::{Caller, Page, Paging, TimelineRow},
    error::Result,
    id::{Space, ThreadId},
    journal::{Direction, RecordBody},
    record::{EntryHeader, Opened},
    rules::thread::Base,
    store::{
        answers::{at_head::ThreadAtHead, stream_reader::StreamReader},
        inner::StoreInner,
    },
};

/// Records of the first read of a thread, and of later ones at most.
const FIRST_READ: usize = 16;
pub(super) const READ_RECORDS: usize = 512;
/// Threads that are opened at one time at most, as each may wait for a journal that is far away. The first is opened alone,
/// and then twice as many as before: most pages need few.
const OPENED_AT_ONCE: usize = 16;
/// Records that a page may look at, for each thread that it opens.
const THREAD_RECORDS: usize = 64;

/// One thread's part of a page.
pub(super) struct Source {
    at: ThreadAtHead,
    space: Space,
    log: StreamReader,
    ahead: VecDeque<(Place, EntryHeader, Opened)>,
    limit: usize,
}

/// A source that was read up to its next entry.
pub(super) struct Filled {
    source: Source,
    /// Records that were read and are no entries.
    others: usize,
}

impl Filled {
    /// Adds the source at the place of its next entry; one that has none is dropped.
    pub(super) fn add_to(self, sources: &mut BTreeMap<Place, Source>, merge: &mut Merge<'_>) {
        merge.left = merge.left.saturating_sub(self.others);
        if let Some((place, _, _)) = self.source.ahead.front() {
            sources.insert(*place, self.source);
        }
    }
}

impl StoreInner {
    /// A thread's part, from where the page begins.
    pub(super) async fn source(
        &self,
        caller: &Caller,
        (at, parts): (ThreadAtHead, Option<Vec<Base>>),
        merge: &Merge<'_>,
        limit: usize,
    ) -> Result<Source> {
        let space = at.id().space(&caller.tenant);
        let (head, bits) = (at.state()?.version(), at.id().bits());
        // The last version of this thread that is not after a place.
        let upto = async |place: Place| {
            if place.time == Timestamp::from_millis(u64::MAX) {
                Ok(head)
            } else if place.thread == bits && place.version < u64::MAX {
                Ok(place.version.min(head))
            } else {
                self.version_by(&at, &space, place.time).await.map(Option::unwrap_or_default)
            }
        };
        let upto_version = upto(merge.before).await?;
        // What has the very time of the place is looked at by place.
        let earlier = merge.after.time.millis().checked_sub(1).map(Timestamp::from_millis);
        let after = match earlier {
            _ if merge.after.thread == bits && merge.after.version < u64::MAX => {
                merge.after.version
            }
            Some(time) => self.version_by(&at, &space, time).await?.unwrap_or_default(),
            None => 0,
        };
        let log = match parts {
            Some(parts) => {
                StreamReader::of_log(&parts, merge.direction, (upto_version, after), None)
            }
            None => StreamReader::of_records(merge.direction, (upto_version, after)),
        };
        Ok(Source { at, space, log, ahead: VecDeque::new(), limit })
    }

    /// A thread's part with its next entry; `None` where the thread is gone.
    pub(super) async fn opened(
        &self,
        caller: &Caller,
        thread: ThreadId,
        merge: &Merge<'_>,
    ) -> Result<Option<Filled>> {
        let at = self.at_head(caller, thread).await?;
        if at.state()?.thread.is_none() {
            return Ok(None);
        }
        let source = self.source(caller, (at, None), merge, FIRST_READ).await?;
        self.filled(source, merge).await.map(Some)
    }

    /// Reads on until the next entry is known.
    pub(super) async fn filled(&self, mut source: Source, merge: &Merge<'_>) -> Result<Filled> {
        let mut others = 0;
        while source.ahead.is_empty() {
            let records = source.log.next(self, &source.space, source.limit).await?;
            if records.is_empty() {
                break;
            }
            source.limit = (source.limit * 2).min(READ_RECORDS);
            for opened in records {
                let Some(header) = opened.header.event.as_entry() else {
                    others += 1;
                    continue;
                };
                let place = Place {
                    time: opened.header.time(),
                    thread: source.at.id().bits(),
                    version: opened.header.version,
                };
                let readable = source.at.state()?.is_readable(header.session, place.version);
                if readable && merge.after < place && place < merge.before {
                    source.ahead.push_back((place, header, opened));
                }
            }
        }
        Ok(Filled { source, others })
    }

    /// The next page of these sources, and of the threads that are still pending.
    pub(super) async fn merged(
        &self,
        sources: &mut BTreeMap<Place, Source>,
        mut pending: Option<&mut Pending<'_>>,
        merge: &mut Merge<'_>,
        page: Paging,
    ) -> Result<Page<TimelineRow>> {
        let mut items = Vec::new();
        let mut last: Option<Place> = None;
        let mut at_once = 1;
        loop {
            if let Some(pending) = &mut pending {
                loop {
                    let next = match merge.direction {
                        Direction::Forward => sources.first_key_value(),
                        Direction::Backward => sources.last_key_value(),
                    };
                    let time = next.map(|(place, _)| place.time);
                    let mut threads = Vec::new();
                    while threads.len() < at_once
                        && let Some(thread) = pending.next_before(merge, time).await?
                    {
                        threads.push(self.opened(pending.caller, thread, merge));
                    }
                    if threads.is_empty() {
                        break;
                    }
                    for opened in join_all(threads).await {
                        let Some(filled) = opened? else { continue };
                        merge.left += THREAD_RECORDS;
                        filled.add_to(sources, merge);
                    }
                    at_once = (at_once * 2).min(OPENED_AT_ONCE);
                }
            }
            let next = match merge.direction {
                Direction::Forward => sources.pop_first(),
                Direction::Backward => sources.pop_last(),
            };
            let Some((place, mut source)) = next else { return Ok(Page::last(items)) };
            let Some((_, header, opened)) = source.ahead.pop_front() else { continue };
            if merge.wants(source.at.id(), &header) && self.may_hold(merge, &opened) {
                let read = (&opened, &header);
                let entry =
                    self.read_entry(&source.at, &source.space, read, &mut merge.reader).await?;
                if let Some(row) = merge.row(entry) {
                    if items.len() == page.limit {
                        return Ok(Page { items, next: last.map(Place::cursor) });
                    }
                    items.push(row);
                }
            }
            last = Some(place);
            self.filled(source, merge).await?.add_to(sources, merge);
            merge.left = merge.left.saturating_sub(1);
            if merge.left == 0 && !(sources.is_empty() && pending.is_none()) {
                return Ok(Page { items, next: last.map(Place::cursor) });
            }
        }
    }

    /// Whether the text that is searched for may be in a body; cheap, and wrong only by saying yes.
    fn may_hold(&self, merge: &Merge<'_>, opened: &Opened) -> bool {
        match (&merge.filter.text, &opened.body) {
            (Some(text), RecordBody::Inline(body)) => text.may_be_in_json(body),
            _ => true,
        }
    }
}
