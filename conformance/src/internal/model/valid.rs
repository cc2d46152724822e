//! Requests that can never succeed, and those that name another tenant: decided before anything is read.

use std::{collections::BTreeSet, time::Duration};

use sessile_core::{
    Caller,
    ErrorKind::{Capacity, Invalid, TenantIsolation},
    Key,
    command::{
        Inheritance, NewSession, NewSubSession, NewThread, SessionCommand, StateChange, StateScope,
        ThreadCommand,
    },
    id::{RunId, SessionId, ThreadId},
    model::{
        Actor, Budget, Labels, Message, NewEntry, Part, PrevArtifact, ProjectConfig, RunOutcome,
        SubSessionKind,
    },
};

use super::{Predicted, Refusal, budgets::bounds};
use crate::internal::shapes;

/// Collects what is wrong with a request; the malformed comes before the foreign.
#[derive(Default)]
pub(super) struct Check {
    invalid: bool,
    foreign: bool,
}

impl Check {
    pub(super) fn require(&mut self, fine: bool) {
        self.invalid |= !fine;
    }

    /// Outside strings: 1 to 128 bytes, no control characters.
    pub(super) fn outside(&mut self, text: &str) {
        self.require(!text.is_empty() && text.len() <= 128 && !text.chars().any(char::is_control));
    }

    /// Titles and names: 0 to 256 bytes, no control characters.
    pub(super) fn text(&mut self, text: &str) {
        self.require(text.len() <= 256 && !text.chars().any(char::is_control));
    }

    pub(super) fn labels(&mut self, labels: &Labels) {
        self.require(labels.iter().count() <= 8);
        self.require(labels.iter().map(|(k, v)| k.len() + v.len()).sum::<usize>() <= 512);
        for (key, value) in labels.iter() {
            self.outside(key);
            self.text(value);
        }
    }

    /// Something, and at least 1 of each.
    fn budget(&mut self, budget: &Budget) {
        let bounds = bounds(budget);
        self.require(!bounds.is_empty() && bounds.iter().all(|(_, limit)| *limit > 0));
    }

    pub(super) fn actor(&mut self, actor: &Actor, caller: &Caller) {
        let mut level = Some(actor);
        let mut levels = 0;
        while let Some(actor) = level {
            levels += 1;
            self.foreign |= *actor.tenant() != caller.tenant;
            level = if let Actor::Agent { parent, .. } = actor { parent.as_deref() } else { None };
        }
        self.require(levels <= 8);
    }

    pub(super) fn caller(&mut self, caller: &Caller) {
        if let Some(key) = &caller.key {
            let (Key::Text(name) | Key::Rising { producer: name, .. }) = key else {
                unreachable!("a key of another form");
            };
            self.outside(name);
        }
        self.actor(&caller.actor, caller);
    }

    pub(super) fn tag(&mut self, tag: u32, caller: &Caller) {
        self.foreign |= tag != caller.tenant.tag();
    }

    fn thread(&mut self, thread: ThreadId, caller: &Caller) {
        self.tag(thread.tag(), caller);
    }

    fn session(&mut self, session: SessionId, caller: &Caller) {
        self.thread(session.thread(), caller);
    }

    fn run(&mut self, run: RunId, caller: &Caller) {
        self.thread(run.thread(), caller);
    }

    fn config(&mut self, config: &ProjectConfig) {
        self.require(config.max_delegation_depth <= 1000 && config.max_delegation_width <= 1000);
        self.require(config.max_intervention_depth <= 1000);
        config.budget.iter().for_each(|budget| self.budget(budget));
    }

    fn edge(&mut self, edge: &NewSubSession, caller: &Caller) {
        self.session(edge.parent, caller);
        if let Some(purpose) = &edge.purpose {
            self.text(purpose);
        }
        if let Some(run) = edge.spawned_by_run {
            self.run(run, caller);
        }
        if let Some(artifact) = &edge.prev_artifact {
            self.require(edge.kind == SubSessionKind::Intervention);
            self.artifact(artifact, caller);
        }
    }

    fn artifact(&mut self, artifact: &PrevArtifact, caller: &Caller) {
        match artifact {
            PrevArtifact::Leaf(leaf) => self.require((1..=1024).contains(&leaf.len())),
            PrevArtifact::Summary(summary) => self.thread(summary.thread(), caller),
            _ => unreachable!("an artifact of another kind"),
        }
    }

    /// 1 to 512 bytes, no control characters.
    fn external_id(&mut self, external_id: Option<&String>) {
        if let Some(text) = external_id {
            self.require((1..=512).contains(&text.len()) && !text.chars().any(char::is_control));
        }
    }

    fn new_thread(&mut self, thread: &NewThread) {
        self.external_id(thread.external_id.as_ref());
        self.text(&thread.title);
        self.labels(&thread.labels);
        thread.budget.iter().for_each(|budget| self.budget(budget));
        self.state_keys(thread.state.keys());
    }

    fn new_session(&mut self, session: &NewSession, caller: &Caller) {
        self.external_id(session.external_id.as_ref());
        session.name.iter().for_each(|n| self.text(n));
        session.task.iter().for_each(|t| self.outside(t));
        self.labels(&session.labels);
        session.budget.iter().for_each(|budget| self.budget(budget));
        self.state_keys(session.state.keys());
        session.actor.iter().for_each(|a| self.actor(a, caller));
        session.parent.iter().for_each(|e| self.edge(e, caller));
        session.lease.iter().for_each(|ttl| self.ttl(*ttl));
        self.require(session.turn.len() <= 1000);
        for entry in &session.turn {
            self.require(entry.run.is_none() && entry.in_reply_to.is_none());
            entry.actor.iter().for_each(|a| self.actor(a, caller));
        }
    }

    /// Each with an owner of its own, and nothing that a recipient does not begin with.
    fn recipients(&mut self, recipients: &[NewSession], caller: &Caller) {
        let mut owners = Vec::new();
        for recipient in recipients {
            self.new_session(recipient, caller);
            self.require(recipient.lease.is_none() && recipient.external_id.is_none());
            self.require(recipient.parent.iter().all(|edge| edge.prev_artifact.is_none()));
            self.require(recipient.actor.is_some() && !owners.contains(&&recipient.actor));
            owners.push(&recipient.actor);
        }
    }

    fn ttl(&mut self, ttl: Duration) {
        self.require(ttl >= Duration::from_millis(1) && ttl <= Duration::from_secs(24 * 60 * 60));
    }

    /// Keys of 1 to 256 bytes, each once, at most 1,024.
    fn state_keys<'a>(&mut self, keys: impl Iterator<Item = &'a String>) {
        let mut seen = BTreeSet::new();
        for key in keys {
            self.require((1..=256).contains(&key.len()) && seen.insert(key));
        }
        self.require(seen.len() <= 1024);
    }

    fn changes(&mut self, changes: &[StateChange]) {
        self.state_keys(changes.iter().map(|change| &change.key));
    }

    pub(super) fn verdict(self) -> Predicted<()> {
        if self.invalid {
            Err(Refusal::kind(Invalid))
        } else if self.foreign {
            Err(Refusal::kind(TenantIsolation))
        } else {
            Ok(())
        }
    }
}

/// Whether it is how a run of an older release is known: `ext_` and the rest of the run's own id.
fn is_derived(external_id: &str) -> bool {
    external_id
        .strip_prefix("ext_")
        .is_some_and(|rest| format!("run_{rest}").parse::<RunId>().is_ok())
}

pub(super) fn thread_command(caller: &Caller, command: &ThreadCommand) -> Predicted<()> {
    let mut check = Check::default();
    check.caller(caller);
    check.require(caller.lease.is_none());
    match command {
        ThreadCommand::CreateProject { project } => {
            check.external_id(project.external_id.as_ref());
            check.text(&project.name);
            check.config(&project.config);
        }
        ThreadCommand::UpdateProject { project, update, .. } => {
            check.tag(project.tag(), caller);
            update.name.iter().for_each(|n| check.text(n));
            update.config.iter().for_each(|c| check.config(c));
        }
        ThreadCommand::ArchiveProject { project }
        | ThreadCommand::ReopenProject { project }
        | ThreadCommand::DeleteProject { project } => check.tag(project.tag(), caller),
        ThreadCommand::CreateThread { project, thread } => {
            check.tag(project.tag(), caller);
            check.new_thread(thread);
        }
        ThreadCommand::BeginThread { project, thread, session } => {
            check.tag(project.tag(), caller);
            check.new_thread(thread);
            check.require(session.parent.is_none());
            check.new_session(session, caller);
        }
        ThreadCommand::UpdateThread { thread, update, .. } => {
            check.thread(*thread, caller);
            update.title.iter().for_each(|t| check.text(t));
            update.labels.iter().for_each(|l| check.labels(l));
            update.budget.iter().flatten().for_each(|budget| check.budget(budget));
        }
        ThreadCommand::ArchiveThread { thread }
        | ThreadCommand::ReopenThread { thread }
        | ThreadCommand::DeleteThread { thread }
        | ThreadCommand::PurgeThread { thread }
        | ThreadCommand::ReturnBudget { thread }
        | ThreadCommand::VacuumThread { thread } => check.thread(*thread, caller),
        ThreadCommand::EraseEntries { thread, entries } => {
            check.require((1..=256).contains(&entries.len()));
            check.thread(*thread, caller);
            entries.iter().for_each(|entry| check.thread(entry.thread(), caller));
        }
        _ => check.require(false),
    }
    check.verdict()
}

pub(super) fn session_command(caller: &Caller, command: &SessionCommand) -> Predicted<()> {
    let mut check = Check::default();
    check.caller(caller);
    match command {
        SessionCommand::CreateSession { thread, session } => {
            check.require(session.parent.is_some() || caller.lease.is_none());
            check.thread(*thread, caller);
            check.new_session(session, caller);
        }
        SessionCommand::UpdateSession { session, update, .. } => {
            check.session(*session, caller);
            update.name.iter().flatten().for_each(|n| check.text(n));
            update.task.iter().flatten().for_each(|t| check.outside(t));
            update.labels.iter().for_each(|l| check.labels(l));
            update.budget.iter().flatten().for_each(|budget| check.budget(budget));
            update.actor.iter().for_each(|a| check.actor(a, caller));
        }
        SessionCommand::SetStatus { session, .. }
        | SessionCommand::ReopenSession { session }
        | SessionCommand::ArchiveSession { session, .. }
        | SessionCommand::DeleteSession { session }
        | SessionCommand::ReleaseLease { session } => check.session(*session, caller),
        SessionCommand::RestoreSession { session } => {
            check.session(*session, caller);
            check.require(caller.lease.is_none());
        }
        SessionCommand::LinkSessions(link) => {
            check.session(link.child, caller);
            check.edge(&link.edge, caller);
            check.require(link.edge.inherit == Inheritance::Empty);
        }
        SessionCommand::UpdateEdge { edge, update, .. } => {
            check.thread(edge.thread(), caller);
            update.purpose.iter().flatten().for_each(|p| check.text(p));
            update.prev_artifact.iter().for_each(|it| check.artifact(it, caller));
        }
        SessionCommand::DeleteEdge { edge } => check.thread(edge.thread(), caller),
        SessionCommand::Append { session, append } => {
            check.session(*session, caller);
            check.require((1..=1000).contains(&append.entries.len()));
            check.changes(&append.state);
            check.changes(&append.thread_state);
            for entry in &append.entries {
                check.require(said(entry).parts.iter().all(shapes::is_well_formed));
                entry.actor.iter().for_each(|a| check.actor(a, caller));
                entry.run.iter().for_each(|r| check.run(*r, caller));
                entry.in_reply_to.iter().for_each(|e| check.thread(e.thread(), caller));
            }
        }
        SessionCommand::StartRun { session, run } => {
            check.session(*session, caller);
            run.task.iter().for_each(|t| check.outside(t));
            check.labels(&run.labels);
            check.external_id(run.external_id.as_ref());
            run.model.iter().chain(&run.provider).for_each(|name| check.outside(name));
            check.require(!run.external_id.iter().any(|given| is_derived(given)));
            run.retry_of.iter().for_each(|r| check.run(*r, caller));
        }
        SessionCommand::SetRunStatus { run, .. } => check.run(*run, caller),
        SessionCommand::AwaitSubSessions { run, edges } => {
            check.run(*run, caller);
            check.require((1..=1000).contains(&edges.len()));
            edges.iter().for_each(|edge| check.thread(edge.thread(), caller));
        }
        SessionCommand::SweepRuns { thread, .. } => {
            check.thread(*thread, caller);
            check.require(caller.lease.is_none());
        }
        SessionCommand::EndRun { run, outcome, echo } => {
            check.run(*run, caller);
            let told =
                matches!(outcome, RunOutcome::Abandoned | RunOutcome::SubSessionFailed { .. });
            check.require(!told);
            check.external_id(echo.as_ref());
        }
        SessionCommand::BookUsage { run, call, usage, echo } => {
            check.run(*run, caller);
            usage.model.iter().chain(&usage.provider).for_each(|name| check.outside(name));
            check.outside(call);
            check.external_id(echo.as_ref());
        }
        SessionCommand::ClaimLease { session, ttl }
        | SessionCommand::RenewLease { session, ttl } => {
            check.session(*session, caller);
            check.ttl(*ttl);
        }
        SessionCommand::HandOff { recipient, .. } => {
            check.recipients(std::slice::from_ref(&**recipient), caller);
        }
        SessionCommand::Broadcast { recipients, .. } => {
            check.require(recipients.len() >= 2);
            check.recipients(recipients, caller);
        }
        SessionCommand::ContinueAs { session, successor } => {
            check.session(*session, caller);
            check.new_session(successor, caller);
            check.require(successor.parent.is_none() && successor.external_id.is_none());
            check.require(successor.budget.is_none());
        }
        SessionCommand::StepMerge { edge, .. } => check.thread(edge.thread(), caller),
        SessionCommand::SealSummary { session, summary } => {
            check.session(*session, caller);
            check.require(!summary.agent_summary.is_empty());
        }
        SessionCommand::ProposeCollapse { edge, collapse } => {
            check.thread(edge.thread(), caller);
            check.require(collapse.text.as_ref().is_some_and(|text| !text.trim().is_empty()));
        }
        SessionCommand::AcceptCollapse { collapse, text } => {
            check.thread(collapse.thread(), caller);
            check.require(text.as_ref().is_none_or(|text| !text.trim().is_empty()));
        }
        SessionCommand::RejectCollapse { collapse } => check.thread(collapse.thread(), caller),
        SessionCommand::SetState { of, changes } => {
            check.thread(of.thread(), caller);
            check.require(!changes.is_empty());
            check.changes(changes);
            check.require(matches!(of, StateScope::Session(_)) || caller.lease.is_none());
        }
        _ => check.require(false),
    }
    check.verdict()
}

/// The bytes of an entry's texts, for its bound of 32 MiB.
pub(super) fn weight(parts: &[Part]) -> u64 {
    parts
        .iter()
        .map(|part| match part {
            Part::Text(it) => it.text.len() as u64,
            Part::Reasoning(it) => it.text.len() as u64,
            Part::ToolCall(it) => (it.name.len() + it.arguments.get().len()) as u64,
            Part::ToolResult(it) => weight(&it.content),
            Part::Json { kind, value } => (kind.len() + value.get().len()) as u64,
            Part::Artifact(it) => it.reference.len() as u64,
            Part::Binary(it) => it.bytes.len() as u64,
            _ => 0,
        })
        .sum()
}

/// The bound itself.
pub(super) fn too_large(bytes: u64) -> Option<Refusal> {
    const LIMIT: u64 = 32 << 20;
    (bytes > LIMIT).then(|| Refusal::kind(Capacity))
}

/// The message of an entry: the machine appends nothing else.
pub(super) fn said(entry: &NewEntry) -> &Message {
    entry.message().expect("the machine appends messages")
}
