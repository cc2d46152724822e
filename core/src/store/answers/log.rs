//! Entries: pages of a session's log, and single ones.

use super::{at_head::ThreadAtHead, stream_reader::StreamReader};
use crate::{
    command::{Caller, Cursor, EntryFilter, Page, Paging},
    error::{Error, Result, Subject},
    id::{EntryId, RunId, SessionId, Space},
    journal::Direction,
    model::Entry,
    record::{EntryReader, Event, Lane, Opened},
    store::inner::StoreInner,
};

impl StoreInner {
    pub(super) async fn entries(
        &self,
        caller: &Caller,
        session: SessionId,
        filter: EntryFilter,
        page: Paging,
    ) -> Result<Page<Entry>> {
        page.check()?;
        caller.owns(session.thread().tag(), session)?;
        let run = filter.run.map(|r| (r.thread(), r.version(), Subject::from(r)));
        let reply = filter.in_reply_to.map(|e| (e.thread(), e.version(), Subject::from(e)));
        for (thread, _, id) in run.iter().chain(&reply) {
            caller.owns(thread.tag(), id.clone())?;
        }
        let at = self.at_head(caller, session.thread()).await?;
        at.require_session(session)?;
        if let Some((_, _, id)) =
            run.iter().chain(&reply).find(|(thread, _, _)| *thread != session.thread())
        {
            return Err(Error::wrong_thread(id.clone(), session.thread()));
        }
        let (head, tail) =
            (at.state()?.version(), at.state()?.session(session.version()).map_or(0, |s| s.tail));
        let space = session.thread().space(&caller.tenant);
        let bound = page.after.map_or(head, |c| u64::try_from(c.a).unwrap_or(head).min(head));
        let direction = filter.direction;
        let stream = Lane::Log.of(session.version());
        let mut log = StreamReader::new(stream, direction, head, page.after).after(filter.after);
        if let (Some(since), Direction::Forward, None) = (filter.since, direction, page.after) {
            log.skip_before(self, &space, since, session.version(), tail).await?;
        }
        let mut items: Vec<Entry> = Vec::new();
        let mut reader = EntryReader::default();
        let mut seen = None;
        loop {
            let at_end = direction == Direction::Forward && seen.is_some_and(|v| v >= tail);
            let records = if at_end {
                Vec::new()
            } else {
                log.next(self, &space, page.limit + 1 - items.len()).await?
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
                // Backward, whatever follows is earlier still.
                if filter.since.is_some_and(|since| opened.header.time() < since) {
                    return Ok(Page::last(items));
                }
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
            if log.is_over_budget() {
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
        let Some(opened) = self.record_at(&space, id.version()).await? else { return Ok(None) };
        match opened.header.event {
            Event::Entry { session, .. } if at.state()?.session(session).is_some() => {
                self.read_entry(&at, &space, &opened, &mut EntryReader::default()).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    async fn read_entry(
        &self,
        at: &ThreadAtHead,
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
            id: EntryId::new(at.id(), version),
            session: SessionId::new(at.id(), session),
            version,
            actor,
            at: opened.header.time(),
            run: run.map(|r| RunId::new(at.id(), r)),
            in_reply_to: in_reply_to.map(|e| EntryId::new(at.id(), e)),
            message,
        })
    }
}
