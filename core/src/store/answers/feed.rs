//! The feed: every record since a version.

use crate::{
    command::{Caller, Feed, FeedPage, FeedRecord, MAX_PAGE},
    error::{Error, Result},
    id::{SessionId, Space, Version},
    json::Json,
    record::open,
    store::{answers::at_head::ThreadAtHead, inner::StoreInner},
};

impl StoreInner {
    pub(in crate::store) async fn feed(&self, caller: &Caller, from: Feed) -> Result<FeedPage> {
        caller.check_query()?;
        if !(1..=MAX_PAGE).contains(&from.limit) {
            return Err(Error::invalid(
                "limit",
                format!("{}, where 1 to {MAX_PAGE} are allowed", from.limit),
            ));
        }
        let space = from.thread.space(&caller.tenant);
        let until = self.options().clock.elapsed().saturating_add(from.wait);
        loop {
            let at = self.at_head(caller, from.thread).await?;
            at.require_thread()?;
            let head = at.state()?.version();
            if head > from.after {
                let records = self.records(&at, &space, from.after, head, from.limit).await?;
                let after = records.last().map_or(from.after, |e| e.version);
                return Ok(FeedPage { records, after });
            }
            let left = until.saturating_sub(self.options().clock.elapsed());
            if left.is_zero() {
                return Ok(FeedPage { records: Vec::new(), after: from.after });
            }
            self.journal().wait(&space, from.after, left).await?;
        }
    }

    async fn records(
        &self,
        at: &ThreadAtHead,
        space: &Space,
        after: Version,
        upto: Version,
        limit: usize,
    ) -> Result<Vec<FeedRecord>> {
        let mut records = Vec::new();
        for record in self.environment.read(space, after, upto, limit).await? {
            let opened = open(space, &record)?;
            let session = opened.header.stream.session();
            let gone = session != 0 && at.state()?.session(session).is_none();
            let text = if gone { None } else { self.body_or_erased(at, space, &opened).await? };
            let erased = !gone && text.is_none();
            records.push(FeedRecord {
                version: opened.header.version,
                at: opened.header.time(),
                session: (session != 0).then(|| SessionId::new(at.id(), session)),
                kind: opened.header.event.name().to_owned(),
                facts: Json::from_value(&opened.header.event)?,
                erased,
                body: text.map(|text| Json::parse(&text)).transpose()?,
            });
        }
        Ok(records)
    }
}
