//! The command that a step stands for, given what exists.

use std::{collections::BTreeMap, time::Duration};

use sessile_core::{
    command::{
        Append, Archiving, ContextSelection, Expect, Inheritance, LinkSessions, NewProject, NewRun,
        NewSession, NewSubSession, NewThread, SessionCommand, StateChange, StateScope, Sweep,
        ThreadCommand, UpdateEdge, UpdateProject, UpdateSession, UpdateThread,
    },
    id::{CollapseId, SessionId, SubSessionId, ThreadId, Version},
    json::Json,
    model::{
        Actor, Autonomy, Budget, CompletionMode, Currency, FailureMode, Labels, Message,
        NewCollapse, NewEntry, NewSummary, Part, PrevArtifact, ProjectConfig, Role, SubSessionKind,
        SummaryOutcome, Tokens, Usage,
    },
};

use super::{
    known::Names,
    step::{Act, Answers, Change, Expected, Text, Under},
};
use crate::internal::{archives::ARCHIVE, hostile, shapes};

/// A command to threads or to a session, and the session whose lease it needs.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Command {
    Thread(ThreadCommand),
    Session(Box<SessionCommand>, Option<SessionId>),
}

/// Names that many share, then hostile ones, then ones that are refused here or there.
fn text(n: Text) -> String {
    let n = usize::from(n);
    let shared = ["", "a", "same name", "A"];
    let texts = hostile::contents();
    shared.get(n).map_or_else(|| texts[(n - 4) % texts.len()].clone(), |text| (*text).to_owned())
}

/// A text, or one of the other shapes of a part; one in a hundred is refused.
fn message(n: Text) -> Message {
    let (at, said) = (usize::from(n), text(n));
    if !at.is_multiple_of(3) {
        return Message::text(Role::User, said);
    }
    let shapes = if at % 100 == 99 { shapes::not_for_results(&said) } else { shapes::parts(&said) };
    let part = shapes[at / 3 % shapes.len()].clone();
    Message::new(Role::Assistant, vec![part, Part::text("")])
}

fn task(n: u8) -> String {
    ["red", "blue", "Red", "\u{1}"][usize::from(n) % 4].to_owned()
}

/// A few that are soon taken; one that a run of an older release could have, and one that is none.
fn external_id(n: u8) -> String {
    match n {
        0 => "ext_01jd0000000000000000000000_13".to_owned(),
        1 => "\n".to_owned(),
        n => format!("7c9e6679-7425-40de-944b-e07fc1f90a{n:02x}"),
    }
}

fn state_key(n: u8) -> String {
    let longest = "\u{1}".repeat(256);
    ["a", "b", "A", "' \"\\\0\u{e9}", &longest, "", &format!("{longest}x")][usize::from(n) % 7]
        .to_owned()
}

fn state_value(n: u8) -> Json {
    let large = format!("\"{}\"", "x".repeat(100 << 10));
    let texts = ["null", "0", "-1.0e0", "{\"b\":[],\"a\":\"\\u0041\"}", "\"\"", "[[[1]]]", &large];
    Json::parse(texts[usize::from(n) % texts.len()]).expect("JSON")
}

fn initial(state: &[(u8, u8)]) -> BTreeMap<String, Json> {
    state.iter().map(|(key, value)| (state_key(*key), state_value(*value))).collect()
}

/// Names of models; the last is none.
fn model(n: u8) -> String {
    ["opus", "a/b:c \u{1f600}", "' or 1=1 --", "\n"][usize::from(n) % 4].to_owned()
}

fn config(n: u8, budget: Option<u8>) -> ProjectConfig {
    let (depth, width) = [(4, 8), (1, 2), (2, 1), (1001, 0)][usize::from(n) % 4];
    let interventions = [1, 3, 2, 0][usize::from(n) % 4];
    let config = ProjectConfig::default()
        .with_max_delegation_depth(depth)
        .with_max_delegation_width(width)
        .with_max_intervention_depth(interventions);
    match budget {
        Some(budget) => config.with_budget(budget_of(budget)),
        None => config,
    }
}

fn autonomy_of(n: u8) -> Autonomy {
    [Autonomy::Manual, Autonomy::Collaborative, Autonomy::Autonomous][usize::from(n) % 3]
}

/// Small ones, so that they are soon used up; the last is none.
fn budget_of(n: u8) -> Budget {
    let usd = || Currency::new("USD").expect("a currency");
    match n {
        0 => Budget::of_tokens(1),
        1 => Budget::of_tokens(200),
        2 => Budget::of_tokens(150).warning(),
        3 => Budget::of_cost(usd(), 1),
        4 => Budget::of_cost(usd(), 100_000_100).with_tokens(300),
        5 => Budget::of_cost(Currency::new("EUR").expect("a currency"), 90_000_090),
        6 => Budget::of_tokens(500),
        7 => Budget::of_tokens(90),
        _ => Budget::default(),
    }
}

fn ttl(n: u8) -> Duration {
    Duration::from_millis([0, 1, 5_000, 10_000, 86_400_000][usize::from(n) % 5])
}

/// How long a session may be silent.
fn silence(n: u8) -> Duration {
    [Duration::ZERO, Duration::from_secs(3), Duration::from_secs(60), Duration::MAX]
        [usize::from(n) % 4]
}

fn off(expected: Expected, right: Version) -> Version {
    match expected {
        Expected::Right => right,
        Expected::Off(caller) => right.saturating_add_signed(caller.into()),
    }
}

fn modes(n: u8) -> (SubSessionKind, FailureMode, CompletionMode) {
    use SubSessionKind::{AgentSpawn, Intervention, UserHandoff};
    (
        [AgentSpawn, UserHandoff, Intervention][usize::from(n) % 3],
        if n.is_multiple_of(2) { FailureMode::Delegate } else { FailureMode::FailFast },
        if n % 4 < 2 { CompletionMode::SummaryRef } else { CompletionMode::MergeBack },
    )
}

/// External ids that are soon taken, one that is refused, and one as long as can be.
fn name(n: u8) -> String {
    match n {
        0 => "\u{1}".to_owned(),
        1 => "\u{e9}/\"".repeat(128),
        n => format!("chat {n}/{n}"),
    }
}

fn new_thread(title: Text, external_id: Option<u8>, state: &[(u8, u8)]) -> NewThread {
    NewThread {
        external_id: external_id.map(name),
        state: initial(state),
        ..NewThread::titled(text(title)).with_label("title", text(title))
    }
}

fn new_summary(n: u8) -> NewSummary {
    use SummaryOutcome::{Failed, Partial, Succeeded};
    let outcome = [Succeeded, Partial, Failed][usize::from(n) % 3];
    match n {
        7 => NewSummary::new(outcome, ""),
        n => NewSummary::new(outcome, format!("summary {n} \u{1}")).with_decision("so be it"),
    }
}

fn entries(texts: &[Text]) -> Vec<NewEntry> {
    texts.iter().map(|n| NewEntry::text(Role::User, text(*n))).collect()
}

/// Nothing, all, or a selection.
fn inheritance(n: u8) -> Inheritance {
    let selection = |roles: &[Role], last| {
        let roles = roles.to_vec();
        Inheritance::Selective(ContextSelection { roles, last, ..ContextSelection::default() })
    };
    match n {
        0 => Inheritance::Empty,
        1 => Inheritance::HeadSnapshot { max_tokens: None },
        2 => selection(&[Role::Assistant], None),
        3 => selection(&[Role::Tool, Role::User], Some(2)),
        4 => selection(&[], Some(1)),
        6 => Inheritance::FullHistory,
        _ => selection(&[], Some(0)),
    }
}

impl Names<'_> {
    fn under(&self, under: &Under, near: ThreadId) -> NewSubSession {
        let parent = self.session(under.parent, Some(near));
        let (kind, failure_mode, completion_mode) = modes(under.modes);
        // One in five is of a kind that answers nothing.
        let kind = match under.answers {
            Some(_) if !under.modes.is_multiple_of(5) => SubSessionKind::Intervention,
            _ => kind,
        };
        NewSubSession {
            parent,
            kind,
            failure_mode,
            completion_mode,
            purpose: under.purpose.map(text),
            spawned_by_run: under.run.map(|run| self.run(run, Some(parent))),
            prev_artifact: under.answers.map(|answers| self.artifact(answers, near)),
            inherit: inheritance(under.inherits),
        }
    }

    fn artifact(&self, answers: Answers, near: ThreadId) -> PrevArtifact {
        match answers {
            Answers::Summary(pick) => PrevArtifact::Summary(self.summary(pick, near)),
            Answers::Leaf(n @ 0..2) => PrevArtifact::Leaf("x".repeat(usize::from(n) * 1025)),
            Answers::Leaf(n) => PrevArtifact::Leaf(text(n.into())),
        }
    }

    pub(super) fn command(&self, act: &Act) -> Command {
        self.thread_act(act).map_or_else(
            || {
                let (command, session) = self.session_act(act);
                Command::Session(Box::new(command), session)
            },
            Command::Thread,
        )
    }

    fn thread_act(&self, act: &Act) -> Option<ThreadCommand> {
        let tenant = self.model.tenants.get(&self.caller.tenant);
        Some(match act {
            Act::CreateProject { name: n, caps, budget, external_id } => {
                let project = NewProject {
                    external_id: external_id.map(name),
                    ..NewProject::named(text(*n)).with_config(config(*caps, *budget))
                };
                ThreadCommand::CreateProject { project }
            }
            Act::UpdateProject { project, expected, name, caps, budget } => {
                let project = self.project(*project);
                let right = tenant.and_then(|t| t.projects.get(&project)).map_or(1, |p| p.version);
                let update = UpdateProject {
                    name: name.map(text),
                    config: caps.map(|caps| config(caps, *budget)),
                };
                ThreadCommand::UpdateProject { project, expected: off(*expected, right), update }
            }
            Act::ArchiveProject(p) => ThreadCommand::ArchiveProject { project: self.project(*p) },
            Act::ReopenProject(p) => ThreadCommand::ReopenProject { project: self.project(*p) },
            Act::DeleteProject(p) => ThreadCommand::DeleteProject { project: self.project(*p) },
            Act::CreateThread { project, title, external_id, state, budget } => {
                ThreadCommand::CreateThread {
                    project: self.project(*project),
                    thread: NewThread {
                        budget: budget.map(budget_of),
                        ..new_thread(*title, *external_id, state)
                    },
                }
            }
            Act::BeginThread { project, title, external_id, session, texts, state } => {
                let session = NewSession {
                    fork: None,
                    external_id: session.map(name),
                    state: initial(state),
                    ..NewSession::named(text(*title)).with_turn(entries(texts))
                };
                ThreadCommand::BeginThread {
                    project: self.project(*project),
                    thread: new_thread(*title, *external_id, state),
                    session: session.into(),
                }
            }
            Act::UpdateThread { thread, expected, title, labels, budget } => {
                let thread = self.thread(*thread);
                let right = tenant.and_then(|t| t.threads.get(&thread)).map_or(1, |t| t.version);
                let labels = labels.map(|n| Labels::new().with(text(n), "v"));
                let budget = budget.map(|it| it.map(budget_of));
                let update = UpdateThread { title: title.map(text), labels, budget };
                ThreadCommand::UpdateThread { thread, expected: off(*expected, right), update }
            }
            Act::ArchiveThread(t) => ThreadCommand::ArchiveThread { thread: self.thread(*t) },
            Act::ReopenThread(t) => ThreadCommand::ReopenThread { thread: self.thread(*t) },
            Act::DeleteThread(t) => ThreadCommand::DeleteThread { thread: self.thread(*t) },
            Act::PurgeThread(t) => ThreadCommand::PurgeThread { thread: self.thread(*t) },
            Act::Erase { thread, entries } => {
                let thread = self.thread(*thread);
                let entries = entries.iter().map(|entry| self.entry(*entry, thread)).collect();
                ThreadCommand::EraseEntries { thread, entries }
            }
            Act::ReturnBudget(t) => ThreadCommand::ReturnBudget { thread: self.thread(*t) },
            Act::Vacuum(t) => ThreadCommand::VacuumThread { thread: self.thread(*t) },
            _ => return None,
        })
    }

    fn session_act(&self, act: &Act) -> (SessionCommand, Option<SessionId>) {
        let of_session = |id: SessionId| {
            let tenant = self.model.tenants.get(&self.caller.tenant);
            let thread = tenant.and_then(|t| t.threads.get(&id.thread()));
            (
                thread.and_then(|t| t.sessions.get(&id.version())).map_or(1, |s| s.version),
                thread.map_or(0, |t| t.tail(id.version())),
            )
        };
        match act {
            Act::CreateSession {
                thread,
                name: n,
                task: named,
                owned,
                under,
                external_id,
                texts,
                state,
                lease,
                budget,
            } => {
                let thread = self.thread(*thread);
                let parent = under.as_ref().map(|under| self.under(under, thread));
                let above = parent.as_ref().map(|edge| edge.parent);
                let session = NewSession {
                    fork: None,
                    external_id: external_id.map(name),
                    turn: entries(texts),
                    name: n.map(text),
                    labels: n.map_or_else(Labels::new, |n| Labels::new().with("n", text(n))),
                    task: named.map(task),
                    actor: owned.then(|| self.caller.actor.clone()),
                    parent,
                    state: initial(state),
                    lease: lease.map(ttl),
                    workspace: Default::default(),
                    budget: budget.map(budget_of),
                };
                (SessionCommand::CreateSession { thread, session: session.into() }, above)
            }
            Act::UpdateSession { session, expected, name, task: named, own, budget } => {
                let session = self.session(*session, None);
                let expected = off(*expected, of_session(session).0);
                let update = UpdateSession {
                    name: name.map(|n| n.map(text)),
                    labels: None,
                    task: named.map(|n| n.map(task)),
                    actor: own.then(|| self.caller.actor.clone()),
                    budget: budget.map(|it| it.map(budget_of)),
                };
                (SessionCommand::UpdateSession { session, expected, update }, Some(session))
            }
            Act::SetStatus { session, to } => {
                let session = self.session(*session, None);
                (SessionCommand::SetStatus { session, to: *to }, Some(session))
            }
            Act::ReopenSession(session) => {
                let session = self.session(*session, None);
                (SessionCommand::ReopenSession { session }, Some(session))
            }
            Act::ArchiveSession { session, named, evict } => {
                let session = self.session(*session, None);
                let archiving = match named {
                    true => Archiving::new().to(ARCHIVE),
                    false => Archiving::new(),
                };
                let archiving = if *evict { archiving.evicting() } else { archiving };
                (SessionCommand::ArchiveSession { session, archiving }, Some(session))
            }
            Act::RestoreSession(session) => {
                let session = self.session(*session, None);
                (SessionCommand::RestoreSession { session }, Some(session))
            }
            Act::Continue { session, name: n, task: named, texts } => {
                let session = self.session(*session, None);
                let successor = NewSession {
                    name: n.map(text),
                    task: named.map(task),
                    turn: entries(texts),
                    ..NewSession::default()
                };
                let successor = Box::new(successor);
                (SessionCommand::ContinueAs { session, successor }, Some(session))
            }
            Act::Seal { session, summary } => {
                let session = self.session(*session, None);
                let summary = Box::new(new_summary(*summary));
                (SessionCommand::SealSummary { session, summary }, Some(session))
            }
            Act::Collapse { edge, text: n, autonomy, exact } => {
                let edge = self.edge(*edge);
                let mut collapse = NewCollapse::of(text(*n));
                collapse.exact = *exact;
                collapse.autonomy = autonomy.map(autonomy_of);
                let command = SessionCommand::ProposeCollapse { edge, collapse: collapse.into() };
                (command, self.parent_of(edge))
            }
            Act::AcceptCollapse { collapse, text: n } => {
                let collapse = self.collapse(*collapse);
                let text = n.map(text);
                let command = SessionCommand::AcceptCollapse { collapse, text };
                (command, self.parent_of_draft(collapse))
            }
            Act::RejectCollapse(collapse) => {
                let collapse = self.collapse(*collapse);
                (SessionCommand::RejectCollapse { collapse }, self.parent_of_draft(collapse))
            }
            Act::DeleteSession(session) => {
                let session = self.session(*session, None);
                (SessionCommand::DeleteSession { session }, Some(session))
            }
            Act::Link { child, under } => {
                let child = self.session(*child, None);
                let edge = self.under(under, child.thread());
                (SessionCommand::LinkSessions(LinkSessions { child, edge }), Some(child))
            }
            Act::UpdateEdge { .. } | Act::DeleteEdge(_) | Act::StepMerge { .. } => {
                self.edge_act(act)
            }
            Act::HandOff { session, expected, owners, under, texts, budget } => {
                let source = self.session(*session, None);
                let tenant = self.model.tenants.get(&self.caller.tenant);
                let known = tenant
                    .and_then(|t| t.threads.get(&source.thread()))
                    .and_then(|t| t.sessions.get(&source.version()));
                let right = known.map_or(0, |session| session.owner_version);
                let expected = off(*expected, right);
                let recipient = |owner: &u8| {
                    let mut edge = self.under(under, source.thread());
                    (edge.parent, edge.kind) = (source, SubSessionKind::UserHandoff);
                    let name = ["ada", "bob", "' or 1=1 --", "eve"][usize::from(*owner) % 4];
                    let actor = Actor::user(name).in_tenant(&self.caller.tenant).expect("an actor");
                    let new = NewSession::named("handed over").owned_by(actor).under(edge);
                    NewSession { budget: budget.map(budget_of), ..new.with_turn(entries(texts)) }
                };
                let mut recipients: Vec<_> = owners.iter().map(recipient).collect();
                let command = match recipients.len() {
                    1 => {
                        SessionCommand::HandOff { expected, recipient: recipients.remove(0).into() }
                    }
                    _ => SessionCommand::Broadcast { expected, recipients },
                };
                (command, Some(source))
            }
            Act::Append { session, texts, run, reply, expected, state, thread_state } => {
                let session = self.session(*session, None);
                let run = run.map(|run| self.run(run, Some(session)));
                let reply = reply.map(|entry| self.entry(entry, session.thread()));
                let entries = texts
                    .iter()
                    .map(|n| {
                        let mut entry = NewEntry::new(message(*n));
                        entry.run = run;
                        entry.in_reply_to = reply;
                        entry
                    })
                    .collect();
                let expect = expected.map_or(Expect::Any, |expected| {
                    Expect::Tail(off(expected, of_session(session).1))
                });
                let state = self.changes(session.into(), state);
                let thread_state = self.changes(session.thread().into(), thread_state);
                let append = Append { entries, expect, state, thread_state };
                (SessionCommand::Append { session, append }, Some(session))
            }
            Act::SetState { session, changes } => {
                let session = self.session(*session, None);
                let changes = self.changes(session.into(), changes);
                (SessionCommand::SetState { of: session.into(), changes }, Some(session))
            }
            Act::SetThreadState { thread, changes } => {
                let of = self.thread(*thread).into();
                (SessionCommand::SetState { of, changes: self.changes(of, changes) }, None)
            }
            Act::Claim { session, ttl: n } => {
                let session = self.session(*session, None);
                (SessionCommand::ClaimLease { session, ttl: ttl(*n) }, Some(session))
            }
            Act::Renew { session, ttl: n } => {
                let session = self.session(*session, None);
                (SessionCommand::RenewLease { session, ttl: ttl(*n) }, Some(session))
            }
            Act::Release(session) => {
                let session = self.session(*session, None);
                (SessionCommand::ReleaseLease { session }, Some(session))
            }
            _ => self.run_act(act),
        }
    }

    fn parent_of(&self, edge: SubSessionId) -> Option<SessionId> {
        let thread = self.model.tenants.get(&self.caller.tenant)?.threads.get(&edge.thread())?;
        let parent = thread.edges.get(&edge.version())?.parent;
        Some(SessionId::new(edge.thread(), parent))
    }

    fn parent_of_draft(&self, collapse: CollapseId) -> Option<SessionId> {
        let id = collapse.thread();
        let thread = self.model.tenants.get(&self.caller.tenant)?.threads.get(&id)?;
        Some(SessionId::new(id, thread.collapses.get(&collapse.version())?.parent))
    }

    fn changes(&self, of: StateScope, changes: &[Change]) -> Vec<StateChange> {
        let tenant = self.model.tenants.get(&self.caller.tenant);
        let held = tenant.and_then(|t| t.threads.get(&of.thread())).and_then(|t| t.keyed(of));
        let change = |Change { key, value, expected }: &Change| {
            let key = state_key(*key);
            let right = held.map_or(0, |held| held.version_of(&key));
            let expected = expected.map(|expected| off(expected, right));
            StateChange { key, value: value.map(state_value), expected }
        };
        changes.iter().map(change).collect()
    }

    fn edge_act(&self, act: &Act) -> (SessionCommand, Option<SessionId>) {
        let (Act::UpdateEdge { edge, .. } | Act::DeleteEdge(edge) | Act::StepMerge { edge, .. }) =
            act
        else {
            unreachable!()
        };
        let edge = self.edge(*edge);
        let tenant = self.model.tenants.get(&self.caller.tenant);
        let known = tenant
            .and_then(|t| t.threads.get(&edge.thread()))
            .and_then(|t| t.edges.get(&edge.version()));
        let child = known.map(|e| SessionId::new(edge.thread(), e.child));
        if let Act::StepMerge { expected, to, .. } = act {
            let expected = off(*expected, known.map_or(1, |e| e.version));
            return (SessionCommand::StepMerge { edge, expected, to: *to }, child);
        }
        let Act::UpdateEdge { expected, purpose, modes: n, answers, .. } = act else {
            return (SessionCommand::DeleteEdge { edge }, child);
        };
        let update = UpdateEdge {
            purpose: purpose.map(|n| n.map(text)),
            failure_mode: n.map(|n| modes(n).1),
            completion_mode: n.map(|n| modes(n).2),
            prev_artifact: answers.map(|answers| self.artifact(answers, edge.thread())),
        };
        let expected = off(*expected, known.map_or(1, |e| e.version));
        (SessionCommand::UpdateEdge { edge, expected, update }, child)
    }

    fn run_act(&self, act: &Act) -> (SessionCommand, Option<SessionId>) {
        let run = match act {
            Act::StartRun { session, retry, task: named, queued, external_id: n } => {
                let session = self.session(*session, None);
                let run = NewRun {
                    retry_of: retry.map(|run| self.run(run, Some(session))),
                    task: named.map(task),
                    labels: Labels::new(),
                    external_id: n.map(external_id),
                    model: named.map(model),
                    provider: n.map(model),
                    queued: *queued,
                };
                return (SessionCommand::StartRun { session, run }, Some(session));
            }
            Act::Sweep { thread, silent_for: n, dry_run } => {
                let thread = self.thread(*thread);
                let mut sweep = Sweep::silent_for(silence(*n));
                sweep.dry_run = *dry_run;
                return (SessionCommand::SweepRuns { thread, sweep }, None);
            }
            Act::SetRunStatus { run, .. }
            | Act::EndRun { run, .. }
            | Act::Await { run, .. }
            | Act::Book { run, .. } => self.run(*run, None),
            _ => unreachable!("every act is resolved"),
        };
        let tenant = self.model.tenants.get(&self.caller.tenant);
        let known = tenant
            .and_then(|t| t.threads.get(&run.thread()))
            .and_then(|t| t.runs.get(&run.version()));
        let session = known.map(|r| SessionId::new(run.thread(), r.session));
        let echoed = |echo: &Option<bool>| {
            let right = known.and_then(|run| run.external_id.clone());
            let other = "ext_other".to_owned();
            echo.map(|is_right| right.filter(|_| is_right).unwrap_or(other))
        };
        let command = match act {
            Act::SetRunStatus { to, .. } => SessionCommand::SetRunStatus { run, to: *to },
            Act::EndRun { outcome, echo, .. } => {
                SessionCommand::EndRun { run, outcome: outcome.clone(), echo: echoed(echo) }
            }
            Act::Await { edges, .. } => {
                let near = session.unwrap_or_else(|| SessionId::new(run.thread(), 1));
                let edges = edges.iter().map(|edge| self.edge_below(*edge, near)).collect();
                SessionCommand::AwaitSubSessions { run, edges }
            }
            Act::Book { call, amount, echo, .. } => {
                let n = u64::from(*amount);
                let mut usage = Usage::new(Tokens::new(n, n / 2), n % 3);
                if n % 4 > 0 {
                    let code = ["USD", "EUR", "X1"][usize::from(amount % 3)];
                    let currency = Currency::new(code).expect("a currency");
                    usage = usage.with_cost(currency, n * 1_000_001);
                }
                if n.is_multiple_of(5) {
                    usage = usage.with_model(model(*call)).with_provider("p");
                }
                let call = ["a", "b", "c", "", "\u{e9}"][usize::from(*call) % 5].to_owned();
                SessionCommand::BookUsage { run, call, usage, echo: echoed(echo) }
            }
            _ => unreachable!("every act is resolved"),
        };
        (command, session)
    }
}
