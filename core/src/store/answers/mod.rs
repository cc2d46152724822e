//! Queries: from state, from lists, from the journal. Each takes the head once and bounds what it reads by it.

mod at_head;
mod at_time;
mod collapses;
mod context;
mod feed;
mod lists;
mod log;
mod packs;
mod resumable;
mod runs;
mod sessions;
mod state;
mod stream_reader;
mod summaries;
mod timeline;
mod usage;
mod verify;

pub(super) use at_head::{Payload, ThreadAtHead};
pub(super) use lists::key as list_key;
pub(super) use log::entry_header;
pub(super) use packs::LastPack;
pub(super) use stream_reader::StreamReader;

use super::{commands::external::External, inner::StoreInner};
use crate::{
    command::{Caller, SessionAnswer, SessionQuery, ThreadAnswer, ThreadQuery},
    error::Result,
    id::check_external_id,
};

impl StoreInner {
    pub(in crate::store) async fn ask_thread(
        &self,
        caller: &Caller,
        query: ThreadQuery,
    ) -> Result<ThreadAnswer> {
        caller.check_query()?;
        match query {
            ThreadQuery::Project(project) => {
                caller.owns(project.tag(), project)?;
                let state = self.state(&project.space(&caller.tenant), caller).await?;
                Ok(ThreadAnswer::Project(state.as_project()?.view(&caller.tenant, project)))
            }
            ThreadQuery::ProjectByExternalId(external_id) => {
                check_external_id(&external_id)?;
                let at = self.resolve(caller, &External::project(&external_id)).await?;
                let state = self.state(&at.project().space(&caller.tenant), caller).await?;
                let project = state.as_project()?.view(&caller.tenant, at.project());
                Ok(ThreadAnswer::Project(project.filter(|_| at.exists)))
            }
            ThreadQuery::Projects(page) => {
                self.projects(caller, page).await.map(ThreadAnswer::Projects)
            }
            ThreadQuery::Thread(thread) => {
                Ok(ThreadAnswer::Thread(self.at_head(caller, thread).await?.reading()?.thread()))
            }
            ThreadQuery::ThreadByExternalId(project, external_id) => {
                check_external_id(&external_id)?;
                caller.owns(project.tag(), project)?;
                let at = self.resolve(caller, &External::thread(project, &external_id)).await?;
                let thread = self.at_head(caller, at.thread()).await?.reading()?.thread();
                Ok(ThreadAnswer::Thread(thread.filter(|_| at.exists)))
            }
            ThreadQuery::Threads(filter, page) => {
                self.threads(caller, &filter, page).await.map(ThreadAnswer::Threads)
            }
            ThreadQuery::Timeline(scope, filter, page) => {
                self.timeline(caller, scope, &filter, page).await.map(ThreadAnswer::Timeline)
            }
            ThreadQuery::ProjectUsage(project) => {
                self.project_usage(caller, project).await.map(ThreadAnswer::ProjectUsage)
            }
        }
    }

    pub(in crate::store) async fn ask_session(
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
            SessionQuery::SessionByExternalId(thread, external_id) => {
                check_external_id(&external_id)?;
                let at = self.at_head(caller, thread).await?;
                let named = at.state()?.named_sessions.get(external_id.as_str()).copied();
                let session = named.map(|version| Ok(at.reading()?.session(version)));
                Ok(SessionAnswer::Session(session.transpose()?.flatten()))
            }
            SessionQuery::Sessions(thread, filter, page) => {
                page.check()?;
                filter.actor.as_ref().map_or(Ok(()), |a| a.check("actor", &caller.tenant))?;
                let at = self.at_head(caller, thread).await?;
                at.require_thread()?;
                Ok(SessionAnswer::Sessions(sessions::sessions(&at.reading()?, &filter, page)))
            }
            SessionQuery::Drill(id) => {
                let at = self.at_head(caller, id.thread()).await?;
                Ok(SessionAnswer::Drill(at.reading()?.drill(id.version())))
            }
            SessionQuery::Children(id, page) => {
                page.check()?;
                let at = self.at_head(caller, id.thread()).await?;
                at.require_session(id)?;
                Ok(SessionAnswer::Edges(sessions::children(&at.reading()?, id.version(), page)))
            }
            SessionQuery::Edge(id) => {
                let at = self.at_head(caller, id.thread()).await?;
                Ok(SessionAnswer::Edge(at.reading()?.edge(id.version())))
            }
            SessionQuery::Interventions(id, page) => {
                page.check()?;
                let at = self.at_head(caller, id.thread()).await?;
                let edges = sessions::interventions(&at.reading()?, id, page)?;
                Ok(SessionAnswer::Edges(edges))
            }
            SessionQuery::Entries(session, filter, page) => {
                self.entries(caller, session, filter, page).await.map(SessionAnswer::Entries)
            }
            SessionQuery::Entry(id) => {
                Ok(SessionAnswer::Entry(self.entry(caller, id).await?.map(Box::new)))
            }
            SessionQuery::ContextSize(session) => {
                self.context_size(caller, session).await.map(SessionAnswer::ContextSize)
            }
            SessionQuery::Context(session, at) => {
                self.context(caller, session, at).await.map(SessionAnswer::Context)
            }
            SessionQuery::Expand(entry) => {
                self.expand(caller, entry).await.map(SessionAnswer::Expanded)
            }
            SessionQuery::VersionAt(thread, time) => {
                self.version_at(caller, thread, time).await.map(SessionAnswer::VersionAt)
            }
            SessionQuery::Run(id) => {
                Ok(SessionAnswer::Run(self.run(caller, id).await?.map(Box::new)))
            }
            SessionQuery::RunByExternalId(thread, external) => {
                let run = self.run_by_external_id(caller, thread, &external).await?;
                Ok(SessionAnswer::Run(run.map(Box::new)))
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
                at.require_session(id)?;
                Ok(SessionAnswer::Lease(at.reading()?.lease(id.version())))
            }
            SessionQuery::Resumable(thread, page) => {
                page.check()?;
                let at = self.at_head(caller, thread).await?;
                at.require_thread()?;
                let (now, skew) = (self.options().clock.now(), self.options().max_skew);
                Ok(SessionAnswer::Resumable(resumable::page(&at.reading()?, (now, skew), page)))
            }
            SessionQuery::Summary(id) => {
                Ok(SessionAnswer::Summary(self.summary(caller, id).await?.map(Box::new)))
            }
            SessionQuery::Summaries(id, page) => {
                self.summaries(caller, id, page).await.map(SessionAnswer::Summaries)
            }
            SessionQuery::Collapse(id) => {
                Ok(SessionAnswer::Collapse(self.collapse(caller, id).await?.map(Box::new)))
            }
            SessionQuery::Collapses(id, page) => {
                self.collapses(caller, id, page).await.map(SessionAnswer::Collapses)
            }
            SessionQuery::State(of, version) => {
                self.keyed_state(caller, of, version).await.map(SessionAnswer::State)
            }
            SessionQuery::Workspace(id) => {
                let at = self.at_head(caller, id.thread()).await?;
                let store = self.journal().info().store;
                let workspace = at.reading()?.workspace(id.version(), store);
                Ok(SessionAnswer::Workspace(workspace.map(Box::new)))
            }
            SessionQuery::Workspaces(thread, page) => {
                page.check()?;
                let at = self.at_head(caller, thread).await?;
                at.require_thread()?;
                let store = self.journal().info().store;
                Ok(SessionAnswer::Workspaces(sessions::workspaces(&at.reading()?, store, page)))
            }
            SessionQuery::InspectWorkspace(id) => {
                self.inspect_workspace(caller, id).await.map(SessionAnswer::Inspection)
            }
            SessionQuery::Files(id, folder) => {
                let files = self.list_files(caller, id, folder.as_ref()).await;
                files.map(SessionAnswer::Files)
            }
            SessionQuery::File(id, path, tree) => {
                let file = self.read_file(caller, id, &path, tree.as_ref()).await;
                file.map(SessionAnswer::File)
            }
            SessionQuery::FilesChanged(id, from, to) => {
                let changed = self.files_changed(caller, id, &from, to.as_ref()).await;
                changed.map(SessionAnswer::FilesChanged)
            }
            SessionQuery::Verify(thread, expected) => {
                self.verify(caller, thread, expected).await.map(SessionAnswer::Verified)
            }
        }
    }
}
