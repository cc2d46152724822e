//! A person is forgotten: in a dry run told, then erased, in bundles too; nobody else is.

use sessile::model::{Actor, user};

use crate::program::{Place, sessile};

/// A store with two threads in which ann and bob talk; in one of them the session is archived below a folder.
fn sample(place: &Place, cold: &str) -> String {
    let store = place.store();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let over = runtime.block_on(async {
        let open = sessile::open(&store).await.unwrap();
        let ann = open.caller("local", Actor::user("ann")).unwrap();
        let bob = open.caller("local", Actor::user("bob")).unwrap();
        let project = ann.create_project("shop").await.unwrap();
        let mut sessions = Vec::new();
        for name in ["open", "over"] {
            let thread = bob.create_thread(project, name).await.unwrap();
            let session = bob.create_session(thread, name).await.unwrap();
            ann.append(session, user("ann knows this")).await.unwrap();
            bob.append(session, user("bob knows that")).await.unwrap();
            sessions.push(session);
        }
        open.close().await.unwrap();
        sessions[1].to_string()
    });
    let said = sessile(["archive", &store, &over, "--archive", cold]);
    assert_eq!(said.status, 0, "{said:?}");
    store
}

#[test]
fn a_person_is_forgotten_and_nobody_else() {
    let place = Place::new();
    let cold = format!("cold={}", place.path("cold"));
    let store = sample(&place, &cold);
    let search = |words: &str| sessile(["search", &store, words]).out;
    let dry = sessile(["forget", &store, "ann", "--dry-run", "--archive", &cold]);
    assert_eq!(dry.out.matches("would be erased").count(), 2, "{dry:?}");
    assert!(search("ann knows").contains("ann knows"), "nothing is erased yet");
    // Without the archive the thread with the bundle stays, and that is told.
    let without = sessile(["forget", &store, "ann", "--dry-run", "--json"]);
    assert_eq!(without.status, 1, "{without:?}");
    assert!(without.out.contains("no archive `cold`"), "{without:?}");
    let real = sessile(["forget", &store, "ann", "--archive", &cold, "--json"]).json();
    for at in 0..2 {
        assert_eq!((&real[at]["entries"], &real[at]["outcome"]), (&1.into(), &"erased".into()));
    }
    assert!(!search("ann knows").contains("ann knows"));
    assert_eq!(search("bob knows").matches("bob knows that").count(), 2);
    let again = sessile(["forget", &store, "ann", "--archive", &cold]);
    assert!(again.out.contains("nothing is to be erased"), "{again:?}");
    let verified = sessile(["verify", &store]);
    assert_eq!(verified.status, 0, "{verified:?}");
    let scoped = sessile(["forget", &store, "ann", "--project", "shop"]);
    assert_eq!(scoped.status, 2, "{scoped:?}");
    let nameless = sessile(["forget", &store, ""]);
    assert_eq!(nameless.status, 2, "{nameless:?}");
}
