//! Questions: from state, from lists, from the journal. Each takes the head once and bounds what it reads by it.

mod feed;
mod lists;
mod log;
mod runs;
mod verify;

use super::{
    flow::{project_of, thread_of},
    shared::Shared,
    state::JournalState,
};
use crate::{
    command::{
        Caller, Cursor, Page, Paging, SessionAnswer, SessionFilter, SessionQuery, ThreadAnswer,
        ThreadQuery, UsageScope,
    },
    error::{Error, Result},
    id::{SessionId, Space, TenantId, ThreadId, Version},
    journal::{Direction, RecordBody},
    model::{Labels, RollUp, SessionRow, SubSession},
    record::{Opened, check_body},
    rules::thread::{Reading, ThreadState},
};

use std::{ops::Bound, sync::Arc};

/// Sessions or records a filtered page looks at.
const BUDGET: usize = 4096;

/// A thread as of one head.
pub(super) struct AtHead {
    tenant: TenantId,
    id: ThreadId,
    machine: Arc<JournalState>,
}

impl AtHead {
    fn state(&self) -> Result<&ThreadState> {
        thread_of(&self.machine)
    }

    fn reading(&self) -> Result<Reading<'_>> {
        Ok(Reading { tenant: &self.tenant, id: self.id, state: self.state()? })
    }

    fn exists(&self) -> Result<()> {
        if self.state()?.thread.is_some() { Ok(()) } else { Err(Error::not_found(self.id)) }
    }

    fn has(&self, session: SessionId) -> Result<()> {
        let exists = self.state()?.session(session.version()).is_some();
        if exists { Ok(()) } else { Err(Error::not_found(session)) }
    }
}

impl Shared {
    /// The thread of an id, as of now.
    async fn at_head(&self, caller: &Caller, thread: ThreadId) -> Result<AtHead> {
        caller.owns(thread.tag(), thread)?;
        let machine = self.state(&thread.space(&caller.tenant), caller).await?;
        Ok(AtHead { tenant: caller.tenant.clone(), id: thread, machine })
    }

    /// The text of a record's body, checked; `None` if it was erased. A missing body is right only if a record says that
    /// it was erased - by the head of the question, or since: then it is asked again.
    async fn body_or_erased(
        &self,
        at: &AtHead,
        space: &Space,
        opened: &Opened,
    ) -> Result<Option<Arc<str>>> {
        let version = opened.header.version;
        if at.state()?.erased.erased_by(version).is_some() {
            return Ok(None);
        }
        let missing = match self.body_text(space, opened).await {
            Ok(Some(text)) => return Ok(Some(text)),
            Ok(None) => Error::corrupt(space, version, "the body is missing"),
            Err(error @ Error::Corrupt { .. }) => error,
            Err(error) => return Err(error),
        };
        let now = self.fresh(space).await?;
        match &*now {
            JournalState::Thread(state) if state.erased.erased_by(version).is_some() => Ok(None),
            _ => Err(missing),
        }
    }

    /// The text of a record's body; a blob is checked against the digest, as the record's sum covers only its name.
    async fn body_text(&self, space: &Space, opened: &Opened) -> Result<Option<Arc<str>>> {
        let corrupt = |reason: &str| Error::corrupt(space, opened.header.version, reason);
        match &opened.body {
            RecordBody::None => Ok(None),
            RecordBody::Inline(text) => Ok(Some(Arc::clone(text))),
            RecordBody::Blob(name) => {
                let bytes = match self.journal.get_blob(space, name, None).await {
                    Err(Error::NotFound { .. }) => Err(corrupt("the blob of the body is missing")),
                    bytes => bytes,
                }?;
                check_body(space, opened, &bytes)?;
                let text =
                    String::from_utf8(bytes).map_err(|_| corrupt("the body is not UTF-8"))?;
                Ok(Some(text.into()))
            }
        }
    }

    pub(super) async fn ask_thread(
        &self,
        caller: &Caller,
        query: ThreadQuery,
    ) -> Result<ThreadAnswer> {
        caller.check_query()?;
        match query {
            ThreadQuery::Project(project) => {
                caller.owns(project.tag(), project)?;
                let machine = self.state(&project.space(&caller.tenant), caller).await?;
                Ok(ThreadAnswer::Project(project_of(&machine)?.view(&caller.tenant, project)))
            }
            ThreadQuery::Projects(page) => {
                self.projects(caller, page).await.map(ThreadAnswer::Projects)
            }
            ThreadQuery::Thread(thread) => {
                Ok(ThreadAnswer::Thread(self.at_head(caller, thread).await?.reading()?.thread()))
            }
            ThreadQuery::Threads(filter, page) => {
                self.threads(caller, &filter, page).await.map(ThreadAnswer::Threads)
            }
            ThreadQuery::ProjectUsage(project) => {
                self.project_usage(caller, project).await.map(ThreadAnswer::ProjectUsage)
            }
        }
    }

    pub(super) async fn ask_session(
        &self,
        caller: &Caller,
        query: SessionQuery,
    ) -> Result<SessionAnswer> {
        caller.check_query()?;
        match query {
            SessionQuery::Session(id) => {
                let at = self.at_head(caller, id.thread()).await?;
                Ok(SessionAnswer::Session(at.reading()?.session(id.version())))
            }
            SessionQuery::Sessions(thread, filter, page) => {
                page.check()?;
                filter.actor.as_ref().map_or(Ok(()), |a| a.check("actor", &caller.tenant))?;
                let at = self.at_head(caller, thread).await?;
                at.exists()?;
                Ok(SessionAnswer::Sessions(sessions(&at.reading()?, &filter, page)))
            }
            SessionQuery::Drill(id) => {
                let at = self.at_head(caller, id.thread()).await?;
                Ok(SessionAnswer::Drill(at.reading()?.drill(id.version())))
            }
            SessionQuery::Children(id, page) => {
                page.check()?;
                let at = self.at_head(caller, id.thread()).await?;
                at.has(id)?;
                Ok(SessionAnswer::Edges(children(&at.reading()?, id.version(), page)))
            }
            SessionQuery::Edge(id) => {
                let at = self.at_head(caller, id.thread()).await?;
                Ok(SessionAnswer::Edge(at.reading()?.edge(id.version())))
            }
            SessionQuery::Entries { session, direction, run, in_reply_to, page } => {
                let filter = log::EntryFilter { run, in_reply_to };
                self.entries(caller, session, direction, filter, page)
                    .await
                    .map(SessionAnswer::Entries)
            }
            SessionQuery::Entry(id) => {
                Ok(SessionAnswer::Entry(self.entry(caller, id).await?.map(Box::new)))
            }
            SessionQuery::Run(id) => {
                Ok(SessionAnswer::Run(self.run(caller, id).await?.map(Box::new)))
            }
            SessionQuery::RunByExternalId(thread, external) => {
                let run = self.run_by_external_id(caller, thread, &external).await?;
                Ok(SessionAnswer::Run(Some(Box::new(run))))
            }
            SessionQuery::Runs(scope, page) => {
                self.runs(caller, scope, page).await.map(SessionAnswer::Runs)
            }
            SessionQuery::Usage(scope) => self.usage(caller, scope).await.map(SessionAnswer::Usage),
            SessionQuery::Ledger(id, page) => {
                self.ledger(caller, id, page).await.map(SessionAnswer::Ledger)
            }
            SessionQuery::Lease(id) => {
                let at = self.at_head(caller, id.thread()).await?;
                at.has(id)?;
                Ok(SessionAnswer::Lease(at.reading()?.lease(id.version())))
            }
            SessionQuery::Verify(thread, expected) => {
                self.verify(caller, thread, expected).await.map(SessionAnswer::Verified)
            }
        }
    }

    async fn usage(&self, caller: &Caller, scope: UsageScope) -> Result<RollUp> {
        match scope {
            UsageScope::Session(id) => {
                let at = self.at_head(caller, id.thread()).await?;
                let session =
                    at.state()?.session(id.version()).ok_or_else(|| Error::not_found(id))?;
                Ok(session.roll_up.as_deref().cloned().unwrap_or_default())
            }
            UsageScope::Thread(thread) => {
                let at = self.at_head(caller, thread).await?;
                at.exists()?;
                Ok((*at.state()?.roll_up).clone())
            }
            UsageScope::Task(thread, task) => {
                let at = self.at_head(caller, thread).await?;
                at.exists()?;
                let known = at
                    .state()?
                    .tasks
                    .get(&*task)
                    .ok_or_else(|| Error::not_found(format!("task {task:?}")))?;
                Ok((**known).clone())
            }
        }
    }
}

/// A page of a thread's sessions, by the version that created them.
fn sessions(reading: &Reading<'_>, filter: &SessionFilter, page: Paging) -> Page<SessionRow> {
    let after = page.after.map(|c| c.b);
    let sessions = &reading.state.sessions;
    let all: Box<dyn Iterator<Item = (&Version, &Arc<_>)>> = match filter.direction {
        Direction::Forward => Box::new(
            sessions.range((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)),
        ),
        Direction::Backward => Box::new(
            sessions
                .range((Bound::Unbounded, after.map_or(Bound::Unbounded, Bound::Excluded)))
                .rev(),
        ),
    };
    let mut items = Vec::new();
    for (looked, (version, session)) in all.enumerate() {
        if items.len() == page.limit || looked == BUDGET * 4 {
            // `version` is the first that was not looked at; the cursor names the one before it.
            let b = match filter.direction {
                Direction::Forward => version - 1,
                Direction::Backward => version + 1,
            };
            return Page { items, next: Some(Cursor { a: 0, b }) };
        }
        if Reading::passes(session, filter) {
            items.push(reading.row(*version, session));
        }
    }
    Page::last(items)
}

fn children(reading: &Reading<'_>, session: Version, page: Paging) -> Page<SubSession> {
    let after = page.after.map_or(0, |c| c.b);
    let Some(session) = reading.state.session(session) else { return Page::last(Vec::new()) };
    let mut items = reading.children(session, after, page.limit + 1);
    let more = items.len() > page.limit;
    items.truncate(page.limit);
    let next = items.last().filter(|_| more).map(|edge| Cursor { a: 0, b: edge.id.version() });
    Page { items, next }
}

/// Whether labels hold a pair, if one is asked for.
fn labelled(labels: &Labels, wanted: Option<&(String, String)>) -> bool {
    wanted.is_none_or(|(key, value)| labels.matches(key, value))
}
