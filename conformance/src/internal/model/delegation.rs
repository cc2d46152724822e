//! Work that is handed on: what children inherit, handoffs, successors, summaries.

use sessile_core::{
    Error,
    ErrorKind::{Fenced, Precondition},
    command::{Inheritance, NewSession, NewSubSession, SessionOutcome},
    error::{Closure, Counter},
    id::{EntryId, RunId, SessionId, SummaryId, ThreadId, Version},
    model::{CompletionMode, NewSummary, SessionStatus, SubSessionStatus, SummaryOutcome},
};

use super::{
    Predicted,
    facts::Facts,
    project::{closed, stale},
    state::*,
};

impl Thread {
    pub(super) fn hand_off(
        &mut self,
        facts: &Facts<'_>,
        id: ThreadId,
        recipients: &[NewSession],
        (expected, is_broadcast): (u64, bool),
    ) -> Predicted<SessionOutcome> {
        if facts.project_archived {
            return Err(closed(Closure::ProjectArchived(facts.project), facts.command));
        }
        let edge = recipients[0].parent.as_ref().expect("a recipient has an edge");
        let v = self.present(edge.parent)?;
        for recipient in recipients {
            let edge = recipient.parent.as_ref().expect("a recipient has an edge");
            self.parent_exists(id, edge)?;
            self.parent_fits(id, edge)?;
        }
        let it = &self.sessions[&v];
        stale(edge.parent, Counter::OwnerVersion, expected, it.owner_version)?;
        self.fence(edge.parent, facts)?;
        if it.actor.as_ref().is_some_and(|owner| *owner != facts.caller.actor) {
            return Err(Fenced.into());
        }
        for recipient in recipients {
            self.asker_lives(recipient.parent.as_ref().expect("a recipient has an edge"))?;
        }
        if it.status != SessionStatus::Idle {
            return Err(Precondition.into());
        }
        self.caps(facts, edge, self.ancestry(v).len() as u32, recipients.len() as u64)?;
        self.may_share(id, v, recipients)?;
        recipients.iter().try_for_each(|recipient| self.fits(recipient))?;
        let before = self.head;
        let sent = self.record_in(v, facts.now, facts.caller);
        let it = self.session(v);
        it.owner_version += 1;
        it.version = sent;
        if is_broadcast {
            (it.status, it.broadcast) = (SessionStatus::AwaitingMerge, sent);
        } else {
            let former = std::mem::replace(&mut it.actor, recipients[0].actor.clone());
            it.previous_actors.extend(former);
            it.lease = None;
        }
        let group = is_broadcast.then_some(sent);
        let all = recipients.iter();
        let mut made: Vec<_> =
            all.map(|new| self.push_session(facts, id, new, (group, before))).collect();
        self.begin_slices(facts.caps.budget.is_some(), facts.now, facts.caller);
        Ok(match made.as_slice() {
            [one] if !is_broadcast => SessionOutcome::HandedOff(*one),
            _ => SessionOutcome::BroadcastSent(std::mem::take(&mut made)),
        })
    }

    /// What a child begins with. The machine's logs hold messages and markers, so a context is what is not erased of the
    /// messages.
    pub(super) fn inherit(
        &mut self,
        facts: &Facts<'_>,
        id: ThreadId,
        (child, before): (Version, Version),
        edge: &NewSubSession,
    ) {
        if edge.inherit == Inheritance::FullHistory {
            self.bases.insert(child, (edge.parent.version(), before));
        }
        let (roles, last) = match &edge.inherit {
            Inheritance::HeadSnapshot { .. } => (&[][..], None),
            Inheritance::Selective(selection) => (&selection.roles[..], selection.last),
            _ => return,
        };
        let parent = edge.parent.version();
        let shown = |(v, e): &(&Version, &LoggedEntry)| {
            self.shows(parent, **v, e.session)
                && e.message.is_some()
                && !self.erased.contains_key(*v)
        };
        let is_selected = |(_, e): &(&Version, &LoggedEntry)| {
            let role = e.message.as_ref().map(|message| message.role);
            roles.is_empty() || role.is_some_and(|role| roles.contains(&role))
        };
        let shown = self.entries.iter().filter(shown).filter(is_selected);
        let shown: Vec<_> = shown.map(|(v, e)| (*v, e.clone())).collect();
        let skipped = last.map_or(0, |last| shown.len().saturating_sub(last));
        for (from, entry) in shown.into_iter().skip(skipped) {
            let version = self.record_in(child, facts.now, facts.caller);
            self.touched.extend(entry.actor.user_id().cloned());
            let (head, now) = (self.head, self.updated_at);
            self.session(child).begin_activity(head);
            let copy = LoggedEntry {
                session: child,
                at: now,
                run: None,
                in_reply_to: None,
                copied_from: Some(EntryId::new(id, from)),
                ..entry
            };
            self.entries.insert(version, copy);
        }
    }

    pub(super) fn seal(
        &mut self,
        facts: &Facts<'_>,
        id: ThreadId,
        session: SessionId,
        summary: &NewSummary,
    ) -> Predicted<SessionOutcome> {
        let v = self.writable(facts, session)?;
        if let Some((run, live)) = self.live_runs(v).next() {
            return Err(Error::RunLive { run: RunId::new(id, run), status: live.status }.into());
        }
        let it = &self.sessions[&v];
        if it.activities == 0 || it.summarised {
            let last = (it.summary > 0).then(|| SummaryId::new(id, it.summary));
            return Err(Error::NothingToSummarise { session, last }.into());
        }
        let version = self.record_in(v, facts.now, facts.caller);
        let it = self.session(v);
        (it.ended, it.summarised, it.summary) = (true, true, version);
        self.summaries.insert(version, v);
        let it = self.session(v);
        if matches!(it.status, SessionStatus::Active | SessionStatus::AwaitingMerge) {
            it.status = SessionStatus::Idle;
            it.version = version;
        }
        let to = match summary.outcome {
            SummaryOutcome::Failed => SubSessionStatus::Failed,
            _ => SubSessionStatus::Idle,
        };
        let ended = self.step_edge(v, SubSessionStatus::is_live, to);
        let now = self.updated_at;
        if let Some(edge) = self.edges.values_mut().find(|e| e.child == v) {
            edge.summary = version;
            edge.touch(version, now);
        }
        self.follow(facts, id, ended);
        Ok(SessionOutcome::Summarised(SummaryId::new(id, version)))
    }

    pub(super) fn continue_as(
        &mut self,
        facts: &Facts<'_>,
        id: ThreadId,
        session: SessionId,
        new: &NewSession,
    ) -> Predicted<SessionOutcome> {
        if facts.project_archived {
            return Err(closed(Closure::ProjectArchived(facts.project), facts.command));
        }
        let v = self.writable(facts, session)?;
        let it = self.sessions[&v].clone();
        if let Some(successor) = it.continued_as {
            let successor = session_id(id, successor);
            return Err(Error::AlreadyContinued { session, successor }.into());
        }
        if self.live_runs(v).next().is_some() || it.status == SessionStatus::AwaitingMerge {
            return Err(Precondition.into());
        }
        self.fits(new)?;
        let mut new = new.clone();
        new.name = new.name.or(it.name);
        new.task = new.task.or(it.task);
        new.actor = new.actor.or(it.actor);
        if new.labels.iter().next().is_none() {
            new.labels = it.labels;
        }
        let mut created = self.push_session(facts, id, &new, (None, self.head));
        let successor = created.id.version();
        if let Some(held) = it.lease {
            let token = self.record_in(successor, facts.now, facts.caller);
            let (holder, written) = (facts.caller.actor.clone(), facts.now);
            let lease = HeldLease { token, holder, ttl: held.ttl, written };
            self.session(successor).lease = Some(lease);
            created.lease = Some(token);
        }
        let version = self.record_in(v, facts.now, facts.caller);
        let it = self.session(v);
        if matches!(it.status, SessionStatus::Active | SessionStatus::AwaitingHitl) {
            it.status = SessionStatus::Idle;
        }
        (it.ended, it.continued_as, it.lease, it.version) = (true, Some(successor), None, version);
        self.session(successor).continues = Some(v);
        let now = self.updated_at;
        if let Some(edge) = self.edges.values_mut().find(|e| e.child == v) {
            edge.child = successor;
            edge.touch(version, now);
        }
        self.move_budget(v, successor);
        self.begin_slices(facts.caps.budget.is_some(), facts.now, facts.caller);
        Ok(SessionOutcome::SessionCreated(created))
    }

    /// Sources of broadcasts of which nobody is at it any more wait no longer.
    pub(super) fn end_broadcasts(&mut self, facts: &Facts<'_>) {
        use SubSessionStatus::{Archived, Failed, Idle, MergeRejected, Merged};
        let is_over = |edge: &Edge| match edge.status {
            Merged | MergeRejected | Failed | Archived => true,
            Idle => edge.completion_mode == CompletionMode::SummaryRef,
            _ => false,
        };
        let waits = |(v, it): &(&Version, &Session)| {
            let mut edges = self.edges.values();
            it.status == SessionStatus::AwaitingMerge
                && edges.all(|e| e.parent != **v || e.broadcast != Some(it.broadcast) || is_over(e))
        };
        let over: Vec<_> = self.sessions.iter().filter(waits).map(|(v, _)| *v).collect();
        for v in over {
            let version = self.record_in(v, facts.now, facts.caller);
            let it = self.session(v);
            (it.status, it.version) = (SessionStatus::Idle, version);
        }
    }
}
