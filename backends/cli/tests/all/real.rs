//! `import`, on transcripts that agents have really left behind: read from `SESSILE_TRAJECTORIES`, else from
//! `../shared/data/trajectories` beside the workspace. They are not part of the project; where there are none, this says so.

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::Value;

use crate::program::{Place, root, sessile};

pub(crate) fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("SESSILE_TRAJECTORIES").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| root().join("../shared/data/trajectories"));
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!(
        "NOT CHECKED AGAINST REAL TRANSCRIPTS: there is no {} (SESSILE_TRAJECTORIES)",
        folder.display()
    );
    None
}

/// Histories by file name, by a reader that is not ours.
fn histories(folder: &PathBuf) -> BTreeMap<String, Value> {
    let files = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path());
    let trajs = files.filter(|f| f.extension().is_some_and(|e| e == "traj"));
    trajs
        .map(|f| {
            let text = std::fs::read(&f).unwrap();
            let name = f.file_name().unwrap().to_str().unwrap().to_owned();
            (name, serde_json::from_slice(&text).unwrap())
        })
        .collect()
}

#[test]
fn every_message_arrives_once_and_unchanged() {
    let Some(folder) = folder() else { return };
    let files = histories(&folder);
    let total: usize = files.values().map(|f| f["history"].as_array().unwrap().len()).sum();
    let place = Place::new();
    let import = || {
        let said = sessile(["import", &place.store(), folder.to_str().unwrap(), "--json"]);
        assert_eq!(said.status, 0, "{said:?}");
        said.json()
    };
    let first = import();
    assert_eq!(first["files"], files.len());
    assert_eq!(first["entries"], total);
    assert_eq!(first["added"], total);
    assert_eq!(import()["added"], 0);

    for (name, file) in &files {
        let session = place.session(name);
        let entries = session["entries"].as_array().unwrap();
        let history = file["history"].as_array().unwrap();
        assert_eq!(entries.len(), history.len(), "{name}");
        for (entry, item) in entries.iter().zip(history) {
            let message = &entry["message"];
            assert_eq!(message["role"], item["role"], "{name}");
            let first = &message["parts"][0];
            let text =
                if first.get("text").is_some() { &first["text"] } else { &first["tool_result"] };
            assert_eq!(text["text"], item["content"], "{name}");
        }
    }

    let stats = |key: &str| {
        let all = files.values().filter_map(|f| f["info"]["model_stats"][key].as_f64());
        all.sum::<f64>()
    };
    let usage = sessile(["usage", &place.store(), "--json"]).json();
    assert_eq!(usage["cost"]["USD"].as_f64().unwrap(), (stats("instance_cost") * 1e6).round());
    assert_eq!(usage["tokens"]["input"].as_f64().unwrap(), stats("tokens_sent"));
    assert_eq!(usage["tokens"]["output"].as_f64().unwrap(), stats("tokens_received"));

    let verified = sessile(["verify", &place.store(), "--json"]);
    assert_eq!(verified.status, 0);
    assert_eq!(verified.json()["ok"], true);
}
