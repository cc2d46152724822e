//! MSG14: notes.

use sessile_core::{
    Caller, ErrorKind,
    command::NewSession,
    id::{AgentId, SessionId},
    model::{
        Actor, Content, EntryKind, Marker, MarkerKind, NewEntry, Note, NoteKind, Priority, Role,
        annotate, compress, note,
    },
    search::SearchText,
    store::AnyStore,
};

use crate::{
    clause::Verdict,
    internal::{
        ClauseContext,
        assertions::{harmless, refused},
        shorthand::{log, pages, says},
    },
};

crate::clauses! { MSG14 => msg14 }

fn full() -> Note {
    Note::new("the parser works")
        .with_decision("no recursion")
        .with_failed_approach("a generated parser")
        .with_next_step("errors with places")
        .with_next_step("speed")
}

async fn ended(store: &dyn AnyStore, caller: &Caller, session: SessionId) -> bool {
    let it = store.as_caller(caller).session(session).await.expect("an answer");
    it.expect("the session").ended
}

/// A note is pinned, counted, found by each of its texts, and shown in the voice of its writer; what it holds comes back. One
/// that says `end` ends the session's activity, the next work begins another.
pub async fn msg14(cx: ClauseContext) -> Verdict {
    let store = cx.store().await;
    let caller = cx.caller();
    let session = cx.session(&store, &caller).await;
    let ann = store.as_caller(&caller);
    let tenant = caller.tenant.clone();
    let agent = Actor::Agent {
        tenant: tenant.clone(),
        id: AgentId::new("coder").expect("an id"),
        parent: None,
    };
    let system = Actor::System { tenant, role: AgentId::new("scheduler").expect("a role") };
    ann.append(session, says("hello")).await.expect("an entry");
    let kinds = [
        (NoteKind::Start, None, Role::User),
        (NoteKind::Checkpoint, Some(agent), Role::Assistant),
        (NoteKind::Handoff, Some(system), Role::System),
    ];
    let mut notes = Vec::new();
    for (kind, actor, _) in &kinds {
        let mut entry = note(*kind, full());
        entry.actor.clone_from(actor);
        notes.push(ann.append(session, entry).await.expect("a note").first);
    }
    // As it was written.
    for ((kind, actor, _), id) in kinds.iter().zip(&notes) {
        let entry = ann.entry(*id).await.expect("an answer").expect("the note");
        assert_eq!(entry.kind, EntryKind::Note);
        assert_eq!(entry.content, Some(Content::Note { kind: *kind, note: full() }));
        assert_eq!(entry.actor.as_ref(), Some(actor.as_ref().unwrap_or(&caller.actor)));
        assert!(entry.tokens.is_some_and(|tokens| tokens.number() > 0), "counted");
        assert!(entry.to_string().contains("the parser works"), "{entry}");
    }
    // In the context: pinned, in the voice of its writer.
    let context = ann.context(session).await.expect("a context");
    let shown: Vec<_> = context.messages.iter().filter(|it| it.kind == EntryKind::Note).collect();
    assert_eq!(shown.iter().map(|it| it.id).collect::<Vec<_>>(), notes);
    for (it, (_, _, role)) in shown.iter().zip(&kinds) {
        assert_eq!((it.priority, it.role()), (Priority::Pinned, Some(*role)));
        let text = it.message.as_ref().expect("a message").to_string();
        for said in full().texts() {
            assert!(text.contains(said), "{said} in {text}");
        }
    }
    let size = ann.context_size(session).await.expect("a size").tokens.total();
    let sum: u64 = context.messages.iter().filter_map(|it| it.tokens).map(|it| it.number()).sum();
    assert_eq!(size, sum);
    // Found by each of its texts, and listed by its kind.
    for said in full().texts() {
        let text = SearchText::new(said).expect("a text");
        let found =
            pages(2, |page| ann.timeline(session).containing(text.clone()).page(page)).await;
        let mut found: Vec<_> = found.iter().map(|row| row.entry.id).collect();
        found.reverse();
        assert_eq!(found, notes, "{said}");
    }
    let listed = pages(2, |page| ann.timeline(session).of_kind(EntryKind::Note).page(page)).await;
    assert_eq!(listed.len(), 3);
    // Pinned unless an annotation says otherwise.
    let over = || compress(notes[0], notes[2], sessile_core::model::Message::text(Role::User, "-"));
    refused(ann.append(session, over()).await, ErrorKind::Invalid);
    ann.append(session, annotate(notes[1], Priority::Skip)).await.expect("an annotation");
    let context = ann.context(session).await.expect("a context");
    assert!(context.messages.iter().all(|it| it.id != notes[1]), "skipped");
    for id in [notes[0], notes[2]] {
        ann.append(session, annotate(id, Priority::Normal)).await.expect("an annotation");
    }
    ann.append(session, over()).await.expect("a compression");

    // An activity ends with a note that says so, and the next work begins another; a copy ends nothing.
    assert!(!ended(&store, &caller, session).await);
    let end = ann.append(session, note(NoteKind::End, Note::new("done"))).await.expect("a note");
    assert!(ended(&store, &caller, session).await);
    let other = ann.create_session(session.thread(), NewSession::named("other")).await;
    let other = other.expect("a session");
    ann.append(other, says("hello")).await.expect("an entry");
    let copied = ann.copy_entries(other, [end.first], Default::default()).await.expect("a copy");
    let copy = ann.entry(copied.first).await.expect("an answer").expect("the copy");
    assert_eq!((copy.kind, copy.copied_from), (EntryKind::Note, Some(end.first)));
    assert!(!ended(&store, &caller, other).await, "a copy ends nothing");
    ann.append(session, note(NoteKind::Start, Note::new("more"))).await.expect("a note");
    assert!(!ended(&store, &caller, session).await);

    // A note says something, and markers are the store's.
    let thread = session.thread();
    let empty = ann.append(session, note(NoteKind::End, Note::default()));
    harmless(&store, &caller, thread, ErrorKind::Invalid, empty).await;
    let spawned = ann.spawn(sessile_core::command::NewSubSession::under(session), "child").await;
    let marker = log(&store, &caller, session, 100).await.pop().expect("the marker");
    let Some(Content::Marker(place)) = marker.content else { panic!("{marker:?}") };
    assert_eq!((place.kind, place.session), (MarkerKind::Spawned, spawned.expect("a child").id));
    let forged = |place: Marker| NewEntry::new(Content::Marker(place));
    let append = ann.append(session, forged(place));
    harmless(&store, &caller, thread, ErrorKind::Invalid, append).await;
    let annotation = ann.append(session, annotate(marker.id, Priority::Skip));
    harmless(&store, &caller, thread, ErrorKind::Invalid, annotation).await;
    let copy = ann.copy_entries(other, [marker.id], Default::default());
    harmless(&store, &caller, thread, ErrorKind::Invalid, copy).await;

    let store = cx.reopen(store).await;
    assert!(!ended(&store, &caller, session).await && !ended(&store, &caller, other).await);
    let again = store.as_caller(&caller).entry(notes[0]).await.expect("an answer");
    assert_eq!(
        again.and_then(|it| it.content),
        Some(Content::Note { kind: NoteKind::Start, note: full() })
    );
    Verdict::Passed
}
