//! The workload during which the machine stops: some commands of each kind, the same in each run.

use std::{sync::Arc, time::Duration};

use sessile_core::{
    Caller, Error, Key, Result, Timestamp,
    command::{
        Append, CreatedSession, Inheritance, LinkSessions, NewProject, NewRun, NewSession,
        NewSubSession, NewThread, SessionCommand, SessionOutcome, StateChange, ThreadCommand,
        ThreadOutcome, UpdateEdge, UpdateProject, UpdateSession, UpdateThread,
    },
    id::{
        AgentId, EntryId, ProjectId, RunId, SessionId, SubSessionId, TenantId, ThreadId, UserId,
        Version,
    },
    journal::Journal,
    json::Json,
    model::{
        Actor, CompletionMode, NewEntry, NewSummary, Role, RunOutcome, SubSessionStatus,
        SummaryOutcome, Tokens, Usage,
    },
    store::{SessionStore, Store, StoreOptions, ThreadStore},
};

use crate::internal::{SeededIds, TestClock, concurrent::together};
use crate::medium::SimDisk;

/// A command to threads or to sessions.
#[derive(Clone, Debug)]
pub enum Command {
    /// To projects and threads.
    Thread(ThreadCommand),
    /// To sessions.
    Session(Box<SessionCommand>),
}

impl From<ThreadCommand> for Command {
    fn from(command: ThreadCommand) -> Self {
        Self::Thread(command)
    }
}

impl From<SessionCommand> for Command {
    fn from(command: SessionCommand) -> Self {
        Self::Session(Box::new(command))
    }
}

/// What a command did.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// To projects and threads.
    Thread(ThreadOutcome),
    /// To sessions.
    Session(SessionOutcome),
}

/// A command that was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// In which round: those of one round are sent at once.
    pub round: usize,
    /// By whom.
    pub caller: Caller,
    /// What.
    pub command: Command,
    /// When, by the store's clock.
    pub at: Timestamp,
    /// Operations on the medium before it was sent.
    pub began: u64,
    /// Operations before it was answered; none if it never was.
    pub answered: Option<u64>,
    /// The answer; none if nobody knows.
    pub answer: Option<Result<Outcome>>,
}

/// Names of what was created.
#[derive(Clone, Debug, Default)]
struct Created {
    projects: Vec<ProjectId>,
    threads: Vec<ThreadId>,
    sessions: Vec<SessionId>,
    edges: Vec<SubSessionId>,
    runs: Vec<RunId>,
    entries: Vec<EntryId>,
    tokens: Vec<Version>,
    /// The records of what was changed.
    changes: Vec<Version>,
}

impl Created {
    fn learn(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Thread(ThreadOutcome::ProjectCreated(made)) => self.projects.push(made.id),
            Outcome::Thread(ThreadOutcome::ThreadCreated(made)) => self.threads.push(made.id),
            Outcome::Thread(ThreadOutcome::ThreadBegun(begun)) => {
                self.threads.push(begun.thread.id);
                self.sessions.push(begun.session.id);
                self.entries.extend(begun.session.appended.iter().flat_map(|said| said.entries()));
            }
            Outcome::Session(
                SessionOutcome::SessionCreated(made) | SessionOutcome::HandedOff(made),
            ) => self.learn_session(made),
            Outcome::Session(SessionOutcome::BroadcastSent(all)) => {
                all.iter().for_each(|made| self.learn_session(made));
            }
            Outcome::Session(SessionOutcome::Changed(version)) => self.changes.push(*version),
            Outcome::Session(SessionOutcome::Linked(edge)) => self.edges.push(*edge),
            Outcome::Session(SessionOutcome::RunStarted(run)) => self.runs.push(*run),
            Outcome::Session(SessionOutcome::Leased(token)) => self.tokens.push(*token),
            Outcome::Session(SessionOutcome::Appended(said)) => self.entries.extend(said.entries()),
            Outcome::Thread(_) | Outcome::Session(_) => {}
        }
    }
}

impl Created {
    fn learn_session(&mut self, made: &CreatedSession) {
        self.sessions.push(made.id);
        self.edges.extend(made.edge);
        self.tokens.extend(made.lease);
        self.entries.extend(made.appended.iter().flat_map(|said| said.entries()));
    }

    /// So many before the newest session.
    fn session_before(&self, n: usize) -> SessionId {
        self.sessions[self.sessions.len() - 1 - n]
    }

    fn last_edge_before(&self, n: usize) -> SubSessionId {
        self.edges[self.edges.len() - 1 - n]
    }

    fn last_change(&self) -> Version {
        *self.changes.last().expect("a change before")
    }
}

/// The tenants of the workload: one name begins with the other.
pub const TENANTS: [&str; 2] = ["acme", "acme-2"];

/// A person of a tenant.
pub fn caller(tenant: &str) -> Caller {
    let tenant = TenantId::new(tenant).expect("a tenant");
    let user = UserId::new("ada").expect("a user");
    Caller::new(tenant.clone(), Actor::User { tenant, id: user })
}

type Step = fn(&Created) -> (Caller, Command);

fn ada() -> Caller {
    caller(TENANTS[0])
}

fn create(thread: ThreadId, session: NewSession) -> Command {
    SessionCommand::CreateSession { thread, session: session.into() }.into()
}

fn says(session: SessionId, texts: impl IntoIterator<Item = String>) -> Command {
    let entries: Vec<_> = texts.into_iter().map(|text| NewEntry::text(Role::User, text)).collect();
    SessionCommand::Append { session, append: Append::from(entries) }.into()
}

fn begin(made: &Created, words: &str) -> (Caller, Command) {
    let project = made.projects[0];
    let thread = NewThread::titled("begun").with_external_id("chat");
    let session = NewSession::named("main").with_external_id("main");
    let session = session.with_turn([NewEntry::text(Role::User, words)]);
    (ada(), ThreadCommand::BeginThread { project, thread, session: session.into() }.into())
}

fn agent(name: &str) -> Actor {
    let tenant = TenantId::new(TENANTS[0]).expect("a tenant");
    Actor::Agent { tenant, id: AgentId::new(name).expect("an id"), parent: None }
}

/// Somebody who is handed a session, whose result is merged back.
fn recipient(source: SessionId, name: &str) -> NewSession {
    let edge = NewSubSession {
        completion_mode: CompletionMode::MergeBack,
        ..NewSubSession::handoff_of(source)
            .inheriting(Inheritance::HeadSnapshot { max_tokens: None })
    };
    NewSession::named(name).owned_by(agent(name)).under(edge)
}

fn seal(session: SessionId, text: &str) -> Command {
    let summary = NewSummary::new(SummaryOutcome::Succeeded, text).with_decision("so be it");
    SessionCommand::SealSummary { session, summary: summary.into() }.into()
}

fn merge(m: &Created, edge: usize, to: SubSessionStatus) -> (Caller, Command) {
    let (edge, expected) = (m.last_edge_before(edge), m.last_change());
    (ada(), SessionCommand::StepMerge { edge, expected, to }.into())
}

fn value() -> Json {
    Json::parse("[null]").expect("JSON")
}

fn text(n: usize, bytes: usize) -> String {
    format!("{n} ").repeat(bytes / 2).chars().take(bytes).collect()
}

/// The rounds: what is in one is sent at once.
const ROUNDS: &[&[Step]] = &[
    &[|_| {
        let project = NewProject::named("project");
        (ada(), ThreadCommand::CreateProject { project }.into())
    }],
    &[|m| {
        let thread = NewThread::titled("thread").with_label("title", "a").with_state("k", value());
        (ada(), ThreadCommand::CreateThread { project: m.projects[0], thread }.into())
    }],
    &[|m| {
        let thread = NewThread::titled("another");
        (ada(), ThreadCommand::CreateThread { project: m.projects[0], thread }.into())
    }],
    &[
        |m| (ada(), create(m.threads[0], NewSession::named("root").for_task("red"))),
        |m| (ada(), create(m.threads[1], NewSession::named("alone"))),
    ],
    &[|m| {
        let child = NewSession::named("child")
            .under(NewSubSession::under(m.sessions[0]).for_purpose("to help"));
        (ada(), create(m.threads[0], child))
    }],
    &[
        |m| (ada(), says(m.sessions[0], (0..3).map(|n| format!("small {n}")))),
        |m| (ada(), says(m.sessions[1], [text(1, 66_000)])),
        |m| (ada(), says(m.sessions[2], ["of the child".to_owned()])),
    ],
    &[|_| {
        let project = NewProject::named("of another tenant");
        (caller(TENANTS[1]), ThreadCommand::CreateProject { project }.into())
    }],
    &[|m| {
        let thread = NewThread::titled("of another tenant");
        (caller(TENANTS[1]), ThreadCommand::CreateThread { project: m.projects[1], thread }.into())
    }],
    &[
        |m| (caller(TENANTS[1]), create(m.threads[2], NewSession::named("of another tenant"))),
        |m| {
            let run = NewRun::default();
            (ada(), SessionCommand::StartRun { session: m.sessions[2], run }.into())
        },
    ],
    &[
        |m| {
            let usage = Usage::new(Tokens::new(10, 5), 7);
            let (run, call, echo) = (m.runs[0], "call".to_owned(), None);
            (ada(), SessionCommand::BookUsage { run, call, usage, echo }.into())
        },
        |m| {
            let entry = NewEntry::text(Role::Assistant, "in a run").in_run(m.runs[0]);
            let set = |key: &str| [StateChange::set(key, value()).expecting(0)];
            let append = Append::from(entry).with_state(set("with")).with_thread_state(set("with"));
            let session = m.sessions[2];
            (ada(), SessionCommand::Append { session, append }.into())
        },
    ],
    &[|m| {
        let (run, outcome, echo) = (m.runs[0], RunOutcome::Succeeded, None);
        (ada(), SessionCommand::EndRun { run, outcome, echo }.into())
    }],
    &[|m| {
        let (session, ttl) = (m.sessions[0], Duration::from_secs(60));
        (ada(), SessionCommand::ClaimLease { session, ttl }.into())
    }],
    &[
        |m| (ada().with_lease(m.tokens[0]), says(m.sessions[0], [text(2, 900)])),
        // Without the token it is refused.
        |m| (ada(), says(m.sessions[0], ["fenced".to_owned()])),
    ],
    &[|m| {
        let (session, ttl) = (m.sessions[0], Duration::from_secs(90));
        (ada().with_lease(m.tokens[0]), SessionCommand::RenewLease { session, ttl }.into())
    }],
    &[|m| {
        let session = m.sessions[0];
        (ada().with_lease(m.tokens[0]), SessionCommand::ReleaseLease { session }.into())
    }],
    &[|m| (ada(), says(m.sessions[1], [text(3, 66_000), "small".to_owned(), text(4, 66_000)]))],
    &[
        |m| {
            let update = UpdateSession { name: Some(Some("renamed".into())), ..Default::default() };
            let session = m.sessions[1];
            let expected = session.version();
            (ada(), SessionCommand::UpdateSession { session, expected, update }.into())
        },
        |m| {
            let update = UpdateThread { title: Some("renamed".into()), ..Default::default() };
            let (thread, expected) = (m.threads[0], 1);
            (ada(), ThreadCommand::UpdateThread { thread, expected, update }.into())
        },
    ],
    &[|m| (ada(), create(m.threads[0], NewSession::named("to be linked")))],
    &[|m| {
        let link = LinkSessions {
            child: m.sessions[4],
            edge: NewSubSession::under(m.sessions[0]).for_purpose("linked"),
        };
        (ada(), SessionCommand::LinkSessions(link).into())
    }],
    &[|m| {
        let update = UpdateEdge { purpose: Some(None), ..UpdateEdge::default() };
        let edge = m.edges[1];
        let expected = edge.version();
        (ada(), SessionCommand::UpdateEdge { edge, expected, update }.into())
    }],
    &[|m| (ada(), SessionCommand::DeleteEdge { edge: m.edges[1] }.into())],
    // Enough for a snapshot.
    &[|m| (ada(), says(m.sessions[4], (0..8).map(|n| text(n, 3000))))],
    &[|m| (ada(), says(m.sessions[0], (0..8).map(|n| text(n, 3000))))],
    &[|m| (ada(), says(m.sessions[2], (0..8).map(|n| text(n, 3000))))],
    &[|m| (ada(), SessionCommand::DeleteSession { session: m.sessions[4] }.into())],
    &[|m| (ada(), ThreadCommand::ArchiveThread { thread: m.threads[1] }.into())],
    &[
        |m| (ada(), says(m.sessions[1], ["it is archived".to_owned()])),
        |m| (caller(TENANTS[1]), says(m.sessions[3], ["beside".to_owned()])),
    ],
    &[|m| (ada(), ThreadCommand::ReopenThread { thread: m.threads[1] }.into())],
    &[|m| {
        let (thread, entries) = (m.threads[1], vec![m.entries[3], m.entries[7]]);
        (ada(), ThreadCommand::EraseEntries { thread, entries }.into())
    }],
    &[|m| (ada(), SessionCommand::DeleteSession { session: m.sessions[1] }.into())],
    &[|m| (ada(), ThreadCommand::DeleteThread { thread: m.threads[1] }.into())],
    &[|m| (caller(TENANTS[1]), ThreadCommand::VacuumThread { thread: m.threads[2] }.into())],
    &[|m| {
        let update = UpdateProject { name: Some("renamed".into()), config: None };
        let (project, expected) = (m.projects[0], 1);
        (ada(), ThreadCommand::UpdateProject { project, expected, update }.into())
    }],
    &[|_| {
        let project = NewProject::named("to be deleted");
        (ada(), ThreadCommand::CreateProject { project }.into())
    }],
    &[|m| (ada(), ThreadCommand::ArchiveProject { project: m.projects[2] }.into())],
    &[|m| (ada(), ThreadCommand::DeleteProject { project: m.projects[2] }.into())],
    // Under an external id: made, deleted, made again.
    &[|m| begin(m, "first words")],
    &[|m| begin(m, "said once only")],
    &[|m| (ada(), ThreadCommand::PurgeThread { thread: m.threads[3] }.into())],
    &[|m| begin(m, "first words of another")],
    &[
        |m| (ada(), says(m.sessions[0], ["one of three".to_owned()])),
        |m| (ada(), says(m.sessions[2], ["two of three".to_owned()])),
        |m| (caller(TENANTS[1]), says(m.sessions[3], ["three of three".to_owned()])),
    ],
    // Work that is handed on: spawned, handed over, sent to two, merged back and summed up, gone on with.
    &[|m| {
        let turn = ["task", "plan"].map(|text| NewEntry::text(Role::User, text));
        (ada(), create(m.threads[0], NewSession::named("source").with_turn(turn)))
    }],
    &[|m| {
        let edge = NewSubSession::under(m.session_before(0))
            .inheriting(Inheritance::HeadSnapshot { max_tokens: None });
        let child = NewSession::named("spawned")
            .with_state("k", value())
            .with_turn([NewEntry::text(Role::User, "go")])
            .with_lease(Duration::from_secs(60))
            .under(edge);
        (ada(), create(m.threads[0], child))
    }],
    &[
        |m| {
            let session = m.session_before(0);
            let token = *m.tokens.last().expect("the child's");
            (ada().with_lease(token), seal(session, "done"))
        },
        |m| {
            let recipient = Box::new(recipient(m.session_before(1), "b"));
            (ada(), SessionCommand::HandOff { expected: 0, recipient }.into())
        },
    ],
    &[|m| {
        let source = m.session_before(2);
        let recipients = vec![recipient(source, "x"), recipient(source, "y")];
        let owner = Caller::new(ada().tenant, agent("b"));
        (owner, SessionCommand::Broadcast { expected: 1, recipients }.into())
    }],
    &[
        |m| (ada(), seal(m.session_before(0), "of y")),
        |m| {
            let (session, run) = (m.session_before(1), NewRun::default());
            (ada(), SessionCommand::StartRun { session, run }.into())
        },
    ],
    &[|m| {
        let run = *m.runs.last().expect("a run");
        let (outcome, echo) = (RunOutcome::Succeeded, None);
        (ada(), SessionCommand::EndRun { run, outcome, echo }.into())
    }],
    &[|m| merge(m, 1, SubSessionStatus::PendingMerge)],
    &[|m| merge(m, 1, SubSessionStatus::Merging)],
    &[|m| merge(m, 1, SubSessionStatus::Merged)],
    &[|m| {
        let session = m.session_before(4);
        let successor = Box::new(NewSession::named("source, again"));
        let owner = Caller::new(ada().tenant, agent("b"));
        (owner, SessionCommand::ContinueAs { session, successor }.into())
    }],
    &[|m| (caller(TENANTS[1]), ThreadCommand::PurgeThread { thread: m.threads[2] }.into())],
];

/// Sends a command.
pub async fn send(store: &Store, caller: &Caller, command: &Command) -> Result<Outcome> {
    match command {
        Command::Thread(command) => {
            store.apply_thread(caller, command.clone()).await.map(Outcome::Thread)
        }
        Command::Session(command) => {
            store.apply(caller, (**command).clone()).await.map(Outcome::Session)
        }
    }
}

/// A store whose ids and times are the same in every run.
pub fn store(journal: Arc<dyn Journal>, clock: &Arc<TestClock>, seed: u64) -> Store {
    let ids = Arc::new(SeededIds::new(seed));
    let options = StoreOptions::new(Arc::clone(clock) as _, ids);
    Store::new(journal, options.with_deadline(Duration::from_secs(20)))
}

/// How long callers wait for answers after the machine went off. What is not answered by then counts as not answered.
const ANSWER_GRACE: Duration = Duration::from_millis(3);

/// Runs the workload until it ends or the machine is off, and says what was sent and answered.
pub async fn run(journal: Arc<dyn Journal>, disk: &SimDisk, seed: u64) -> Vec<Sent> {
    let clock = Arc::new(TestClock::default());
    let store = store(Arc::clone(&journal), &clock, seed);
    let mut created = Created::default();
    let mut all: Vec<Sent> = Vec::new();
    for (round, steps) in ROUNDS.iter().enumerate() {
        clock.advance(Duration::from_secs(1));
        let began = disk.operations();
        let calls = steps.iter().enumerate().map(|(client, step)| {
            let (caller, command) = step(&created);
            let key =
                Key::rising(format!("client {client} of {}", caller.tenant), round as u64 + 1);
            let caller = caller.with_key(key);
            let store = &store;
            async move {
                let answer = tokio::select! {
                    biased;
                    answer = send(store, &caller, &command) => Some(answer),
                    () = no_more_answers(disk) => None,
                };
                let answered = answer.is_some().then(|| disk.operations());
                (caller, command, answer, answered)
            }
        });
        let mut unanswered = false;
        for (caller, command, answer, answered) in together(calls).await {
            if let Some(Ok(outcome)) = &answer {
                created.learn(outcome);
            }
            let unknown = matches!(answer, None | Some(Err(Error::Indeterminate { .. })));
            let answer = if unknown { None } else { answer };
            unanswered |= unknown || disk.is_off();
            let at = sessile_core::Clock::now(&*clock);
            all.push(Sent { round, caller, command, at, began, answered, answer });
        }
        if unanswered {
            break;
        }
        if round % 16 == 15 {
            // What tidies up behind the callers' backs changes no answer, wherever it stops.
            let _done_or_refused = journal.scrub().await;
        }
    }
    all
}

async fn no_more_answers(disk: &SimDisk) {
    disk.off().await;
    tokio::time::sleep(ANSWER_GRACE).await;
}
