//! `demo`: really killed, and nothing lost.

use std::time::{Duration, Instant};

use crate::program::sessile;

#[test]
#[allow(clippy::disallowed_methods, reason = "measures the program from outside")]
fn what_was_acknowledged_outlives_the_kill() {
    for _ in 0..3 {
        let begin = Instant::now();
        let said = sessile(["demo", "--json"]);
        assert_eq!(said.status, 0, "{said:?}");
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
        let story = said.json();
        assert_eq!(story["ok"], true, "{story}");
        assert_eq!(story["kept"], story["acknowledged_entries"]);
        assert!(story["added"].as_u64().unwrap() > 0, "the kill came in the middle: {story}");
        assert!(cfg!(not(unix)) || story["killed_by"].as_str().unwrap().contains("SIGKILL"));
        let store = story["store"].as_str().unwrap();
        assert_eq!(sessile(["verify", store]).status, 0);
        std::fs::remove_dir_all(std::path::Path::new(store).parent().unwrap()).unwrap();
    }
}

#[test]
fn the_story_is_told() {
    let said = sessile(["demo"]);
    assert_eq!(said.status, 0, "{said:?}");
    for word in [
        "SIGKILL",
        "planner",
        "├─ coder",
        "├─ reviewer",
        "└─ release",
        "handed over",
        "→ succeeded",
        "nothing is there twice",
        "verify: ok",
        "Look further",
    ] {
        assert!(said.out.contains(word), "{word}: {}", said.out);
    }
    let store = said.out.lines().find_map(|l| l.split(" verify ").nth(1)).unwrap().trim();
    std::fs::remove_dir_all(std::path::Path::new(store).parent().unwrap()).unwrap();
}
