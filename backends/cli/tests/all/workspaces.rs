//! `workspace`: files in and out, what changed, and what nobody owns.

use std::fs;

use crate::program::{Place, Said, sessile};

/// A store with one session, and its id.
fn sample() -> (Place, String, String) {
    let place = Place::new();
    place.write("logs/fix.jsonl", "{\"role\": \"user\", \"content\": \"Fix the login\"}\n");
    assert_eq!(place.import("logs").status, 0);
    let id = place.session("fix.jsonl")["session"]["id"].as_str().unwrap().to_owned();
    let store = place.store();
    (place, store, id)
}

fn text(said: &Said, field: &str) -> String {
    assert_eq!(said.status, 0, "{said:?}");
    said.json()[field].as_str().unwrap_or_else(|| panic!("no {field}: {said:?}")).to_owned()
}

#[test]
fn files_go_in_and_out() {
    let (place, store, session) = sample();
    let store = store.as_str();
    let workspace = |arguments: &[&str]| sessile([&["workspace"], arguments].concat());
    assert_eq!(workspace(&["ls", store]).out, "no workspaces\n");
    let id = text(&workspace(&["create", store, &session, "--json"]), "workspace");
    let again = workspace(&["create", store, &session]);
    assert_eq!(again.status, 2, "{again:?}");
    assert!(again.err.contains("it has wsp_"), "{again:?}");
    let list = workspace(&["ls", store]);
    assert!(list.out.contains("fix-jsonl") && list.out.contains("virtual"), "{list:?}");

    place.write("work/src/main.txt", "one\ntwo\n");
    place.write("work/\u{1b}[31mred", "x");
    place.write("work/.git/config", "not a file of the workspace");
    let work = place.path("work");
    let taken = workspace(&["commit", store, &id, &work]);
    assert_eq!(taken.out, "2 files: 2 written, 0 removed\n", "{taken:?}");
    let ending = id.get(id.len() - 6..).unwrap();
    let shown = workspace(&["show", store, ending]);
    assert!(shown.out.contains("src/main.txt") && shown.out.contains("yes, not kept"), "{shown:?}");
    assert!(!shown.out.contains('\u{1b}'), "{shown:?}");
    let tree = text(&workspace(&["keep", store, &id, "--json"]), "tree");
    assert_eq!(workspace(&["diff", store, &id]).out, "nothing changed\n");

    place.write("work/src/main.txt", "one\nthree\n");
    fs::remove_file(place.folder.path().join("work/\u{1b}[31mred")).unwrap();
    let taken = workspace(&["commit", store, &id, &work]);
    assert_eq!(taken.out, "1 file: 1 written, 1 removed\n", "{taken:?}");
    let same = workspace(&["commit", store, &id, &work]);
    assert_eq!(same.out, "1 file: 0 written, 0 removed\n");
    let diff = workspace(&["diff", store, &id]);
    assert!(diff.out.contains("M src/main.txt\n"), "{diff:?}");
    assert!(diff.out.contains("-two\n+three\n"), "{diff:?}");
    let names = workspace(&["diff", store, &id, "--from", &tree, "--names"]);
    assert_eq!(names.out, "D \\x1b[31mred\nM src/main.txt\n2 changes\n", "{names:?}");

    let out = place.path("out");
    let written = workspace(&["checkout", store, &id, &out]);
    assert_eq!(written.out, "1 file: 1 written, 0 removed\n", "{written:?}");
    assert_eq!(fs::read_to_string(format!("{out}/src/main.txt")).unwrap(), "one\nthree\n");
    let full = workspace(&["checkout", store, &id, &out]);
    assert!(full.status == 2 && full.err.contains("is not empty"), "{full:?}");

    let refused = workspace(&["dispose", store, &id]);
    assert!(refused.status == 1 && refused.out.contains("--force"), "{refused:?}");
    assert_eq!(workspace(&["dispose", store, &id, "--force"]).out, "removed\n");
    assert_eq!(workspace(&["dispose", store, &id]).out, "it was gone already\n");
    assert_eq!(workspace(&["reap", store]).out, "nothing is leaked\n");
}

#[test]
fn kinds_are_named_by_their_folders() {
    let (place, store, session) = sample();
    let store = store.as_str();
    place.write("template/a.txt", "a");
    let (root, template) = (place.path("copies"), place.path("template"));
    let with = ["--directories", &root, "--template", &template];
    let workspace = |arguments: &[&str]| sessile([&["workspace"], arguments, &with].concat());
    let unknown = sessile(["workspace", "create", store, &session, "--kind", "directory"]);
    assert_eq!(unknown.status, 2);
    assert!(unknown.err.contains("no workspace driver `directory`"), "{unknown:?}");
    let made = workspace(&["create", store, &session, "--kind", "directory", "--label", "try"]);
    assert_eq!(made.status, 0, "{made:?}");
    let folder = made.out.lines().nth(1).unwrap();
    assert_eq!(fs::read_to_string(format!("{folder}/a.txt")).unwrap(), "a");
    assert!(folder.contains("/try."), "{folder}");
    fs::write(format!("{folder}/b.txt"), "b").unwrap();
    let id = made.out.lines().next().unwrap();
    let diff = workspace(&["diff", store, id, "--names"]);
    assert_eq!(diff.out, "A b.txt\n1 change\n", "{diff:?}");
    for (arguments, says) in
        [(["--repository", "x"], "go together"), (["--template", "x"], "needs --directories")]
    {
        let wrong = sessile([&["workspace", "ls", store][..], &arguments].concat());
        assert!(wrong.status == 2 && wrong.err.contains(says), "{wrong:?}");
    }
}
