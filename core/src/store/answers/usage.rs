//! Usage: totals from state, single bookings from the ledger's stream.

use super::stream_reader::StreamReader;
use crate::{
    command::{Caller, Cursor, Page, Paging, UsageScope},
    error::{Error, Result},
    id::{RunId, SessionId},
    journal::Direction,
    model::{LedgerRow, RollUp},
    record::{Body, Event, Lane},
    store::inner::StoreInner,
};

impl StoreInner {
    /// The totals of a session, a thread or a task.
    pub(super) async fn usage(&self, caller: &Caller, scope: UsageScope) -> Result<RollUp> {
        match scope {
            UsageScope::Session(id) => {
                let at = self.at_head(caller, id.thread()).await?;
                let session =
                    at.state()?.session(id.version()).ok_or_else(|| Error::not_found(id))?;
                Ok(session.roll_up.as_deref().cloned().unwrap_or_default())
            }
            UsageScope::Thread(thread) => {
                let at = self.at_head(caller, thread).await?;
                at.require_thread()?;
                Ok((*at.state()?.roll_up).clone())
            }
            UsageScope::Task(thread, task) => {
                let at = self.at_head(caller, thread).await?;
                at.require_thread()?;
                Ok(at.require_task(&task)?.clone())
            }
        }
    }

    /// A page of a session's bookings, each with its running total (USE7).
    pub(super) async fn ledger(
        &self,
        caller: &Caller,
        id: SessionId,
        page: Paging,
    ) -> Result<Page<LedgerRow>> {
        page.check()?;
        let at = self.at_head(caller, id.thread()).await?;
        at.require_session(id)?;
        let space = id.thread().space(&caller.tenant);
        let head = at.state()?.version();
        let bound = page.after.map_or(head, |c| u64::try_from(c.a).unwrap_or(head).min(head));
        let mut reader =
            StreamReader::new(Lane::Usage.of(id.version()), Direction::Forward, head, page.after);
        let mut items: Vec<LedgerRow> = Vec::new();
        loop {
            let records = reader.next(self, &space, page.limit + 1 - items.len()).await?;
            if records.is_empty() {
                return Ok(Page::last(items));
            }
            for opened in records {
                if items.len() == page.limit {
                    let next = items.last().map(|row| Cursor::new(bound.into(), row.version));
                    return Ok(Page { items, next });
                }
                let body = opened.read_body(&space)?;
                let booked_at = opened.header.time();
                let Event::UsageBooked { run, mut usage, running, .. } = opened.header.event else {
                    return Err(Error::corrupt(
                        &space,
                        opened.header.version,
                        "a ledger holds only usage",
                    ));
                };
                let mut call = String::new();
                if let Body::Usage(body) = body {
                    (call, usage.model, usage.provider) = (body.call, body.model, body.provider);
                }
                items.push(LedgerRow {
                    version: opened.header.version,
                    at: booked_at,
                    run: RunId::new(at.id(), run),
                    call,
                    usage,
                    running,
                });
            }
        }
    }
}
