//! Sessions and entries: what each command does.

use sessile_core::{
    Caller, Error,
    ErrorKind::{Fenced, NotFound, Precondition},
    Timestamp,
    command::{
        Append, Appended, CreatedSession, Expect, NewSession, SessionCommand, SessionOutcome,
    },
    error::{Closure, Counter},
    id::{EntryId, RunId, SessionId, SubSessionId, ThreadId, Version},
    model::{NewEntry, ProjectStatus, SessionStatus, SubSessionStatus, ThreadStatus},
};

use super::{
    KeyedHistory, Model, Predicted, Refusal,
    facts::Facts,
    guards::{fenced, illegal},
    project::{closed, stale},
    state::*,
    valid,
};

fn source_of(recipients: &[NewSession]) -> ThreadId {
    let edge = recipients.first().and_then(|recipient| recipient.parent.as_ref());
    edge.expect("a recipient has an edge").parent.thread()
}

/// The thread a command is about.
pub(super) fn thread_of(command: &SessionCommand) -> ThreadId {
    match command {
        SessionCommand::CreateSession { thread, .. } | SessionCommand::SweepRuns { thread, .. } => {
            *thread
        }
        SessionCommand::UpdateSession { session, .. }
        | SessionCommand::SetStatus { session, .. }
        | SessionCommand::ReopenSession { session }
        | SessionCommand::ArchiveSession { session, .. }
        | SessionCommand::RestoreSession { session }
        | SessionCommand::DeleteSession { session }
        | SessionCommand::Append { session, .. }
        | SessionCommand::SealSummary { session, .. }
        | SessionCommand::ContinueAs { session, .. }
        | SessionCommand::StartRun { session, .. }
        | SessionCommand::ClaimLease { session, .. }
        | SessionCommand::RenewLease { session, .. }
        | SessionCommand::ReleaseLease { session } => session.thread(),
        SessionCommand::LinkSessions(link) => link.child.thread(),
        SessionCommand::SetState { of, .. } => of.thread(),
        SessionCommand::HandOff { recipient, .. } => source_of(std::slice::from_ref(&**recipient)),
        SessionCommand::Broadcast { recipients, .. } => source_of(recipients),
        SessionCommand::StepMerge { edge, .. } | SessionCommand::ProposeCollapse { edge, .. } => {
            edge.thread()
        }
        SessionCommand::AcceptCollapse { collapse, .. }
        | SessionCommand::RejectCollapse { collapse } => collapse.thread(),
        SessionCommand::UpdateEdge { edge, .. } | SessionCommand::DeleteEdge { edge } => {
            edge.thread()
        }
        SessionCommand::SetRunStatus { run, .. }
        | SessionCommand::EndRun { run, .. }
        | SessionCommand::AwaitSubSessions { run, .. }
        | SessionCommand::BookUsage { run, .. } => run.thread(),
        _ => unreachable!("refused as invalid"),
    }
}

impl Model {
    /// Carries out a command at a time.
    pub fn session_command(
        &mut self,
        caller: &Caller,
        command: &SessionCommand,
        now: Timestamp,
    ) -> Predicted<SessionOutcome> {
        valid::session_command(caller, command)?;
        let max_skew = self.max_skew;
        let id = thread_of(command);
        let tenant = self.tenant(&caller.tenant);
        let idempotent_delete = matches!(
            command,
            SessionCommand::DeleteSession { .. } | SessionCommand::DeleteEdge { .. }
        );
        let keyed = !idempotent_delete
            && !matches!(
                command,
                SessionCommand::SweepRuns { .. }
                    | SessionCommand::ArchiveSession { .. }
                    | SessionCommand::RestoreSession { .. }
            );
        let Some(thread) = tenant.threads.get_mut(&id) else {
            return if idempotent_delete {
                Ok(SessionOutcome::Deleted)
            } else {
                Err(Error::not_found(id).into())
            };
        };
        let asked = Any::Session(command.clone());
        if keyed {
            match thread.keys.known(caller.key.as_ref(), &asked)? {
                Some(Any::Session(first)) => return Ok(first),
                Some(Any::Thread(_)) => unreachable!("a key answers one kind of command"),
                None => {}
            }
        }
        let project = tenant.projects.get(&thread.project).ok_or(NotFound)?;
        let facts = Facts {
            caller,
            command: command.name(),
            now,
            caps: project.config.clone(),
            project: thread.project,
            project_archived: project.status == ProjectStatus::Archived,
            max_skew,
        };
        if matches!(command, SessionCommand::StartRun { .. }) {
            let has_none = |thread: &Thread| {
                thread.needs_slice() && thread.clone().session_command(&facts, id, command).is_ok()
            };
            while tenant.threads.get(&id).is_some_and(has_none) {
                tenant.draw(id, true, (now, caller))?;
            }
        }
        let thread = tenant.threads.get_mut(&id).ok_or(NotFound)?;
        let before = thread.head;
        let used_up = thread.used_up();
        let outcome = thread.session_command(&facts, id, command)?;
        thread.end_broadcasts(&facts);
        thread.say_used_up(&used_up, now, caller);
        if thread.head > before && keyed {
            thread.keys.remember(caller.key.as_ref(), asked, Any::Session(outcome.clone()));
        }
        Ok(outcome)
    }
}

impl Thread {
    fn session_command(
        &mut self,
        facts: &Facts<'_>,
        id: ThreadId,
        command: &SessionCommand,
    ) -> Predicted<SessionOutcome> {
        // Archived comes before all that is inside; only to delete what is not there is no refusal.
        let is_done = match command {
            SessionCommand::DeleteSession { session } => {
                !self.sessions.contains_key(&session.version())
            }
            SessionCommand::DeleteEdge { edge } => !self.edges.contains_key(&edge.version()),
            _ => false,
        };
        if is_done {
            return Ok(SessionOutcome::Deleted);
        }
        if self.status == ThreadStatus::Archived {
            return Err(closed(Closure::ThreadArchived(id), facts.command));
        }
        match command {
            SessionCommand::CreateSession { session, .. } => self.create(facts, id, session),
            SessionCommand::UpdateSession { session, expected, update } => {
                let v = self.writable(facts, *session)?;
                let it = self.session(v);
                if update.actor.is_some() && it.actor.is_some() {
                    return Err(Refusal::one_of(&[Precondition, Fenced]));
                }
                let expects = it.version;
                let before = it.budget.as_ref().map(|it| it.budget.clone());
                let budget = update.budget.clone().unwrap_or(before);
                self.may_enlarge(id, v, budget.as_ref())?;
                stale(*session, Counter::Version, *expected, expects)?;
                self.change_budget(v, budget);
                let it = self.session(v);
                let update = update.clone();
                it.name = update.name.unwrap_or_else(|| it.name.clone());
                it.labels = update.labels.unwrap_or_else(|| it.labels.clone());
                it.task = update.task.unwrap_or_else(|| it.task.clone());
                it.actor = update.actor.or_else(|| it.actor.clone());
                let task = it.task.clone();
                self.tasks.extend(task);
                Ok(self.changed(facts, v))
            }
            SessionCommand::SetStatus { session, to } => self.set_status(facts, id, *session, *to),
            SessionCommand::ReopenSession { session } => {
                let v = self.writable(facts, *session)?;
                let head = self.head;
                let it = self.session(v);
                if it.status != SessionStatus::Failed {
                    return Err(illegal(*session, it.status, SessionStatus::Active));
                }
                it.status = SessionStatus::Active;
                it.activity = head;
                it.ended = true;
                it.begin_activity(head);
                Ok(self.changed(facts, v))
            }
            SessionCommand::ArchiveSession { session, archiving } => {
                self.archive_session(facts, id, *session, archiving)
            }
            SessionCommand::RestoreSession { session } => self.restore_session(facts, *session),
            SessionCommand::DeleteSession { session } => {
                let v = self.present(*session)?;
                self.fence_deletion(*session, facts.caller)?;
                if self.edges.values().any(|e| e.parent == v || e.child == v) {
                    return Err(Precondition.into());
                }
                self.record_in(v, facts.now, facts.caller);
                self.sessions.remove(&v);
                self.end_shares_of(v);
                self.collapses.retain(|_, it| it.child != v);
                self.forget_unread();
                self.runs.values_mut().filter(|r| r.session == v).for_each(|r| r.gone = true);
                Ok(SessionOutcome::Deleted)
            }
            SessionCommand::LinkSessions(link) => self.link(facts, id, link),
            SessionCommand::UpdateEdge { edge, expected, update } => {
                let v = edge.version();
                let child = self.edges.get(&v).ok_or_else(|| Error::not_found(*edge))?.child;
                self.writable(facts, session_id(id, child))?;
                self.may_answer(facts, id, v, update.prev_artifact.as_ref())?;
                stale(*edge, Counter::Version, *expected, self.edges[&v].version)?;
                let version = self.record_in(child, facts.now, facts.caller);
                let now = self.updated_at;
                let it = self.edges.get_mut(&v).ok_or(NotFound)?;
                it.purpose = update.purpose.clone().unwrap_or_else(|| it.purpose.clone());
                it.failure_mode = update.failure_mode.unwrap_or(it.failure_mode);
                it.completion_mode = update.completion_mode.unwrap_or(it.completion_mode);
                it.answers = it.answers.take().or_else(|| update.prev_artifact.clone());
                it.touch(version, now);
                Ok(SessionOutcome::Changed(version))
            }
            SessionCommand::DeleteEdge { edge } => {
                let child = self.edges[&edge.version()].child;
                self.fence_deletion(session_id(id, child), facts.caller)?;
                self.record_in(child, facts.now, facts.caller);
                self.end_share(child);
                let gone = self.edges.remove(&edge.version());
                self.edge_ended(facts, id, edge.version(), gone);
                Ok(SessionOutcome::Deleted)
            }
            SessionCommand::SetState { of, changes } => self.set_state(facts, *of, changes),
            SessionCommand::HandOff { expected, recipient } => {
                let recipient = std::slice::from_ref(&**recipient);
                self.hand_off(facts, id, recipient, (*expected, false))
            }
            SessionCommand::Broadcast { expected, recipients } => {
                self.hand_off(facts, id, recipients, (*expected, true))
            }
            SessionCommand::ContinueAs { session, successor } => {
                self.continue_as(facts, id, *session, successor)
            }
            SessionCommand::StepMerge { edge, expected, to } => {
                self.step_merge(facts, id, *edge, *expected, *to)
            }
            SessionCommand::SealSummary { session, summary } => {
                self.seal(facts, id, *session, summary)
            }
            SessionCommand::ProposeCollapse { edge, collapse } => {
                self.propose(facts, id, *edge, collapse)
            }
            SessionCommand::AcceptCollapse { collapse, text } => {
                self.accept(facts, id, *collapse, text.as_ref())
            }
            SessionCommand::RejectCollapse { collapse } => self.reject(facts, id, *collapse),
            SessionCommand::Append { session, append } => self.append(facts, id, *session, append),
            SessionCommand::ClaimLease { session, ttl } => self.claim(facts, *session, *ttl),
            SessionCommand::RenewLease { session, ttl } => {
                let v = self.present(*session)?;
                self.not_archived(*session, facts)?;
                let current = self.session(v).lease.as_ref().map(|l| l.token);
                if current.is_none() || current != facts.caller.lease {
                    return Err(fenced(*session, current, facts.caller.lease));
                }
                let version = self.record_in(v, facts.now, facts.caller);
                if let Some(lease) = &mut self.session(v).lease {
                    lease.ttl = *ttl;
                }
                Ok(SessionOutcome::Changed(version))
            }
            SessionCommand::ReleaseLease { session } => {
                let v = self.present(*session)?;
                if self.session(v).lease.is_none() {
                    return Ok(SessionOutcome::Changed(0));
                }
                self.writable(facts, *session)?;
                let version = self.record_in(v, facts.now, facts.caller);
                self.session(v).lease = None;
                Ok(SessionOutcome::Changed(version))
            }
            SessionCommand::StartRun { session, run } => self.start_run(facts, id, *session, run),
            SessionCommand::SetRunStatus { run, to } => self.set_run_status(facts, id, *run, *to),
            SessionCommand::EndRun { run, outcome, echo } => {
                self.end_run(facts, id, *run, outcome, echo.as_deref())
            }
            SessionCommand::AwaitSubSessions { run, edges } => {
                self.await_edges(facts, id, *run, edges)
            }
            SessionCommand::SweepRuns { sweep, .. } => Ok(self.sweep(facts, id, *sweep)),
            SessionCommand::BookUsage { run, call, usage, echo } => {
                self.book(facts, id, *run, (call, usage), echo.as_deref())
            }
            _ => unreachable!("refused as invalid"),
        }
    }

    pub(super) fn create(
        &mut self,
        facts: &Facts<'_>,
        id: ThreadId,
        new: &NewSession,
    ) -> Predicted<SessionOutcome> {
        if facts.project_archived {
            return Err(closed(Closure::ProjectArchived(facts.project), facts.command));
        }
        if let Some((v, _)) = self
            .sessions
            .iter()
            .find(|(_, s)| s.external_id.is_some() && s.external_id == new.external_id)
        {
            let above = self.above(*v);
            if let Some(edge) = &new.parent
                && above.map(|(_, above)| above.parent) != Some(edge.parent.version())
            {
                return Err(Precondition.into());
            }
            let edge = above.map(|(edge, _)| edge_id(id, edge));
            let found = created(session_id(id, *v), false, edge, None, None);
            return Ok(SessionOutcome::SessionCreated(found));
        }
        if let Some(edge) = &new.parent {
            self.parent_exists(id, edge)?;
        }
        if let Some(edge) = &new.parent {
            self.parent_fits(id, edge)?;
            self.fence(edge.parent, facts)?;
            self.asker_lives(edge)?;
            let depth = self.ancestry(edge.parent.version()).len() as u32;
            self.answers(id, edge.prev_artifact.as_ref())?;
            self.caps(facts, edge, depth, 1)?;
            self.intervention_caps(facts, edge.parent, edge.prev_artifact.as_ref())?;
            self.may_share(id, edge.parent.version(), std::slice::from_ref(new))?;
        }
        self.fits(new)?;
        let made = self.push_session(facts, id, new, (None, self.head));
        self.begin_slices(facts.caps.budget.is_some(), facts.now, facts.caller);
        Ok(SessionOutcome::SessionCreated(made))
    }

    /// What a new session begins with is not too large.
    pub(super) fn fits(&self, new: &NewSession) -> Predicted<()> {
        let id = ThreadId::from_bits(0);
        let state = KeyedHistory::initial(&new.state);
        KeyedHistory::default().has_room(session_id(id, self.head + 1).into(), &state)?;
        for entry in &new.turn {
            if let Some(refusal) = valid::too_large(valid::weight(&valid::said(entry).parts)) {
                return Err(refusal);
            }
        }
        Ok(())
    }

    pub(super) fn push_session(
        &mut self,
        facts: &Facts<'_>,
        id: ThreadId,
        new: &NewSession,
        (broadcast, before): (Option<Version>, Version),
    ) -> CreatedSession {
        let state = KeyedHistory::initial(&new.state);
        let version = self.record(facts.now, &facts.caller.actor);
        let session = Session {
            external_id: new.external_id.clone(),
            name: new.name.clone(),
            labels: new.labels.clone(),
            task: new.task.clone(),
            actor: new.actor.clone(),
            previous_actors: Vec::new(),
            owner_version: 0,
            continues: None,
            continued_as: None,
            broadcast: 0,
            status: SessionStatus::Idle,
            created_at: self.updated_at,
            updated_at: self.updated_at,
            version,
            lease: None,
            activity: version,
            activities: 0,
            ended: false,
            summarised: false,
            summary: 0,
            keyed: KeyedHistory::default(),
            budget: None,
            archived: None,
            evicted: None,
        };
        self.sessions.insert(version, session);
        self.give_budget(version, new);
        self.tasks.extend(new.task.clone());
        let edge = new.parent.as_ref().map(|edge| {
            let edge = self.insert_edge(facts, version, edge, SubSessionStatus::Pending);
            self.edges.get_mut(&edge).expect("it is there").broadcast = broadcast;
            edge_id(id, edge)
        });
        self.write_state(facts, session_id(id, version).into(), &state);
        if let Some(edge) = &new.parent {
            self.inherit(facts, id, (version, before), edge);
        }
        let appended =
            (!new.turn.is_empty()).then(|| self.push_entries(facts, id, version, &new.turn));
        if let Some(edge) = &new.parent {
            let parent = edge.parent.version();
            let marker = self.record_in(parent, facts.now, facts.caller);
            let entry = LoggedEntry {
                session: parent,
                actor: facts.caller.actor.clone(),
                at: self.updated_at,
                run: None,
                in_reply_to: None,
                message: None,
                copied_from: None,
            };
            self.entries.insert(marker, entry);
        }
        let lease = new.lease.map(|ttl| {
            let token = self.record_in(version, facts.now, facts.caller);
            let (holder, written) = (facts.caller.actor.clone(), facts.now);
            self.session(version).lease = Some(HeldLease { token, holder, ttl, written });
            token
        });
        created(session_id(id, version), true, edge, appended, lease)
    }

    /// Puts entries at the end of a session's log.
    pub(super) fn push_entries(
        &mut self,
        facts: &Facts<'_>,
        id: ThreadId,
        v: Version,
        entries: &[NewEntry],
    ) -> Appended {
        let first = EntryId::new(id, self.head + 1);
        for entry in entries {
            let version = self.record_in(v, facts.now, facts.caller);
            let actor = entry.actor.clone().unwrap_or_else(|| facts.caller.actor.clone());
            self.touched.extend(actor.user_id().cloned());
            self.writers
                .extend(facts.caller.actor.user_id().filter(|_| entry.actor.is_none()).cloned());
            let logged = LoggedEntry {
                session: v,
                actor,
                at: self.updated_at,
                run: entry.run,
                in_reply_to: entry.in_reply_to,
                message: Some(valid::said(entry).clone()),
                copied_from: None,
            };
            self.entries.insert(version, logged);
            let head = self.head;
            self.session(v).begin_activity(head);
        }
        Appended { first, count: entries.len() as u16 }
    }

    fn set_status(
        &mut self,
        facts: &Facts<'_>,
        id: ThreadId,
        session: SessionId,
        to: SessionStatus,
    ) -> Predicted<SessionOutcome> {
        use SessionStatus::{Active, AwaitingHitl, Failed, Idle};
        let v = self.writable(facts, session)?;
        let from = self.session(v).status;
        let legal = matches!(
            (from, to),
            (Idle, Active | AwaitingHitl | Failed)
                | (Active, Idle | AwaitingHitl | Failed)
                | (AwaitingHitl, Active | Idle | Failed)
        );
        if !legal || self.live_runs(v).next().is_some() {
            return Err(illegal(session, from, to));
        }
        let outcome = self.changed(facts, v);
        self.session(v).status = to;
        if to == Failed {
            let head = self.head;
            let it = self.session(v);
            (it.ended, it.activity) = (true, head);
            let ended = self.step_edge(v, |status| status.is_live(), SubSessionStatus::Failed);
            self.follow(facts, id, ended);
        }
        Ok(outcome)
    }

    fn append(
        &mut self,
        facts: &Facts<'_>,
        id: ThreadId,
        session: SessionId,
        append: &Append,
    ) -> Predicted<SessionOutcome> {
        let v = self.present(session)?;
        for entry in &append.entries {
            if let Some(answered) = entry.in_reply_to.filter(|e| e.thread() == id) {
                self.entries.get(&answered.version()).ok_or_else(|| Error::not_found(answered))?;
            }
            if let Some(run) = entry.run.filter(|r| r.thread() == id) {
                self.run_exists(run)?;
            }
        }
        let elsewhere = append.entries.iter().any(|e| {
            e.run.is_some_and(|r| r.thread() != id || self.runs[&r.version()].session != v)
                || e.in_reply_to.is_some_and(|e| e.thread() != id)
        });
        if elsewhere {
            return Err(Precondition.into());
        }
        self.fence(session, facts)?;
        let over = |run: &RunId| self.runs[&run.version()].status.is_terminal();
        if let Some(run) = append.entries.iter().filter_map(|e| e.run).find(over) {
            return Err(Error::RunEnded { run }.into());
        }
        for entry in &append.entries {
            if let Some(refusal) = valid::too_large(valid::weight(&valid::said(entry).parts)) {
                return Err(refusal);
            }
        }
        let states = self.both_states(session, append);
        for (of, changes) in states {
            self.keyed(of).expect("it is there").has_room(of, changes)?;
        }
        if let Expect::Tail(expected) = append.expect {
            stale(session, Counter::Tail, expected, self.tail(v))?;
        }
        for (of, changes) in states {
            self.keyed(of).expect("it is there").is_expected(of, changes)?;
        }
        let appended = self.push_entries(facts, id, v, &append.entries);
        for (of, changes) in states {
            self.write_state(facts, of, changes);
        }
        Ok(SessionOutcome::Appended(appended))
    }

    /// The version of a session's last entry that is no marker, 0 when it has none.
    pub fn tail(&self, session: Version) -> Version {
        let is_of = |e: &LoggedEntry| e.session == session && e.message.is_some();
        self.entries.iter().rev().find(|(_, e)| is_of(e)).map_or(0, |(v, _)| *v)
    }
}

fn created(
    id: SessionId,
    created: bool,
    edge: Option<SubSessionId>,
    appended: Option<Appended>,
    lease: Option<Version>,
) -> CreatedSession {
    let mut made = CreatedSession::new(id, created, edge, appended);
    made.lease = lease;
    made
}

impl Session {
    /// Work is done, by the record at `head`.
    pub(super) fn begin_activity(&mut self, head: Version) {
        if (self.activities == 0 || self.ended) && self.status != SessionStatus::Failed {
            self.activities += 1;
            (self.ended, self.summarised, self.activity) = (false, false, head);
        }
    }
}
