//! The tables in the docs are complete, and name nothing that is not there.

#![allow(clippy::expect_used, reason = "tests")]

use std::collections::BTreeSet;

use sessile_core::record::KIND_NAMES;

/// First cells of the rows of all tables below a heading.
fn rows(text: &str, heading: &str) -> BTreeSet<String> {
    let below = text.split(heading).nth(1).expect("the heading stands in the page");
    let below = below.split("\n## ").next().expect("a first piece");
    below
        .lines()
        .filter_map(|line| line.strip_prefix("| "))
        .filter_map(|line| line.split(" |").next())
        .filter(|cell| !cell.starts_with("---") && !["kind", "command", "query"].contains(cell))
        .map(str::to_owned)
        .collect()
}

/// The variants of an enum, from its source.
fn variants(source: &str, name: &str) -> BTreeSet<String> {
    let body =
        source.split(&format!("pub enum {name} {{")).nth(1).expect("the enum stands in the source");
    let body = body.split("\n}").next().expect("a first piece");
    body.lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))
        .map(|line| line.chars().take_while(char::is_ascii_alphanumeric).collect())
        .collect()
}

#[test]
fn every_record_kind_stands_in_the_table() {
    let listed = rows(include_str!("../docs/records.md"), "# Record kinds");
    assert_eq!(listed, KIND_NAMES.iter().map(|k| (*k).to_owned()).collect());
}

#[test]
fn every_command_and_query_stands_in_the_table() {
    let docs = include_str!("../docs/commands.md");
    let (thread, session) = (
        include_str!("../src/command/thread.rs"),
        concat!(
            include_str!("../src/command/session/command.rs"),
            include_str!("../src/command/session/query.rs")
        ),
    );
    let all = |a: &str, b: &str| {
        variants(thread, a).union(&variants(session, b)).cloned().collect::<BTreeSet<_>>()
    };
    assert_eq!(rows(docs, "## Commands"), all("ThreadCommand", "SessionCommand"));
    assert_eq!(rows(docs, "## Queries"), all("ThreadQuery", "SessionQuery"));
}
