//! Work that is handed on, and what it came to.

use super::{Handle, List, only};
use crate::{
    command::{
        CreatedSession, NewSession, NewSubSession, Page, Paging, SessionAnswer, SessionCommand,
        SessionOutcome, SessionQuery,
    },
    error::Result,
    id::{SessionId, SubSessionId, SummaryId, ThreadId, Version},
    model::{NewSummary, Resumable, SubSession, SubSessionKind, SubSessionStatus, Summary},
};

impl Handle {
    /// Creates a session below another - with the edge between them, what it inherits, a marker in the parent's log, and a
    /// lease and a workspace if it is to have them - all or nothing (SPN1); answers all of it.
    pub async fn spawn(
        &self,
        edge: NewSubSession,
        session: impl Into<NewSession>,
    ) -> Result<CreatedSession> {
        let thread = edge.parent.thread();
        let session = Box::new(session.into().under(edge));
        let command = SessionCommand::CreateSession { thread, session };
        self.apply(command, only!(SessionOutcome::SessionCreated(made) => made)).await
    }

    /// Hands a session over: `recipient`, who must be its owner, goes on in a new child of it. `expected` is how often it was
    /// handed over. See [`SessionCommand::HandOff`].
    pub async fn hand_off(
        &self,
        session: SessionId,
        expected: u64,
        recipient: NewSession,
    ) -> Result<CreatedSession> {
        let recipient = Box::new(recipient_of(session, recipient));
        let command = SessionCommand::HandOff { expected, recipient };
        self.apply(command, only!(SessionOutcome::HandedOff(made) => made)).await
    }

    /// Goes on in another session, the one successor of this one; answers it. See [`SessionCommand::ContinueAs`].
    pub async fn continue_as(
        &self,
        session: SessionId,
        successor: impl Into<NewSession>,
    ) -> Result<CreatedSession> {
        let successor = Box::new(successor.into());
        let command = SessionCommand::ContinueAs { session, successor };
        self.apply(command, only!(SessionOutcome::SessionCreated(made) => made)).await
    }

    /// Hands a session over to several at once, all or none; it waits for all of them. See [`SessionCommand::Broadcast`].
    pub async fn broadcast(
        &self,
        session: SessionId,
        expected: u64,
        recipients: impl IntoIterator<Item = NewSession>,
    ) -> Result<Vec<CreatedSession>> {
        let recipients = recipients.into_iter().map(|it| recipient_of(session, it)).collect();
        let command = SessionCommand::Broadcast { expected, recipients };
        self.apply(command, only!(SessionOutcome::BroadcastSent(made) => made)).await
    }

    /// Takes an edge that merges back a step on, if `expected` is its version; answers the new one.
    pub async fn step_merge(
        &self,
        edge: SubSessionId,
        expected: Version,
        to: SubSessionStatus,
    ) -> Result<Version> {
        let command = SessionCommand::StepMerge { edge, expected, to };
        self.apply(command, only!(SessionOutcome::Changed(version) => version)).await
    }

    /// A page of the interventions that an edge follows upon, the nearest first.
    pub async fn interventions(
        &self,
        edge: SubSessionId,
        page: Paging,
    ) -> Result<Page<SubSession>> {
        let query = SessionQuery::Interventions(edge, page);
        self.ask(query, only!(SessionAnswer::Edges(page) => page)).await
    }

    /// Seals what the current activity of a session came to, which ends it. See [`SessionCommand::SealSummary`].
    pub async fn seal_summary(&self, session: SessionId, summary: NewSummary) -> Result<SummaryId> {
        let command = SessionCommand::SealSummary { session, summary: summary.into() };
        self.apply(command, only!(SessionOutcome::Summarised(summary) => summary)).await
    }

    /// The sessions of a thread that can be taken up again, those that were written to last first; then
    /// [`claim_lease`](Self::claim_lease) takes one.
    pub fn resumable(&self, thread: ThreadId) -> List<Resumable> {
        List::new(self, thread)
    }

    /// One summary, if it exists.
    pub async fn summary(&self, summary: SummaryId) -> Result<Option<Summary>> {
        let query = SessionQuery::Summary(summary);
        self.ask(query, only!(SessionAnswer::Summary(it) => it.map(|it| *it))).await
    }

    /// The summaries of a session, the newest first.
    pub fn summaries(&self, session: SessionId) -> List<Summary> {
        List::new(self, session)
    }
}

/// With its edge under the source; what the caller says of the edge otherwise stays.
fn recipient_of(source: SessionId, mut recipient: NewSession) -> NewSession {
    let edge = recipient.parent.get_or_insert_with(|| NewSubSession::handoff_of(source));
    (edge.parent, edge.kind) = (source, SubSessionKind::UserHandoff);
    recipient
}
