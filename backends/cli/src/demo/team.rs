//! A planner, a coder and a reviewer at work in one thread.
//!
//! Each command carries an idempotency key: the agent's name, and a number that rises. So the whole of it may be done
//! again from its beginning, by another process, after a crash at any instant: what landed is answered again, what did
//! not is done now.

use std::time::Duration;

use sessile::{
    Clock, Key, SystemClock,
    command::{NewProject, NewRun, NewSession, NewSubSession, NewThread},
    handle::Handle,
    id::{EntryId, RunId, SessionId, ThreadId},
    json::Json,
    model::{
        Actor, Currency, Message, NewCollapse, NewEntry, NewSummary, Part, Role, RunOutcome,
        SummaryOutcome, Tokens, ToolOutcome, ToolResult, Usage,
    },
    store::Store,
};

use super::script::{CLOSE, CLOSED, FIX, FIXED, PLAN, REQUEST, REVIEW, REVIEWED, Turn};
use crate::fail::Result;

/// Entries of one turn.
pub(super) const TURN: u64 = 2;
/// Turns of the whole script; the request is in the planner's first.
pub(super) const TURNS: u64 = (PLAN.len() + FIX.len() + REVIEW.len() + CLOSE.len()) as u64;

/// Called with each turn that the store acknowledged.
pub(super) type Acknowledged<'a> = dyn Fn(EntryId) -> Result<()> + Sync + 'a;

/// One agent program and its place in the store.
struct Agent<'a> {
    handle: Handle,
    name: &'static str,
    n: u64,
    session: SessionId,
    run: RunId,
    pace: Duration,
    acknowledged: &'a Acknowledged<'a>,
}

/// An agent of the tenant that the command line takes where none is named.
pub(super) fn handle(store: &Store, name: &str) -> Result<Handle> {
    Ok(store.caller("local", Actor::agent(name))?)
}

/// Does the work, or what is left of it. `pace` is the wait before each turn.
pub(super) async fn work(
    store: &Store,
    pace: Duration,
    acknowledged: &Acknowledged<'_>,
) -> Result<ThreadId> {
    let team = handle(store, "team")?;
    // What is there under an external id is the answer: the script may begin again as often as it dies.
    let project = NewProject::named("demo").with_external_id("demo");
    let project = team.create_project(project).await?;
    let ticket = NewThread::titled("Login fails every 31st").with_external_id("tickets/31");
    let thread = team.create_thread(project, ticket).await?;
    let hire = |name, parent| Agent::begin(store, thread, name, parent, pace, acknowledged);

    let mut planner = hire("planner", None).await?;
    planner.turns(PLAN).await?;
    let below = |purpose| Some(NewSubSession::under(planner.session).for_purpose(purpose));
    let coder = async {
        let mut coder = hire("coder", below("find it and fix it")).await?;
        coder.turns(FIX).await?;
        coder.end(FIXED).await
    };
    let reviewer = async {
        let mut reviewer = hire("reviewer", below("read the change")).await?;
        reviewer.turns(REVIEW).await?;
        reviewer.end(REVIEWED).await
    };
    let children = tokio::try_join!(coder, reviewer)?;
    planner.collapse(children.0, FIXED).await?;
    planner.collapse(children.1, REVIEWED).await?;
    planner.turns(CLOSE).await?;
    let planner = planner.end(CLOSED).await?;
    // The rest is a person's.
    let ann = store.caller("local", Actor::user("ann"))?;
    let hers = NewSession::named("release").owned_by(ann.caller().actor.clone());
    let once = handle(store, "planner")?.with_key("hand over");
    once.hand_off(planner, 0, hers).await?;
    Ok(thread)
}

impl<'a> Agent<'a> {
    /// Creates a session for the agent, with a run.
    async fn begin(
        store: &Store,
        thread: ThreadId,
        name: &'static str,
        parent: Option<NewSubSession>,
        pace: Duration,
        acknowledged: &'a Acknowledged<'a>,
    ) -> Result<Self> {
        let handle = handle(store, name)?;
        let owner = handle.caller().actor.clone();
        let session = NewSession::named(name).with_external_id(name);
        let mut session = session.for_task("login-31st").owned_by(owner);
        session.parent = parent;
        let session = handle.create_session(thread, session).await?;
        let run =
            handle.with_key(Key::rising(name, 2)).start_run(session, NewRun::default()).await?;
        Ok(Self { handle, name, n: 2, session, run, pace, acknowledged })
    }

    /// A handle with the next key; the same keys each time the script runs.
    fn once(&mut self) -> Handle {
        self.n += 1;
        self.handle.with_key(Key::rising(self.name, self.n))
    }

    async fn turns(&mut self, turns: &[Turn]) -> Result<()> {
        for turn in turns {
            if !self.pace.is_zero() {
                SystemClock.sleep(self.pace).await;
            }
            let turn_entries = entries(turn, self.run)?;
            let done = self.once().append(self.session, turn_entries).await?;
            (self.acknowledged)(done.first)?;
            let (thought, command, answer) = turn;
            let tokens = Tokens::new(
                900 + 4 * answer.len() as u64,
                8 * (thought.len() + command.len()) as u64,
            );
            let micro = 3 * tokens.input + 15 * tokens.output;
            let usage = Usage::new(tokens, 1).with_cost(Currency::new("USD")?, micro);
            let once = self.once();
            once.book_usage(self.run, format!("call-{}", self.n), usage).await?;
        }
        Ok(())
    }

    /// Ends the run, and says what it came to; answers the session.
    async fn end(&mut self, came_to: &str) -> Result<SessionId> {
        self.once().end_run(self.run, RunOutcome::Succeeded).await?;
        let summary = NewSummary::new(SummaryOutcome::Succeeded, came_to);
        self.once().seal_summary(self.session, summary).await?;
        Ok(self.session)
    }

    /// Takes what a child came to into its own log.
    async fn collapse(&mut self, child: SessionId, came_to: &str) -> Result<()> {
        let edge = self.handle.session(child).await?.and_then(|child| child.parent);
        if let Some(edge) = edge {
            self.once().propose_collapse(edge, NewCollapse::of(came_to)).await?;
        }
        Ok(())
    }
}

/// What the agent says with the tool it calls, and what the tool answers: one commit, whole or not at all.
fn entries(turn: &Turn, run: RunId) -> Result<Vec<NewEntry>> {
    let &(thought, command, answer) = turn;
    let text = match PLAN.first() {
        Some(first) if std::ptr::eq(first, turn) => format!("Asked: {REQUEST} {thought}"),
        _ => thought.to_owned(),
    };
    let arguments = Json::from_value(&serde_json::json!({ "command": command }))?;
    let call = Part::tool_call("shell", arguments);
    let says = Message::new(Role::Assistant, vec![Part::text(text), call]);
    let result = ToolResult::text(ToolOutcome::Ok, answer);
    let answers = Message::new(Role::Tool, vec![result.into()]);
    Ok(vec![NewEntry::new(says).in_run(run), NewEntry::new(answers).in_run(run)])
}
