//! Timelines: the logs of one thread, or of all threads of a project, merged.
//!
//! The order is that of [`Place`]: time, thread, version. Inside a thread times never go back, so it is the order of the
//! journal. A page goes on after a place, wherever the threads have got to since.

use std::collections::{BTreeMap, HashSet, VecDeque};

use super::{at_head::ThreadAtHead, lists::ListedThreads, stream_reader::StreamReader};
use crate::{
    clock::Timestamp,
    command::{Caller, Cursor, Page, Paging, TimelineFilter, TimelineRow, TimelineScope},
    error::Result,
    id::{Space, ThreadId, Version},
    journal::{Direction, RecordBody},
    model::{Content, Entry},
    record::{EntryHeader, EntryReader, Opened},
    rules::thread::Base,
    store::inner::StoreInner,
};

/// Records of the first read of a thread, and of later ones at most.
const FIRST_READ: usize = 16;
const READ_RECORDS: usize = 512;
/// Records that one page looks at, at most: so many, and more for each thread that it had to open.
const PAGE_RECORDS: usize = 4096;
const THREAD_RECORDS: usize = 64;

/// Where an entry stands in a timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    time: Timestamp,
    thread: u128,
    version: Version,
}

impl Place {
    const FIRST: Self = Self { time: Timestamp::from_millis(0), thread: 0, version: 0 };
    const LAST: Self =
        Self { time: Timestamp::from_millis(u64::MAX), thread: u128::MAX, version: u64::MAX };

    const fn of(cursor: Cursor) -> Self {
        let time = Timestamp::from_millis(cursor.c);
        Self { time, thread: cursor.a, version: cursor.b }
    }

    const fn cursor(self) -> Cursor {
        Cursor { a: self.thread, b: self.version, c: self.time.millis() }
    }
}

/// One thread's part of a page.
struct Source {
    at: ThreadAtHead,
    space: Space,
    log: StreamReader,
    ahead: VecDeque<(Place, EntryHeader, Opened)>,
    limit: usize,
}

/// What a page was asked for, and what it looked at so far.
struct Merge<'a> {
    filter: &'a TimelineFilter,
    direction: Direction,
    /// Both excluded.
    after: Place,
    before: Place,
    /// Records that it may still look at.
    left: usize,
    reader: EntryReader,
}

impl Merge<'_> {
    /// Whether `this` comes before `that` in the direction of the page.
    fn is_ahead(&self, this: Timestamp, that: Timestamp) -> bool {
        match self.direction {
            Direction::Forward => this < that,
            Direction::Backward => this > that,
        }
    }

    fn is_earlier(&self, this: Place, that: Place) -> bool {
        match self.direction {
            Direction::Forward => this < that,
            Direction::Backward => this > that,
        }
    }

    fn wants(&self, thread: ThreadId, header: &EntryHeader) -> bool {
        let filter = self.filter;
        let of = |id: Option<(ThreadId, Version)>, version: Option<Version>| {
            id.is_none_or(|id| id.0 == thread && Some(id.1) == version)
        };
        of(filter.session.map(|s| (s.thread(), s.version())), Some(header.session))
            && of(filter.run.map(|r| (r.thread(), r.version())), header.run)
            && filter.kind.is_none_or(|kind| kind == header.effect.kind())
    }

    /// The row of an entry, if its author and its text are the wanted ones.
    fn row(&self, entry: Entry) -> Option<TimelineRow> {
        let filter = self.filter;
        if filter.actor.is_some() && filter.actor != entry.actor {
            return None;
        }
        let Some(text) = &filter.text else { return Some(TimelineRow { entry, snippet: None }) };
        // Who wrote it is erased with what was written.
        entry.actor.as_ref()?;
        let found = match entry.content.as_ref()? {
            Content::Annotation { reason, .. } => reason.as_deref().and_then(|it| text.find(it)),
            content => content.message().and_then(|message| text.find_in(message)),
        };
        found.map(|snippet| TimelineRow { entry, snippet: Some(snippet) })
    }
}

impl StoreInner {
    pub(super) async fn timeline(
        &self,
        caller: &Caller,
        scope: TimelineScope,
        filter: &TimelineFilter,
        page: Paging,
    ) -> Result<Page<TimelineRow>> {
        page.check()?;
        filter.check(caller)?;
        let direction = filter.direction;
        let since = filter.since.and_then(|since| since.millis().checked_sub(1));
        let mut after = since.map_or(Place::FIRST, |millis| Place {
            time: Timestamp::from_millis(millis),
            ..Place::LAST
        });
        let mut before =
            filter.until.map_or(Place::LAST, |until| Place { time: until, ..Place::LAST });
        match (page.after.map(Place::of), direction) {
            (Some(place), Direction::Forward) => after = after.max(place),
            (Some(place), Direction::Backward) => before = before.min(place),
            (None, _) => {}
        }
        let reader = EntryReader::default();
        let left = PAGE_RECORDS;
        let mut merge = Merge { filter, direction, after, before, left, reader };
        match scope {
            TimelineScope::Session(session) => {
                let at = self.at_head(caller, session.thread()).await?;
                at.require_session(session)?;
                let parts = at.state()?.forks.parts(session.version());
                self.page_of_one(caller, (at, Some(parts)), &mut merge, page).await
            }
            TimelineScope::Thread(thread) => {
                let at = self.at_head(caller, thread).await?;
                at.require_thread()?;
                self.page_of_one(caller, (at, None), &mut merge, page).await
            }
            TimelineScope::Project(project) => {
                self.project_exists(caller, project).await?;
                let threads = ListedThreads::new(caller, project, direction);
                self.page_of_many(caller, threads, &mut merge, page).await
            }
        }
    }

    async fn page_of_one(
        &self,
        caller: &Caller,
        (at, parts): (ThreadAtHead, Option<Vec<Base>>),
        merge: &mut Merge<'_>,
        page: Paging,
    ) -> Result<Page<TimelineRow>> {
        let limit = (page.limit + 1).min(READ_RECORDS);
        let source = self.source(caller, (at, parts), merge, limit).await?;
        let mut sources = BTreeMap::new();
        self.add(&mut sources, source, merge).await?;
        self.merged(&mut sources, None, merge, page).await
    }

    async fn page_of_many(
        &self,
        caller: &Caller,
        mut threads: ListedThreads,
        merge: &mut Merge<'_>,
        page: Paging,
    ) -> Result<Page<TimelineRow>> {
        let mut sources = BTreeMap::new();
        let mut opened = HashSet::new();
        let mut pending =
            Pending { store: self, caller, threads: &mut threads, opened: &mut opened };
        let newest = pending.newest().await?;
        let mut answer = self.merged(&mut sources, Some(&mut pending), merge, page).await?;
        // A thread that was written to while the list was read may have gone to a part of it that was read already.
        let moved = pending.moved_since(newest).await?;
        if moved.is_empty() {
            return Ok(answer);
        }
        let mut end = answer.next.map_or(
            if merge.direction == Direction::Backward { Place::FIRST } else { Place::LAST },
            Place::of,
        );
        let mut rows: BTreeMap<Place, TimelineRow> = BTreeMap::new();
        let place = |row: &TimelineRow| Place {
            time: row.entry.at,
            thread: row.entry.id.thread().bits(),
            version: row.entry.version,
        };
        for thread in moved {
            let mut late = BTreeMap::new();
            let at = self.at_head(caller, thread).await?;
            if at.state()?.thread.is_none() {
                continue;
            }
            let source = self.source(caller, (at, None), merge, FIRST_READ).await?;
            merge.left = PAGE_RECORDS;
            self.add(&mut late, source, merge).await?;
            let more = self.merged(&mut late, None, merge, page).await?;
            if let Some(next) = more.next.map(Place::of)
                && merge.is_earlier(next, end)
            {
                end = next;
                answer.next = Some(next.cursor());
            }
            rows.extend(more.items.into_iter().map(|row| (place(&row), row)));
        }
        rows.extend(answer.items.drain(..).map(|row| (place(&row), row)));
        rows.retain(|place, _| !merge.is_earlier(end, *place));
        let mut rows: Vec<_> = rows.into_iter().collect();
        if merge.direction == Direction::Backward {
            rows.reverse();
        }
        if rows.len() > page.limit {
            rows.truncate(page.limit);
            answer.next = rows.last().map(|(place, _)| place.cursor());
        }
        answer.items = rows.into_iter().map(|(_, row)| row).collect();
        Ok(answer)
    }

    /// A thread's part, from where the page begins.
    async fn source(
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

    /// Adds a source at the place of its next entry; one that has none is dropped.
    async fn add(
        &self,
        sources: &mut BTreeMap<Place, Source>,
        mut source: Source,
        merge: &mut Merge<'_>,
    ) -> Result<()> {
        while source.ahead.is_empty() {
            let records = source.log.next(self, &source.space, source.limit).await?;
            if records.is_empty() {
                return Ok(());
            }
            source.limit = (source.limit * 2).min(READ_RECORDS);
            for opened in records {
                let Some(header) = opened.header.event.as_entry() else {
                    merge.left = merge.left.saturating_sub(1);
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
        if let Some((place, _, _)) = source.ahead.front() {
            sources.insert(*place, source);
        }
        Ok(())
    }

    /// The next page of these sources, and of the threads that are still pending.
    async fn merged(
        &self,
        sources: &mut BTreeMap<Place, Source>,
        mut pending: Option<&mut Pending<'_>>,
        merge: &mut Merge<'_>,
        page: Paging,
    ) -> Result<Page<TimelineRow>> {
        let mut items = Vec::new();
        let mut last: Option<Place> = None;
        loop {
            if let Some(pending) = &mut pending {
                loop {
                    let next = match merge.direction {
                        Direction::Forward => sources.first_key_value(),
                        Direction::Backward => sources.last_key_value(),
                    };
                    let time = next.map(|(place, _)| place.time);
                    let Some(thread) = pending.next_before(merge, time).await? else { break };
                    let at = self.at_head(pending.caller, thread).await?;
                    if at.state()?.thread.is_some() {
                        let opened = (at, None);
                        let source = self.source(pending.caller, opened, merge, FIRST_READ).await?;
                        self.add(sources, source, merge).await?;
                        merge.left += THREAD_RECORDS;
                    }
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
            self.add(sources, source, merge).await?;
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

/// The threads of a project that are not opened yet, in the order of a page.
struct Pending<'a> {
    store: &'a StoreInner,
    caller: &'a Caller,
    threads: &'a mut ListedThreads,
    opened: &'a mut HashSet<ThreadId>,
}

impl Pending<'_> {
    /// When the thread that was written to last was.
    async fn newest(&mut self) -> Result<Timestamp> {
        self.threads.newest(self.store).await
    }

    /// The next thread that may hold an entry ahead of `time`, or at it; with `None`, the next one at all.
    async fn next_before(
        &mut self,
        merge: &Merge<'_>,
        time: Option<Timestamp>,
    ) -> Result<Option<ThreadId>> {
        loop {
            let Some(thread) = self.threads.peek(self.store, self.caller).await? else {
                return Ok(None);
            };
            let bound = match merge.direction {
                Direction::Forward => thread.created_at,
                Direction::Backward => thread.updated_at,
            };
            if time.is_some_and(|time| merge.is_ahead(time, bound)) {
                return Ok(None);
            }
            let id = thread.id;
            let outside =
                thread.created_at > merge.before.time || thread.updated_at < merge.after.time;
            self.threads.skip();
            self.opened.insert(id);
            if !outside {
                return Ok(Some(id));
            }
        }
    }

    /// Threads that were written to after a time and were not opened.
    async fn moved_since(&mut self, time: Timestamp) -> Result<Vec<ThreadId>> {
        let moved = self.threads.updated_since(self.store, time).await?;
        Ok(moved.into_iter().filter(|thread| !self.opened.contains(thread)).collect())
    }
}
