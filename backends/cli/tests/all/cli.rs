//! Exit statuses, refusals, and what the verbs say.

use std::{
    io::Read,
    process::{Command, Stdio},
};

use crate::program::{Place, Said, sessile};

fn sample() -> (Place, String, String) {
    let place = Place::new();
    place.write("logs/a.jsonl", "{\"role\": \"user\", \"content\": \"hi\"}\n");
    assert_eq!(place.import("logs").status, 0);
    let id = place.session("a.jsonl")["session"]["id"].as_str().unwrap().to_owned();
    let store = place.store();
    (place, store, id)
}

fn refused(said: &Said, reason: &str) {
    assert_eq!(said.status, 2, "{said:?}");
    assert_eq!(said.out, "", "{said:?}");
    assert!(said.err.starts_with("error: ") && said.err.contains(reason), "{reason}: {said:?}");
    assert_eq!(said.err.lines().count(), 1, "one line: {said:?}");
    assert!(!said.err.contains("panicked"), "{said:?}");
}

#[test]
fn bad_input_is_status_2_and_one_line() {
    let (place, store, session) = sample();
    let store = store.as_str();
    let show = |id: &str| sessile(["show", store, id]);
    refused(&show("nonsense"), "is no id");
    refused(&show("ses_x"), "is not the id of a session");
    refused(&show(&session.to_uppercase()), "is no id");
    refused(&show(&format!("{session}0")), "is not the id of a session");
    let unknown = session.rsplit_once('_').unwrap().0.to_owned() + "_3zzz";
    refused(&show(&unknown), "does not exist");
    refused(&sessile(["show", store, &session, "--tenant", "other"]), "belongs to another tenant");
    refused(&sessile(["tree", store, "--tenant", "Not A Tenant"]), "does not match");
    refused(&sessile(["tree", store, "--project", "nowhere"]), "no project \"nowhere\"");
    refused(&sessile(["usage", store, "--project", "nowhere"]), "no project");
    refused(&sessile(["tree", &place.path("absent.db")]), "there is no store");
    refused(&sessile(["tree", "redis://x"]), "`sqlite:PATH`");
    refused(&sessile(["tree", ""]), "missing");
    refused(&sessile(["import", store, &place.path("absent")]), "cannot read");
    place.write("notes.txt", "words");
    refused(&sessile(["import", store, &place.path("notes.txt")]), "no transcript");
    refused(&sessile(["tree", &place.path("notes.txt")]), "");
    refused(&sessile(["tree", place.folder.path().to_str().unwrap()]), "");
    refused(&sessile(["import", &place.path("no/such/folder/a.db"), &place.path("logs")]), "");
    refused(&sessile(["verify", store, "--expect", "7"]), "is no position");
    assert!(!std::path::Path::new(&place.path("absent.db")).exists(), "looking makes no store");
    assert_eq!(
        std::fs::read(place.path("notes.txt")).unwrap(),
        b"words",
        "what is no store stays as it is"
    );
    assert_eq!(sessile(["nonsense"]).status, 2);
    assert_eq!(sessile(Vec::<&str>::new()).status, 2);
    assert_eq!(sessile(["--help"]).status, 0);
}

#[test]
fn everything_can_be_shown() {
    let (_place, store, session) = sample();
    let drill = sessile(["show", &store, &session, "--json"]).json();
    let thread = drill["session"]["thread"].as_str().unwrap().to_owned();
    let project = drill["session"]["project"].as_str().unwrap().to_owned();
    let entry = drill["entries"][0]["id"].as_str().unwrap().to_owned();
    for id in [&session, &thread, &project, &entry] {
        let people = sessile(["show", &store, id]);
        assert_eq!(people.status, 0, "{people:?}");
        assert!(!people.out.contains('\u{1b}'), "no colours where no terminal is");
        let program = sessile(["show", &store, id, "--json"]);
        assert!(program.json().is_object());
    }
    let said = sessile(["show", &store, &session]);
    assert!(said.out.contains("│ hi"), "{said:?}");
}

#[test]
fn state_is_shown_whole_to_programs_and_harmless_to_people() {
    use sessile::{command::StateChange, id::SessionId, json::Json, model::Actor};
    let (_place, store, session) = sample();
    let id: SessionId = session.parse().unwrap();
    let long = format!("\"\u{202e}{}\"", "x".repeat(500));
    let set = |key: &str, value: &str| StateChange::set(key, Json::parse(value).unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let open = sessile::open(&store).await.unwrap();
        let ann = open.caller("local", Actor::user("ann")).unwrap();
        let changes = [set("\u{1b}[2Jkey", &long), set("n", "1.0e0"), set("gone", "1")];
        ann.set_state(id, changes).await.unwrap();
        ann.set_state(id, [StateChange::remove("gone")]).await.unwrap();
        ann.set_state(id.thread(), [set("of the thread", "[null]")]).await.unwrap();
        open.close().await.unwrap();
    });
    let said = sessile(["show", &store, &session]);
    assert!(said.out.contains("\\u{1b}[2Jkey") && said.out.contains("1.0e0"), "{said:?}");
    assert!(!said.out.contains(['\u{1b}', '\u{202e}']) && !said.out.contains("gone"), "{said:?}");
    assert!(!said.out.contains(&"x".repeat(101)), "shortened: {said:?}");
    let json = sessile(["show", &store, &session, "--json"]);
    let (document, whole) = (json.json(), serde_json::from_str::<String>(&long).unwrap());
    assert_eq!(document["state"]["values"][0]["value"], whole);
    assert!(json.out.contains("1.0e0"), "as it is spelled: {json:?}");
    let thread = id.thread().to_string();
    let said = sessile(["show", &store, &thread]);
    assert!(said.out.contains("of the thread") && said.out.contains("[null]"), "{said:?}");
    let document = sessile(["show", &store, &thread, "--json"]).json();
    assert_eq!(document["id"], thread);
    assert_eq!(document["state"]["values"][0]["key"], "of the thread");
}

#[test]
fn runs_and_edges_can_be_shown() {
    let story = sessile(["demo", "--json"]).json();
    let store = story["store"].as_str().unwrap();
    let tree = sessile(["tree", store, "--json"]).json();
    let coder = &tree["projects"][0]["threads"][0]["sessions"][0]["children"][0];
    let edge = sessile(["show", store, coder["edge"]["id"].as_str().unwrap()]);
    assert!(edge.out.contains("purpose"), "{edge:?}");
    let session = sessile(["show", store, coder["id"].as_str().unwrap()]);
    let run = session.out.split_whitespace().find(|w| w.starts_with("run_")).unwrap();
    let run = sessile(["show", store, run]);
    assert!(run.out.contains("succeeded"), "{run:?}");
    std::fs::remove_dir_all(std::path::Path::new(store).parent().unwrap()).unwrap();
}

#[test]
fn a_position_can_be_expected() {
    let (place, store, _) = sample();
    let verified = sessile(["verify", &store, "--json"]);
    assert_eq!(verified.status, 0);
    let position = verified.json()["heads"][0]["position"].as_str().unwrap().to_owned();
    let expect = |position: &str| sessile(["verify", &store, "--expect", position, "--json"]);
    assert_eq!(expect(&position).status, 0);
    place.write("logs/a.jsonl", "{\"role\": \"user\", \"content\": \"hi\"}\n".repeat(2));
    assert_eq!(place.import("logs").status, 0);
    assert_eq!(expect(&position).status, 0, "the thread went on");
    let (version, hash) = position.split_once(':').unwrap();
    for other in [format!("{version}:{}", "0".repeat(64)), format!("9{version}:{hash}")] {
        let said = expect(&other);
        assert_eq!(said.status, 1, "{said:?}");
        assert_eq!(said.json()["ok"], false);
    }
}

#[test]
fn damage_is_found() {
    let (place, store, _) = sample();
    let db = rusqlite::Connection::open(place.path("store.db")).unwrap();
    let changed =
        db.execute("UPDATE record SET body = replace(body, 'hi', 'ho') WHERE kind = 'entry'", []);
    assert_eq!(changed.unwrap(), 1);
    drop(db);
    let said = sessile(["verify", &store, "--json"]);
    assert_eq!(said.status, 1, "{said:?}");
    let said = said.json();
    assert_eq!(said["ok"], false);
    assert_eq!(said["problems"].as_array().unwrap().len(), 1, "{said}");
    assert!(sessile(["verify", &store]).out.contains("1 problem in"));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let (_place, store, session) = sample();
    for args in [vec!["tree", &store], vec!["show", &store, &session], vec!["--help"]] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sessile"))
            .args(&args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let mut err = String::new();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        let status = child.wait().unwrap();
        assert!(
            status.code().is_some_and(|code| code == 0) && err.is_empty(),
            "{args:?}: {status} {err}"
        );
    }
}

#[test]
fn bench_writes_a_line_for_each_result() {
    let said = sessile(["bench", "--quick", "--json"]);
    assert_eq!(said.status, 0, "{said:?}");
    let lines: Vec<serde_json::Value> =
        said.out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let of = |backend: &str| lines.iter().filter(|l| l["backend"] == backend).count();
    let backends = ["sqlite", "disk", "redb", "object_store", "memory"];
    assert_eq!(backends.map(of), [8, 8, 8, 3, 7]);
    let said = sessile(["bench", "--quick", "--json", "--backend", "memory"]);
    assert_eq!(said.out.lines().count(), 7, "{said:?}");
    for line in &lines {
        assert!(line["ops_per_s"].as_f64().unwrap() > 0.0, "{line}");
        assert_eq!(line["ratio"].is_null(), line["backend"] == "memory", "{line}");
    }
    let said = sessile(["bench", "--quick", "--json", "--delegation"]);
    assert_eq!(said.out.lines().count(), 7, "{said:?}");
    for line in said.out.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["ten_times"].as_f64().unwrap() > 0.0, "{line}");
    }
    let parallel = lines.iter().find(|line| line["workload"] == "append_64_over_1").unwrap();
    assert!(parallel["ratio"].as_f64().unwrap() >= 25.0, "{parallel}");
}
