//! `log`, `context`, `diff`, `fork`, `timeline`, `search` and `tail`, and looking back at what agents really left behind.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use serde_json::Value;
use sessile::{
    command::{Expect, NewSession, ThreadFilter, ThreadScope},
    model::{Message, Priority, Role, annotate, compress, edit},
    prelude::*,
};

use crate::{
    program::{Place, Said, sessile},
    real,
};

/// A store with one transcript, and the id of its session.
fn sample() -> (Place, String, String) {
    let place = Place::new();
    let lines = ["Fix the login", "A typo in login.html", "Thanks"];
    let line = |text: &str| format!("{{\"role\": \"user\", \"content\": \"{text}\"}}\n");
    place.write("logs/a.jsonl", lines.map(line).concat());
    assert_eq!(place.import("logs").status, 0);
    let id = place.session("a.jsonl")["session"]["id"].as_str().unwrap().to_owned();
    let store = place.store();
    (place, store, id)
}

fn lines(said: &Said) -> Vec<Value> {
    assert_eq!(said.status, 0, "{said:?}");
    said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_session_is_looked_back_at() {
    let (_place, store, session) = sample();
    let store = store.as_str();
    let ending = session.get(session.len() - 5..).unwrap();
    let context = sessile(["context", store, ending, "--json"]).json();
    assert_eq!(context["session"], session.as_str());
    assert_eq!(context["messages"].as_array().unwrap().len(), 3);
    let fork = sessile(["fork", store, ending, "--name", "other", "--json"]).json();
    let fork = fork["fork"].as_str().unwrap();
    let same = sessile(["diff", store, ending, fork]);
    assert_eq!((same.status, same.out.as_str()), (0, "the same context\n"));
    let first = context["messages"][0]["id"].as_str().unwrap();
    let version = |id: &str| {
        let shown = sessile(["show", store, id, "--json"]).json();
        shown["version"].as_u64().unwrap().to_string()
    };
    let then = sessile(["context", store, ending, "--at", &version(first)]);
    assert!(then.out.starts_with("1 message, ") && then.out.contains("Fix the login"), "{then:?}");
    let diff = sessile(["diff", store, &format!("{ending}@{}", version(first)), ending, "--json"]);
    assert_eq!(diff.json()["added"].as_array().unwrap().len(), 2);
    let log = lines(&sessile(["log", store, ending, "-n", "2", "--json"]));
    assert_eq!(log.len(), 2);
    assert_eq!(log[0]["message"]["parts"][0]["text"]["text"], "Thanks");
    let hits = lines(&sessile(["search", store, "LOGIN", "--json"]));
    assert_eq!(hits.len(), 2);
    let hit = sessile(["search", store, "LOGIN.html"]);
    assert!(hit.out.contains("A typo in login.html"), "{hit:?}");
    assert_eq!(lines(&sessile(["search", store, "nowhere", "--json"])).len(), 0);
    let all = lines(&sessile(["timeline", store, "--forward", "--json"]));
    assert_eq!(all.len(), 3, "what a fork shares is listed once");
    let own = lines(&sessile(["timeline", store, "--in", fork, "--json"]));
    assert_eq!(own.len(), 3, "and its own log shows it");
    let kinds = sessile(["timeline", store, "--kind", "edit", "--json"]);
    assert_eq!(lines(&kinds).len(), 0);
    for args in [
        vec!["context", store, "nonsense"],
        vec!["context", store, ending, "--at", "yesterday"],
        vec!["context", store, ending, "--at", "99999"],
        vec!["search", store, ""],
        vec!["timeline", store, "--since", "noon"],
    ] {
        let said = sessile(&args);
        assert_eq!((said.status, said.err.lines().count()), (2, 1), "{said:?}");
    }
}

#[test]
fn tail_waits_for_what_comes() {
    let (place, store, session) = sample();
    let last = lines(&sessile(["tail", &store, &session, "-n", "1", "--json"]));
    assert_eq!(last.len(), 1);
    let mut tail = Command::new(env!("CARGO_BIN_EXE_sessile"))
        .args(["tail", &store, &session, "-n", "1", "-f", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(tail.stdout.take().unwrap()).lines();
    let first: Value = serde_json::from_str(&said.next().unwrap().unwrap()).unwrap();
    assert_eq!(first, last[0]);
    place.write(
        "logs/a.jsonl",
        "{\"role\": \"user\", \"content\": \"Fix the login\"}\n\
         {\"role\": \"user\", \"content\": \"A typo in login.html\"}\n\
         {\"role\": \"user\", \"content\": \"Thanks\"}\n\
         {\"role\": \"user\", \"content\": \"Bye\"}\n",
    );
    assert_eq!(place.import("logs").json()["added"], 1);
    let next: Value = serde_json::from_str(&said.next().unwrap().unwrap()).unwrap();
    assert_eq!(next["kind"], "entry");
    assert!(next.to_string().contains("Bye"), "{next}");
    tail.kill().unwrap();
    tail.wait().unwrap();
}

/// Each is forked at its middle, one message of it edited, three annotated, five compressed; then the context as it was is
/// asked for.
#[tokio::test(flavor = "multi_thread")]
async fn real_transcripts_are_looked_back_at_bit_for_bit() {
    let Some(folder) = real::folder() else { return };
    let place = Place::new();
    let said = sessile(["import", &place.store(), folder.to_str().unwrap(), "--json"]);
    assert_eq!(said.status, 0, "{said:?}");
    let store = sessile::open(&place.store()).await.unwrap();
    let ann = store.caller("local", Actor::system("test")).unwrap();
    let mut sessions = 0;
    let threads = ann.threads(ThreadFilter::of(ThreadScope::Tenant)).all().await.unwrap();
    for thread in threads {
        for row in ann.sessions(thread.id).all().await.unwrap() {
            let before = ann.context(row.id).await.unwrap();
            let Some(middle) = before.messages.get(before.messages.len() / 2) else { continue };
            let fork = NewSession::named("fork").fork_of(row.id, middle.id.version());
            let fork = ann.create_session(thread.id, fork).await.unwrap();
            let forked = ann.context(fork).await.unwrap();
            assert_eq!(forked.messages, before.messages[..=before.messages.len() / 2]);

            let free: Vec<_> =
                before.messages.iter().filter(|it| it.priority == Priority::Normal).collect();
            let ids: Vec<_> = free.iter().rev().take(8).rev().map(|it| it.id).collect();
            assert_eq!(ids.len(), 8, "{:?} is long enough", row.name);
            let changed = Message::text(Role::User, "changed");
            ann.append(row.id, edit(ids[0], changed)).await.unwrap();
            for (id, priority) in
                ids[1..].iter().zip([Priority::Skip, Priority::Pinned, Priority::Normal])
            {
                ann.append(row.id, annotate(*id, priority)).await.unwrap();
            }
            let short = Message::text(Role::User, "in short");
            let five = compress(ids[3], ids[7], short);
            let tail = ann.context(row.id).await.unwrap().tail;
            ann.append(row.id, Append::from(five).expecting_tail(tail)).await.unwrap();
            let after = ann.context(row.id).await.unwrap();
            assert_eq!(after.messages.len(), before.messages.len() - 1 - 5 + 1);
            let diff = before.diff(&after);
            assert_eq!((diff.removed.len(), diff.added.len(), diff.edited.len()), (6, 1, 1));

            let then = ann.context_at(row.id, before.version).await.unwrap();
            assert_eq!(then, before);
            assert_eq!(ann.merge_fork(fork, Expect::Any).await.unwrap(), None);
            sessions += 1;
        }
    }
    assert!(sessions > 10);
    store.close().await.unwrap();
}
