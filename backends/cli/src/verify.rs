//! `sessile verify`: every record, body and link of a tenant's threads.

use serde::Serialize;
use sessile::{
    Error, ErrorKind, command::ThreadScope, handle::Handle, hash::Hash, id::ThreadId,
    journal::Position,
};

use crate::{
    Status,
    address::{self, Scope},
    fail::{Fail, Result, chain},
    lists,
    report::{Align, Out, Table, clean, count, plural},
};

#[derive(Debug, Serialize)]
struct Problem {
    thread: ThreadId,
    version: u64,
    problem: String,
}

#[derive(Debug, Serialize)]
struct End {
    thread: ThreadId,
    /// As `--expect` takes it.
    position: String,
}

/// What a verification read and found.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Found {
    threads: u64,
    records: u64,
    pub(crate) ok: bool,
    problems: Vec<Problem>,
    /// Where each thread ends, to be noted and given to `--expect` later.
    heads: Vec<End>,
}

/// Runs the command.
pub(crate) async fn run(
    out: &mut Out,
    scope: &Scope,
    address: &str,
    expect: Option<&str>,
    thread: Option<&str>,
) -> Result<Status> {
    let expect = expect.map(position).transpose()?;
    let thread = thread.map(str::parse::<ThreadId>).transpose()?;
    let store = address::open(address).await?;
    let found = verify(&scope.caller(&store, "reader")?, expect, thread).await;
    let closed = store.close().await;
    let found = found?;
    closed?;
    if out.json {
        out.value(&found)?;
    } else {
        print(out, &found)?;
    }
    Ok(if found.ok { Status::Fine } else { Status::Problems })
}

/// `VERSION:HASH`.
fn position(text: &str) -> Result<Position> {
    let parts = || {
        let (version, hash) = text.split_once(':')?;
        Some(Position { version: version.parse().ok()?, hash: Hash::parse(hash)? })
    };
    parts().ok_or_else(|| {
        Fail::input(format!("{text:?} is no position: a version, a colon, 64 hexadecimal digits"))
    })
}

/// Verifies one thread, or all of the tenant's.
pub(crate) async fn verify(
    reader: &Handle,
    expect: Option<Position>,
    thread: Option<ThreadId>,
) -> Result<Found> {
    let threads = match thread {
        Some(thread) => vec![thread],
        None => lists::threads(reader, ThreadScope::Tenant)
            .await?
            .into_iter()
            .map(|row| row.id)
            .collect(),
    };
    if expect.is_some() && threads.len() != 1 {
        let reason = format!(
            "--expect is about one thread, and there are {}: name it by --thread",
            threads.len()
        );
        return Err(Fail::input(reason));
    }
    let mut found = Found::default();
    for thread in threads {
        found.threads += 1;
        let checked = match reader.verify(thread, expect).await {
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                let version = if let Error::Corrupt { version, .. } = error { version } else { 0 };
                found.problems.push(Problem { thread, version, problem: chain(&error) });
                continue;
            }
            checked => checked?,
        };
        found.records += checked.records;
        let problems = checked.problems.into_iter();
        found.problems.extend(problems.map(|(version, problem)| Problem {
            thread,
            version,
            problem,
        }));
        if let Some(head) = checked.head {
            found.heads.push(End { thread, position: format!("{}:{}", head.version, head.hash) });
        }
    }
    found.ok = found.problems.is_empty();
    Ok(found)
}

/// The result in one line.
pub(crate) fn verdict(found: &Found) -> String {
    let read = format!(
        "{} in {}",
        plural(found.records, "record", "records"),
        plural(found.threads, "thread", "threads")
    );
    match found.problems.len() as u64 {
        0 => format!("ok: {read}, every body and every link of the chain"),
        n => format!("{} in {read}", plural(n, "problem", "problems")),
    }
}

fn print(out: &mut Out, found: &Found) -> Result<()> {
    if !found.problems.is_empty() {
        let mut table = Table::new([
            ("thread", Align::Left),
            ("version", Align::Right),
            ("problem", Align::Left),
        ]);
        for problem in &found.problems {
            table.row([
                problem.thread.to_string(),
                count(problem.version),
                clean(&problem.problem),
            ]);
        }
        out.table(&table)?;
    } else if found.heads.len() <= 20 {
        let mut table = Table::new([("thread", Align::Left), ("ends at", Align::Left)]);
        for end in &found.heads {
            table.row([end.thread.to_string(), end.position.clone()]);
        }
        out.table(&table)?;
    }
    out.line(out.strong(&verdict(found)))
}
