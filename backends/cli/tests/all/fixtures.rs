//! Stores that a format number stands for, opened by what is here now (J17). From the first published release on they are
//! frozen; until then a change of format makes them anew, with SESSILE_WRITE_FIXTURES=1.

use std::path::{Path, PathBuf};

use sessile::{
    command::{NewSession, NewThread, Paging, ThreadFilter, ThreadScope},
    handle::Handle,
    id::ThreadId,
    model::{Actor, EntryKind, NewEntry, Role, Tokens, Usage},
    store::Store,
};

/// Scheme, and the name of the file or folder.
const STORES: [(&str, &str); 4] =
    [("sqlite:", "store.db"), ("disk:", "disk"), ("redb:", "store.redb"), ("file://", "objects")];

fn kept() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-1")
}

fn ann(store: &Store) -> Handle {
    store.caller("acme", Actor::user("ann")).unwrap()
}

/// A thread of two sessions, an edge, three entries - one erased, one in a blob - a run and what it cost.
async fn write(store: &Store) {
    let ann = ann(store);
    let project = ann.create_project("p").await.unwrap();
    let new = NewThread::titled("a thread of format 1").with_label("k", "v");
    let thread = ann.create_thread(project, new).await.unwrap();
    let parent = ann.create_session(thread, NewSession::named("parent")).await.unwrap();
    let mut child = NewSession::named("child");
    child.parent = Some(sessile::command::NewSubSession::under(parent));
    ann.create_session(thread, child).await.unwrap();
    let large = "large ".repeat(12_000);
    let turn = vec![
        NewEntry::text(Role::User, "erased"),
        NewEntry::text(Role::User, "kept"),
        NewEntry::text(Role::Assistant, large),
    ];
    let first = ann.append(parent, turn).await.unwrap().first;
    let run = ann.start_run(parent, Default::default()).await.unwrap();
    let usage = Usage::new(Tokens::new(3, 4), 1);
    ann.book_usage(run, "call", usage).await.unwrap();
    ann.end_run(run, sessile::model::RunOutcome::Succeeded).await.unwrap();
    ann.erase_entries(thread, vec![first]).await.unwrap();
}

/// What was written, to the last word.
async fn check(store: &Store) -> ThreadId {
    let ann = ann(store);
    let all = ThreadFilter::of(ThreadScope::Tenant);
    let threads = ann.threads(all).page(Paging::default()).await.unwrap().items;
    assert_eq!(threads.len(), 1);
    let thread = threads[0].id;
    assert_eq!(threads[0].title, "a thread of format 1");
    let verified = ann.verify(thread, None).await.unwrap();
    assert_eq!(verified.problems, []);
    let sessions = ann
        .sessions(thread)
        .matching(Default::default())
        .page(Paging::default())
        .await
        .unwrap()
        .items;
    let names: Vec<_> = sessions.iter().map(|row| row.name.clone().unwrap()).collect();
    assert_eq!(names, ["parent", "child"]);
    let page = ann.entries(sessions[0].id).page(Paging::default()).await;
    // A store that is made now has a marker of the child, too.
    let mut entries = page.unwrap().items;
    entries.retain(|entry| entry.kind != EntryKind::Marker);
    assert_eq!(entries.len(), 3);
    assert!(entries[0].content.is_none());
    let text = |at: usize| format!("{:?}", entries[at].parts());
    assert!(text(1).contains("kept") && text(2).contains("large large"));
    ann.append(sessions[1].id, NewEntry::text(Role::User, "goes on")).await.unwrap();
    thread
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        std::fs::copy(from, to).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_of_this_format_opens() {
    let again = std::env::var_os("SESSILE_WRITE_FIXTURES").is_some();
    for (scheme, name) in STORES {
        let fixture = kept().join(name);
        if again {
            let _ = std::fs::remove_dir_all(&fixture);
            let _ = std::fs::remove_file(&fixture);
            std::fs::create_dir_all(kept()).unwrap();
            let store = sessile::open(&format!("{scheme}{}", fixture.display())).await.unwrap();
            write(&store).await;
            store.close().await.unwrap();
            // Who held it is nobody's business.
            let _ = std::fs::remove_file(fixture.join("_lock"));
        }
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join(name);
        copy(&fixture, &place);
        let url = format!("{scheme}{}", place.display());
        let store = sessile::open(&url).await.unwrap();
        let thread = check(&store).await;
        store.close().await.unwrap();
        let store = sessile::open(&url).await.unwrap();
        let verified = ann(&store).verify(thread, None).await.unwrap();
        assert_eq!(verified.problems, [], "{scheme} after it went on");
        store.close().await.unwrap();
    }
}
