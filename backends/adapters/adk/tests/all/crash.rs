//! What was acknowledged is there after a kill, each event with its delta.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use serde_json::json;

use crate::{append, create, event, get, invocations, service_on};

/// The test that a child process runs, and how it knows its store.
const CHILD: &str = "crash::child_appends_until_it_is_killed";
const ADDRESS: &str = "SESSILE_ADK_CHILD";

#[test]
fn child_appends_until_it_is_killed() {
    let Ok(address) = std::env::var(ADDRESS) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (service, ..) = service_on(&address).await;
        let begin = get(&service, "app/ann/1").await.unwrap().events().len();
        for n in begin.. {
            let delta = [("last", json!(n)), ("user:last", json!(n)), ("app:last", json!(n))];
            append(&service, "app/ann/1", event(&n.to_string(), &delta)).await.unwrap();
            // The harness's own output has no line that begins so.
            println!("\ndone {n}");
        }
    });
}

#[tokio::test]
async fn what_was_acknowledged_outlives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("sqlite:{}", folder.path().join("adk.db").display());
    let (service, _, store) = service_on(&address).await;
    create(&service, "app/ann/1", &[]).await.unwrap();
    store.close().await.unwrap();
    let mut before = 0;
    for round in 1..=3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([CHILD, "--exact", "--nocapture"])
            .env(ADDRESS, &address)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let done = lines.map_while(Result::ok).filter(|line| line.starts_with("done "));
        let acknowledged = done.take(20 * round).count();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(acknowledged, 20 * round, "the child died before it was killed");

        let (service, _, store) = service_on(&address).await;
        let found = get(&service, "app/ann/1").await.unwrap();
        let events = found.events().all();
        assert!(events.len() >= before + acknowledged, "an acknowledged event was lost");
        let all: Vec<_> = (0..events.len()).map(|n| n.to_string()).collect();
        assert_eq!(invocations(&events), all);
        let last = events.len() - 1;
        assert_eq!(found.state().get("last"), Some(json!(last)));
        assert_eq!(found.state().get("user:last"), Some(json!(last)));
        // The app's state is a commit of its own, before the event.
        let app = found.state().get("app:last").and_then(|it| it.as_u64()).unwrap() as usize;
        assert!(app == last || app == last + 1, "{app} {last}");
        before = events.len();
        store.close().await.unwrap();
    }
}
