//! Races of processes that delegate, round after round. Parts of HOF2, SPN5, SUM1, THD7, USE3.

use std::time::Duration;

use serde_json::Value;
use sessile_core::{
    Caller, Error, ErrorKind, Handle,
    command::{Inheritance, NewProject, NewRun, NewSession, NewSubSession, NewThread, UsageScope},
    error::Counter,
    id::{RunId, SessionId, ThreadId},
    json::Json,
    model::{
        Content, NewSummary, ProjectConfig, RunOutcome, SubSessionStatus, SummaryOutcome,
        ThreadStatus, Tokens, Usage,
    },
    store::Store,
};

use super::handoffs::{agent, as_agent, recipient, the_session};
use crate::internal::{
    ClauseContext,
    assertions::refused,
    concurrent::together,
    rounds::Rounds,
    shorthand::{says, sessions, texts},
};

crate::internal::child_programs! { "delegate" => play }

/// One call a round and process.
const ROUND: Duration = Duration::from_millis(5);

/// A handful of calls a round and process.
const LONG_ROUND: Duration = Duration::from_millis(25);

/// What came of a call: what it made, or how it was refused.
type Said = std::result::Result<String, String>;

fn said<T: ToString>(result: sessile_core::Result<T>) -> Said {
    result.map(|made| made.to_string()).map_err(|error| match error {
        Error::Stale { counter: Counter::OwnerVersion, expected, actual, .. } => {
            format!("owner version {actual}, not {expected}")
        }
        Error::NothingToSummarise { last: Some(summary), .. } => format!("it is {summary}"),
        error => format!("{:?}", error.kind()),
    })
}

/// A child with all that one has that needs no driver.
async fn spawn(handle: &Handle, parent: SessionId, name: String) -> Said {
    let edge = NewSubSession::under(parent)
        .for_purpose(&name)
        .inheriting(Inheritance::HeadSnapshot { max_tokens: None });
    let session = NewSession::named(name)
        .with_label("role", "worker")
        .with_state("step", Json::parse("1").expect("JSON"))
        .with_turn([says("go")])
        .with_lease(Duration::from_secs(60));
    said(handle.spawn(edge, session).await.map(|made| made.id))
}

/// So many at once.
async fn spawns(handle: &Handle, parent: SessionId, process: usize, n: usize) -> Vec<Said> {
    together((0..n).map(|i| spawn(handle, parent, format!("{process} {i}")))).await
}

/// One of the processes; answers for each round what came of its calls.
async fn play(cx: ClauseContext, index: usize, args: Value) -> String {
    let store = cx.store().await;
    let caller = cx.caller();
    let (handle, owner) = (store.as_caller(&caller), store.as_caller(&as_agent(&caller, "owner")));
    let mut rounds = Rounds::of(&cx, &args);
    let mut is_known = false;
    while let Some(on) = rounds.next_round() {
        // In every second round all have the thread in memory, and decide on the same version of it.
        is_known = !is_known;
        let id = on.parse::<SessionId>().ok();
        if is_known && let Some(id) = id {
            the_session(&handle, id).await;
        }
        rounds.begin().await;
        let session = || id.expect("a session");
        let said = match (rounds.act.as_str(), index) {
            (HANDOFFS, _) => {
                let new = recipient(&caller, &format!("r{index}"));
                vec![said(owner.hand_off(session(), 0, new).await.map(|made| made.id))]
            }
            (TWELVE, _) => spawns(&handle, session(), index, 6).await,
            (TWENTY, _) => spawns(&handle, session(), index, 5).await,
            (ARCHIVE, 0) => vec![said(handle.archive_thread(session().thread()).await)],
            (ARCHIVE, _) => spawns(&handle, session(), index, 1).await,
            (SUMMARIES, _) => {
                let summary = NewSummary::new(SummaryOutcome::Succeeded, format!("{index}"));
                vec![said(handle.seal_summary(session(), summary).await)]
            }
            (USAGE, _) => {
                let run: RunId = on.parse().expect("a run");
                let usage = Usage::new(Tokens::new(100, 0), 1);
                let booked = handle.book_usage(run, format!("{index}"), usage).await;
                vec![said(booked.map(|_| run))]
            }
            (other, _) => panic!("nobody plays {other}"),
        };
        rounds.end(said);
    }
    rounds.all()
}

const HANDOFFS: &str = "two handoffs on one version";
const TWELVE: &str = "twelve spawns against a cap of eight";
const TWENTY: &str = "five spawns of each of four";
const ARCHIVE: &str = "archive against spawn";
const SUMMARIES: &str = "two summaries of one activity";
const USAGE: &str = "two bookings of a hundred";

/// A store and a thread for each round, with a session in it that an agent owns and has said two things in.
struct Field<'a> {
    cx: &'a ClauseContext,
    store: Store,
    caller: Caller,
    sources: Vec<SessionId>,
}

impl<'a> Field<'a> {
    async fn of(cx: &'a ClauseContext, rounds: usize, width: u32) -> Self {
        let (store, caller) = (cx.store().await, cx.caller());
        let handle = store.as_caller(&caller);
        let config = ProjectConfig::default().with_max_delegation_width(width);
        let project = NewProject::named("rounds").with_config(config);
        let project = handle.create_project(project).await.expect("a project");
        let mut sources = Vec::new();
        for _ in 0..rounds {
            let source = NewSession::named("source")
                .owned_by(agent(&caller, "owner"))
                .with_turn([says("a"), says("b")]);
            let begun = handle.begin_thread(project, NewThread::default(), source).await;
            sources.push(begun.expect("a thread").session.id);
        }
        Self { cx, store, caller, sources }
    }

    fn handle(&self) -> Handle {
        self.store.as_caller(&self.caller)
    }

    /// Plays a round on each of these; answers what came of the calls of all processes, and for each process of its own.
    async fn play(
        &self,
        act: &str,
        processes: usize,
        length: Duration,
        on: impl IntoIterator<Item = impl ToString>,
    ) -> Vec<Vec<Vec<Said>>> {
        let on: Vec<_> = on.into_iter().map(|id| id.to_string()).collect();
        self.cx.in_rounds("delegate", act, processes, length, &on).await
    }

    /// The children of a session, each of them whole, are these and no others.
    async fn are_whole(&self, parent: SessionId, mut made: Vec<SessionId>) {
        let handle = self.handle();
        let edges = handle.children(parent).all().await.expect("a list");
        let log = handle.entries(parent).all().await.expect("a list");
        let markers: Vec<_> = log
            .iter()
            .filter_map(|entry| match &entry.content {
                Some(Content::Marker(marker)) => Some((marker.session, marker.edge)),
                _ => None,
            })
            .collect();
        let children: Vec<_> = edges.iter().map(|edge| (edge.child, Some(edge.id))).collect();
        assert_eq!(markers, children, "a marker for each child, in order");
        made.sort_unstable();
        let mut there: Vec<_> = edges.iter().map(|edge| edge.child).collect();
        there.sort_unstable();
        assert_eq!(there, made, "the children that were acknowledged");
        for edge in &edges {
            assert_eq!(edge.status, SubSessionStatus::Pending);
            let child = the_session(&handle, edge.child).await;
            assert_eq!(
                (child.parent, child.name.as_deref()),
                (Some(edge.id), edge.purpose.as_deref())
            );
            assert_eq!(texts(&self.store, &self.caller, child.id).await, ["a", "b", "go"]);
            assert!(handle.lease(child.id).await.expect("an answer").is_some(), "its lease");
            assert_eq!(handle.state(child.id).await.expect("its state").values.len(), 1);
        }
        let all = sessions(&self.store, &self.caller, parent.thread()).await;
        assert_eq!(all.len(), made.len() + 1, "no session without its edge");
    }
}

fn ids(said: &[Said]) -> Vec<SessionId> {
    said.iter().filter_map(|it| it.as_ref().ok()).map(|id| id.parse().expect("an id")).collect()
}

fn refusals(said: &[Said]) -> Vec<&str> {
    said.iter().filter_map(|it| it.as_ref().err()).map(String::as_str).collect()
}

/// HOF2: one of two handoffs commits, and the owner version says so once.
pub(super) async fn two_handoffs(cx: &ClauseContext, rounds: usize) {
    let all = Field::of(cx, rounds, 8).await;
    let handle = all.handle();
    let mut first_won = 0;
    let said = all.play(HANDOFFS, 2, ROUND, &all.sources).await;
    for (source, said) in all.sources.iter().zip(said) {
        let flat = said.concat();
        let [made] = ids(&flat)[..] else { panic!("not one: {flat:?}") };
        assert_eq!(refusals(&flat), ["owner version 1, not 0"]);
        let winner = usize::from(said[0][0].is_err());
        first_won += usize::from(winner == 0);
        let now = the_session(&handle, *source).await;
        assert_eq!(now.owner_version, 1);
        assert_eq!(now.current_actor, Some(agent(&all.caller, &format!("r{winner}"))));
        assert_eq!(now.previous_actors, [agent(&all.caller, "owner")]);
        let edges = handle.children(*source).all().await.expect("a list");
        assert_eq!(edges.iter().map(|it| it.child).collect::<Vec<_>>(), [made]);
        assert_eq!(sessions(&all.store, &all.caller, source.thread()).await.len(), 2);
    }
    cx.note(format!("{HANDOFFS}: the first process handed over in {first_won} of {rounds}"));
}

/// SPN5: of twelve spawns of two processes eight are whole, and the others are told of the cap.
pub(super) async fn twelve_spawns(cx: &ClauseContext, rounds: usize) {
    let all = Field::of(cx, rounds, 8).await;
    let mut mixed = 0;
    let said = all.play(TWELVE, 2, LONG_ROUND, &all.sources).await;
    for (parent, said) in all.sources.iter().zip(said) {
        let flat = said.concat();
        assert_eq!(refusals(&flat), ["Capacity"; 4]);
        assert_eq!(ids(&flat).len(), 8);
        mixed += usize::from(said.iter().all(|said| !refusals(said).is_empty()));
        all.are_whole(*parent, ids(&flat)).await;
    }
    cx.note(format!("{TWELVE}: eight in each of {rounds}, in {mixed} both were refused some"));
}

/// SPN5: of what four processes spawn at once, five each, all twenty are whole.
pub(super) async fn four_workers(cx: &ClauseContext, rounds: usize) {
    let all = Field::of(cx, rounds, 20).await;
    let said = all.play(TWENTY, 4, LONG_ROUND, &all.sources).await;
    for (parent, said) in all.sources.iter().zip(said) {
        let flat = said.concat();
        assert_eq!(refusals(&flat), [""; 0]);
        assert_eq!(ids(&flat).len(), 20);
        all.are_whole(*parent, ids(&flat)).await;
    }
    cx.note(format!("{TWENTY}: all twenty whole in each of {rounds}"));
}

/// THD7: no archived thread holds a child that is to begin or at work.
pub(crate) async fn archive_against_spawn(cx: &ClauseContext, rounds: usize) {
    let all = Field::of(cx, rounds, 8).await;
    let handle = all.handle();
    let mut archived = 0;
    let said = all.play(ARCHIVE, 2, ROUND, &all.sources).await;
    for (parent, said) in all.sources.iter().zip(said) {
        let thread: ThreadId = parent.thread();
        let status = handle.thread(thread).await.expect("a read").expect("it exists").status;
        match (&said[0][0], &said[1][0]) {
            (Ok(_), Err(refusal)) => {
                assert_eq!((status, refusal.as_str()), (ThreadStatus::Archived, "Closed"));
                archived += 1;
                all.are_whole(*parent, Vec::new()).await;
                let late = handle.spawn(NewSubSession::under(*parent), "late").await;
                refused(late, ErrorKind::Closed);
            }
            (Err(refusal), Ok(child)) => {
                assert_eq!((status, refusal.as_str()), (ThreadStatus::Open, "Precondition"));
                all.are_whole(*parent, vec![child.parse().expect("an id")]).await;
            }
            both => panic!("{both:?}"),
        }
    }
    cx.note(format!("{ARCHIVE}: archived in {archived} of {rounds}, with a child in none"));
}

/// SUM1: one of two summaries is sealed, and the other call is told which.
pub(super) async fn two_summaries(cx: &ClauseContext, rounds: usize) {
    let all = Field::of(cx, rounds, 8).await;
    let handle = all.handle();
    let mut first_won = 0;
    let said = all.play(SUMMARIES, 2, ROUND, &all.sources).await;
    for (session, said) in all.sources.iter().zip(said) {
        let sealed = handle.summaries(*session).all().await.expect("a list");
        let [summary] = &sealed[..] else { panic!("not one: {sealed:?}") };
        let winner = usize::from(said[0][0].is_err());
        first_won += usize::from(winner == 0);
        assert_eq!(said[winner][0], Ok(summary.id.to_string()));
        assert_eq!(said[1 - winner][0], Err(format!("it is {}", summary.id)));
        let content = summary.content.as_ref().expect("not erased");
        assert_eq!(content.agent_summary, format!("{winner}"));
    }
    cx.note(format!("{SUMMARIES}: the first process sealed in {first_won} of {rounds}"));
}

/// USE3: a hundred and a hundred are two hundred.
pub(crate) async fn two_bookings(cx: &ClauseContext, rounds: usize) {
    let all = Field::of(cx, rounds, 8).await;
    let handle = all.handle();
    let mut runs = Vec::new();
    for session in &all.sources {
        runs.push(handle.start_run(*session, NewRun::default()).await.expect("a run"));
    }
    let said = all.play(USAGE, 2, ROUND, &runs).await;
    for (run, said) in runs.iter().zip(said) {
        assert!(said.iter().all(|said| said[0] == Ok(run.to_string())), "{said:?}");
        let of_thread = handle.usage(UsageScope::Thread(run.thread())).await.expect("totals");
        let totals = of_thread.totals.expect("booked");
        assert_eq!((totals.calls, totals.tokens), (2, Tokens::new(200, 0)));
        handle.end_run(*run, RunOutcome::Succeeded).await.expect("its end");
        let shown = handle.run(*run).await.expect("an answer").expect("the run");
        assert_eq!(shown.usage, totals);
    }
    cx.note(format!("{USAGE}: two hundred in each of {rounds}"));
}
