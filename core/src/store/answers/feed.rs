//! The feed: every record since a version.

use crate::{
    command::{Caller, Feed, FeedFilter, FeedPage, FeedRecord, Lineage, MAX_PAGE},
    error::{Error, Result},
    id::{SessionId, Space, ThreadId, Version},
    json::Json,
    record::{Event, open},
    rules::thread::ThreadState,
    store::{
        answers::at_head::{Payload, ThreadAtHead},
        inner::StoreInner,
    },
};

/// Records of one read of a filtered page.
const READ_RECORDS: usize = 512;
/// Records that one page looks at, about, at most.
const PAGE_RECORDS: u64 = 4096;

impl StoreInner {
    pub(in crate::store) async fn feed(&self, caller: &Caller, from: Feed) -> Result<FeedPage> {
        caller.check_query()?;
        if !(1..=MAX_PAGE).contains(&from.limit) {
            return Err(Error::invalid(
                "limit",
                format!("{}, where 1 to {MAX_PAGE} are allowed", from.limit),
            ));
        }
        let filter = &from.filter;
        for session in filter.session.iter().chain(&filter.subtree) {
            caller.owns(session.thread().tag(), *session)?;
        }
        let space = from.thread.space(&caller.tenant);
        let until = self.options().clock.elapsed().saturating_add(from.wait);
        let (mut after, mut looked) = (from.after, 0);
        loop {
            let at = self.at_head(caller, from.thread).await?;
            at.require_thread()?;
            let state = at.state()?;
            if after < state.trimmed {
                return Err(Error::Trimmed { thread: from.thread, upto: state.trimmed });
            }
            let head = state.version();
            while after < head {
                let range = (after, head, from.limit);
                let (records, upto) = self.records(&at, &space, range, filter).await?;
                looked += upto - after;
                after = upto;
                if !records.is_empty() || looked >= PAGE_RECORDS {
                    return Ok(FeedPage { records, after });
                }
            }
            let left = until.saturating_sub(self.options().clock.elapsed());
            if left.is_zero() {
                return Ok(FeedPage { records: Vec::new(), after });
            }
            self.journal().wait(&space, after, left).await?;
        }
    }

    /// The records that pass, and up to where they were looked at.
    async fn records(
        &self,
        at: &ThreadAtHead,
        space: &Space,
        (after, upto, limit): (Version, Version, usize),
        filter: &FeedFilter,
    ) -> Result<(Vec<FeedRecord>, Version)> {
        let (state, id) = (at.state()?, at.id());
        let is_filtered = *filter != FeedFilter::default();
        let mut records = Vec::new();
        let read = if is_filtered { READ_RECORDS } else { limit };
        let mut seen = after;
        for record in self.environment.read(space, after, upto, read).await? {
            if records.len() == limit {
                break;
            }
            seen = record.version;
            let opened = open(space, &record)?;
            let session = opened.header.event.session_in(opened.header.stream);
            if !passes(id, state, session, &record.kind, filter) {
                continue;
            }
            let shared = opened
                .header
                .event
                .as_entry()
                .is_some_and(|entry| state.is_readable(entry.session, opened.header.version));
            let exists = state.session(session).is_some();
            let gone = session != 0 && !shared && !exists;
            let payload = if gone { None } else { Some(self.payload(at, space, &opened).await?) };
            let is_pack = matches!(opened.header.event, Event::EntriesReturned { .. });
            records.push(FeedRecord {
                version: opened.header.version,
                at: opened.header.time(),
                session: (session != 0).then(|| SessionId::new(id, session)),
                lineage: exists.then(|| Lineage {
                    parent: state.parent_of(session).map(|parent| SessionId::new(id, parent)),
                    root: SessionId::new(id, state.upwards(session).last().unwrap_or(session)),
                    depth: state.depth(session),
                }),
                schema: opened.header.reader,
                kind: opened.header.event.name().to_owned(),
                facts: Json::from_value(&opened.header.event)?,
                erased: matches!(payload, Some(Payload::Erased)),
                evicted: matches!(payload, Some(Payload::Evicted { .. })),
                body: match payload {
                    Some(Payload::Here { text, .. }) if !is_pack => Some(Json::parse(&text)?),
                    _ => None,
                },
            });
        }
        Ok((records, seen))
    }
}

/// Whether a record is one that is asked for.
fn passes(
    thread: ThreadId,
    state: &ThreadState,
    session: Version,
    kind: &str,
    filter: &FeedFilter,
) -> bool {
    let is = |id: SessionId| id.thread() == thread && id.version() == session;
    let is_below = |root: SessionId| {
        root.thread() == thread && state.upwards(session).any(|above| above == root.version())
    };
    filter.session.is_none_or(is)
        && filter.subtree.is_none_or(is_below)
        && (filter.kinds.is_empty() || filter.kinds.iter().any(|wanted| wanted == kind))
}
