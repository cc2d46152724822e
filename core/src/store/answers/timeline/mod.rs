//! Timelines: the logs of one thread, or of all threads of a project, merged.
//!
//! The order is that of [`Place`]: time, thread, version. Inside a thread times never go back, so it is the order of the
//! journal. A page goes on after a place, wherever the threads have got to since.

mod pending;
mod sources;

use std::collections::{BTreeMap, HashSet};

use self::pending::Pending;
use super::{at_head::ThreadAtHead, lists::ListedThreads};
use crate::{
    clock::Timestamp,
    command::{Caller, Cursor, Page, Paging, TimelineFilter, TimelineRow, TimelineScope},
    error::Result,
    id::{ThreadId, Version},
    journal::Direction,
    model::{Content, Entry},
    record::{EntryHeader, EntryReader},
    rules::thread::Base,
    store::inner::StoreInner,
};

/// Records that one page looks at, at most; more for each thread that it has to open.
const PAGE_RECORDS: usize = 4096;

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
    fn is_ahead<T: Ord>(&self, this: T, that: T) -> bool {
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
            Content::Note { note, .. } => note.texts().find_map(|it| text.find(it)),
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
        let limit = (page.limit + 1).min(sources::READ_RECORDS);
        let source = self.source(caller, (at, parts), merge, limit).await?;
        let mut sources = BTreeMap::new();
        self.filled(source, merge).await?.add_to(&mut sources, merge);
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
            let Some(filled) = self.opened(caller, thread, merge).await? else { continue };
            merge.left = PAGE_RECORDS;
            filled.add_to(&mut late, merge);
            let more = self.merged(&mut late, None, merge, page).await?;
            if let Some(next) = more.next.map(Place::of)
                && merge.is_ahead(next, end)
            {
                end = next;
                answer.next = Some(next.cursor());
            }
            rows.extend(more.items.into_iter().map(|row| (place(&row), row)));
        }
        rows.extend(answer.items.drain(..).map(|row| (place(&row), row)));
        rows.retain(|place, _| !merge.is_ahead(end, *place));
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
}
