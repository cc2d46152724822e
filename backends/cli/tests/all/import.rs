//! `import`, on transcripts of its own making: every layout, growth, and everything that can be broken.

use serde_json::{Value, json};

use crate::program::{Place, sessile};

fn texts(session: &Value) -> Vec<Value> {
    session["entries"].as_array().unwrap().iter().map(|e| e["message"]["parts"].clone()).collect()
}

fn traj(history: &Value, stats: Option<&str>) -> String {
    let info = stats
        .map_or(String::new(), |s| format!(",\"info\":{{\"model_stats\":{s}}},\"trajectory\":[]"));
    format!("{{\n\"history\": {history}{info}}}")
}

#[test]
fn an_agent_with_a_shell() {
    let place = Place::new();
    let history = json!([
        {"role": "system", "content": "be good", "agent": "main"},
        {"role": "user", "content": "ls?", "agent": "main", "is_demo": true},
        {"role": "assistant", "content": "I look.\r\n\u{7}", "thought": "hm", "action": "ls -la\n", "agent": "main"},
        {"role": "user", "content": "a b", "agent": "main"},
        {"role": "user", "content": "and now?", "agent": "main"},
        {"role": "assistant", "content": "done", "action": " ", "agent": "main"},
        {"role": "user", "content": "thanks", "agent": "main"},
    ]);
    place.write("runs/one.traj", traj(&history, Some(r#"{"instance_cost": 0.53839, "tokens_sent": 52861, "tokens_received": 326, "api_calls": 5}"#)));
    let said = place.import("runs");
    assert_eq!(said.status, 0, "{said:?}");
    let wanted = json!({"files": 1, "threads": 1, "sessions": 1, "entries": 7, "added": 7, "replaced": 0, "skipped": 0, "failed": []});
    assert_eq!(said.json(), wanted);

    let session = place.session("one.traj");
    let call = json!({"tool_call": {"name": "action", "arguments": "ls -la\n"}});
    assert_eq!(
        texts(&session),
        [
            json!([{"text": {"text": "be good"}}]),
            json!([{"text": {"text": "ls?"}}]),
            json!([{"text": {"text": "I look.\r\n\u{7}"}}, call]),
            json!([{"tool_result": {"outcome": "ok", "text": "a b"}}]),
            json!([{"text": {"text": "and now?"}}]),
            json!([{"text": {"text": "done"}}]),
            json!([{"text": {"text": "thanks"}}]),
        ]
    );
    let entries = &session["entries"];
    assert_eq!(entries[0]["actor"]["agent"]["id"], "main");
    assert_eq!(entries[1]["message"]["metadata"], json!({"is_demo": true}));
    assert_eq!(entries[2]["message"]["metadata"], json!({"thought": "hm"}));
    assert_eq!(entries[3]["message"]["role"], "user");
    assert_eq!(entries[5]["message"]["metadata"], json!({"action": " "}));
    assert_eq!(session["session"]["status"], "idle");

    let usage = sessile(["usage", &place.store(), "--json"]).json();
    let tokens = json!({"input": 52861, "output": 326, "cache_read": 0, "cache_write": 0});
    assert_eq!(usage, json!({"cost": {"USD": 538_390}, "tokens": tokens, "runs": 1, "retries": 0}));
}

#[test]
fn an_agent_with_tools() {
    let place = Place::new();
    let history = json!([
        {"role": "user", "content": [{"type": "text", "text": "go", "cache_control": {"type": "ephemeral"}}, {"type": "image_url", "image_url": {"url": "x"}}]},
        {"role": "assistant", "content": null, "action": "a", "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "open", "arguments": "{\"p\": 1.0}"}},
            {"id": "c2", "type": "function", "function": {"name": "grep", "arguments": {"q": [1, 2]}}, "index": 0}]},
        {"role": "tool", "content": "one", "tool_call_ids": ["c1"]},
        {"role": "tool", "content": [{"type": "text", "text": "two"}], "tool_call_id": "c2", "is_error": true},
        {"role": "user", "name": "ann", "content": ""},
    ]);
    place.write("runs/one.traj", traj(&history, None));
    assert_eq!(place.import("runs").status, 0);
    let session = place.session("one.traj");
    assert_eq!(
        texts(&session),
        [
            json!([
                {"text": {"text": "go"}},
                {"json": {"kind": "cache_control", "value": {"type": "ephemeral"}}},
                {"json": {"kind": "image_url", "value": {"type": "image_url", "image_url": {"url": "x"}}}},
            ]),
            json!([
                {"tool_call": {"id": "c1", "name": "open", "arguments": "{\"p\": 1.0}"}},
                {"tool_call": {"id": "c2", "name": "grep", "arguments": {"q": [1, 2]}}},
            ]),
            json!([{"tool_result": {"id": "c1", "outcome": "ok", "text": "one"}}]),
            json!([{"tool_result": {"id": "c2", "outcome": "error", "text": "two"}}]),
            json!([{"text": {"text": ""}}]),
        ]
    );
    let entries = &session["entries"];
    assert_eq!(entries[1]["message"]["metadata"]["tool_calls"][1]["index"], 0, "nothing is lost");
    assert_eq!(entries[4]["message"]["name"], "ann");
    assert_eq!(entries[4]["actor"]["system"]["role"], "importer");
    let usage = sessile(["usage", &place.store(), "--json"]).json();
    assert_eq!(usage["runs"], 0, "a file that says nothing of its usage books nothing");
}

#[test]
fn folders_become_threads() {
    let place = Place::new();
    let line = "{\"role\": \"user\", \"content\": \"hi\"}\n";
    for name in ["top/b.jsonl", "top/a.jsonl", "top/sub/a.jsonl", "top/sub/deep/x.JSONL"] {
        place.write(name, line);
    }
    place.write("top/LICENSE.txt", "words");
    let said = place.import("top").json();
    assert_eq!(
        (&said["threads"], &said["sessions"], &said["skipped"]),
        (&json!(3), &json!(4), &json!(1))
    );
    let tree = sessile(["tree", &place.store(), "--json"]).json();
    let project = &tree["projects"][0];
    assert_eq!(project["name"], "import");
    let mut titles: Vec<_> = project["threads"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["title"].as_str().unwrap())
        .collect();
    titles.sort_unstable();
    assert_eq!(titles, ["deep", "sub", "top"]);
    assert_eq!(place.import("top/a.jsonl").json()["added"], 0, "one file of a folder is that file");

    // The folder is known by its name, not by where it stands.
    std::fs::create_dir(place.path("elsewhere")).unwrap();
    std::fs::rename(place.path("top"), place.path("elsewhere/top")).unwrap();
    let said = place.import("elsewhere/top").json();
    assert_eq!((&said["entries"], &said["added"]), (&json!(4), &json!(0)));
}

#[test]
fn a_transcript_that_grows() {
    let place = Place::new();
    let line = |role: &str, text: &str| format!("{}\n", json!({"role": role, "content": text}));
    let mut text = line("user", "one") + &line("assistant", "two");
    let import = |text: &str| {
        place.write("logs/a.jsonl", text);
        let said = place.import("logs");
        assert_eq!(said.status, 0, "{said:?}");
        said.json()["added"].as_u64().unwrap()
    };
    assert_eq!(import(&text), 2);
    assert_eq!(import(&text), 0);
    text += &line("tool", "the last turn grew");
    assert_eq!(import(&text), 1);
    text += &(line("tool", "again") + &line("assistant", "three") + &line("user", "four"));
    assert_eq!(import(&text), 3);
    assert_eq!(import(&text), 0);
    assert_eq!(place.session("a.jsonl")["session"]["entries"], 6);

    let changed = text.replace("two", "2");
    place.write("logs/a.jsonl", &changed);
    place.write("logs/b.jsonl", line("user", "another"));
    let said = place.import("logs");
    assert_eq!(said.status, 1);
    let said = said.json();
    assert_eq!(said["added"], 1, "the other file is imported: {said}");
    assert_eq!(said["failed"][0]["line"], 2);
    assert!(
        said["failed"][0]["reason"].as_str().unwrap().starts_with("conflict: message 2"),
        "{said}"
    );
    assert_eq!(place.session("a.jsonl")["session"]["entries"], 6);
}

#[test]
fn usage_that_grows_is_booked_once() {
    let place = Place::new();
    let history = json!([{"role": "user", "content": "x"}]);
    let usage = || sessile(["usage", &place.store(), "--json"]).json();
    for (stats, micro, runs) in [
        (r#"{"instance_cost": 0, "tokens_sent": 0, "tokens_received": 0}"#, 0, 1),
        (r#"{"instance_cost": 0, "tokens_sent": 0, "tokens_received": 0}"#, 0, 1),
        (r#"{"instance_cost": 1.1e-1, "tokens_sent": 7, "tokens_received": 1}"#, 110_000, 2),
        (r#"{"instance_cost": 0.11, "tokens_sent": 7, "tokens_received": 1}"#, 110_000, 2),
        (r#"{"instance_cost": 0.3, "tokens_sent": 7, "tokens_received": 2}"#, 300_000, 3),
    ] {
        place.write("runs/a.traj", traj(&history, Some(stats)));
        assert_eq!(place.import("runs").status, 0);
        assert_eq!(usage()["cost"], json!({"USD": micro}), "{stats}");
        assert_eq!(usage()["runs"], runs, "{stats}");
    }
    place.write("runs/a.traj", traj(&history, Some(r#"{"instance_cost": 0.2}"#)));
    let said = place.import("runs");
    assert_eq!(said.status, 1);
    assert!(said.out.contains("model_stats is below"), "{said:?}");
    place.write("runs/b.traj", traj(&history, Some(r#"{"instance_cost": "free"}"#)));
    assert!(place.import("runs/b.traj").out.contains("a number from 0 is expected"));
}

#[test]
fn broken_files_are_named_and_the_others_imported() {
    let place = Place::new();
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    let good = "{\"role\": \"user\", \"content\": \"hi\"}";
    let huge =
        format!("{good}\n{{\"role\": \"user\", \"content\": \"{}\"}}\n", "x".repeat(33 << 20));
    place.write("logs/0-good.jsonl", format!("{good}\n\n{good}"));
    place.write("logs/1-deep.jsonl", format!("{{\"role\": \"user\", \"x\": {}}}\n", deep(1000)));
    place.write("logs/2-huge.jsonl", huge);
    place.write("logs/3-utf8.jsonl", b"{\"role\": \"user\",\n\"content\": \"\xff\"}\n");
    place.write("logs/4-role.jsonl", format!("{good}\n{{\"role\": \"robot\"}}\n{good}\n"));
    place.write("logs/5-json.jsonl", format!("{good}\n{{\"role\": \n{good}\n"));
    place.write("logs/6-list.jsonl", "[1]\n");
    place.write("logs/7-empty.traj", "");
    place.write("logs/8-none.traj", "{\"info\": {}}");
    place.write("logs/9-cut.traj", "{\n\"history\": [\n{\"role\": \"user\"");
    place.write("logs/a-role.traj", "{\"history\": [\n{\"role\": \"user\"},\n{\"content\": 1}]}");
    place.write("logs/b-lone.jsonl", "{\"role\": \"user\", \"content\": \"a\\ud800b\"}\n");
    let said = place.import("logs");
    assert_eq!(said.status, 1, "{said:?}");
    let said = said.json();
    assert_eq!(
        (&said["files"], &said["entries"], &said["replaced"]),
        (&json!(2), &json!(3), &json!(1)),
        "{said}"
    );
    let failed: Vec<_> = said["failed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| {
            let file = f["file"].as_str().unwrap().rsplit('/').next().unwrap();
            format!("{file}:{} {}", f["line"], f["reason"].as_str().unwrap())
        })
        .collect();
    let wanted = [
        ("1-deep.jsonl:1", "nested deeper than 100"),
        ("2-huge.jsonl:2", "at most 33554432"),
        ("3-utf8.jsonl:2", "not UTF-8"),
        ("4-role.jsonl:2", "unknown role \"robot\""),
        ("5-json.jsonl:2", "EOF"),
        ("6-list.jsonl:1", "expected an object"),
        ("7-empty.traj:1", "EOF"),
        ("8-none.traj:1", "no `history`"),
        ("9-cut.traj:3", "EOF"),
        ("a-role.traj:3", "without a role"),
    ];
    assert_eq!(failed.len(), wanted.len(), "{failed:#?}");
    for (found, (place, reason)) in failed.iter().zip(wanted) {
        assert!(found.starts_with(place) && found.contains(reason), "{found}: {place} {reason}");
    }
    let lone = place.session("b-lone.jsonl");
    assert_eq!(lone["entries"][0]["message"]["parts"][0]["text"]["text"], "a\u{fffd}b");
}

#[test]
fn a_line_that_is_being_written_comes_later() {
    let place = Place::new();
    let whole = "{\"role\": \"user\", \"content\": \"größe\"}\n";
    for cut in [whole.len() + 12, whole.len() + 33] {
        let twice = [whole, whole].concat();
        place.write("logs/a.jsonl", twice.as_bytes().split_at(cut).0);
        let said = place.import("logs");
        assert_eq!(said.status, 1);
        let said = said.json();
        assert_eq!((&said["files"], &said["entries"]), (&json!(1), &json!(1)), "{said}");
        assert_eq!(said["failed"][0]["line"], 2, "{said}");
    }
    place.write("logs/a.jsonl", [whole, whole].concat());
    assert_eq!(place.import("logs").json()["added"], 1);
}

#[test]
fn names_from_outside_do_no_harm() {
    let place = Place::new();
    place.write(
        "lo\u{1b}[31mgs/a\nb.jsonl",
        "{\"role\": \"user\", \"content\": \"\\u001b[2J\\u009b\"}\n",
    );
    assert_eq!(place.import("lo\u{1b}[31mgs").status, 0);
    let session = place.session("a\\nb.jsonl");
    let id = session["session"]["id"].as_str().unwrap().to_owned();
    for said in [
        sessile(["import", &place.store(), &place.path("lo\u{1b}[31mgs")]),
        sessile(["tree", &place.store()]),
        sessile(["show", &place.store(), &id]),
        sessile(["tree", &place.store(), "--project", "\u{1b}[31m"]),
    ] {
        let all = said.out + &said.err;
        assert!(!all.chars().any(|c| c.is_control() && c != '\n'), "{all:?}");
    }
}
