//! COL: what a child came to, as one message in its parent's log.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use sessile_core::{
    Clock, Error, ErrorKind, Handle, Store,
    command::{At, Expect, LinkSessions, NewSession, NewSubSession, UpdateProject},
    id::{CollapseId, EntryId, SessionId, SubSessionId},
    model::{
        Autonomy::{Autonomous, Collaborative, Manual},
        CollapseStatus, Content, EntryKind, NewCollapse, Role, user,
    },
    summarizer::{Summarizer, SummarizerError, SummaryRequest},
};

use crate::{
    clause::Verdict,
    internal::{
        ClauseContext, TestClock,
        assertions::{harmless, refused},
        concurrent::together,
        raw_batches,
        shorthand::{pages, says, texts},
    },
};

crate::clauses! {
    COL1 => col1, COL2 => col2, COL3 => col3, COL4 => col4, COL5 => col5, COL6 => col6,
}

/// A child that has said something, and the edge above it.
async fn child_of(ann: &Handle, parent: SessionId) -> (SessionId, SubSessionId) {
    let made = ann.spawn(NewSubSession::under(parent), "child").await.expect("a child");
    ann.append(made.id, says("the work")).await.expect("an entry");
    (made.id, made.edge.expect("an edge"))
}

fn draft(text: &str) -> NewCollapse {
    NewCollapse::of(text).with_autonomy(Collaborative)
}

async fn status(ann: &Handle, id: CollapseId) -> CollapseStatus {
    ann.collapse(id).await.expect("an answer").expect("the collapse").status
}

async fn tail(ann: &Handle, session: SessionId) -> u64 {
    ann.session(session).await.expect("an answer").expect("the session").tail
}

/// A draft changes nothing of the parent and nothing of the child's log; of many who accept it one does; what was rejected is
/// not accepted.
pub async fn col1(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let parent = cx.session(&store, &caller).await;
    let ann = store.as_caller(&caller);
    let (child, edge) = child_of(&ann, parent).await;
    let of = async |session| ann.session(session).await.expect("an answer").expect("the session");
    let (parent_before, child_log) =
        (of(parent).await, ann.entries(child).all().await.expect("a log"));
    let proposed = ann.propose_collapse(edge, draft("it works")).await.expect("a draft");
    assert_eq!(proposed.entry, None, "it waits");
    assert_eq!(of(parent).await, parent_before, "the parent is as it was");
    let open = ann.collapse(proposed.id).await.expect("an answer").expect("the draft");
    assert_eq!((open.status, open.text.as_deref()), (CollapseStatus::Open, Some("it works")));
    assert_eq!((open.edge, open.child, open.parent), (edge, child, parent));
    assert_eq!((open.autonomy, open.entry, open.source_tokens), (Collaborative, None, None));
    assert_eq!(open.created_by.as_ref(), Some(&caller.actor));
    assert!(open.tokens > 0 && open.version == proposed.id.version());
    let others = [cx.store().await, cx.store().await];
    let at_once = (0..6).map(|i| {
        let handle = others[i % 2].as_caller(&caller);
        async move { handle.accept_collapse(proposed.id, None).await }
    });
    let (accepted, refusals): (Vec<_>, Vec<_>) =
        together(at_once).await.into_iter().partition(Result::is_ok);
    assert_eq!(accepted.len(), 1, "one of them");
    let entry = *accepted[0].as_ref().expect("an entry");
    for refusal in refusals {
        let refusal = refused(refusal, ErrorKind::Precondition);
        assert!(matches!(refusal, Error::IllegalTransition { .. }), "{refusal}");
    }
    assert_eq!(of(parent).await.entries, parent_before.entries + 1, "one entry");
    let log = ann.entries(parent).all().await.expect("a log");
    let said = log.last().expect("the last of them");
    assert_eq!((said.id, said.kind), (entry, EntryKind::Message));
    let message = said.message().expect("a message");
    assert_eq!((message.role, message.to_string().as_str()), (Role::User, "user: it works"));
    assert_eq!(ann.entries(child).all().await.expect("a log"), child_log, "nothing in the child");
    let closed = ann.collapse(proposed.id).await.expect("an answer").expect("the draft");
    assert_eq!((closed.status, closed.entry), (CollapseStatus::Accepted, Some(entry)));

    // What is erased of the message is erased of the draft.
    let secret = ann.propose_collapse(edge, NewCollapse::of("a secret")).await.expect("a collapse");
    let entries = [secret.entry.expect("an entry")];
    ann.erase_entries(parent.thread(), entries).await.expect("an erasure");
    ann.erase_entries(parent.thread(), entries).await.expect("once more");
    let erased = ann.collapse(secret.id).await.expect("an answer").expect("the draft");
    assert_eq!((erased.text, erased.created_by), (None, None));
    let journal = cx.journal().await;
    let space = parent.thread().space(&caller.tenant);
    let raw = journal.read(&space, &raw_batches::range(0, u64::MAX)).await.expect("records");
    assert!(!format!("{raw:?}").contains("a secret"), "it is nowhere");
    let verified = ann.verify(parent.thread(), None).await.expect("a verification");
    assert!(verified.problems.is_empty(), "{verified:?}");

    let again = ann.propose_collapse(edge, draft("nobody wants it")).await.expect("a draft");
    ann.reject_collapse(again.id).await.expect("a rejection");
    let thread = parent.thread();
    let refuse = async |call: Result<(), Error>| {
        refused(call, ErrorKind::Precondition);
    };
    refuse(ann.accept_collapse(again.id, None).await.map(drop)).await;
    refuse(ann.reject_collapse(again.id).await.map(drop)).await;
    refuse(ann.reject_collapse(proposed.id).await.map(drop)).await;
    assert_eq!(status(&ann, again.id).await, CollapseStatus::Rejected);
    let missing = CollapseId::new(thread, 1 << 40);
    harmless(&store, &caller, thread, ErrorKind::NotFound, ann.accept_collapse(missing, None))
        .await;
    harmless(&store, &caller, thread, ErrorKind::NotFound, ann.reject_collapse(missing)).await;
    assert_eq!(ann.collapse(missing).await.expect("an answer"), None);
    Verdict::Passed
}

/// What the holder of the parent's lease writes of a draft renews that lease, though its record is the child's.
async fn renews_the_lease(cx: &ClauseContext) {
    let clock = Arc::new(TestClock::default());
    let store = cx.store_with(clock.clone(), |options| options).await;
    let ann = store.as_caller(&cx.caller());
    let parent = cx.session(&store, &cx.caller()).await;
    let (_, edge) = child_of(&ann, parent).await;
    let ttl = Duration::from_secs(60);
    let token = ann.claim_lease(parent, ttl).await.expect("a lease");
    let holder = ann.with_lease(token);
    let renewed = async || {
        let lease = ann.lease(parent).await.expect("an answer").expect("a lease");
        assert_eq!(lease.expires_at, clock.now().plus(ttl));
        clock.advance(Duration::from_secs(10));
    };
    renewed().await;
    let proposed = holder.propose_collapse(edge, draft("for later")).await.expect("a draft");
    renewed().await;
    holder.reject_collapse(proposed.id).await.expect("a rejection");
    renewed().await;
}

/// The parent that was recorded, and no other: not after the child got another, and under that parent's lease.
pub async fn col2(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let parent = cx.session(&store, &caller).await;
    let (ann, thread) = (store.as_caller(&caller), parent.thread());
    let other = ann.create_session(thread, "other").await.expect("a session");
    let (child, edge) = child_of(&ann, parent).await;
    let proposed = ann.propose_collapse(edge, draft("for the first")).await.expect("a draft");

    let token = ann.claim_lease(parent, Duration::from_secs(60)).await.expect("a lease");
    let accept = ann.accept_collapse(proposed.id, None);
    harmless(&store, &caller, thread, ErrorKind::Fenced, accept).await;
    let reject = ann.reject_collapse(proposed.id);
    harmless(&store, &caller, thread, ErrorKind::Fenced, reject).await;
    let propose = ann.propose_collapse(edge, draft("without the lease"));
    harmless(&store, &caller, thread, ErrorKind::Fenced, propose).await;
    let holder = ann.with_lease(token);
    holder.propose_collapse(edge, draft("with it")).await.expect("a draft");
    holder.release_lease(parent).await.expect("a release");
    let proposed = ann.propose_collapse(edge, draft("for the first")).await.expect("a draft");

    ann.delete_edge(edge).await.expect("a deletion");
    let link = LinkSessions { child, edge: NewSubSession::under(other) };
    let under_other = ann.link_sessions(link).await.expect("an edge");
    let late = ann.accept_collapse(proposed.id, None);
    harmless(&store, &caller, thread, ErrorKind::Precondition, late).await;
    assert_eq!(status(&ann, proposed.id).await, CollapseStatus::Stale);
    let gone = ann.propose_collapse(edge, draft("by an edge that is gone"));
    harmless(&store, &caller, thread, ErrorKind::NotFound, gone).await;
    ann.reject_collapse(proposed.id).await.expect("what is stale can be put away");
    let now = ann.propose_collapse(under_other, NewCollapse::of("for the other")).await;
    let entry = now.expect("a collapse").entry.expect("an entry");
    assert_eq!(texts(&store, &caller, other).await, ["for the other"]);
    assert_eq!(tail(&ann, other).await, entry.version());
    assert!(texts(&store, &caller, parent).await.is_empty(), "nothing for the first");
    renews_the_lease(&cx).await;
    Verdict::Passed
}

/// From the entry to the child, as it was: after it went on, after a reopening, from a copy, and in looking back.
pub async fn col3(cx: ClauseContext) -> Verdict {
    let mut store = cx.store().await;
    let caller = cx.caller();
    let parent = cx.session(&store, &caller).await;
    let ann = store.as_caller(&caller);
    let (child, edge) = child_of(&ann, parent).await;
    let first = tail(&ann, child).await;
    ann.append(child, says("more of it")).await.expect("an entry");
    let seen = ann.context(child).await.expect("a context");
    let second = tail(&ann, child).await;
    let at_tail = ann.propose_collapse(edge, NewCollapse::of("two")).await.expect("a collapse");
    let earlier = NewCollapse::of("one").upto(EntryId::new(child.thread(), first));
    let earlier = ann.propose_collapse(edge, earlier).await.expect("a collapse");
    ann.append(child, says("and the child goes on")).await.expect("an entry");
    let fork = ann
        .create_session(parent.thread(), NewSession::named("fork").fork_of(parent, None))
        .await
        .expect("a fork");
    let to = ann.create_session(parent.thread(), "to").await.expect("a session");
    let copied = at_tail.entry.expect("an entry");
    let copy = ann.copy_entries(to, [copied], Expect::Any).await.expect("a copy").first;
    if cx.durable() {
        store = cx.reopen(store).await;
    }
    let ann = store.as_caller(&caller);
    for (made, upto) in [(at_tail, second), (earlier, first)] {
        let entry = ann.entry(made.entry.expect("an entry")).await.expect("an answer");
        let from = entry.expect("the entry").collapsed_from.expect("where it is from");
        assert_eq!((from.collapse, from.child, from.upto), (made.id, child, upto));
        let collapse = ann.collapse(made.id).await.expect("an answer").expect("the collapse");
        assert_eq!((collapse.child, collapse.upto), (child, upto));
        let then = ann.context_at(child, At::Version(from.upto)).await.expect("a context");
        let count = if upto == second { seen.messages.len() } else { 1 };
        assert_eq!(then.messages, seen.messages[..count], "the child as it was");
    }
    let copy = ann.entry(copy).await.expect("an answer").expect("the copy");
    assert_eq!(copy.copied_from, Some(copied));
    assert_eq!(copy.collapsed_from.map(|from| from.collapse), Some(at_tail.id));
    assert_eq!(status(&ann, at_tail.id).await, CollapseStatus::Accepted);
    let shown = ann.context(fork).await.expect("a context");
    assert_eq!(shown.messages.len(), 2, "a fork shows what it continues");
    // Of what the child does not show there is nothing to say.
    let elsewhere = NewCollapse::of("three").upto(copied);
    let call = ann.propose_collapse(edge, elsewhere);
    harmless(&store, &caller, parent.thread(), ErrorKind::Precondition, call).await;
    Verdict::Passed
}

/// Answers what it is told to, and remembers what it was asked.
#[derive(Debug, Default)]
struct Scripted {
    answer: Mutex<String>,
    calls: AtomicUsize,
    asked: Mutex<Vec<SummaryRequest>>,
}

#[derive(Debug)]
struct Shared(Arc<Scripted>);

#[async_trait]
impl Summarizer for Shared {
    async fn summarize(&self, request: &SummaryRequest) -> Result<String, SummarizerError> {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        self.0.asked.lock().expect("a lock").push(request.clone());
        let answer = self.0.answer.lock().expect("a lock").clone();
        if answer == "fail" { Err("the model is away".into()) } else { Ok(answer) }
    }
}

impl Scripted {
    fn says(&self, text: &str) {
        *self.answer.lock().expect("a lock") = text.to_owned();
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

/// Who writes and who accepts: by the command, else by the project; and nobody is asked for a text that nobody can use.
pub async fn col4(cx: ClauseContext) -> Verdict {
    let script = Arc::new(Scripted::default());
    let given = Arc::clone(&script);
    let store: Store = cx
        .store_with(Arc::new(TestClock::default()), move |options| {
            options.with_summarizer(Shared(given))
        })
        .await;
    let caller = cx.caller();
    let parent = cx.session(&store, &caller).await;
    let (ann, thread) = (store.as_caller(&caller), parent.thread());
    let (child, edge) = child_of(&ann, parent).await;
    script.says("made by a model");

    // By the default, the caller's text is there at once, and without one there is nothing.
    let manual = ann.propose_collapse(edge, NewCollapse::of("by hand")).await.expect("a collapse");
    assert!(manual.entry.is_some());
    for refusal in [
        NewCollapse::of(""),
        NewCollapse::of(" \n\t"),
        NewCollapse::of("x".repeat((64 << 10) + 1)),
        NewCollapse::summarized(),
        NewCollapse::summarized().with_autonomy(Manual),
    ] {
        let call = ann.propose_collapse(edge, refusal);
        harmless(&store, &caller, thread, ErrorKind::Invalid, call).await;
    }
    assert_eq!(script.calls(), 0, "nobody asked for a text");
    let bare = cx.store().await;
    let nobody = NewCollapse::summarized().with_autonomy(Autonomous);
    let bare = bare.as_caller(&caller);
    let call = bare.propose_collapse(edge, nobody.clone());
    harmless(&store, &caller, thread, ErrorKind::Invalid, call).await;

    // What is in the way is said before a model is paid.
    ann.delete_edge(edge).await.expect("a deletion");
    let call = ann.propose_collapse(edge, nobody.clone());
    harmless(&store, &caller, thread, ErrorKind::NotFound, call).await;
    let link = NewSubSession::under(parent).for_purpose("find the fault");
    let link = LinkSessions { child, edge: link };
    let edge = ann.link_sessions(link).await.expect("an edge");
    assert_eq!(script.calls(), 0);

    // Drafted and accepted in one commit, once for a key.
    let before = ann.thread(thread).await.expect("an answer").expect("it").head;
    let keyed = ann.with_key("collapse");
    let asked = nobody.with_target_tokens(100).with_instructions("no names");
    let made = keyed.propose_collapse(edge, asked.clone()).await.expect("a collapse");
    assert_eq!(made.id.version(), before + 1);
    assert_eq!(made.entry.map(EntryId::version), Some(before + 2));
    assert_eq!(keyed.propose_collapse(edge, asked).await.expect("the same"), made);
    assert_eq!(script.calls(), 1, "once");
    let request = script.asked.lock().expect("a lock").pop().expect("a request");
    assert_eq!(request.purpose.as_deref(), Some("find the fault"));
    assert_eq!(
        (request.target_tokens, request.instructions.as_deref()),
        (Some(100), Some("no names"))
    );
    let context = ann.context(child).await.expect("a context");
    assert_eq!(request.context.messages, context.messages);
    let prompt: String = request.prompt().iter().map(ToString::to_string).collect();
    for part in ["find the fault", "no names", "100", "the work"] {
        assert!(prompt.contains(part), "{part}: {prompt}");
    }
    let collapse = ann.collapse(made.id).await.expect("an answer").expect("the collapse");
    assert_eq!(collapse.text.as_deref(), Some("made by a model"));
    assert_eq!(collapse.source_tokens, Some(context.tokens.total()));

    // The project's config says how, where the command does not.
    let project = ann.thread(thread).await.expect("an answer").expect("it").project;
    let config = async |autonomy| {
        let it = ann.project(project).await.expect("an answer").expect("the project");
        let config = Some(it.config.with_autonomy(autonomy));
        let update = UpdateProject { name: None, config };
        ann.update_project(project, it.version, update).await.expect("an update");
    };
    config(Collaborative).await;
    let waits = ann.propose_collapse(edge, NewCollapse::summarized()).await.expect("a draft");
    assert_eq!((waits.entry, status(&ann, waits.id).await), (None, CollapseStatus::Open));
    let now = NewCollapse::of("at once").with_autonomy(Manual);
    assert!(ann.propose_collapse(edge, now).await.expect("a collapse").entry.is_some());
    config(Autonomous).await;
    let at_once = ann.propose_collapse(edge, NewCollapse::of("mine")).await.expect("a collapse");
    assert!(at_once.entry.is_some());

    // A model that fails or says nothing writes nothing.
    for (answer, kind) in [("", ErrorKind::Invalid), ("fail", ErrorKind::Unavailable)] {
        script.says(answer);
        let call = ann.propose_collapse(edge, NewCollapse::summarized());
        harmless(&store, &caller, thread, kind, call).await;
    }
    // Whoever accepts may say it in other words, and not in none.
    let waits = ann.propose_collapse(edge, draft("a draft")).await.expect("a draft");
    let call = ann.accept_collapse(waits.id, Some(String::new()));
    harmless(&store, &caller, thread, ErrorKind::Invalid, call).await;
    let entry = ann.accept_collapse(waits.id, Some("better".into())).await.expect("an entry");
    let entry = ann.entry(entry).await.expect("an answer").expect("the entry");
    assert_eq!(entry.message().expect("a message").to_string(), "user: better");
    let kept = ann.collapse(waits.id).await.expect("an answer").expect("the collapse");
    assert_eq!(kept.text.as_deref(), Some("a draft"));
    Verdict::Passed
}

/// A draft for the parent as it is does not outlive the parent's next entry; any other does.
pub async fn col5(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let parent = cx.session(&store, &caller).await;
    let (ann, thread) = (store.as_caller(&caller), parent.thread());
    let (child, edge) = child_of(&ann, parent).await;
    ann.append(parent, user("question")).await.expect("an entry");
    let seen = tail(&ann, parent).await;
    let exact = ann.propose_collapse(edge, draft("exact").exact()).await.expect("a draft");
    ann.append(child, says("the child may go on")).await.expect("an entry");
    let loose = ann.propose_collapse(edge, draft("loose")).await.expect("a draft");
    let other = ann.propose_collapse(
        edge,
        draft("too").exact().upto(EntryId::new(thread, tail(&ann, child).await)),
    );
    let other = other.await.expect("a draft");
    assert_eq!(status(&ann, loose.id).await, CollapseStatus::Stale, "of the same state");
    let accepted = ann.accept_collapse(other.id, None).await.expect("the parent has not moved");
    let stale = ann.accept_collapse(exact.id, None);
    let stale = harmless(&store, &caller, thread, ErrorKind::Stale, stale).await;
    let Error::Stale { expected, actual, .. } = stale else { panic!("{stale}") };
    assert_eq!((expected, actual), (seen, accepted.version()));
    assert_eq!(status(&ann, exact.id).await, CollapseStatus::Stale);
    let loose = ann.propose_collapse(edge, draft("loose")).await.expect("a draft");
    ann.append(parent, user("another")).await.expect("an entry");
    ann.accept_collapse(loose.id, None).await.expect("it holds for any parent");
    Verdict::Passed
}

/// As often as one likes; of one state of the child the newest draft alone is open.
pub async fn col6(cx: ClauseContext) -> Verdict {
    let mut store = cx.store().await;
    let caller = cx.caller();
    let parent = cx.session(&store, &caller).await;
    let thread = parent.thread();
    let ann = store.as_caller(&caller);
    let (child, edge) = child_of(&ann, parent).await;
    let first = ann.propose_collapse(edge, draft("first")).await.expect("a draft");
    let second = ann.propose_collapse(edge, draft("second")).await.expect("a draft");
    assert_eq!(status(&ann, first.id).await, CollapseStatus::Stale);
    let call = ann.accept_collapse(first.id, None);
    harmless(&store, &caller, thread, ErrorKind::Precondition, call).await;
    ann.append(child, says("more")).await.expect("an entry");
    let third = ann.propose_collapse(edge, draft("third")).await.expect("a draft");
    assert_eq!(status(&ann, second.id).await, CollapseStatus::Open, "of another state");
    ann.accept_collapse(third.id, None).await.expect("an entry");
    ann.accept_collapse(second.id, None).await.expect("an entry");
    assert_eq!(texts(&store, &caller, parent).await, ["third", "second"]);
    let mut made = vec![first.id, second.id, third.id];
    for i in 0..20 {
        let again = NewCollapse::of(format!("again {i}"));
        made.push(ann.propose_collapse(edge, again).await.expect("a collapse").id);
    }
    made.reverse();
    if cx.durable() {
        store = cx.reopen(store).await;
    }
    let ann = store.as_caller(&caller);
    let listed = pages(3, |page| {
        let handle = ann.clone();
        async move { handle.collapses(child).page(page).await }
    })
    .await;
    assert_eq!(listed.iter().map(|it| it.id).collect::<Vec<_>>(), made);
    assert!(ann.collapses(parent).all().await.expect("a list").is_empty());
    // Open drafts of one child are bounded.
    let mut open = Vec::new();
    let full = loop {
        ann.append(child, says("on and on")).await.expect("an entry");
        match ann.propose_collapse(edge, draft("yet another")).await {
            Ok(it) => open.push(it.id),
            Err(error) => break refused::<()>(Err(error), ErrorKind::Capacity),
        }
    };
    assert!(matches!(full, Error::Capacity { limit: 64, actual: 65, .. }), "{full}");
    assert_eq!(open.len(), 64);
    ann.reject_collapse(open[0]).await.expect("a rejection");
    ann.propose_collapse(edge, draft("there is room")).await.expect("a draft");

    // A draft goes with its child, and the message stays.
    ann.delete_edge(edge).await.expect("a deletion");
    ann.delete_session(child).await.expect("a deletion");
    assert_eq!(ann.collapse(made[0]).await.expect("an answer"), None);
    let log = ann.entries(parent).all().await.expect("a log");
    let from = log.last().and_then(|entry| entry.collapsed_from).expect("where it is from");
    assert_eq!((from.child, from.collapse), (child, made[0]));
    assert!(matches!(log.last().and_then(|it| it.content.as_ref()), Some(Content::Message(_))));
    Verdict::Passed
}
