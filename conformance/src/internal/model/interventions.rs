//! Interventions: what they answer, and the chains they make.

use sessile_core::{
    Error,
    ErrorKind::{Invalid, NotFound, Precondition},
    error::ForestRule,
    id::{SessionId, SubSessionId, SummaryId, ThreadId, Version},
    model::{PrevArtifact, SubSessionKind},
};

use super::{Predicted, facts::Facts, state::*};

const fn summary_of(artifact: Option<&PrevArtifact>) -> Option<SummaryId> {
    match artifact {
        Some(PrevArtifact::Summary(summary)) => Some(*summary),
        _ => None,
    }
}

impl Thread {
    /// What is answered must be a summary of this thread, of a session that exists, or something outside.
    pub(super) fn answers(&self, id: ThreadId, artifact: Option<&PrevArtifact>) -> Predicted<()> {
        let Some(summary) = summary_of(artifact) else { return Ok(()) };
        if summary.thread() != id {
            return Err(Precondition.into());
        }
        let of = self.summaries.get(&summary.version());
        let is_there = of.is_some_and(|session| self.sessions.contains_key(session));
        if is_there { Ok(()) } else { Err(NotFound.into()) }
    }

    /// What an answer to this follows upon, the nearest first: sessions whose summaries are answered, and the intervention
    /// that each came of, where it did.
    fn chain(&self, artifact: Option<&PrevArtifact>) -> Vec<(Version, Option<Version>)> {
        let mut chain = Vec::new();
        let mut next = summary_of(artifact);
        while let Some(session) = next.and_then(|it| self.summaries.get(&it.version())) {
            let above = self.above(*session);
            let above = above.filter(|(_, edge)| edge.kind == SubSessionKind::Intervention);
            chain.push((*session, above.map(|(edge, _)| edge)));
            next = above.and_then(|(_, edge)| summary_of(edge.answers.as_ref()));
        }
        chain
    }

    /// An intervention of which a session comes answers nothing that followed upon that session.
    pub(super) fn no_cycle(
        &self,
        (parent, child): (SessionId, SessionId),
        artifact: Option<&PrevArtifact>,
    ) -> Predicted<()> {
        if self.chain(artifact).iter().any(|(session, _)| *session == child.version()) {
            let reason = ForestRule::InterventionCycle;
            return Err(Error::NotAForest { parent, child, reason }.into());
        }
        Ok(())
    }

    pub(super) fn intervention_caps(
        &self,
        facts: &Facts<'_>,
        parent: SessionId,
        artifact: Option<&PrevArtifact>,
    ) -> Predicted<()> {
        let Some(summary) = summary_of(artifact) else { return Ok(()) };
        let chain = self.chain(Some(&PrevArtifact::Summary(summary)));
        let depth = chain.iter().filter_map(|(_, edge)| *edge).count() as u64 + 1;
        let limit = u64::from(facts.caps.max_intervention_depth);
        if depth > limit {
            return Err(Error::capacity(parent, "intervention depth", limit, depth).into());
        }
        Ok(())
    }

    /// An edge that is to answer something answers nothing yet, is an intervention, and no answer to itself.
    pub(super) fn may_answer(
        &self,
        facts: &Facts<'_>,
        id: ThreadId,
        edge: Version,
        artifact: Option<&PrevArtifact>,
    ) -> Predicted<()> {
        self.answers(id, artifact)?;
        if artifact.is_none() {
            return Ok(());
        }
        let it = &self.edges[&edge];
        if it.answers.is_some() {
            return Err(Error::ArtifactSet { edge: edge_id(id, edge) }.into());
        }
        if it.kind != SubSessionKind::Intervention {
            return Err(Invalid.into());
        }
        let (parent, child) = (session_id(id, it.parent), session_id(id, it.child));
        self.no_cycle((parent, child), artifact)?;
        self.intervention_caps(facts, parent, artifact)
    }

    /// The interventions that an edge follows upon, as `interventions` lists them.
    pub fn interventions(&self, id: ThreadId, edge: Version) -> Vec<SubSessionId> {
        let answers = self.edges[&edge].answers.as_ref();
        let chain = self.chain(answers).into_iter().filter_map(|(_, edge)| edge);
        chain.map(|edge| edge_id(id, edge)).collect()
    }
}
