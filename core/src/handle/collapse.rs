//! What a child came to, in its parent's log.

use super::{Handle, List, only};
use crate::{
    command::{ProposedCollapse, SessionAnswer, SessionCommand, SessionOutcome, SessionQuery},
    error::Result,
    id::{CollapseId, EntryId, SessionId, SubSessionId, Version},
    model::{Collapse, NewCollapse},
};

impl Handle {
    /// Proposes a text for what the child of an edge came to; by its autonomy it stands in the parent's log at once. See
    /// [`SessionCommand::ProposeCollapse`].
    pub async fn propose_collapse(
        &self,
        edge: SubSessionId,
        collapse: NewCollapse,
    ) -> Result<ProposedCollapse> {
        let command = SessionCommand::ProposeCollapse { edge, collapse: collapse.into() };
        self.apply(command, only!(SessionOutcome::CollapseProposed(it) => it)).await
    }

    /// Accepts a draft, with another text if one is given; answers the entry of the parent's log.
    pub async fn accept_collapse(
        &self,
        collapse: CollapseId,
        text: Option<String>,
    ) -> Result<EntryId> {
        let command = SessionCommand::AcceptCollapse { collapse, text };
        self.apply(command, only!(SessionOutcome::Appended(it) => it.first)).await
    }

    /// Rejects a draft; answers the version of the record.
    pub async fn reject_collapse(&self, collapse: CollapseId) -> Result<Version> {
        let command = SessionCommand::RejectCollapse { collapse };
        self.apply(command, only!(SessionOutcome::Changed(version) => version)).await
    }

    /// One collapse, if it exists.
    pub async fn collapse(&self, collapse: CollapseId) -> Result<Option<Collapse>> {
        let query = SessionQuery::Collapse(collapse);
        self.ask(query, only!(SessionAnswer::Collapse(it) => it.map(|it| *it))).await
    }

    /// The collapses of a session into its parents, the newest first.
    pub fn collapses(&self, session: SessionId) -> List<Collapse> {
        List::new(self, session)
    }
}
