//! SPN: a child is there with all that belongs to it, or not at all.

use std::{sync::Arc, time::Duration};

use sessile_core::{
    Caller, ErrorKind, Handle,
    command::{
        ContextSelection, CreatedSession, Inheritance, NewProject, NewRun, NewSession,
        NewSubSession, NewThread, NewWorkspace,
    },
    id::{SessionId, ThreadId},
    json::Json,
    model::{
        Actor, CompletionMode, Content, Context, EntryKind, FailureMode, MarkerKind, NewSummary,
        Note, NoteKind, Priority, ProjectConfig, Role, RunOutcome, SubSessionKind,
        SubSessionStatus, SummaryOutcome, annotate, assistant, compress, edit, note, system, tool,
        user,
    },
    store::Store,
    workspace::{FilePath, Label},
};

use super::process_races;
use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        assertions::{harmless, refused},
        concurrent::together,
        shorthand::{head, log, named, says, sessions, texts},
        stops::{Seen, Stops, another_thread, clear, polled, settle},
        workspaces::Lab,
    },
};

crate::clauses! {
    SPN1: Durable => spn1, SPN2 => spn2, SPN3 => spn3, SPN4 => spn4, SPN5: Concurrent => spn5, SPN6 => spn6, SPN7 => spn7, SPN8 => spn8,
    SPN9 => spn9, SPN10 => spn10
}

/// A child with all that it can have.
fn everything(lab: &Lab, parent: SessionId, name: &str) -> (NewSubSession, NewSession) {
    let edge = NewSubSession::under(parent)
        .for_purpose(name)
        .inheriting(Inheritance::HeadSnapshot { max_tokens: None });
    let session = NewSession::named(name)
        .with_label("role", "worker")
        .for_task("build")
        .with_state("step", Json::parse("1").expect("JSON"))
        .with_turn([says("go")])
        .with_lease(Duration::from_secs(60))
        .with_workspace(lab.new_workspace(name));
    (edge, session)
}

/// Whatever was cut off: each child that is there is whole, and each that is not left nothing behind.
async fn whole(handle: &Handle, parent: SessionId, context: usize) -> usize {
    let children = handle.children(parent).all().await.expect("a list");
    let log = handle.entries(parent).all().await.expect("a list");
    let markers: Vec<_> = log
        .iter()
        .filter_map(|entry| match &entry.content {
            Some(Content::Marker(marker)) => Some((marker.session, marker.edge)),
            _ => None,
        })
        .collect();
    let edges: Vec<_> = children.iter().map(|edge| (edge.child, Some(edge.id))).collect();
    assert_eq!(markers, edges, "a marker for each child, in order");
    for edge in &children {
        let child = handle.session(edge.child).await.expect("an answer").expect("the child");
        assert_eq!(child.parent, Some(edge.id));
        assert_eq!(child.entries as usize, context + 1, "what it inherits, and its turn");
        assert!(handle.lease(edge.child).await.expect("an answer").is_some(), "its lease");
        assert!(child.workspace.is_some(), "its workspace");
        let state = handle.state(edge.child).await.expect("its state");
        assert_eq!(state.values.len(), 1);
    }
    let all = handle.sessions(parent.thread()).all().await.expect("a list");
    assert_eq!(all.len(), children.len() + 1, "no session without its edge");
    children.len()
}

/// A spawn is all or nothing, to whoever looks, wherever it is stopped: child, edge, marker, inherited context, state, turn,
/// lease, workspace.
pub async fn spn1(cx: ClauseContext) -> Verdict {
    let lab = Lab::with(&cx, ProjectConfig::default().with_max_delegation_width(1000)).await;
    let handle = lab.handle();
    let parent = cx.session_in(&lab.store, &lab.caller, lab.thread).await;
    handle.append(parent, [says("a"), says("b")]).await.expect("entries");
    let before = head(&lab.store, &lab.caller, lab.thread).await;
    let (edge, session) = everything(&lab, parent, "first");
    let made = handle.spawn(edge, session).await.expect("a child");
    assert!(made.created && made.workspace.id().is_some());
    let lease = handle.lease(made.id).await.expect("an answer").expect("a lease");
    assert_eq!(Some(lease.token), made.lease, "the token is in the answer");
    let turn = made.appended.expect("a turn").first;
    let said = handle.entry(turn).await.expect("an answer").expect("the turn");
    assert_eq!(
        (said.session, said.parts()),
        (made.id, says("go").message().expect("one").parts.as_slice())
    );
    if lab.can.in_journal {
        // Read up to each version: none shows a part of it.
        let after = head(&lab.store, &lab.caller, lab.thread).await;
        let records =
            handle.changes(lab.thread).after(before).page(Duration::ZERO).await.expect("the feed");
        assert_eq!(records.records.len() as u64, after - before);
    }
    assert_eq!(whole(&handle, parent, 2).await, 1);
    // Dropped after each number of polls.
    let mut acknowledged = 1;
    for polls in 0..cx.times(12) {
        let (edge, session) = everything(&lab, parent, "dropped");
        match polled(polls, handle.spawn(edge, session)).await {
            Some(made) => acknowledged += usize::from(made.expect("a child").created),
            // What a driver does in a thread of its own ends by itself.
            None => tokio::time::sleep(Duration::from_millis(5)).await,
        }
        assert!(whole(&handle, parent, 2).await >= acknowledged, "{polls} polls");
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    lab.makers_are_late();
    lab.reap_all().await;
    lab.agrees().await;
    let store = lab.another_store().await;
    whole(&store.as_caller(&lab.caller), parent, 2).await;
    stopped_anywhere(&lab).await;
    stopped_while_undoing(&lab).await;
    Verdict::Passed
}

/// At whichever call a spawn is stopped, the child is there or nothing is; what was made for nothing goes, and asked again
/// there is one child.
async fn stopped_anywhere(lab: &Lab) {
    let handle = lab.handle();
    let mut stops = Stops::of(&lab.cx);
    while let Some(stop) = stops.next(lab).await {
        let thread = another_thread(lab).await;
        let parent = lab.cx.session_in(&lab.store, &lab.caller, thread).await;
        handle.append(parent, [says("a"), says("b")]).await.expect("entries");
        let before = Seen::of(&handle, thread).await;
        let keyed = lab.caller.with_key("spawn".into());
        let (edge, session) = everything(lab, parent, "stopped");
        let first = stop.store.as_caller(&keyed);
        let answer = stop.run(first.spawn(edge.clone(), session.clone())).await;
        let happened = whole(&handle, parent, 2).await == 1;
        stop.fits(answer.as_ref(), happened);
        settle(lab, thread, &stop.what).await;
        if !happened {
            assert_eq!(Seen::of(&handle, thread).await, before, "{}", stop.what);
        }
        let store = stop.next_store(lab).await;
        let made = store.as_caller(&keyed).spawn(edge, session).await.expect("asked again");
        if let Some(Ok(first)) = answer {
            assert_eq!(first.id, made.id, "{}", stop.what);
        }
        assert_eq!(children(&handle, parent).await, [made.id], "{}", stop.what);
        clear(lab, thread).await;
    }
    lab.agrees().await;
}

/// The driver fails: at whichever call what follows from that is stopped, nothing is left.
async fn stopped_while_undoing(lab: &Lab) {
    let handle = lab.handle();
    let mut stops = Stops::of(&lab.cx);
    while let Some(stop) = stops.next(lab).await {
        let thread = another_thread(lab).await;
        let parent = lab.cx.session_in(&lab.store, &lab.caller, thread).await;
        let before = Seen::of(&handle, thread).await;
        let (edge, session) = everything(lab, parent, "stopped");
        let bad = lab.new_workspace("bad").from_base("no-such-base-anywhere");
        let call = stop.store.as_caller(&lab.caller);
        let answer = stop.run(call.spawn(edge, session.with_workspace(bad))).await;
        assert!(answer.is_none_or(|it| it.is_err()), "{}", stop.what);
        settle(lab, thread, &stop.what).await;
        assert_eq!(Seen::of(&handle, thread).await, before, "{}", stop.what);
    }
}

async fn children(handle: &Handle, parent: SessionId) -> Vec<SessionId> {
    let edges = handle.children(parent).all().await.expect("a list");
    edges.iter().map(|edge| edge.child).collect()
}

async fn thread_with(handle: &Handle, config: ProjectConfig) -> ThreadId {
    let project = NewProject::named("project").with_config(config);
    let project = handle.create_project(project).await.expect("a project");
    handle.create_thread(project, NewThread::titled("thread")).await.expect("a thread")
}

/// What forbids a spawn is found before any effect, a workspace too.
pub async fn spn2(cx: ClauseContext) -> Verdict {
    let lab = Lab::new(&cx).await;
    let (handle, caller) = (lab.handle(), &lab.caller);
    let spawn = |parent: SessionId| {
        handle.spawn(
            NewSubSession::under(parent),
            NewSession::named("no").with_workspace(lab.new_workspace("no")),
        )
    };
    let config = ProjectConfig::default().with_max_delegation_depth(1).with_max_delegation_width(1);
    let thread = thread_with(&handle, config).await;
    let parent = cx.session_in(&lab.store, caller, thread).await;
    let child = handle.spawn(NewSubSession::under(parent), "child").await.expect("a child").id;
    for at_its_cap in [parent, child] {
        let call = spawn(at_its_cap);
        harmless(&lab.store, caller, thread, ErrorKind::Capacity, call).await;
    }
    // Across threads, in an archived one, under what is not there.
    let elsewhere = cx.session_in(&lab.store, caller, lab.thread).await;
    let across = sessile_core::command::SessionCommand::CreateSession {
        thread,
        session: NewSession::named("no")
            .under(NewSubSession::under(elsewhere))
            .with_workspace(lab.new_workspace("no"))
            .into(),
    };
    let call = sessile_core::store::SessionStore::apply(&lab.store, caller, across);
    harmless(&lab.store, caller, thread, ErrorKind::Precondition, call).await;
    let nobody = SessionId::new(lab.thread, 1 << 40);
    harmless(&lab.store, caller, lab.thread, ErrorKind::NotFound, spawn(nobody)).await;
    let ended = handle.start_run(elsewhere, NewRun::default()).await.expect("a run");
    handle.end_run(ended, RunOutcome::Succeeded).await.expect("its end");
    let edge = NewSubSession::under(elsewhere).spawned_by(ended);
    let call = handle.spawn(edge, NewSession::named("no").with_workspace(lab.new_workspace("no")));
    harmless(&lab.store, caller, lab.thread, ErrorKind::Precondition, call).await;
    handle.claim_lease(elsewhere, Duration::from_secs(60)).await.expect("a lease");
    harmless(&lab.store, caller, lab.thread, ErrorKind::Fenced, spawn(elsewhere)).await;
    let closed = cx.thread(&lab.store, caller).await;
    let last = cx.session_in(&lab.store, caller, closed).await;
    handle.archive_thread(closed).await.expect("archived");
    harmless(&lab.store, caller, closed, ErrorKind::Closed, spawn(last)).await;
    // A fork inherits nothing else, and an edge between what exists inherits nothing.
    let both = NewSession::named("no").fork_of(elsewhere, None);
    let edge = || NewSubSession::under(parent).inheriting(Inheritance::FullHistory);
    refused(handle.spawn(edge(), both).await, ErrorKind::Invalid);
    let link = sessile_core::command::LinkSessions { child, edge: edge() };
    refused(handle.link_sessions(link).await, ErrorKind::Invalid);
    assert_eq!(lab.held().await, [], "no workspace was made");
    assert_eq!(handle.workspaces(lab.thread).all().await.expect("a list"), []);
    Verdict::Passed
}

/// A driver that fails leaves no child, no edge and no marker, and what it made is gone.
pub async fn spn3(cx: ClauseContext) -> Verdict {
    let lab = Lab::new(&cx).await;
    let handle = lab.handle();
    let parent = cx.session_in(&lab.store, &lab.caller, lab.thread).await;
    for _ in 0..3 {
        let failing = lab.new_workspace("bad").from_base("no-such-base-anywhere");
        let session = NewSession::named("no").with_workspace(failing);
        let made = handle.spawn(NewSubSession::under(parent), session).await;
        refused(made, ErrorKind::Invalid);
    }
    assert_eq!(handle.children(parent).all().await.expect("a list"), []);
    assert_eq!(log(&lab.store, &lab.caller, parent, 10).await, []);
    assert_eq!(sessions(&lab.store, &lab.caller, lab.thread).await.len(), 1);
    lab.makers_are_late();
    lab.reap_all().await;
    assert_eq!(lab.held().await, []);
    lab.agrees().await;
    Verdict::Passed
}

/// What a context shows: voice, text, and where a copy comes from.
fn shown(context: &Context) -> Vec<(Role, String)> {
    let message = |it: &Arc<sessile_core::model::ContextMessage>| {
        let message = it.message.as_ref().expect("not erased");
        (message.role, message.parts.iter().map(ToString::to_string).collect())
    };
    context.messages.iter().map(message).collect()
}

/// Each mode as it says; markers are never inherited, a bound of tokens is never passed, and no role changes.
pub async fn spn4(cx: ClauseContext) -> Verdict {
    let lab = Lab::with(&cx, ProjectConfig::default().with_max_delegation_width(1000)).await;
    let (store, caller) = (lab.store, lab.caller);
    let parent = cx.session_in(&store, &caller, lab.thread).await;
    let ann = store.as_caller(&caller);
    let mut ids = Vec::new();
    for entry in [
        system("rules").with_tokens(10),
        user("first").with_tokens(20),
        assistant("second").with_tokens(20),
        tool("c", "third").with_tokens(20),
        assistant("fourth").with_tokens(20),
        user("fifth").with_tokens(20),
    ] {
        ids.push(ann.append(parent, entry).await.expect("an entry").first);
    }
    let of = |texts: &[(Role, &str)]| -> Vec<(Role, String)> {
        texts.iter().map(|(role, text)| (*role, (*text).to_owned())).collect()
    };
    let child = async |inherit: Inheritance| {
        let edge = NewSubSession::under(parent).inheriting(inherit);
        ann.spawn(edge, "child").await.expect("a child").id
    };
    let context = async |of: SessionId| ann.context(of).await.expect("a context");
    // Another child first: its marker is in the parent's log, and in no context.
    let empty = child(Inheritance::Empty).await;
    assert_eq!(context(empty).await.messages, []);
    let edited = edit(ids[1], sessile_core::model::Message::text(Role::User, "FIRST"));
    ann.append(parent, edited.with_tokens(20)).await.expect("an edit");
    ann.append(parent, annotate(ids[4], Priority::Skip)).await.expect("an annotation");
    let before = context(parent).await;
    let want = of(&[
        (Role::System, "rules"),
        (Role::User, "FIRST"),
        (Role::Assistant, "second"),
        (Role::Tool, "third"),
        (Role::User, "fifth"),
    ]);
    let is_third = |it: &(Role, String)| it.0 == Role::Tool;
    let plain = |mut shown: Vec<(Role, String)>| {
        shown.iter_mut().filter(|it| is_third(it)).for_each(|it| it.1 = "third".to_owned());
        shown
    };
    assert_eq!(plain(shown(&before)), want);

    let snapshot = child(Inheritance::HeadSnapshot { max_tokens: None }).await;
    let of_snapshot = context(snapshot).await;
    assert_eq!(shown(&of_snapshot), shown(&before), "all of the context");
    assert_eq!(of_snapshot.tokens, before.tokens);
    let copies = log(&store, &caller, snapshot, 100).await;
    let from: Vec<_> = copies.iter().map(|it| it.copied_from.expect("a copy")).collect();
    assert_eq!(from, before.messages.iter().map(|it| it.id).collect::<Vec<_>>());
    assert!(copies.iter().all(|it| it.kind == EntryKind::Message && it.run.is_none()));

    let full = child(Inheritance::FullHistory).await;
    let of_full = context(full).await;
    assert_eq!(of_full.messages, before.messages, "message by message");
    let it = ann.session(full).await.expect("an answer").expect("the child");
    assert_eq!((it.entries, it.base.map(|base| base.session)), (0, Some(parent)));

    // The bound holds whatever it is, and what is pinned comes first.
    let mut kept = Vec::new();
    for limit in 0..=100 {
        let child = child_in(&ann, parent, limit).await;
        let context = context(child).await;
        assert!(context.tokens.total() <= limit, "{} of {limit}", context.tokens.total());
        kept.push(plain(shown(&context)));
    }
    assert_eq!(kept[9], []);
    assert_eq!(kept[29], want[..1]);
    assert_eq!(kept[30], [want[0].clone(), want[4].clone()]);
    assert_eq!(kept[50], kept[30], "a tool's answer does not come without what called it");
    assert_eq!(kept[70], [&want[..1], &want[2..]].concat());
    assert_eq!(kept[90], want);

    let select = |selection: ContextSelection| Inheritance::Selective(selection);
    let all = ContextSelection::default;
    for (selection, want) in [
        (all(), want.clone()),
        (
            ContextSelection { roles: vec![Role::User], ..all() },
            vec![want[1].clone(), want[4].clone()],
        ),
        (ContextSelection { pinned_only: true, ..all() }, vec![want[0].clone()]),
        (ContextSelection { last: Some(2), ..all() }, want[3..].to_vec()),
        (ContextSelection { last: Some(0), ..all() }, vec![]),
        (
            ContextSelection { entries: vec![ids[2], ids[0]], ..all() },
            vec![want[0].clone(), want[2].clone()],
        ),
    ] {
        let child = child(select(selection.clone())).await;
        assert_eq!(plain(shown(&context(child).await)), want, "{selection:?}");
    }
    // What the context does not show is not there to be selected.
    let skipped = select(ContextSelection { entries: vec![ids[4]], ..all() });
    let edge = NewSubSession::under(parent).inheriting(skipped);
    harmless(&store, &caller, parent.thread(), ErrorKind::NotFound, ann.spawn(edge, "no")).await;

    // A note and a compression arrive as what they say; and nothing changes with the parent afterwards.
    ann.append(parent, note(NoteKind::Checkpoint, Note::new("so far"))).await.expect("a note");
    let short = sessile_core::model::Message::text(Role::User, "in short");
    ann.append(parent, compress(ids[1], ids[2], short)).await.expect("a compression");
    let late = child(Inheritance::HeadSnapshot { max_tokens: None }).await;
    let then = context(parent).await;
    assert_eq!(shown(&context(late).await), shown(&then));
    ann.append(parent, says("later")).await.expect("an entry");
    more_than_a_commit(&store, &caller, parent).await;
    for (child, was) in [(snapshot, &of_snapshot), (full, &of_full)] {
        assert_eq!(context(child).await.messages, was.messages, "as of its creation");
    }
    let store = cx.reopen(store).await;
    let again = store.as_caller(&caller).context(snapshot).await.expect("a context");
    assert_eq!(again.messages, of_snapshot.messages);
    Verdict::Passed
}

/// What does not fit into one commit is refused, and by reference it is inherited all the same.
async fn more_than_a_commit(store: &Store, caller: &Caller, of: SessionId) {
    let ann = store.as_caller(caller);
    let long = named(store, caller, of.thread(), "long").await;
    for half in 0..2 {
        let entries: Vec<_> = (0..501).map(|i| says(format!("{half} {i}"))).collect();
        ann.append(long, entries).await.expect("entries");
    }
    let edge = |inherit| NewSubSession::under(long).inheriting(inherit);
    let all = Inheritance::HeadSnapshot { max_tokens: None };
    let call = ann.spawn(edge(all), "too much");
    harmless(store, caller, of.thread(), ErrorKind::Capacity, call).await;
    let made = ann.spawn(edge(Inheritance::FullHistory), "all").await.expect("a child");
    let context = ann.context(made.id).await.expect("a context");
    assert_eq!(context.messages.len(), 1002);
    let last = ContextSelection { last: Some(1000), ..ContextSelection::default() };
    let made = ann.spawn(edge(Inheritance::Selective(last)), "enough").await.expect("a child");
    assert_eq!(ann.context(made.id).await.expect("a context").messages.len(), 1000);
}

/// A child in a thread's width: it goes again at once.
async fn child_in(ann: &Handle, parent: SessionId, limit: u64) -> SessionId {
    let inherit = Inheritance::HeadSnapshot { max_tokens: Some(limit) };
    let made = ann.spawn(NewSubSession::under(parent).inheriting(inherit), "child").await;
    let made = made.expect("a child");
    ann.delete_edge(made.edge.expect("an edge")).await.expect("its edge goes");
    made.id
}

/// Many at once: all whole, and no more than the cap allows.
pub async fn spn5(cx: ClauseContext) -> Verdict {
    let lab = Lab::with(&cx, ProjectConfig::default().with_max_delegation_width(8)).await;
    let handle = lab.handle();
    let parent = cx.session_in(&lab.store, &lab.caller, lab.thread).await;
    handle.append(parent, [says("a"), says("b")]).await.expect("entries");
    let spawn = |i: usize| {
        let (edge, session) = everything(&lab, parent, &format!("child-{i}"));
        let handle = handle.clone();
        async move { handle.spawn(edge, session).await }
    };
    let made = together((0..12).map(spawn)).await;
    let (made, refusals): (Vec<_>, Vec<_>) = made.into_iter().partition(Result::is_ok);
    assert_eq!((made.len(), refusals.len()), (8, 4));
    for refusal in refusals {
        refused(refusal, ErrorKind::Capacity);
    }
    assert_eq!(whole(&handle, parent, 2).await, 8);
    lab.agrees().await;
    process_races::twelve_spawns(&cx, cx.scale(10, 1000)).await;
    process_races::four_workers(&cx, cx.scale(10, 1000)).await;
    Verdict::Passed
}

/// Failing again and again leaves nothing behind.
pub async fn spn6(cx: ClauseContext) -> Verdict {
    let lab = Lab::with(&cx, ProjectConfig::default().with_max_delegation_width(0)).await;
    let handle = lab.handle();
    let parent = cx.session_in(&lab.store, &lab.caller, lab.thread).await;
    handle.append(parent, [says("a"), says("b")]).await.expect("entries");
    let before = head(&lab.store, &lab.caller, lab.thread).await;
    for _ in 0..50 {
        let (edge, session) = everything(&lab, parent, "no");
        refused(handle.spawn(edge, session).await, ErrorKind::Capacity);
    }
    assert_eq!(head(&lab.store, &lab.caller, lab.thread).await, before);
    assert_eq!(lab.held().await, []);
    assert_eq!(lab.records().await, []);
    Verdict::Passed
}

/// When a child has ended, its place is free, its edge has ended, and its workspace is gone, if that loses nothing.
pub async fn spn7(cx: ClauseContext) -> Verdict {
    let lab = Lab::with(&cx, ProjectConfig::default().with_max_delegation_width(1)).await;
    let handle = lab.handle();
    let parent = cx.session_in(&lab.store, &lab.caller, lab.thread).await;
    let spawn = async |name: &str, mode| -> CreatedSession {
        let edge = NewSubSession { completion_mode: mode, ..NewSubSession::under(parent) };
        let label = Label::new(name).expect("a label");
        let new = NewWorkspace::of_kind(lab.kind.as_str()).with_label(label);
        let session = NewSession::named(name).with_turn([says("go")]).with_workspace(new);
        handle.spawn(edge, session).await.expect("a child")
    };
    for (name, mode, outcome, work) in [
        ("done", CompletionMode::SummaryRef, SummaryOutcome::Succeeded, false),
        ("failed", CompletionMode::SummaryRef, SummaryOutcome::Failed, false),
        ("dirty", CompletionMode::SummaryRef, SummaryOutcome::Succeeded, true),
        ("merges", CompletionMode::MergeBack, SummaryOutcome::Partial, false),
    ] {
        let child = spawn(name, mode).await;
        let workspace = child.workspace.id().expect("a workspace");
        let full = handle.spawn(NewSubSession::under(parent), "no").await;
        refused(full, ErrorKind::Capacity);
        if work {
            lab.write(workspace, "work.txt", "not kept anywhere").await;
        }
        let summary = NewSummary::new(outcome, "that is it");
        let summary = handle.seal_summary(child.id, summary).await.expect("a summary");
        let edge = handle.edge(child.edge.expect("an edge")).await.expect("an answer");
        let edge = edge.expect("the edge");
        let want = match outcome {
            SummaryOutcome::Failed => SubSessionStatus::Failed,
            _ => SubSessionStatus::Idle,
        };
        assert_eq!((edge.status, edge.summary), (want, Some(summary)), "{name}");
        let kept = work || mode == CompletionMode::MergeBack;
        let session = handle.session(child.id).await.expect("an answer").expect("the child");
        assert_eq!(session.workspace, kept.then_some(workspace), "{name}");
        if work {
            let there = lab.read(workspace, "work.txt").await;
            assert_eq!(there.as_deref(), Some("not kept anywhere"));
        }
    }
    lab.agrees().await;
    Verdict::Passed
}

/// Whoever asks is said to have asked, and an agent that owns the child acts on behalf of it.
pub async fn spn8(cx: ClauseContext) -> Verdict {
    let lab = Lab::with(&cx, ProjectConfig::default().with_max_delegation_depth(20)).await;
    let (store, caller) = (&lab.store, &lab.caller);
    let parent = cx.session_in(store, caller, lab.thread).await;
    let ann = lab.handle();
    let worker = ann.actor(Actor::agent("worker")).expect("an actor");
    let mut asker = caller.clone();
    let mut above = parent;
    // Deeper than a chain of actors may be: it then ends before the first of them.
    for level in 0..12 {
        let handle = store.as_caller(&asker);
        let session = NewSession::named("child").owned_by(worker.clone());
        let made = handle.spawn(NewSubSession::under(above), session).await.expect("a child");
        let edge = handle.edge(made.edge.expect("an edge")).await.expect("an answer");
        assert_eq!(edge.expect("the edge").spawned_by.as_ref(), Some(&asker.actor));
        let child = handle.session(made.id).await.expect("an answer").expect("the child");
        let owner = child.current_actor.expect("an owner");
        let Actor::Agent { id, parent: Some(named), .. } = &owner else { panic!("{owner:?}") };
        assert_eq!((id.as_str(), named.name()), ("worker", asker.actor.name()), "level {level}");
        above = made.id;
        asker = Caller::new(caller.tenant.clone(), owner);
    }
    // Somebody else is who the caller says.
    let boss = ann.actor(Actor::user("boss")).expect("an actor");
    let Actor::Agent { tenant, id, .. } = worker else { panic!("an agent") };
    let named = Actor::Agent { tenant, id, parent: Some(Box::new(boss)) };
    let session = NewSession::named("child").owned_by(named.clone());
    let made = ann.spawn(NewSubSession::under(parent), session).await.expect("a child");
    let child = ann.session(made.id).await.expect("an answer").expect("the child");
    assert_eq!(child.current_actor, Some(named));
    Verdict::Passed
}

/// An edge of which nothing is said only ends when its child fails, returns a summary, and was spawned by an agent.
pub async fn spn9(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let parent = cx.session(&store, &caller).await;
    let ann = store.as_caller(&caller);
    let made = ann.spawn(NewSubSession::under(parent), "child").await.expect("a child");
    let edge = ann.edge(made.edge.expect("an edge")).await.expect("an answer").expect("the edge");
    assert_eq!(edge.failure_mode, FailureMode::Delegate);
    assert_eq!(edge.completion_mode, CompletionMode::SummaryRef);
    assert_eq!(edge.kind, SubSessionKind::AgentSpawn);
    assert_eq!((edge.status, edge.summary), (SubSessionStatus::Pending, None));
    assert_eq!((made.lease, made.appended), (None, None));
    let marker = log(&store, &caller, parent, 10).await.pop().expect("the marker");
    let Some(Content::Marker(marker)) = marker.content else { panic!("{marker:?}") };
    assert_eq!(
        (marker.kind, marker.session, marker.edge),
        (MarkerKind::Spawned, made.id, made.edge)
    );
    // The marker is an entry of the parent's, and moves no tail.
    let parent = ann.session(parent).await.expect("an answer").expect("the parent");
    assert_eq!((parent.entries, parent.tail), (1, 0));
    Verdict::Passed
}

/// A child may begin with another session's newest summary, as one message of a user.
pub async fn spn10(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let parent = cx.session(&store, &caller).await;
    let ann = store.as_caller(&caller);
    let other = cx.session_in(&store, &caller, parent.thread()).await;
    let spawn = |of: SessionId| {
        let inherit = Inheritance::Summary(of);
        ann.spawn(NewSubSession::under(parent).inheriting(inherit), "child")
    };
    let none = spawn(other);
    harmless(&store, &caller, parent.thread(), ErrorKind::Precondition, none).await;
    for text in ["the first", "the second"] {
        ann.append(other, says("work")).await.expect("an entry");
        let summary = NewSummary::new(SummaryOutcome::Succeeded, text)
            .with_decision("use tabs")
            .with_deliverable(sessile_core::model::Deliverable::File {
                path: FilePath::new("a.txt").expect("a path"),
                sha256: "0".repeat(64),
                size: 3,
            });
        ann.seal_summary(other, summary).await.expect("a summary");
    }
    let child = spawn(other).await.expect("a child").id;
    let context = ann.context(child).await.expect("a context");
    let [(role, text)] = &shown(&context)[..] else { panic!("{context:?}") };
    assert_eq!(*role, Role::User);
    for said in ["the second", "use tabs", "a.txt", "succeeded"] {
        assert!(text.contains(said), "{said} in {text}");
    }
    assert!(!text.contains("the first"), "the newest");
    // Of another thread it is not this thread's to give.
    let far = cx.session(&store, &caller).await;
    let call = spawn(far);
    harmless(&store, &caller, parent.thread(), ErrorKind::Precondition, call).await;
    assert_eq!(texts(&store, &caller, child).await.len(), 1);
    Verdict::Passed
}
