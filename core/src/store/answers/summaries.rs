//! Sealed summaries, each from its record.

use super::at_head::ThreadAtHead;
use crate::{
    command::{Caller, Cursor, Page, Paging},
    error::{Error, Result},
    id::{SessionId, SummaryId, Version},
    model::Summary,
    record::{Body, Event},
    store::inner::StoreInner,
};

impl StoreInner {
    pub(super) async fn summary(&self, caller: &Caller, id: SummaryId) -> Result<Option<Summary>> {
        let at = self.at_head(caller, id.thread()).await?;
        if id.version() > at.state()?.version() {
            return Ok(None);
        }
        Ok(self.summary_at(caller, &at, id.version()).await?.map(|(summary, _)| summary))
    }

    /// The summary that a record tells of a session that exists, and the version of the one before it.
    pub(in crate::store) async fn summary_at(
        &self,
        caller: &Caller,
        at: &ThreadAtHead,
        version: Version,
    ) -> Result<Option<(Summary, Option<Version>)>> {
        let space = at.id().space(&caller.tenant);
        let Some(opened) = self.record_at(&space, version).await? else { return Ok(None) };
        let Event::SummarySealed { session, activity, previous, .. } = opened.header.event else {
            return Ok(None);
        };
        if at.state()?.session(session).is_none() {
            return Ok(None);
        }
        let body = match self.body_or_erased(at, &space, &opened).await? {
            Some(text) => Body::decode(&opened.header.event, &text)
                .map_err(|e| Error::corrupt(&space, version, e.to_string()))?,
            None => Body::Erased,
        };
        let (content, created_by) = match body {
            Body::Summary(body) => (Some(body.summary), Some(body.by)),
            _ => (None, None),
        };
        let summary = Summary {
            id: SummaryId::new(at.id(), version),
            session: SessionId::new(at.id(), session),
            activity,
            content,
            created_by,
            at: opened.header.time(),
            version,
        };
        Ok(Some((summary, previous)))
    }

    /// The summaries of a session, the newest first.
    pub(super) async fn summaries(
        &self,
        caller: &Caller,
        session: SessionId,
        page: Paging,
    ) -> Result<Page<Summary>> {
        page.check()?;
        let at = self.at_head(caller, session.thread()).await?;
        at.require_session(session)?;
        let newest = at.state()?.session(session.version()).map_or(0, |s| s.activity.summary);
        let mut next = Some(newest).filter(|version| *version != 0);
        let after = page.after.map(|cursor| cursor.b);
        let mut items = Vec::new();
        while let Some(version) = next {
            // A cursor may be of another session: it leads nowhere outside this one's.
            let Some((summary, previous)) = self.summary_at(caller, &at, version).await? else {
                break;
            };
            next = previous;
            if after.is_some_and(|after| version >= after) {
                continue;
            }
            if items.len() == page.limit {
                let last = items.last().map(|it: &Summary| Cursor::new(0, it.version));
                return Ok(Page { items, next: last });
            }
            items.push(summary);
        }
        Ok(Page::last(items))
    }
}
