//! Collapses, each from its record and what the state knows of it.

use super::at_head::ThreadAtHead;
use crate::{
    command::{Caller, Cursor, Page, Paging},
    error::{Error, Result},
    id::{CollapseId, EntryId, SessionId, Space, SubSessionId, Version},
    model::Collapse,
    record::{Body, CollapseBody, Event, Opened},
    store::inner::StoreInner,
};

impl StoreInner {
    pub(super) async fn collapse(
        &self,
        caller: &Caller,
        id: CollapseId,
    ) -> Result<Option<Collapse>> {
        let at = self.at_head(caller, id.thread()).await?;
        self.collapse_at(caller, &at, id.version()).await
    }

    /// A draft of a session that exists.
    async fn collapse_at(
        &self,
        caller: &Caller,
        at: &ThreadAtHead,
        version: Version,
    ) -> Result<Option<Collapse>> {
        let state = at.state()?;
        let Some(it) = state.collapses.get(&version) else { return Ok(None) };
        let space = at.id().space(&caller.tenant);
        let Some(opened) = self.record_at(&space, version).await? else { return Ok(None) };
        let Event::CollapseProposed { autonomy, tokens, source_tokens, .. } = opened.header.event
        else {
            return Err(Error::corrupt(&space, version, "a draft stands in another record"));
        };
        let body = self.collapse_body(at, &space, &opened).await?;
        let (text, created_by) = body.map_or((None, None), |it| (Some(it.text), Some(it.by)));
        Ok(Some(Collapse {
            id: CollapseId::new(at.id(), version),
            edge: SubSessionId::new(at.id(), it.edge),
            child: SessionId::new(at.id(), it.child),
            upto: it.upto,
            parent: SessionId::new(at.id(), it.parent),
            autonomy,
            status: state.collapse_status(it),
            entry: (it.entry != 0).then(|| EntryId::new(at.id(), it.entry)),
            text,
            tokens,
            source_tokens,
            created_by,
            at: opened.header.time(),
            version,
        }))
    }

    /// The drafts of a session, the newest first.
    pub(super) async fn collapses(
        &self,
        caller: &Caller,
        session: SessionId,
        page: Paging,
    ) -> Result<Page<Collapse>> {
        page.check()?;
        let at = self.at_head(caller, session.thread()).await?;
        at.require_session(session)?;
        let newest = at.state()?.session(session.version()).map_or(0, |s| s.last_collapse);
        let mut next = newest;
        if let Some(after) = page.after.map(|cursor| cursor.b) {
            // A cursor may be of another session: it leads nowhere outside this one's.
            while next >= after && next != 0 {
                next = at.state()?.collapses.get(&next).map_or(0, |it| it.previous);
            }
        }
        let mut items: Vec<Collapse> = Vec::new();
        while let Some(it) = at.state()?.collapses.get(&next) {
            if items.len() == page.limit {
                let last = items.last().map(|it| Cursor::new(0, it.version));
                return Ok(Page { items, next: last });
            }
            items.extend(self.collapse_at(caller, &at, next).await?);
            next = it.previous;
        }
        Ok(Page::last(items))
    }

    /// The body of a draft's record; none if it was erased.
    pub(in crate::store) async fn collapse_body(
        &self,
        at: &ThreadAtHead,
        space: &Space,
        opened: &Opened,
    ) -> Result<Option<CollapseBody>> {
        let Some(text) = self.body_or_erased(at, space, opened).await? else { return Ok(None) };
        match Body::decode(&opened.header.event, &text) {
            Ok(Body::Collapse(body)) => Ok(Some(*body)),
            Ok(_) => Ok(None),
            Err(e) => Err(Error::corrupt(space, opened.header.version, e.to_string())),
        }
    }
}
