//! How cases are generated: first a project, a thread and sessions to act on, then any command.
//!
//! What a case begins with is valid, so that there is something to act on. Later commands are wrong in one way or another
//! here and there; each of their arguments is so rarely enough that most commands are carried out.

use proptest::{prelude::*, strategy::Union};
use proptest_state_machine::ReferenceStateMachine;
use sessile_core::model::{RunOutcome, RunStatus, SessionStatus, SubSessionStatus};

use super::step::{Act, Answers, Change, Expected, KeyUse, Pick, Step, Text, Token, Under, Who};

/// How much a case has asked for so far; the model itself is run beside the store.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    projects: u8,
    threads: u8,
    sessions: u8,
    runs: u8,
}

impl ReferenceStateMachine for Shape {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self::default()).boxed()
    }

    fn transitions(shape: &Self) -> BoxedStrategy<Step> {
        let begins = |act: BoxedStrategy<Act>| {
            (0..3_u8, act).prop_map(|(user, act)| Step::Do(Who::first(user), act)).boxed()
        };
        if shape.projects < 1 {
            return begins(first_project());
        } else if shape.threads < 1 {
            return begins(first_thread());
        } else if shape.sessions < 2 {
            return begins(first_session());
        }
        let act = if shape.runs < 1 {
            prop_oneof![1 => threads(), 1 => create_session(), 2 => log(), 4 => start_run()].boxed()
        } else {
            prop_oneof![
                1 => projects(), 3 => threads(), 6 => create_session(), 6 => sessions(), 7 => edges(), 6 => log(), 3 => state(),
                4 => start_run(), 8 => runs(), 3 => leases(),
            ]
            .boxed()
        };
        prop_oneof![
            40 => (who(), act).prop_map(|(who, act)| Step::Do(who, act)),
            3 => (any::<u8>(), 0..3_u8).prop_map(|(which, handle)| Step::Again(which, handle)),
            2 => (0..3_u8, jump()).prop_map(|(handle, caller)| Step::Jump(handle, caller)),
            1 => Just(Step::Reopen),
            1 => (0..3_u8).prop_map(Step::Look),
        ]
        .boxed()
    }

    fn apply(mut shape: Self, step: &Step) -> Self {
        let count = match step {
            Step::Do(_, Act::CreateProject { .. }) => &mut shape.projects,
            Step::Do(_, Act::CreateThread { .. } | Act::BeginThread { .. }) => &mut shape.threads,
            Step::Do(_, Act::CreateSession { .. }) => &mut shape.sessions,
            Step::Do(_, Act::StartRun { .. }) => &mut shape.runs,
            _ => return shape,
        };
        *count = count.saturating_add(1);
        shape
    }
}

fn first_project() -> BoxedStrategy<Act> {
    let budget = prop::option::weighted(0.3, 0..8_u8);
    (0..4_u16, 0..3_u8, budget)
        .prop_map(|(name, caps, budget)| Act::CreateProject {
            name,
            caps,
            budget,
            external_id: None,
        })
        .boxed()
}

fn first_thread() -> BoxedStrategy<Act> {
    let budget = prop::option::weighted(0.1, 0..8_u8);
    (0..4_u16, prop::option::weighted(0.3, 2..6_u8), budget)
        .prop_map(|(title, external_id, budget)| Act::CreateThread {
            project: Pick::Near(0),
            title,
            external_id,
            state: Vec::new(),
            budget,
        })
        .boxed()
}

fn first_session() -> BoxedStrategy<Act> {
    let (task, lease) =
        (prop::option::weighted(0.3, 0..3_u8), prop::option::weighted(0.1, 2..5_u8));
    (task, prop::collection::vec(0..4_u16, 0..3), lease, prop::bool::weighted(0.2))
        .prop_map(|(task, texts, lease, owned)| Act::CreateSession {
            thread: Pick::Near(0),
            name: None,
            task,
            owned,
            under: None,
            external_id: None,
            texts,
            state: Vec::new(),
            lease,
            budget: None,
        })
        .boxed()
}

fn who() -> BoxedStrategy<Who> {
    let tenant = prop_oneof![24 => Just(0_u8), 3 => Just(1), 1 => Just(2)];
    let token = prop_oneof![
        24 => Just(Token::Right),
        2 => Just(Token::Missing),
        1 => any::<u8>().prop_map(Token::WrongJournal),
    ];
    let key = prop_oneof![
        6 => Just(KeyUse::None),
        3 => (0..2_u8).prop_map(KeyUse::Next),
        1 => (0..2_u8, 0..6_u8).prop_map(|(producer, back)| KeyUse::Earlier(producer, back)),
        1 => (0..12_u8).prop_map(KeyUse::Text),
    ];
    (tenant, 0..3_u8, 0..3_u8, token, key)
        .prop_map(|(tenant, user, handle, token, key)| Who { tenant, user, handle, token, key })
        .boxed()
}

fn pick() -> BoxedStrategy<Pick> {
    prop_oneof![
        40 => any::<u8>().prop_map(Pick::Near),
        6 => any::<u8>().prop_map(Pick::Own),
        1 => any::<u8>().prop_map(Pick::Gone),
        1 => any::<u8>().prop_map(Pick::Foreign),
    ]
    .boxed()
}

fn expected() -> BoxedStrategy<Expected> {
    prop_oneof![5 => Just(Expected::Right), 1 => (-3..4_i8).prop_map(Expected::Off)].boxed()
}

fn text() -> BoxedStrategy<Text> {
    prop_oneof![30 => 0..4_u16, 2 => 4..400_u16].boxed()
}

fn jump() -> BoxedStrategy<i32> {
    prop_oneof![
        3 => 0..5_i32,
        2 => 25..45_i32,
        1 => 100..4000_i32,
        2 => -50..0_i32,
        1 => -4000..0_i32,
    ]
    .boxed()
}

fn maybe<T: std::fmt::Debug + Clone + 'static>(it: BoxedStrategy<T>) -> BoxedStrategy<Option<T>> {
    prop::option::weighted(0.3, it).boxed()
}

/// Budgets by number.
fn budget() -> BoxedStrategy<Option<u8>> {
    maybe(prop_oneof![20 => 0..8_u8, 1 => Just(8)].boxed())
}

/// An external id of a project, a thread or a session.
fn name() -> BoxedStrategy<Option<u8>> {
    maybe(prop_oneof![12 => 1..6_u8, 1 => Just(0)].boxed())
}

/// A task; the last is refused.
fn task() -> BoxedStrategy<u8> {
    prop_oneof![12 => 0..3_u8, 1 => Just(3)].boxed()
}

/// Caps; the last are refused.
fn caps() -> BoxedStrategy<u8> {
    prop_oneof![12 => 0..3_u8, 1 => Just(3)].boxed()
}

/// How long a lease is to be; the first is refused.
fn ttl() -> BoxedStrategy<u8> {
    prop_oneof![12 => 1..5_u8, 1 => Just(0)].boxed()
}

/// A key of a state; the last are refused.
fn state_key() -> BoxedStrategy<u8> {
    prop_oneof![30 => 0..5_u8, 1 => 5..7_u8].boxed()
}

fn under() -> BoxedStrategy<Under> {
    let inherits = prop_oneof![7 => Just(0_u8), 2 => Just(1), 2 => 2..6_u8, 3 => Just(6)];
    (pick(), prop::option::weighted(0.15, pick()), 0..12_u8, maybe(text()), inherits, answers())
        .prop_map(|(parent, run, modes, purpose, inherits, answers)| Under {
            parent,
            run,
            modes,
            purpose,
            inherits,
            answers,
        })
        .boxed()
}

/// Of somebody whom a session is handed to: what answers something is refused.
fn recipient() -> BoxedStrategy<Under> {
    let keep = prop::bool::weighted(0.1);
    (under(), keep)
        .prop_map(|(under, keep)| Under { answers: under.answers.filter(|_| keep), ..under })
        .boxed()
}

fn answers() -> BoxedStrategy<Option<Answers>> {
    let some = prop_oneof![4 => pick().prop_map(Answers::Summary), 1 => (0..12_u8).prop_map(Answers::Leaf)];
    prop::option::weighted(0.2, some).boxed()
}

/// Few keys, so that they meet; the last value is so large that three of them are too much.
fn values() -> BoxedStrategy<Vec<(u8, u8)>> {
    let value = prop_oneof![20 => 0..6_u8, 1 => Just(6_u8)];
    let some = prop::collection::vec((state_key(), value), 1..4);
    prop_oneof![4 => Just(Vec::new()), 1 => some].boxed()
}

fn changes(least: usize) -> BoxedStrategy<Vec<Change>> {
    let value = prop_oneof![20 => 0..6_u8, 2 => Just(6_u8)];
    let change = (state_key(), prop::option::weighted(0.8, value), maybe(expected()));
    let change = change.prop_map(|(key, value, expected)| Change { key, value, expected });
    prop::collection::vec(change, least..4).boxed()
}

fn state() -> BoxedStrategy<Act> {
    prop_oneof![
        3 => (pick(), changes(0)).prop_map(|(session, changes)| Act::SetState { session, changes }),
        2 => (pick(), changes(1)).prop_map(|(thread, changes)| Act::SetThreadState { thread, changes }),
    ]
    .boxed()
}

fn projects() -> BoxedStrategy<Act> {
    prop_oneof![
        4 => (text(), caps(), budget(), name()).prop_map(
            |(name, caps, budget, external_id)|
                Act::CreateProject { name, caps, budget, external_id }
        ),
        4 => (pick(), expected(), maybe(text()), maybe(caps()), budget()).prop_map(
            |(project, expected, name, caps, budget)|
                Act::UpdateProject { project, expected, name, caps, budget }
        ),
        2 => pick().prop_map(Act::ArchiveProject),
        3 => pick().prop_map(Act::ReopenProject),
        2 => pick().prop_map(Act::DeleteProject),
    ]
    .boxed()
}

fn threads() -> BoxedStrategy<Act> {
    prop_oneof![
        5 => (pick(), text(), name(), values(), budget()).prop_map(
            |(project, title, external_id, state, budget)|
                Act::CreateThread { project, title, external_id, state, budget }
        ),
        3 => (pick(), text(), name(), name(), prop::collection::vec(text(), 0..3), values()).prop_map(
            |(project, title, external_id, session, texts, state)|
                Act::BeginThread { project, title, external_id, session, texts, state }
        ),
        3 => (pick(), expected(), maybe(text()), maybe(text()), maybe(budget())).prop_map(
            |(thread, expected, title, labels, budget)|
                Act::UpdateThread { thread, expected, title, labels, budget }
        ),
        2 => pick().prop_map(Act::ArchiveThread),
        3 => pick().prop_map(Act::ReopenThread),
        2 => pick().prop_map(Act::DeleteThread),
        1 => pick().prop_map(Act::PurgeThread),
        1 => pick().prop_map(Act::ReturnBudget),
        4 => (pick(), prop::collection::vec(pick(), 0..4))
            .prop_map(|(thread, entries)| Act::Erase { thread, entries }),
        1 => pick().prop_map(Act::Vacuum),
    ]
    .boxed()
}

fn create_session() -> BoxedStrategy<Act> {
    let task = maybe(task());
    let texts = prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(text(), 0..3)];
    let begin = (name(), texts, values(), prop::option::weighted(0.15, ttl()), budget());
    (
        pick(),
        maybe(text()),
        task,
        prop::bool::weighted(0.2),
        prop::option::weighted(0.6, under()),
        begin,
    )
        .prop_map(|(thread, name, task, owned, under, begin)| Act::CreateSession {
            thread,
            name,
            task,
            owned,
            under,
            external_id: begin.0,
            texts: begin.1,
            state: begin.2,
            lease: begin.3,
            budget: begin.4,
        })
        .boxed()
}

fn sessions() -> BoxedStrategy<Act> {
    use SessionStatus::{Active, Archived, AwaitingHitl, Failed, Idle, Locked};
    let status =
        prop::sample::select(vec![Idle, Active, AwaitingHitl, Failed, Failed, Locked, Archived]);
    let retask = maybe(maybe(task()));
    prop_oneof![
        3 => (pick(), expected(), maybe(maybe(text())), retask, prop::bool::weighted(0.2), maybe(budget())).prop_map(
            |(session, expected, name, task, own, budget)|
                Act::UpdateSession { session, expected, name, task, own, budget }
        ),
        5 => (pick(), status).prop_map(|(session, to)| Act::SetStatus { session, to }),
        3 => pick().prop_map(Act::ReopenSession),
        5 => (pick(), prop::bool::weighted(0.9), prop::bool::ANY).prop_map(
            |(session, named, evict)| Act::ArchiveSession { session, named, evict }
        ),
        3 => pick().prop_map(Act::RestoreSession),
        2 => (pick(), maybe(text()), maybe(task()), prop::collection::vec(text(), 0..2)).prop_map(
            |(session, name, task, texts)| Act::Continue { session, name, task, texts }
        ),
        4 => (pick(), prop_oneof![12 => 0..7_u8, 1 => Just(7)]).prop_map(|(session, summary)| Act::Seal { session, summary }),
        3 => pick().prop_map(Act::DeleteSession),
    ]
    .boxed()
}

fn edges() -> BoxedStrategy<Act> {
    use SubSessionStatus::{Idle, MergeConflict, MergeRejected, Merged, Merging, PendingMerge};
    let merge = prop::sample::select(vec![
        PendingMerge,
        PendingMerge,
        Merging,
        Merging,
        Merged,
        MergeConflict,
        MergeRejected,
        Idle,
    ]);
    let owners = prop_oneof![
        3 => prop::collection::vec(0..3_u8, 1),
        2 => Just(vec![0, 1]),
        1 => Just(vec![3, 1, 0]),
        1 => prop::collection::vec(0..4_u8, 2..4),
    ];
    let texts = prop::collection::vec(text(), 0..2);
    prop_oneof![
        5 => (pick(), under()).prop_map(|(child, under)| Act::Link { child, under }),
        3 => (pick(), expected(), maybe(maybe(text())), maybe((0..12_u8).boxed()), answers()).prop_map(
            |(edge, expected, purpose, modes, answers)|
                Act::UpdateEdge { edge, expected, purpose, modes, answers }
        ),
        3 => pick().prop_map(Act::DeleteEdge),
        4 => (pick(), expected(), owners, recipient(), texts, budget()).prop_map(
            |(session, expected, owners, under, texts, budget)|
                Act::HandOff { session, expected, owners, under, texts, budget }
        ),
        6 => (pick(), text(), maybe((0..3_u8).boxed()), any::<bool>()).prop_map(
            |(edge, text, autonomy, exact)| Act::Collapse { edge, text, autonomy, exact }
        ),
        4 => (pick(), maybe(text()))
            .prop_map(|(collapse, text)| Act::AcceptCollapse { collapse, text }),
        1 => pick().prop_map(Act::RejectCollapse),
        6 => (pick(), expected(), merge).prop_map(
            |(edge, expected, to)| Act::StepMerge { edge, expected, to }
        ),
    ]
    .boxed()
}

fn log() -> BoxedStrategy<Act> {
    let texts = prop_oneof![20 => prop::collection::vec(text(), 1..4), 1 => Just(Vec::new())];
    let changes = || prop_oneof![3 => Just(Vec::new()), 2 => changes(1)];
    (pick(), texts, maybe(pick()), maybe(pick()), maybe(expected()), changes(), changes())
        .prop_map(|(session, texts, run, reply, expected, state, thread_state)| Act::Append {
            session,
            texts,
            run,
            reply,
            expected,
            state,
            thread_state,
        })
        .boxed()
}

fn start_run() -> BoxedStrategy<Act> {
    let external_id = maybe(prop_oneof![1 => 0..2_u8, 20 => 2..12_u8].boxed());
    (pick(), maybe(pick()), maybe(task()), any::<bool>(), external_id)
        .prop_map(|(session, retry, task, queued, external_id)| Act::StartRun {
            session,
            retry,
            task,
            queued,
            external_id,
        })
        .boxed()
}

fn runs() -> BoxedStrategy<Act> {
    use RunStatus::{AwaitingHitl, AwaitingHitlResolution, Queued, Running, Succeeded};
    let status = prop::sample::select(vec![
        Running,
        Running,
        AwaitingHitl,
        AwaitingHitl,
        AwaitingHitlResolution,
        Queued,
        Succeeded,
    ]);
    let outcome = prop::sample::select(vec![
        RunOutcome::Succeeded,
        RunOutcome::Cancelled,
        RunOutcome::Failed { reason: "no luck".into() },
        RunOutcome::Failed { reason: "x\n\0".repeat(100) },
        RunOutcome::Failed { reason: "long \u{e9}".repeat(2_000) },
        RunOutcome::Failed { reason: "in a blob\u{1}".repeat(7_000) },
    ]);
    let echo = || maybe(prop::bool::weighted(0.8).boxed());
    let edges = prop::collection::vec(pick(), 0..4);
    Union::new_weighted(vec![
        (4, (pick(), edges).prop_map(|(run, edges)| Act::Await { run, edges }).boxed()),
        (
            1,
            (pick(), 0..4_u8, prop::bool::weighted(0.2))
                .prop_map(|(thread, silent_for, dry_run)| Act::Sweep {
                    thread,
                    silent_for,
                    dry_run,
                })
                .boxed(),
        ),
        (4, (pick(), status).prop_map(|(run, to)| Act::SetRunStatus { run, to }).boxed()),
        (
            4,
            (pick(), outcome, echo())
                .prop_map(|(run, outcome, echo)| Act::EndRun { run, outcome, echo })
                .boxed(),
        ),
        (
            3,
            (pick(), prop_oneof![12 => 0..3_u8, 1 => 3..5_u8], any::<u8>(), echo())
                .prop_map(|(run, call, amount, echo)| Act::Book { run, call, amount, echo })
                .boxed(),
        ),
    ])
    .boxed()
}

fn leases() -> BoxedStrategy<Act> {
    prop_oneof![
        4 => (pick(), ttl()).prop_map(|(session, ttl)| Act::Claim { session, ttl }),
        1 => (pick(), ttl()).prop_map(|(session, ttl)| Act::Renew { session, ttl }),
        2 => pick().prop_map(Act::Release),
    ]
    .boxed()
}
