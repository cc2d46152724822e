//! Random lives of several workspaces, against plain maps.

use std::collections::BTreeMap;

use proptest::prelude::*;
use sessile_core::workspace::{Change, Disposal, FileChange, TreeId, WorkspaceDriver};

use super::{Bench, at, name, tenant};
use crate::folder::model::{Item, Map, apply, changes};

#[derive(Clone, Debug)]
enum Step {
    Create(usize),
    Branch(usize, usize),
    BranchTree(usize, usize, usize),
    Change(usize, Vec<FileChange>),
    Snapshot(usize),
    Restore(usize, usize),
    Diff(usize, usize, usize),
    Dispose(usize, bool),
}

fn steps() -> impl Strategy<Value = Step> {
    let one = 0..3_usize;
    let tree = 0..8_usize;
    prop_oneof![
        1 => one.clone().prop_map(Step::Create),
        1 => (one.clone(), one.clone()).prop_map(|(a, b)| Step::Branch(a, b)),
        1 => (one.clone(), one.clone(), tree.clone()).prop_map(|(a, b, t)| Step::BranchTree(a, b, t)),
        5 => (one.clone(), prop::collection::vec(changes(), 1..6)).prop_map(|(a, c)| Step::Change(a, c)),
        3 => one.clone().prop_map(Step::Snapshot),
        3 => (one.clone(), tree.clone()).prop_map(|(a, t)| Step::Restore(a, t)),
        2 => (one.clone(), tree.clone(), tree).prop_map(|(a, s, t)| Step::Diff(a, s, t)),
        1 => (one, any::<bool>()).prop_map(|(a, force)| Step::Dispose(a, force)),
    ]
}

/// What a workspace holds, and what it held when that was last kept.
#[derive(Clone, Default)]
struct Model {
    holds: Map,
    kept: Map,
}

/// Files, links and empty folders that differ.
fn difference(from: &Map, to: &Map) -> Vec<(String, Change)> {
    let leaves = |map: &Map| -> BTreeMap<_, Item> {
        let is_leaf = |path: &_, item: &Item| {
            *item != Item::Directory || !map.keys().any(|other| other.is_under(path))
        };
        map.iter().filter(|(p, i)| is_leaf(*p, i)).map(|(p, i)| (p.clone(), i.clone())).collect()
    };
    let (from, to) = (leaves(from), leaves(to));
    let mut rows = BTreeMap::new();
    for (path, item) in &from {
        match to.get(path) {
            None => drop(rows.insert(path, Change::Removed)),
            Some(other) if other != item => drop(rows.insert(path, Change::Modified)),
            Some(_) => {}
        }
    }
    rows.extend(to.keys().filter(|p| !from.contains_key(*p)).map(|p| (p, Change::Added)));
    rows.into_iter().map(|(path, change)| (path.to_string(), change)).collect()
}

async fn run(steps: Vec<Step>) {
    let bench = Bench::new();
    let driver = &bench.driver;
    let names: Vec<_> = (0..3).map(|n| name(&format!("w{n}"))).collect();
    let mut live: BTreeMap<usize, Model> = BTreeMap::new();
    let mut trees: Vec<(TreeId, Map)> = Vec::new();
    let keep = |trees: &mut Vec<(TreeId, Map)>, tree: TreeId, map: &Map| {
        for (other, held) in trees.iter() {
            assert_eq!(*other == tree, held == map, "equal digests iff equal content");
        }
        trees.push((tree, map.clone()));
    };
    for step in steps {
        match step {
            Step::Create(n) => {
                let begun = driver.create(&tenant(), &names[n], None).await.unwrap();
                live.insert(n, Model::default());
                keep(&mut trees, begun.tree.unwrap(), &Map::new());
            }
            Step::Branch(n, of) => {
                let Some(source) = live.get(&of).filter(|_| n != of).cloned() else { continue };
                let begun = driver.branch(&names[n], &at(&names[of]), None).await.unwrap();
                keep(&mut trees, begun.tree.unwrap(), &source.holds);
                live.insert(n, Model { holds: source.holds.clone(), kept: source.holds });
            }
            Step::BranchTree(n, of, tree) => {
                let Some((tree, map)) = trees.get(tree).filter(|_| n != of).cloned() else {
                    continue;
                };
                let begun = driver.branch(&names[n], &at(&names[of]), Some(&tree)).await.unwrap();
                assert_eq!(begun.tree, Some(tree));
                live.insert(n, Model { holds: map.clone(), kept: map });
            }
            Step::Change(n, changes) => {
                let Some(model) = live.get_mut(&n) else { continue };
                let expected = changes.iter().try_for_each(|c| apply(&mut model.holds, c, true));
                let done = driver.change_files(&at(&names[n]), &changes).await;
                assert_eq!(done.map(drop).map_err(|e| e.kind()), expected);
            }
            Step::Snapshot(n) => {
                let Some(model) = live.get_mut(&n) else { continue };
                let tree = bench.snapshot(&names[n]).await;
                model.kept = model.holds.clone();
                keep(&mut trees, tree, &model.holds);
            }
            Step::Restore(n, tree) => {
                let (Some(model), Some((tree, map))) = (live.get_mut(&n), trees.get(tree)) else {
                    continue;
                };
                driver.restore(&at(&names[n]), tree).await.unwrap();
                *model = Model { holds: map.clone(), kept: map.clone() };
            }
            Step::Diff(n, from, to) => {
                let (Some(model), Some((from, before))) = (live.get(&n), trees.get(from)) else {
                    continue;
                };
                let to = trees.get(to);
                let after = to.map_or(&model.holds, |(_, map)| map);
                let tree = to.map(|(tree, _)| tree);
                let rows = driver.diff(&at(&names[n]), from, tree).await.unwrap();
                let rows: Vec<_> =
                    rows.into_iter().map(|c| (c.path.to_string(), c.change)).collect();
                assert_eq!(
                    rows.iter().cloned().collect::<BTreeMap<_, _>>(),
                    difference(before, after).into_iter().collect()
                );
            }
            Step::Dispose(n, force) => {
                let expected = match live.get(&n) {
                    None => Disposal::AlreadyGone,
                    Some(model) if !force && model.holds != model.kept => Disposal::Refused,
                    Some(_) => Disposal::Removed,
                };
                assert_eq!(driver.dispose(&names[n], force).await.unwrap(), expected);
                if expected == Disposal::Removed {
                    live.remove(&n);
                }
            }
        }
        for (n, name) in names.iter().enumerate() {
            let there = bench.inspect(name).await;
            assert_eq!(there.is_some(), live.contains_key(&n));
            if let (Some(there), Some(model)) = (there, live.get(&n)) {
                assert_eq!(bench.holds(name), model.holds);
                assert_eq!(there.dirty, model.holds != model.kept);
            }
        }
        let expected: Vec<_> = live.keys().map(|n| names[*n].clone()).collect();
        assert_eq!(bench.list().await, expected);
        assert_eq!(bench.leftovers(), 2 * live.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn workspaces_are_plain_maps(steps in prop::collection::vec(steps(), 1..30)) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run(steps));
    }
}
