//! The contract and the tests agree: what is due has a test, and every test is of the contract.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use sessile_conformance::{Clause, Level, internal::machine};

/// The parts of the project that have come.
const CAME: &[&str] =
    &["foundation", "proof", "journals", "neighbours", "history", "workspaces", "delegation"];

/// All parts a clause may be due in.
const PARTS: &[&str] = &[
    "foundation",
    "proof",
    "journals",
    "neighbours",
    "history",
    "delegation",
    "workspaces",
    "suite",
    "tools",
];

/// The rows of the tables: clause and due.
fn contract() -> Vec<(String, String)> {
    let is_clause = |cell: &str| {
        let digits = cell.trim_start_matches(|c: char| c.is_ascii_uppercase());
        digits != cell && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
    };
    include_str!("../CONTRACT.md")
        .lines()
        .filter_map(|line| {
            let cells: Vec<_> = line.strip_prefix('|')?.split('|').map(str::trim).collect();
            match cells.as_slice() {
                [id, due, text, ..] if is_clause(id) && !text.is_empty() => {
                    Some(((*id).to_owned(), (*due).to_owned()))
                }
                _ => None,
            }
        })
        .collect()
}

#[test]
fn every_clause_that_is_due_has_a_test() {
    let registered: BTreeSet<_> = Clause::all().map(|clause| clause.id).collect();
    let missing: Vec<_> = contract()
        .into_iter()
        .filter(|(id, due)| CAME.contains(&due.as_str()) && !registered.contains(id.as_str()))
        .map(|(id, _)| id)
        .collect();
    assert!(missing.is_empty(), "due and without a test: {missing:?}");
}

#[test]
fn every_test_is_of_the_contract() {
    let contract: BTreeMap<_, _> = contract().into_iter().collect();
    let mut seen = BTreeSet::new();
    // The machine has no number of its own: it tries the clauses of a store against the model, all at once.
    let machine: Vec<_> = machine::CLAUSES.iter().map(|clause| clause.id).collect();
    for clause in Clause::all().filter(|clause| !machine.contains(&clause.id)) {
        assert!(contract.contains_key(clause.id), "{} is not in CONTRACT.md", clause.id);
        assert!(seen.insert(clause.id), "{} is registered twice", clause.id);
    }
}

#[test]
fn the_contract_numbers_its_clauses_without_gaps() {
    let mut numbers: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for (id, due) in contract() {
        assert!(PARTS.contains(&due.as_str()), "{id} is due in {due}");
        let at = id.find(|c: char| c.is_ascii_digit()).unwrap();
        let (prefix, number) = id.split_at(at);
        numbers.entry(prefix.to_owned()).or_default().push(number.parse().unwrap());
    }
    for (prefix, found) in &numbers {
        let want: Vec<_> = (1..=found.len() as u32).collect();
        assert_eq!(found, &want, "{prefix}");
    }
    assert_eq!(numbers.values().map(Vec::len).sum::<usize>(), 200, "a clause was added or lost");
}

#[test]
fn each_clause_is_of_the_level_that_the_contract_says() {
    let named = |level: Level| {
        let row = format!("| {level} | ");
        let line = include_str!("../CONTRACT.md").lines().find(|line| line.starts_with(&row));
        let cells: Vec<_> = line.expect("a row for each level").split(" | ").collect();
        cells[2].trim_end_matches(" |").split(", ").collect::<BTreeSet<_>>()
    };
    for level in [Level::Concurrent, Level::Shared, Level::Durable, Level::Medium] {
        let of_it: BTreeSet<_> =
            Clause::all().filter(|clause| clause.level == level).map(|clause| clause.id).collect();
        assert_eq!(named(level), of_it, "{level}");
    }
    for clause in Clause::all() {
        let of_journals = clause.id.strip_prefix('J').is_some_and(|n| n.parse::<u32>().is_ok());
        assert_eq!(clause.level == Level::Journal, of_journals, "{}", clause.id);
        assert!(clause.law().is_some() || clause.id == "MACHINE", "{} has a law", clause.id);
    }
}
