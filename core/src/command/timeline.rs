//! Timelines: entries of many sessions in one order, and searches in them.

use serde::Serialize;

use super::Caller;
use crate::{
    clock::Timestamp,
    error::Result,
    id::{ProjectId, RunId, SessionId, ThreadId},
    journal::Direction,
    model::{Actor, Entry, EntryKind},
    search::{SearchText, Snippet},
};

/// Whose entries a timeline shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimelineScope {
    /// What the log of a session shows; of a fork also what it shares.
    Session(SessionId),
    /// A thread's: in the order of its journal (TLN1).
    Thread(ThreadId),
    /// A project's: by time, which never goes back inside a thread; then by thread and version (TLN2).
    Project(ProjectId),
}

impl From<SessionId> for TimelineScope {
    fn from(session: SessionId) -> Self {
        Self::Session(session)
    }
}

impl From<ThreadId> for TimelineScope {
    fn from(thread: ThreadId) -> Self {
        Self::Thread(thread)
    }
}

impl From<ProjectId> for TimelineScope {
    fn from(project: ProjectId) -> Self {
        Self::Project(project)
    }
}

/// Which entries of a timeline; all of them, newest first, by default. An erased entry has no author and no text, and passes no
/// filter that asks for one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimelineFilter {
    /// From which end.
    pub direction: Direction,
    /// Only of this session's own log.
    pub session: Option<SessionId>,
    /// Only by this author.
    pub actor: Option<Actor>,
    /// Only of this run.
    pub run: Option<RunId>,
    /// Only of this kind.
    pub kind: Option<EntryKind>,
    /// Only at this time or later.
    pub since: Option<Timestamp>,
    /// Only at this time or earlier.
    pub until: Option<Timestamp>,
    /// Only those in which a person sees this text (TLN3): in their messages' [visible
    /// texts](crate::model::Message::visible_texts), and in the reasons of annotations.
    pub text: Option<SearchText>,
}

impl Default for TimelineFilter {
    fn default() -> Self {
        Self {
            direction: Direction::Backward,
            session: None,
            actor: None,
            run: None,
            kind: None,
            since: None,
            until: None,
            text: None,
        }
    }
}

impl TimelineFilter {
    /// Refuses what names another tenant's.
    pub(crate) fn check(&self, caller: &Caller) -> Result<()> {
        self.actor.as_ref().map_or(Ok(()), |actor| actor.check("actor", &caller.tenant))?;
        self.session.map_or(Ok(()), |session| caller.owns(session.thread().tag(), session))?;
        self.run.map_or(Ok(()), |run| caller.owns(run.thread().tag(), run))
    }
}

/// One entry of a timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TimelineRow {
    /// The entry.
    #[serde(flatten)]
    pub entry: Entry,
    /// Where the text that was searched for stands in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snippet: Option<Snippet>,
}
