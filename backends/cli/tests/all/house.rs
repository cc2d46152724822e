//! The house: what it is built of, who knows whom, and what the README promises.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::Value;

use crate::program::root;

/// Licences that ask for no more than their notice.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    // Data only: the root certificates of TLS.
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// What the core must do without: runtimes, randomness, clocks, engines, networks.
const FORBIDDEN: &[&str] = &[
    "async-std",
    "chrono",
    "getrandom",
    "hyper",
    "jiff",
    "libsqlite3-sys",
    "mio",
    "object_store",
    "rand",
    "rand_core",
    "redb",
    "reqwest",
    "rusqlite",
    "smol",
    "sqlx",
    "time",
    "tokio",
];

fn cargo(args: &[&str]) -> String {
    let done = Command::new(env!("CARGO")).args(args).current_dir(root()).output().unwrap();
    assert!(done.status.success(), "cargo {args:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

fn metadata() -> Value {
    serde_json::from_str(&cargo(&["metadata", "--format-version", "1", "--locked"])).unwrap()
}

fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata["packages"].as_array().unwrap().iter()
}

fn ours(package: &Value) -> bool {
    package["source"].is_null()
}

/// Whether an expression such as `MIT OR (Apache-2.0 AND ISC)` can be met by the list; a malformed one cannot.
fn permissive(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    any_of(&mut rest) == Some(true) && rest.is_empty()
}

fn eat(rest: &mut &[&str], word: &str) -> bool {
    let there = rest.first() == Some(&word);
    if there {
        *rest = &rest[1..];
    }
    there
}

fn any_of(rest: &mut &[&str]) -> Option<bool> {
    let mut met = all_of(rest)?;
    while eat(rest, "OR") {
        met |= all_of(rest)?;
    }
    Some(met)
}

fn all_of(rest: &mut &[&str]) -> Option<bool> {
    let mut met = one(rest)?;
    while eat(rest, "AND") {
        met &= one(rest)?;
    }
    Some(met)
}

fn one(rest: &mut &[&str]) -> Option<bool> {
    if eat(rest, "(") {
        let met = any_of(rest)?;
        return eat(rest, ")").then_some(met);
    }
    let (word, after) = rest.split_first()?;
    *rest = after;
    if eat(rest, "WITH") {
        let (exception, after) = rest.split_first()?;
        *rest = after;
        return Some(LICENCES.contains(&format!("{word} WITH {exception}").as_str()));
    }
    Some(LICENCES.contains(word))
}

#[test]
fn licence_expressions_are_understood() {
    for good in [
        "MIT",
        "MIT/Apache-2.0",
        "GPL-3.0 OR MIT",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert!(permissive(good), "{good}");
    }
    for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "MIT OR", "(MIT", "MPL-2.0", "MIT Apache-2.0"] {
        assert!(!permissive(bad), "{bad}");
    }
}

#[test]
fn every_licence_is_permissive() {
    let metadata = metadata();
    for package in packages(&metadata) {
        let licence = package["license"].as_str().unwrap_or_default();
        assert!(permissive(licence), "{} {}: {licence:?}", package["name"], package["version"]);
    }
}

#[test]
fn everything_comes_from_the_registry() {
    let metadata = metadata();
    for package in packages(&metadata).filter(|p| !ours(p)) {
        let source = package["source"].as_str().unwrap();
        assert!(source.starts_with("registry+"), "{}: {source}", package["name"]);
    }
    for lock in ["Cargo.lock", "backends/adapters/Cargo.lock"] {
        let lock = std::fs::read_to_string(root().join(lock)).unwrap();
        let sources: BTreeSet<&str> = lock.lines().filter(|l| l.starts_with("source = ")).collect();
        assert_eq!(sources.len(), 1, "one registry: {sources:?}");
    }
}

fn release(version: &str) -> Vec<u64> {
    let mut parts: Vec<u64> = version.split('.').map(|part| part.parse().unwrap()).collect();
    parts.resize(3, 0);
    parts
}

#[test]
fn the_oldest_compiler_promised_is_enough() {
    let metadata = metadata();
    let promised = packages(&metadata).find(|p| p["name"] == "sessile-core").unwrap();
    let promised = release(promised["rust_version"].as_str().unwrap());
    assert_eq!(promised, [1, 90, 0]);
    for package in packages(&metadata) {
        let Some(needs) = package["rust_version"].as_str() else { continue };
        assert!(
            release(needs) <= promised,
            "{} {} needs Rust {needs}",
            package["name"],
            package["version"]
        );
    }
}

/// Names of the packages in the tree of one of ours, without its tests.
fn tree(package: &str) -> BTreeSet<String> {
    let args = ["tree", "--locked", "-p", package, "-e", "normal", "--prefix", "none", "-f", "{p}"];
    cargo(&args).lines().filter_map(|l| l.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn the_core_needs_no_runtime_clock_or_engine() {
    let tree = tree("sessile-core");
    assert!(tree.contains("serde_json"), "{tree:?}");
    for name in FORBIDDEN {
        assert!(!tree.contains(*name), "sessile-core depends on {name}");
    }
}

#[test]
fn each_part_knows_only_what_it_may() {
    let ours = |package: &str| {
        let mut tree = tree(package);
        tree.retain(|name| name.starts_with("sessile") && name != package);
        tree.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(ours("sessile-core"), [""; 0]);
    assert_eq!(ours("sessile-driver"), ["sessile-core"]);
    assert_eq!(ours("sessile"), ["sessile-core", "sessile-driver"]);
    assert_eq!(ours("sessile-conformance"), ["sessile-core", "sessile-driver"]);
}

#[test]
fn every_package_says_what_it_is() {
    let metadata = metadata();
    let mut seen = BTreeMap::new();
    for package in packages(&metadata).filter(|p| ours(p)) {
        let name = package["name"].as_str().unwrap();
        assert_eq!(package["license"], "MIT OR Apache-2.0", "{name}");
        assert_eq!(package["edition"], "2024", "{name}");
        seen.insert(name, package);
    }
    assert!(seen.len() >= 5, "{:?}", seen.keys());
}

/// The commands of the code block under a heading.
fn commands(readme: &str, heading: &str) -> Vec<String> {
    let (_, section) = readme.split_once(&format!("\n## {heading}\n")).expect(heading);
    let section = section.split("\n## ").next().unwrap();
    let blocks: Vec<&str> = section.split("```").collect();
    assert_eq!(blocks.len(), 3, "{heading}: one block of code");
    let (_, body) = blocks[1].split_once('\n').unwrap();
    body.lines().filter(|l| !l.trim().is_empty()).map(str::to_owned).collect()
}

#[test]
fn the_readme_runs_and_tests_by_one_command_each() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let run = commands(&readme, "Run it");
    let test = commands(&readme, "Test it");
    assert_eq!((run.len(), test.len()), (1, 1), "{run:?} {test:?}");
    assert!(run[0].ends_with(" demo"), "{run:?}");
    let ci = std::fs::read_to_string(root().join(".ci/run")).unwrap();
    assert!(ci.lines().any(|l| l == test[0]), "CI runs {test:?} as it stands");
}

#[test]
fn the_readme_shows_the_examples_as_they_are() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let shown: Vec<_> =
        readme.split("```rust\n").skip(1).map(|it| it.split("```").next()).collect();
    let code = |name| std::fs::read_to_string(root().join("examples").join(name)).unwrap();
    let quickstart = code("quickstart.rs");
    let (_, quickstart) = quickstart.split_once("\n\n").unwrap();
    assert_eq!(shown[0], Some(quickstart), "README.md and examples/quickstart.rs say the same");
    let shown = shown[1].unwrap();
    assert!(code("own_ids.rs").contains(shown), "examples/own_ids.rs has these lines: {shown}");
}
