//! Pages of a session's log and of its ledger: bounded reads of one stream.

use super::{AtHead, BUDGET};
use crate::{
    command::{Caller, Cursor, Page, Paging},
    error::{Error, Result},
    id::{EntryId, RunId, SessionId, Space, Version},
    journal::{Direction, ReadRange, Stream},
    model::{Entry, LedgerRow},
    record::{Body, EntryReader, Event, Lane, Opened, open},
    store::shared::Shared,
};

/// Which entries a page keeps.
pub(super) struct EntryFilter {
    pub(super) run: Option<RunId>,
    pub(super) in_reply_to: Option<EntryId>,
}

/// A walk over one stream, from a cursor, within the head the first page was read at.
pub(super) struct Walk {
    range: ReadRange,
    looked: usize,
}

impl Walk {
    /// `cursor.a` is the head of the first page, `cursor.b` the last version seen.
    pub(super) fn new(
        stream: Stream,
        direction: Direction,
        head: Version,
        cursor: Option<Cursor>,
    ) -> Self {
        let upto = cursor.map_or(head, |c| u64::try_from(c.a).unwrap_or(head).min(head));
        let mut range = ReadRange { stream: Some(stream), after: 0, upto, direction, limit: 0 };
        if let Some(seen) = cursor.map(|c| c.b) {
            match direction {
                Direction::Forward => range.after = seen,
                Direction::Backward => range.upto = upto.min(seen.saturating_sub(1)),
            }
        }
        Self { range, looked: 0 }
    }

    pub(super) async fn next(
        &mut self,
        shared: &Shared,
        space: &Space,
        limit: usize,
    ) -> Result<Vec<Opened>> {
        self.range.limit = limit;
        if self.range.after >= self.range.upto {
            return Ok(Vec::new());
        }
        let records = shared.journal.read(space, &self.range).await?;
        if let Some(last) = records.last() {
            match self.range.direction {
                Direction::Forward => self.range.after = last.version,
                Direction::Backward => self.range.upto = last.version - 1,
            }
        }
        self.looked += records.len();
        records.iter().map(|record| open(space, record)).collect()
    }

    pub(super) const fn spent(&self) -> bool {
        self.looked >= BUDGET
    }
}

impl Shared {
    pub(super) async fn entries(
        &self,
        caller: &Caller,
        session: SessionId,
        direction: Direction,
        filter: EntryFilter,
        page: Paging,
    ) -> Result<Page<Entry>> {
        page.check()?;
        caller.owns(session.thread().tag(), session)?;
        let run = filter.run.map(|r| (r.thread(), r.version(), r.to_string()));
        let reply = filter.in_reply_to.map(|e| (e.thread(), e.version(), e.to_string()));
        for (thread, _, id) in run.iter().chain(&reply) {
            caller.owns(thread.tag(), id)?;
        }
        let at = self.at_head(caller, session.thread()).await?;
        at.has(session)?;
        if let Some((_, _, id)) =
            run.iter().chain(&reply).find(|(thread, _, _)| *thread != session.thread())
        {
            return Err(Error::WrongThread { what: id.clone() });
        }
        let (head, tail) =
            (at.state()?.version(), at.state()?.session(session.version()).map_or(0, |s| s.tail));
        let space = session.thread().space(&caller.tenant);
        let bound = page.after.map_or(head, |c| u64::try_from(c.a).unwrap_or(head).min(head));
        let mut walk = Walk::new(Lane::Log.of(session.version()), direction, head, page.after);
        let mut items: Vec<Entry> = Vec::new();
        let mut reader = EntryReader::default();
        let mut seen = None;
        loop {
            let at_end = direction == Direction::Forward && seen.is_some_and(|v| v >= tail);
            let records = if at_end {
                Vec::new()
            } else {
                walk.next(self, &space, page.limit + 1 - items.len()).await?
            };
            if records.is_empty() {
                return Ok(Page::last(items));
            }
            for opened in records {
                let Event::Entry { run: of_run, in_reply_to: answers, .. } = opened.header.event
                else {
                    return Err(Error::corrupt(
                        &space,
                        opened.header.version,
                        "a log holds only entries",
                    ));
                };
                let version = opened.header.version;
                let wanted = run.as_ref().is_none_or(|r| of_run == Some(r.1))
                    && reply.as_ref().is_none_or(|r| answers == Some(r.1));
                if wanted && items.len() == page.limit {
                    let next = items.last().map(|e| Cursor { a: bound.into(), b: e.version });
                    return Ok(Page { items, next });
                }
                if wanted {
                    items.push(self.read_entry(&at, &space, &opened, &mut reader).await?);
                }
                seen = Some(version);
            }
            if walk.spent() {
                let next = seen.map(|version| Cursor { a: bound.into(), b: version });
                return Ok(Page { items, next });
            }
        }
    }

    pub(super) async fn entry(&self, caller: &Caller, id: EntryId) -> Result<Option<Entry>> {
        let at = self.at_head(caller, id.thread()).await?;
        if id.version() > at.state()?.version() {
            return Ok(None);
        }
        let space = id.thread().space(&caller.tenant);
        let Some(opened) = self.one(&space, id.version()).await? else { return Ok(None) };
        match opened.header.event {
            Event::Entry { session, .. } if at.state()?.session(session).is_some() => {
                self.read_entry(&at, &space, &opened, &mut EntryReader::default()).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The record at one version.
    pub(super) async fn one(&self, space: &Space, version: Version) -> Result<Option<Opened>> {
        let after = version.saturating_sub(1);
        let range = ReadRange {
            stream: None,
            after,
            upto: version,
            direction: Direction::Forward,
            limit: 1,
        };
        self.journal
            .read(space, &range)
            .await?
            .first()
            .map(|record| open(space, record))
            .transpose()
    }

    async fn read_entry(
        &self,
        at: &AtHead,
        space: &Space,
        opened: &Opened,
        reader: &mut EntryReader,
    ) -> Result<Entry> {
        let version = opened.header.version;
        let Event::Entry { session, run, in_reply_to } = opened.header.event else {
            return Err(Error::corrupt(space, version, "is no entry"));
        };
        let text = self.body_or_erased(at, space, opened).await?;
        let read = text.map(|text| reader.read(&text)).transpose();
        let (actor, message) =
            read.map_err(|e| Error::corrupt(space, version, e.to_string()))?.unzip();
        Ok(Entry {
            id: EntryId::new(at.id, version),
            session: SessionId::new(at.id, session),
            version,
            actor,
            at: opened.header.at,
            run: run.map(|r| RunId::new(at.id, r)),
            in_reply_to: in_reply_to.map(|e| EntryId::new(at.id, e)),
            message,
        })
    }

    pub(super) async fn ledger(
        &self,
        caller: &Caller,
        id: SessionId,
        page: Paging,
    ) -> Result<Page<LedgerRow>> {
        page.check()?;
        let at = self.at_head(caller, id.thread()).await?;
        at.has(id)?;
        let space = id.thread().space(&caller.tenant);
        let head = at.state()?.version();
        let bound = page.after.map_or(head, |c| u64::try_from(c.a).unwrap_or(head).min(head));
        let mut walk =
            Walk::new(Lane::Usage.of(id.version()), Direction::Forward, head, page.after);
        let mut items: Vec<LedgerRow> = Vec::new();
        loop {
            let records = walk.next(self, &space, page.limit + 1 - items.len()).await?;
            if records.is_empty() {
                return Ok(Page::last(items));
            }
            for opened in records {
                if items.len() == page.limit {
                    let next = items.last().map(|row| Cursor { a: bound.into(), b: row.version });
                    return Ok(Page { items, next });
                }
                let body = opened.read_body(&space)?;
                let call = if let Body::Usage(body) = body { body.call } else { String::new() };
                let Event::UsageBooked { run, usage, running, .. } = opened.header.event else {
                    return Err(Error::corrupt(
                        &space,
                        opened.header.version,
                        "a ledger holds only usage",
                    ));
                };
                items.push(LedgerRow {
                    version: opened.header.version,
                    at: opened.header.at,
                    run: RunId::new(at.id, run),
                    call,
                    usage,
                    running,
                });
            }
        }
    }
}
