//! Collapses: drafts, and what came of them.

use serde_json::{Value, json};
use sessile_core::{
    Error,
    ErrorKind::Precondition,
    command::{Appended, ProposedCollapse, SessionOutcome},
    error::Counter,
    id::{CollapseId, EntryId, SubSessionId, ThreadId, Version},
    model::{Actor, Autonomy, CollapseStatus, NewCollapse, NewEntry, Role},
};

use super::{
    Predicted,
    facts::Facts,
    project::stale,
    state::{Thread, edge_id, session_id},
};

/// A draft.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the fields of the core's own type")]
pub struct Draft {
    pub edge: Version,
    pub child: Version,
    pub parent: Version,
    pub upto: Version,
    pub autonomy: Autonomy,
    pub parent_tail: Option<Version>,
    pub status: CollapseStatus,
    pub entry: Option<Version>,
    pub text: String,
    pub created_by: Actor,
}

impl Thread {
    pub(super) fn propose(
        &mut self,
        facts: &Facts<'_>,
        id: ThreadId,
        edge: SubSessionId,
        new: &NewCollapse,
    ) -> Predicted<SessionOutcome> {
        let above = self.edges.get(&edge.version()).ok_or_else(|| Error::not_found(edge))?;
        let (child, parent) = (above.child, above.parent);
        self.not_archived(session_id(id, child), facts)?;
        self.fence(session_id(id, parent), facts)?;
        let upto = if self.tail(child) == 0 { child } else { self.tail(child) };
        let text = new.text.clone().expect("without one it is refused");
        let autonomy = new.autonomy.unwrap_or_default();
        let parent_tail = new.exact.then(|| self.tail(parent));
        let draft = self.record_in(child, facts.now, facts.caller);
        for other in self.collapses.values_mut().filter(|it| (it.child, it.upto) == (child, upto)) {
            if other.status == CollapseStatus::Open {
                other.status = CollapseStatus::Stale;
            }
        }
        let it = Draft {
            edge: edge.version(),
            child,
            parent,
            upto,
            autonomy,
            parent_tail,
            status: CollapseStatus::Open,
            entry: None,
            text: text.clone(),
            created_by: facts.caller.actor.clone(),
        };
        self.collapses.insert(draft, it);
        let mut proposed = ProposedCollapse { id: CollapseId::new(id, draft), entry: None };
        if autonomy != Autonomy::Collaborative {
            proposed.entry = Some(self.collapse(facts, id, draft, text).first);
        }
        Ok(SessionOutcome::CollapseProposed(proposed))
    }

    /// The message in the parent's log.
    fn collapse(
        &mut self,
        facts: &Facts<'_>,
        id: ThreadId,
        draft: Version,
        text: String,
    ) -> Appended {
        let said = [NewEntry::text(Role::User, text)];
        let appended = self.push_entries(facts, id, self.collapses[&draft].parent, &said);
        let it = self.collapses.get_mut(&draft).expect("it is there");
        (it.status, it.entry) = (CollapseStatus::Accepted, Some(appended.first.version()));
        appended
    }

    fn draft(&self, facts: &Facts<'_>, id: ThreadId, of: CollapseId) -> Predicted<Draft> {
        let draft = self.collapses.get(&of.version()).ok_or_else(|| Error::not_found(of))?.clone();
        self.writable(facts, session_id(id, draft.parent))?;
        Ok(draft)
    }

    pub(super) fn accept(
        &mut self,
        facts: &Facts<'_>,
        id: ThreadId,
        of: CollapseId,
        text: Option<&String>,
    ) -> Predicted<SessionOutcome> {
        let draft = self.draft(facts, id, of)?;
        if draft.status != CollapseStatus::Open {
            return Err(Precondition.into());
        }
        if self.edges.get(&draft.edge).is_none_or(|edge| edge.parent != draft.parent) {
            return Err(Precondition.into());
        }
        if let Some(expected) = draft.parent_tail {
            let parent = session_id(id, draft.parent);
            stale(parent, Counter::Tail, expected, self.tail(draft.parent))?;
        }
        let text = text.unwrap_or(&draft.text).clone();
        Ok(SessionOutcome::Appended(self.collapse(facts, id, of.version(), text)))
    }

    pub(super) fn reject(
        &mut self,
        facts: &Facts<'_>,
        id: ThreadId,
        of: CollapseId,
    ) -> Predicted<SessionOutcome> {
        let known = self.collapses.get(&of.version()).ok_or_else(|| Error::not_found(of))?;
        self.present(session_id(id, known.parent))?;
        if self.sessions.contains_key(&known.child) {
            self.not_archived(session_id(id, known.child), facts)?;
        }
        let draft = self.draft(facts, id, of)?;
        if draft.status != CollapseStatus::Open {
            return Err(Precondition.into());
        }
        let version = self.record_in(draft.child, facts.now, facts.caller);
        let it = self.collapses.get_mut(&of.version()).expect("it is there");
        it.status = CollapseStatus::Rejected;
        Ok(SessionOutcome::Changed(version))
    }

    /// The drafts of a session as `collapses` lists them, but for what counts and clocks say.
    pub fn collapses_of(&self, id: ThreadId, child: Version) -> Vec<Value> {
        let of = self.collapses.iter().rev().filter(|(_, it)| it.child == child);
        of.map(|(v, it)| {
            let is_fit = self.edges.get(&it.edge).is_some_and(|edge| edge.parent == it.parent)
                && it.parent_tail.is_none_or(|tail| tail == self.tail(it.parent));
            let status = match it.status {
                CollapseStatus::Open if !is_fit => CollapseStatus::Stale,
                status => status,
            };
            // With the message goes the draft that it came of.
            let is_left = it.entry.is_none_or(|entry| !self.erased.contains_key(&entry));
            let (text, by) = (is_left.then_some(&it.text), is_left.then_some(&it.created_by));
            json!({
                "id": CollapseId::new(id, *v), "edge": edge_id(id, it.edge), "child": session_id(id, it.child),
                "upto": it.upto, "parent": session_id(id, it.parent), "autonomy": it.autonomy, "status": status,
                "entry": it.entry.map(|entry| EntryId::new(id, entry)), "text": text,
                "created_by": by, "version": v,
            })
        })
        .collect()
    }
}
