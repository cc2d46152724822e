//! How does an agent hand work to others, and get back what it came to?
//!
//! A supervisor spawns workers, each with files of its own and with what the supervisor knows. One fails and takes down the run
//! that waited for it; one is handed over to a person; two are sent out at once, and what they say is merged back.
//!
//! `cargo run -p sessile-examples --example agent_team -- sqlite:team.db` works on a file.

use sessile::{
    command::{CreatedSession, Expect, Inheritance, NewSubSession, NewWorkspace},
    model::{
        CompletionMode, FailureMode, NewSummary, Note, NoteKind, RunOutcome, SessionStatus,
        SubSessionStatus, SummaryOutcome, note,
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

/// A worker's run: a call of a model would stand here.
async fn run(ann: &Handle, session: SessionId, outcome: RunOutcome) -> Result<()> {
    let run = ann.start_run(session, NewRun::default()).await?;
    let used = Usage::new(sessile::model::Tokens::new(1_200, 80), 1);
    ann.book_usage(run, "the only call", used).await?;
    ann.append(session, assistant("I did what I could.").in_run(run)).await?;
    ann.end_run(run, outcome).await?;
    Ok(())
}

/// The whole of it; answers what is to be told.
pub(crate) async fn team(store: &Store) -> Result<Vec<String>> {
    let ann = store.caller("acme", Actor::user("ann"))?;
    let project = ann.create_project("website").await?;
    let thread = ann.create_thread(project, "a new shop").await?;
    let boss = store.caller("acme", Actor::agent("supervisor"))?;
    let session = NewSession::named("supervisor")
        .owned_by(boss.actor(Actor::agent("supervisor"))?)
        .with_turn([system("You lead a team."), user("Build the shop.")]);
    let root = boss.create_session(thread, session).await?;

    // Two workers, and a run that waits for both.
    let waiting = boss.start_run(root, NewRun::default()).await?;
    let coder = spawn(&boss, root, ("coder", "write the page")).await?;
    let tester = spawn(&boss, root, ("tester", "try it out")).await?;
    let edges: Vec<_> = [&coder, &tester].iter().filter_map(|it| it.edge).collect();
    boss.await_sub_sessions(waiting, edges).await?;

    // The coder works in its own files, says what it came to, and its place is free again.
    if let Some(files) = coder.workspace.id() {
        let page = FileChange::write(FilePath::new("shop.html")?, "<h1>Shop</h1>\n");
        ann.change_files(files, [page]).await?;
        ann.snapshot_workspace(files).await?;
    }
    run(&ann, coder.id, RunOutcome::Succeeded).await?;
    let summary = NewSummary::new(SummaryOutcome::Succeeded, "The shop has a page.")
        .with_decision("no framework");
    ann.seal_summary(coder.id, summary).await?;

    // The tester fails; the run that waited fails with it, in the same commit.
    run(&ann, tester.id, RunOutcome::Failed { reason: "no browser".into() }).await?;
    let mut told = Vec::new();
    let failed = boss.run(waiting).await?.ok_or_else(|| Error::failed("the run is gone"))?;
    told.push(format!("the run that waited: {}", failed.status));
    boss.reopen_session(root).await?;
    boss.set_status(root, SessionStatus::Idle).await?;

    // The tester's session is handed to Ann, who goes on in a session of her own.
    ann.reopen_session(tester.id).await?;
    ann.set_status(tester.id, SessionStatus::Idle).await?;
    let tester_agent = store.caller("acme", Actor::agent("tester"))?;
    tester_agent
        .append(tester.id, note(NoteKind::Handoff, Note::new("The page is there, untested.")))
        .await?;
    let hers = NewSession::named("by hand").owned_by(ann.actor(Actor::user("ann"))?);
    let hers = tester_agent.hand_off(tester.id, 0, hers).await?;
    ann.append(hers.id, user("I looked at it: it works.")).await?;
    let refused = tester_agent.append(tester.id, assistant("One more thing.")).await;
    told.push(format!(
        "the tester, afterwards: {}",
        refused.map_or_else(|e| e.to_string(), |_| "heard".into())
    ));

    // Two are asked at once; each begins with all that the supervisor knows, and what they say is merged back.
    let ask = |name: &str| -> Result<NewSession> {
        let edge = NewSubSession {
            completion_mode: CompletionMode::MergeBack,
            ..NewSubSession::handoff_of(root).inheriting(Inheritance::FullHistory)
        };
        let actor = ann.actor(Actor::agent(name))?;
        Ok(NewSession::named(name).owned_by(actor).under(edge))
    };
    let asked = boss.broadcast(root, 0, [ask("designer")?, ask("lawyer")?]).await?;
    for it in &asked {
        run(&ann, it.id, RunOutcome::Succeeded).await?;
        let Some(edge) = it.edge else { continue };
        for to in [SubSessionStatus::PendingMerge, SubSessionStatus::Merging] {
            let version = ann.edge(edge).await?.map_or(0, |edge| edge.version);
            ann.step_merge(edge, version, to).await?;
        }
        ann.merge_fork(it.id, Expect::Any).await?;
        let version = ann.edge(edge).await?.map_or(0, |edge| edge.version);
        ann.step_merge(edge, version, SubSessionStatus::Merged).await?;
    }
    let root_now = ann.session(root).await?.ok_or_else(|| Error::failed("it is gone"))?;
    told.push(format!("the supervisor, after both were merged: {}", root_now.status));

    for row in ann.sessions(thread).all().await? {
        let indent = "  ".repeat(row.depth as usize);
        let name = row.name.unwrap_or_default();
        let cost = ann.usage(row.id).await?.totals.map_or(0, |totals| totals.tokens.input);
        told.push(format!("{indent}{name}: {}, {cost} tokens", row.status));
    }
    Ok(told)
}

#[tokio::main]
async fn main() -> Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "memory:".into());
    let store = sessile::open(&address).await?;
    for line in team(&store).await? {
        println!("{line}");
    }
    store.close().await
}
