//! Entries: pages of a session's log, and single ones.

use super::{
    at_head::{Payload, ThreadAtHead},
    stream_reader::StreamReader,
};
use crate::{
    clock::Timestamp,
    command::{Caller, Cursor, EntryFilter, Page, Paging},
    error::{Error, Result, Subject},
    id::{CollapseId, EntryId, RunId, SessionId, Space, SubSessionId},
    journal::Direction,
    model::{CollapsedFrom, Content, Entry, Marker},
    record::{Effect, EntryHeader, EntryReader, EntryText, Opened},
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
        let state = at.state()?;
        let (head, tail) =
            (state.version(), state.session(session.version()).map_or(0, |s| s.last_entry));
        let space = session.thread().space(&caller.tenant);
        let bound = page.after.map_or(head, |c| u64::try_from(c.a).unwrap_or(head).min(head));
        let direction = filter.direction;
        let mut after = filter.after;
        if let (Some(since), Direction::Forward, None) = (filter.since, direction, page.after)
            && let Some(before) = since.millis().checked_sub(1).map(Timestamp::from_millis)
        {
            let earlier = self.version_by(&at, &space, before).await?;
            after = after.max(earlier.unwrap_or_default());
        }
        let parts = state.forks.parts(session.version());
        let mut log = StreamReader::of_log(&parts, direction, (head, after), page.after);
        let mut items: Vec<Entry> = Vec::new();
        let mut reader = EntryReader::default();
        let mut seen = None;
        loop {
            let at_end =
                direction == Direction::Forward && tail != 0 && seen.is_some_and(|v| v >= tail);
            let records = if at_end {
                Vec::new()
            } else {
                log.next(self, &space, page.limit + 1 - items.len()).await?
            };
            if records.is_empty() {
                return Ok(Page::last(items));
            }
            for opened in records {
                let version = opened.header.version;
                let header = entry_header(&space, &opened)?;
                // Backward, whatever follows is earlier still.
                if filter.since.is_some_and(|since| opened.header.time() < since) {
                    return Ok(Page::last(items));
                }
                let wanted = run.as_ref().is_none_or(|r| header.run == Some(r.1))
                    && reply.as_ref().is_none_or(|r| header.in_reply_to == Some(r.1));
                if wanted && items.len() == page.limit {
                    let next = items.last().map(|e| Cursor::new(bound.into(), e.version));
                    return Ok(Page { items, next });
                }
                if wanted {
                    items
                        .push(self.read_entry(&at, &space, (&opened, &header), &mut reader).await?);
                }
                seen = Some(version);
            }
            if log.is_over_budget() {
                let next = seen.map(|version| Cursor::new(bound.into(), version));
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
        match opened.header.event.as_entry() {
            Some(header) if at.state()?.is_readable(header.session, id.version()) => {
                let read = (&opened, &header);
                self.read_entry(&at, &space, read, &mut EntryReader::default()).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The entry of a record, whose header was read before.
    pub(in crate::store) async fn read_entry(
        &self,
        at: &ThreadAtHead,
        space: &Space,
        (opened, header): (&Opened, &EntryHeader),
        reader: &mut EntryReader,
    ) -> Result<Entry> {
        let version = opened.header.version;
        let (text, evicted) = match self.payload(at, space, opened).await? {
            Payload::Here { text, .. } => (Some(text), false),
            Payload::Erased => (None, false),
            Payload::Evicted { .. } => (None, true),
        };
        let read = text.map(|text| reader.read(header.effect, &text)).transpose();
        let read = read.map_err(|e| Error::corrupt(space, version, e.to_string()))?;
        let id = |version| EntryId::new(at.id(), version);
        let (actor, message, reason, note) = match read {
            Some(EntryText { actor, message, reason, note }) => {
                (Some(actor), message, reason, note)
            }
            None => (None, None, None, None),
        };
        let content = match header.effect {
            Effect::Message | Effect::Collapse(_) => message.map(Content::Message),
            Effect::Edit(target) => {
                message.map(|message| Content::Edit { target: id(target), message })
            }
            Effect::Annotation(target, priority) => {
                Some(Content::Annotation { target: id(target), priority, reason })
            }
            Effect::Compression(first, last) => message.map(|message| Content::Compression {
                first: id(first),
                last: id(last),
                message,
            }),
            Effect::Note(kind) => note.map(|note| Content::Note { kind, note }),
            Effect::Marker(place) => Some(Content::Marker(Marker {
                kind: place.kind,
                session: SessionId::new(at.id(), place.to),
                edge: place.edge.map(|edge| SubSessionId::new(at.id(), edge)),
                version: place.version,
            })),
        };
        Ok(Entry {
            id: id(version),
            session: SessionId::new(at.id(), header.session),
            version,
            actor,
            at: opened.header.time(),
            run: header.run.map(|r| RunId::new(at.id(), r)),
            in_reply_to: header.in_reply_to.map(id),
            copied_from: header.copied_from.map(id),
            collapsed_from: match header.effect {
                Effect::Collapse(of) => Some(CollapsedFrom {
                    collapse: CollapseId::new(at.id(), of.collapse),
                    child: SessionId::new(at.id(), of.child),
                    upto: of.upto,
                }),
                _ => None,
            },
            kind: header.effect.kind(),
            content,
            tokens: header.tokens,
            evicted,
        })
    }
}

/// The header of an entry; in a log stands nothing else.
pub(in crate::store) fn entry_header(space: &Space, opened: &Opened) -> Result<EntryHeader> {
    let header = opened.header.event.as_entry();
    let other = || Error::corrupt(space, opened.header.version, "a log holds only entries");
    header.ok_or_else(other)
}
