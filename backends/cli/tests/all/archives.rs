//! Sessions are archived and restored, retention says what it would do, and bundles that belong to nothing are found.

use std::time::Duration;

use sessile::{
    command::{NewProject, NewRun, NewSession, NewSubSession},
    model::{Actor, ProjectConfig, Retention, RunOutcome, user},
};

use crate::program::{Place, sessile};

/// A store with a worker that is done, below a supervisor.
fn sample() -> (Place, String, String) {
    let place = Place::new();
    let store = place.store();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let worker = runtime.block_on(async {
        let open = sessile::open(&store).await.unwrap();
        let ann = open.caller("local", Actor::user("ann")).unwrap();
        let retention = Retention::to("cold")
            .with_idle_sub_session_ttl(Duration::from_secs(3600))
            .with_max_sub_sessions(0);
        let config = ProjectConfig::default().with_retention(retention);
        let project = NewProject::named("shop").with_config(config);
        let project = ann.create_project(project).await.unwrap();
        let thread = ann.create_thread(project, "the shop").await.unwrap();
        let root = ann.create_session(thread, "supervisor").await.unwrap();
        let new = NewSession::named("worker").with_turn([user("paint the door")]);
        let child = ann.spawn(NewSubSession::under(root), new).await.unwrap();
        let run = ann.start_run(child.id, NewRun::default()).await.unwrap();
        ann.end_run(run, RunOutcome::Succeeded).await.unwrap();
        open.close().await.unwrap();
        child.id.to_string()
    });
    (place, store, worker)
}

#[test]
fn sessions_go_to_an_archive_and_come_back() {
    let (place, store, worker) = sample();
    let folder = place.path("cold");
    let cold = format!("cold={folder}");
    let archive = |arguments: &[&str]| {
        let with: Vec<&str> = arguments.iter().copied().chain(["--archive", &cold]).collect();
        sessile(with)
    };
    let dry = archive(&["retention", &store, "--dry-run", "--json"]).json();
    assert_eq!((&dry[0]["session"], &dry[0]["why"]), (&worker.as_str().into(), &"too_many".into()));
    assert_eq!(dry[0]["outcome"], "found");
    let ending = &worker[worker.len() - 8..];
    let said = archive(&["archive", &store, ending]);
    assert!(said.out.contains(&format!("archived {worker} as arc_")), "{said:?}");
    assert!(std::fs::read_dir(&folder).unwrap().next().is_some(), "there is a bundle");
    let shown = sessile(["show", &store, &worker]);
    assert!(shown.out.contains("archived"), "{shown:?}");
    let tree = sessile(["tree", &store]);
    assert!(tree.out.contains("archived"), "{tree:?}");
    let none = archive(&["bundles", &store]);
    assert!(none.out.contains("every bundle belongs to a session"), "{none:?}");
    // With a damaged bundle it stays archived.
    let parts = |name: &str| -> Vec<std::path::PathBuf> {
        let mut folders = vec![std::path::PathBuf::from(&folder)];
        let mut found = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.ends_with(name) {
                    found.push(path);
                }
            }
        }
        found
    };
    let [part] = parts("00000001").try_into().unwrap();
    let whole = std::fs::read(&part).unwrap();
    std::fs::write(&part, &whole[1..]).unwrap();
    let refused = archive(&["restore", &store, &worker]);
    assert_eq!(refused.status, 2, "{refused:?}");
    assert!(refused.err.contains("it is not what was archived"), "{refused:?}");
    std::fs::write(&part, &whole).unwrap();
    let restored = archive(&["restore", &store, &worker, "--json"]).json();
    assert_eq!(restored[0]["session"], worker.as_str());
    assert_eq!(parts("manifest"), Vec::<std::path::PathBuf>::new(), "its bundle is gone");
    // What it says may go with it, and comes back.
    archive(&["archive", &store, &worker]);
    let said = archive(&["archive", &store, &worker, "--evict"]);
    assert!(said.out.contains("archived"), "{said:?}");
    let log = sessile(["log", &store, &worker]);
    assert!(log.out.contains("archived") && !log.out.contains("paint the door"), "{log:?}");
    archive(&["restore", &store, &worker]);
    let log = sessile(["log", &store, &worker]);
    assert!(log.out.contains("paint the door"), "{log:?}");
    // A bundle that somebody put back belongs to nothing.
    std::fs::create_dir_all(part.parent().unwrap()).unwrap();
    std::fs::write(&part, &whole).unwrap();
    let found = archive(&["bundles", &store, "--dry-run"]);
    assert!(found.out.contains("would be removed"), "{found:?}");
    let removed = archive(&["bundles", &store, "--json"]).json();
    assert_eq!(removed[0]["outcome"], "removed");
    assert!(!part.exists());
    let done = archive(&["retention", &store]);
    assert!(done.out.contains("archived as arc_"), "{done:?}");
    let again = archive(&["retention", &store]);
    assert!(again.out.contains("nothing is to be archived"), "{again:?}");
}

#[test]
fn what_is_wrong_is_said() {
    let (place, store, worker) = sample();
    let folder = place.path("cold");
    for (arguments, says) in [
        (vec!["archive", &store, &worker], "--archive"),
        (vec!["archive", &store, &worker, "--archive", "cold"], "NAME=ADDRESS"),
        (vec!["archive", &store, &worker, "--archive", "Cold=x"], "archive_backend"),
        (vec!["archive", &store, &worker, "--archive", "cold=redis://x"], "no archive `redis:`"),
    ] {
        let said = sessile(arguments);
        assert_eq!(said.status, 2, "{said:?}");
        assert!(said.err.contains(says), "{says}: {said:?}");
    }
    let warm = format!("warm={folder}");
    let elsewhere = sessile(["retention", &store, "--archive", &warm]);
    assert_eq!(elsewhere.status, 1, "{elsewhere:?}");
    assert!(elsewhere.out.contains("no archive `cold`"), "{elsewhere:?}");
}
