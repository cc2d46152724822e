//! What was delegated is shown, and what is open can be taken up again.

use sessile::{
    command::{NewRun, NewSession, NewSubSession},
    model::{
        Actor, NewCollapse, NewSummary, Note, NoteKind, RunStatus, SummaryOutcome, note, user,
    },
};

use crate::program::{Place, sessile};

/// A store with a supervisor that waits for a person, and a worker that is done.
fn sample() -> (Place, String) {
    let place = Place::new();
    let store = place.store();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let open = sessile::open(&store).await.unwrap();
        let ann = open.caller("local", Actor::user("ann")).unwrap();
        let project = ann.create_project("shop").await.unwrap();
        let thread = ann.create_thread(project, "the shop").await.unwrap();
        let new = NewSession::named("supervisor").with_turn([user("go")]);
        let root = ann.create_session(thread, new).await.unwrap();
        let edge = NewSubSession::under(root).for_purpose("write it");
        let new = NewSession::named("worker").with_turn([user("go")]);
        let child = ann.spawn(edge, new).await.unwrap();
        let summary = NewSummary::new(SummaryOutcome::Succeeded, "it \u{202e}works");
        ann.seal_summary(child.id, summary).await.unwrap();
        let collapse = NewCollapse::of("the worker \u{1b}[31mis done");
        ann.propose_collapse(child.edge.unwrap(), collapse).await.unwrap();
        let checkpoint = Note::new("the page is there").with_next_step("test it");
        ann.append(root, note(NoteKind::Checkpoint, checkpoint)).await.unwrap();
        let run = ann.start_run(root, NewRun::default()).await.unwrap();
        ann.set_run_status(run, RunStatus::AwaitingHitl).await.unwrap();
        open.close().await.unwrap();
    });
    (place, store)
}

#[test]
fn what_is_open_can_be_taken_up() {
    let (_place, store) = sample();
    let said = sessile(["resume", &store]);
    assert_eq!(said.status, 0, "{said:?}");
    for shown in ["supervisor", "a person", "the page is there", "ses_"] {
        assert!(said.out.contains(shown), "{shown}: {said:?}");
    }
    assert!(!said.out.contains("worker"), "it is done: {said:?}");
    assert!(!said.out.contains('\u{1b}'), "{said:?}");
    let document = sessile(["resume", &store, "--json"]).json();
    let [session] = document["sessions"].as_array().unwrap().as_slice() else {
        panic!("{document}")
    };
    assert_eq!(session["name"], "supervisor");
    assert!(session["awaits"][0]["person"].is_string(), "{session}");
    assert!(session["says"].as_str().unwrap().contains("test it"), "{session}");
    let elsewhere = sessile(["resume", &store, "--project", "nowhere"]);
    assert_eq!(elsewhere.status, 2, "{elsewhere:?}");
    let other = sessile(["resume", &store, "--tenant", "other"]);
    assert!(other.out.contains("nothing to take up again"), "{other:?}");
}

#[test]
fn the_tree_tells_what_came_of_it() {
    let (_place, store) = sample();
    let said = sessile(["tree", &store]);
    for shown in ["worker: write it", "succeeded: it", "idle"] {
        assert!(said.out.contains(shown), "{shown}: {said:?}");
    }
    assert!(!said.out.contains(['\u{1b}', '\u{202e}']), "{said:?}");
    let tree = sessile(["tree", &store, "--json"]).json();
    let root = &tree["projects"][0]["threads"][0]["sessions"][0];
    let worker = &root["children"][0];
    assert_eq!(worker["summary"]["content"]["outcome"], "succeeded");
    let shown = sessile(["show", &store, root["id"].as_str().unwrap()]);
    assert!(shown.out.contains("note, checkpoint") && shown.out.contains("- test it"), "{shown:?}");
    assert!(shown.out.contains("spawned ses_"), "{shown:?}");
    let worker = worker["id"].as_str().unwrap();
    assert!(shown.out.contains(&format!("user, what {worker} came to")), "{shown:?}");
    assert!(!shown.out.contains('\u{1b}'), "{shown:?}");
    let log = sessile(["show", &store, root["id"].as_str().unwrap(), "--json"]).json();
    let mut entries = log["entries"].as_array().unwrap().iter();
    let from = entries.find_map(|entry| entry.get("collapsed_from")).unwrap();
    let shown = sessile(["show", &store, from["collapse"].as_str().unwrap()]);
    for part in ["accepted, manual", worker, "the worker"] {
        assert!(shown.out.contains(part), "{part}: {shown:?}");
    }
    assert!(!shown.out.contains('\u{1b}'), "{shown:?}");
}
