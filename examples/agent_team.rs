//! How does an agent hand work to others, get back what it came to, and go on after a crash?
//!
//! A supervisor spawns workers, each with files of its own and with what the supervisor knows. In the middle of it the process is
//! killed; another one takes up what is open. One worker fails and takes down the run that waited for it; its session is handed
//! over to a person; two are sent out at once, and what they say is merged back; what the others came to stands in the
//! supervisor's log. At the end: the tree, and what it cost.
//!
//! `cargo run -p sessile-examples --example agent_team -- sqlite:team.db` works on a file that is left to look at:
//! `sessile tree team.db --tenant acme`.

use std::{
    io::{Read, Write},
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use sessile::{
    command::{
        CreatedSession, Expect, Inheritance, NewProject, NewSubSession, NewThread, NewWorkspace,
    },
    model::{
        Autonomy, Awaited, CompletionMode, Currency, FailureMode, NewCollapse, NewSummary, Note,
        NoteKind, RunOutcome, SessionRow, SessionStatus, SubSessionStatus, SummaryOutcome, Tokens,
        Totals, note,
    },
    prelude::*,
    workspace::{FileChange, FilePath},
};

/// Spawns a worker below a session: it begins with what the session knows, and with a workspace.
async fn spawn(
    boss: &Handle,
    parent: SessionId,
    (name, purpose): (&str, &str),
) -> Result<CreatedSession> {
    let edge = NewSubSession {
        failure_mode: FailureMode::FailFast,
        ..NewSubSession::under(parent)
            .for_purpose(purpose)
            .inheriting(Inheritance::HeadSnapshot { max_tokens: Some(2_000) })
    };
    let worker = NewSession::named(name)
        .owned_by(boss.actor(Actor::agent(name))?)
        .with_workspace(NewWorkspace::of_kind("virtual"))
        .with_turn([user(format!("You are the {name}."))]);
    boss.spawn(edge, worker).await
}

/// One call of a model would stand here.
async fn call(worker: &Handle, run: RunId, session: SessionId, says: &str) -> Result<()> {
    worker.append(session, assistant(says).in_run(run)).await?;
    let tokens = Tokens::new(1_200, 80);
    let micro_dollars = 3 * tokens.input + 15 * tokens.output;
    let used = Usage::new(tokens, 1).with_cost(Currency::new("USD")?, micro_dollars);
    worker.book_usage(run, says, used).await?;
    Ok(())
}

/// A worker's run from its beginning to its end.
async fn work(worker: &Handle, session: SessionId, outcome: RunOutcome) -> Result<()> {
    let run = worker.start_run(session, NewRun::default()).await?;
    call(worker, run, session, "I did what I could.").await?;
    worker.end_run(run, outcome).await?;
    Ok(())
}

/// The thread of the team; made where it is not there yet.
async fn thread_of(ann: &Handle) -> Result<ThreadId> {
    let project = NewProject::named("website").with_external_id("website");
    let project = ann.create_project(project).await?;
    ann.create_thread(project, NewThread::titled("a new shop").with_external_id("shop")).await
}

/// The first process: two workers are at it, and one of them is in the middle of a run.
pub(crate) async fn begin(store: &Store) -> Result<()> {
    let ann = store.caller("acme", Actor::user("ann"))?;
    let thread = thread_of(&ann).await?;
    let boss = store.caller("acme", Actor::agent("supervisor"))?;
    let session = NewSession::named("supervisor")
        .owned_by(boss.actor(Actor::agent("supervisor"))?)
        .with_turn([system("You lead a team."), user("Build the shop.")]);
    let root = boss.create_session(thread, session).await?;

    // A run that waits for both.
    let waiting = boss.start_run(root, NewRun::default()).await?;
    let coder = spawn(&boss, root, ("coder", "write the page")).await?;
    let tester = spawn(&boss, root, ("tester", "try it out")).await?;
    let edges: Vec<_> = [&coder, &tester].iter().filter_map(|it| it.edge).collect();
    boss.await_sub_sessions(waiting, edges).await?;

    let agent = store.caller("acme", Actor::agent("coder"))?;
    let run = agent.start_run(coder.id, NewRun::default()).await?;
    call(&agent, run, coder.id, "First the frame of the page.").await?;
    if let Some(files) = coder.workspace.id() {
        let page = FileChange::write(FilePath::new("shop.html")?, "<h1>Shop</h1>\n");
        agent.change_files(files, [page]).await?;
        agent.snapshot_workspace(files).await?;
    }
    let so_far = Note::new("The frame of the page is there.").with_next_step("the list of goods");
    agent.append(coder.id, note(NoteKind::Checkpoint, so_far)).await?;
    Ok(())
}

/// Another process, later: takes up what is open, and brings all of it to its end. Answers what is to be told.
pub(crate) async fn go_on(store: &Store) -> Result<Vec<String>> {
    let ann = store.caller("acme", Actor::user("ann"))?;
    let boss = store.caller("acme", Actor::agent("supervisor"))?;
    let thread = thread_of(&ann).await?;
    let named = async |name: &str| -> Result<SessionRow> {
        let rows = ann.sessions(thread).all().await?;
        let found = rows.into_iter().find(|row| row.name.as_deref() == Some(name));
        found.ok_or_else(|| Error::failed(format!("there is no session {name}")))
    };
    let (root, coder, tester) =
        (named("supervisor").await?, named("coder").await?, named("tester").await?);
    let mut told = Vec::new();

    // What is open, and what each waits for.
    for it in ann.resumable(thread).all().await? {
        let waits = match it.awaits.first() {
            Some(Awaited::Worker(_)) => "its worker, who is gone".to_owned(),
            Some(Awaited::SubSessions { edges, .. }) => format!("{} sub-sessions", edges.len()),
            _ => "whoever goes on".to_owned(),
        };
        told.push(format!("open: {} waits for {waits}", it.name.unwrap_or_default()));
        let Some(Awaited::Worker(run)) = it.awaits.first() else { continue };
        // Of several processes that try, one gets the lease; the note says what is to be done.
        let agent = store.caller("acme", Actor::agent("coder"))?;
        let token = agent.claim_lease(it.session, Duration::from_secs(60)).await?;
        let agent = agent.with_lease(token);
        call(&agent, *run, it.session, "And now the list of goods.").await?;
        agent.end_run(*run, RunOutcome::Succeeded).await?;
        let summary = NewSummary::new(SummaryOutcome::Succeeded, "The shop has a page.")
            .with_decision("no framework");
        agent.seal_summary(it.session, summary).await?;
        agent.release_lease(it.session).await?;
    }

    // The tester fails; the run that waited fails with it, in the same commit.
    let agent = store.caller("acme", Actor::agent("tester"))?;
    work(&agent, tester.id, RunOutcome::Failed { reason: "no browser".into() }).await?;
    let waited = ann.runs(root.id).all().await?;
    let waited = waited.first().ok_or_else(|| Error::failed("the run is gone"))?;
    told.push(format!("the run that waited: {}", waited.status));
    boss.reopen_session(root.id).await?;
    boss.set_status(root.id, SessionStatus::Idle).await?;

    // The tester's session is handed to Ann, who goes on in a session of her own.
    agent.reopen_session(tester.id).await?;
    agent.set_status(tester.id, SessionStatus::Idle).await?;
    let so_far = Note::new("The page is there, untested.");
    agent.append(tester.id, note(NoteKind::Handoff, so_far)).await?;
    let hers = NewSession::named("by hand").owned_by(ann.actor(Actor::user("ann"))?);
    let hers = agent.hand_off(tester.id, 0, hers).await?;
    ann.append(hers.id, user("I looked at it: it works.")).await?;
    let refused = agent.append(tester.id, assistant("One more thing.")).await;
    let refused = refused.map_or_else(|error| error.to_string(), |_| "heard".into());
    told.push(format!("the tester, afterwards: {refused}"));

    // What the workers came to, in the supervisor's log: one text at once, one that a person agrees to.
    let edge_of = async |session| -> Result<SubSessionId> {
        let edge = ann.session(session).await?.and_then(|it| it.parent);
        edge.ok_or_else(|| Error::failed("it has no parent"))
    };
    let page = NewCollapse::of("The coder wrote shop.html, without a framework.");
    boss.propose_collapse(edge_of(coder.id).await?, page).await?;
    let draft =
        NewCollapse::of("The tester found no browser.").with_autonomy(Autonomy::Collaborative);
    let draft = boss.propose_collapse(edge_of(tester.id).await?, draft).await?;
    let better = "The tester found no browser; Ann looked at the page, and it works.";
    ann.accept_collapse(draft.id, Some(better.into())).await?;

    // Two are asked at once; each begins with all that the supervisor knows, and what they say is merged back.
    let ask = |name: &str| -> Result<NewSession> {
        let edge = NewSubSession {
            completion_mode: CompletionMode::MergeBack,
            ..NewSubSession::handoff_of(root.id).inheriting(Inheritance::FullHistory)
        };
        let actor = ann.actor(Actor::agent(name))?;
        Ok(NewSession::named(name).owned_by(actor).under(edge))
    };
    let asked = boss.broadcast(root.id, 0, [ask("designer")?, ask("lawyer")?]).await?;
    for (it, name) in asked.iter().zip(["designer", "lawyer"]) {
        work(&store.caller("acme", Actor::agent(name))?, it.id, RunOutcome::Succeeded).await?;
        let Some(edge) = it.edge else { continue };
        for to in [SubSessionStatus::PendingMerge, SubSessionStatus::Merging] {
            let version = ann.edge(edge).await?.map_or(0, |edge| edge.version);
            ann.step_merge(edge, version, to).await?;
        }
        ann.merge_fork(it.id, Expect::Any).await?;
        let version = ann.edge(edge).await?.map_or(0, |edge| edge.version);
        ann.step_merge(edge, version, SubSessionStatus::Merged).await?;
    }
    let status = named("supervisor").await?.status;
    told.push(format!("the supervisor, after both were merged: {status}"));

    told.push("in the supervisor's log:".into());
    for entry in ann.entries(root.id).all().await? {
        if let (Some(from), Some(message)) = (entry.collapsed_from, entry.message()) {
            let then = ann.context_at(from.child, from.upto).await?.messages.len();
            told.push(format!("  {message} (of {then} messages)"));
        }
    }
    let usd = Currency::new("USD")?;
    let cost = |used: Option<Totals>| {
        let micro = used.and_then(|totals| totals.cost.get(&usd).copied()).unwrap_or_default();
        format!("{}.{:04} USD", micro / 1_000_000, micro % 1_000_000 / 100)
    };
    for row in ann.sessions(thread).all().await? {
        let indent = "  ".repeat(row.depth as usize);
        let name = row.name.unwrap_or_default();
        told.push(format!(
            "{indent}{name}: {}, {}",
            row.status,
            cost(ann.usage(row.id).await?.totals)
        ));
    }
    told.push(format!("all of it: {}", cost(ann.usage(thread).await?.totals)));
    Ok(told)
}

/// Does the first half in a process of its own, which is killed in the middle of its work.
fn killed(address: &str) -> std::io::Result<ExitStatus> {
    let mut child = Command::new(std::env::current_exe()?)
        .args([address, "first half"])
        .stdout(Stdio::piped())
        .spawn()?;
    // It says when it has come to the middle of its work, and does not end by itself.
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_exact(&mut [0])?;
    }
    child.kill()?;
    child.wait()
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let folder = std::env::temp_dir().join(format!("agent-team-{}.db", std::process::id()));
    let address = args.next().unwrap_or_else(|| format!("sqlite:{}", folder.display()));
    let io = |error: std::io::Error| Error::unavailable("the first process", error);
    if args.next().is_some() {
        let store = sessile::open(&address).await?;
        begin(&store).await?;
        std::io::stdout().write_all(b".").and_then(|()| std::io::stdout().flush()).map_err(io)?;
        return std::future::pending().await;
    }
    let status = tokio::task::block_in_place(|| killed(&address)).map_err(io)?;
    println!("The first process was killed: {status}. Another goes on in {address}.");
    let store = sessile::open(&address).await?;
    for line in go_on(&store).await? {
        println!("{line}");
    }
    store.close().await
}
