//! What was acknowledged is there after a kill, and every turn is whole.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use rig_core::completion::Message;

use crate::{append, load, memory_on};

/// The test that a child process runs, and how it knows its store.
const CHILD: &str = "crash::child_appends_until_it_is_killed";
const ADDRESS: &str = "SESSILE_RIG_CHILD";

#[test]
fn child_appends_until_it_is_killed() {
    let Ok(address) = std::env::var(ADDRESS) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (memory, ..) = memory_on(&address).await;
        for n in 0.. {
            let turn = vec![Message::user(n.to_string()), Message::assistant(n.to_string())];
            append(&memory, "a", turn).await;
            // The harness's own output has no line that begins so.
            println!("\ndone {n}");
        }
    });
}

#[tokio::test]
async fn what_was_acknowledged_outlives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("sqlite:{}", folder.path().join("rig.db").display());
    let mut turns = 0;
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

        let (memory, _, store) = memory_on(&address).await;
        let said = load(&memory, "a").await;
        assert_eq!(said.len() % 2, 0, "a turn was torn");
        assert!(said.len() / 2 >= turns + acknowledged, "an acknowledged turn was lost");
        // Each child counts from 0: no gap, no repeat, in order.
        for (n, turn) in (0..).zip(said[turns * 2..].chunks(2)) {
            assert_eq!(turn[0], Message::user(n.to_string()));
        }
        turns = said.len() / 2;
        store.close().await.unwrap();
    }
}
