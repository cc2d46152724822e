//! What a run says of a backend in the end.

use std::collections::BTreeMap;

use crate::{Backend, Clause, Judged, Level, Outcome, suite::AllJudged};

/// Prints what a run says of a backend; `false` if a level was asked for that its journal does not claim.
pub(crate) fn print(backend: &Backend, all: &AllJudged) -> bool {
    let of_it = all.iter().filter(|(name, ..)| *name == backend.name());
    let mut mine: Vec<_> = of_it.map(|(_, clause, judged)| (*clause, judged)).collect();
    mine.sort_by_key(|(clause, _)| clause.id);
    if mine.is_empty() {
        println!("{}: not assessed: no clause was run", backend.name());
        return true;
    }
    let count =
        |wanted: fn(&Outcome) -> bool| mine.iter().filter(|(_, j)| wanted(&j.outcome)).count();
    println!(
        "{}: {} passed, {} failed, {} unsupported (each seen to refuse), {} not judged",
        backend.name(),
        count(|o| matches!(o, Outcome::Passed)),
        count(|o| matches!(o, Outcome::Failed(_))),
        count(|o| matches!(o, Outcome::Unsupported(_))),
        count(|o| matches!(o, Outcome::NotJudged(_))),
    );
    for level in Level::ALL {
        if let Some(line) = of_level(backend, level, &mine) {
            println!("  {level:12} {line}");
        }
    }
    let mut not_judged: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (clause, judged) in &mine {
        of_clause(&clause.id.to_lowercase(), judged);
        if let Outcome::NotJudged(why) = &judged.outcome {
            not_judged.entry(why).or_default().push(clause.id);
        }
    }
    for (why, clauses) in not_judged {
        println!("  not judged   {}: {why}", some_of(&clauses));
    }
    let overreach = backend.overreaches();
    if let Some(level) = overreach {
        println!("  {level} is asked for, and the journal's info() does not claim it");
    }
    overreach.is_none()
}

/// A claim, and what became of it; nothing if no clause of it was run.
fn of_level(backend: &Backend, level: Level, mine: &[(&Clause, &Judged)]) -> Option<String> {
    let of_it = |clause: &Clause| clause.level == level && backend.is_judged_by(clause);
    let all = Clause::all().filter(|clause| of_it(clause)).count();
    let run: Vec<_> = mine.iter().filter(|(clause, _)| of_it(clause)).collect();
    if run.is_empty() {
        return None;
    }
    let those = |wanted: fn(&Outcome) -> bool| -> Vec<&str> {
        run.iter().filter(|(_, j)| wanted(&j.outcome)).map(|(clause, _)| clause.id).collect()
    };
    let failed = those(|outcome| matches!(outcome, Outcome::Failed(_)));
    let not_judged = those(|outcome| matches!(outcome, Outcome::NotJudged(_)));
    let mut line = match (failed.as_slice(), not_judged.as_slice()) {
        ([], []) if run.len() == all => "held".to_owned(),
        ([], []) => format!("held by the {} of {all} clauses that were run", run.len()),
        ([], not_judged) => format!("not judged: {}", some_of(not_judged)),
        (failed, _) => format!("failed: {}", some_of(failed)),
    };
    if !backend.claims(level) && level != Level::Medium {
        line += match level {
            Level::Shared => " (not claimed: judged with tasks)",
            _ => " (not claimed: judged as far as one process goes)",
        };
    }
    Some(line)
}

fn of_clause(name: &str, judged: &Judged) {
    match &judged.outcome {
        Outcome::Passed | Outcome::NotJudged(_) => {}
        Outcome::Failed(why) => {
            println!("  failed       {name}: {}", why.lines().next().unwrap_or_default());
        }
        Outcome::Unsupported(why) => println!("  unsupported  {name}: {why}"),
    }
    for note in &judged.notes {
        println!("  note         {name}: {note}");
    }
    if judged.took.as_millis() > 2000 {
        println!("  slow         {name}: {:.1} s", judged.took.as_secs_f64());
    }
}

/// These clauses, or how many they are.
fn some_of(clauses: &[&str]) -> String {
    match clauses.len() {
        ..=8 => clauses.join(", "),
        many => format!("{many} clauses"),
    }
}
