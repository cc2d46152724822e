//! `sessile demo`: a team of agents at work, killed in the middle, and nothing lost.
//!
//! The work is done by a child process, this program again, which writes a line for each turn the store acknowledged. It
//! is killed with SIGKILL after a number of turns that is different each time. Then the store is opened again, compared
//! with those lines, and the work is done again from its beginning under the same idempotency keys.

mod script;
mod team;

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, ExitStatus, Stdio},
    sync::Mutex,
    time::Duration,
};

use serde::Serialize;
use sessile::{
    Clock, IdSource, OsIds, SystemClock,
    command::ThreadScope,
    handle::Handle,
    id::{EntryId, SessionId},
    model::EntryKind,
    store::Store,
};

use crate::{
    Status, address,
    fail::{Fail, Result},
    lists,
    report::{Out, clean, plural},
    tree, verify,
};
use team::{TURN, TURNS};

/// How long an agent waits before each turn, as a model would think.
const PACE: Duration = Duration::from_millis(8);

/// What the demo did, for `--json`.
#[derive(Debug, Serialize)]
struct Story {
    store: String,
    killed_by: String,
    acknowledged_turns: u64,
    acknowledged_entries: u64,
    /// Acknowledged entries that were there after the crash.
    kept: u64,
    /// Entries that were committed but not yet acknowledged when the child was killed.
    unannounced: u64,
    /// Turns that were there only in part.
    torn: u64,
    /// Entries that the second run added.
    added: u64,
    /// Entries beyond those of the script.
    doubled: u64,
    entries: u64,
    /// A session to show.
    session: String,
    verify: String,
    ok: bool,
    seconds: f64,
}

/// The child process: does the work and prints each acknowledged turn.
pub(crate) async fn worker(address: &str) -> Result<Status> {
    let store = address::create(address).await?;
    let say = |entry: EntryId| {
        let mut stdout = std::io::stdout().lock();
        let said = writeln!(stdout, "{entry}").and_then(|()| stdout.flush());
        said.map_err(Fail::io("cannot say what was acknowledged"))
    };
    team::work(&store, PACE, &say).await?;
    store.close().await?;
    Ok(Status::Fine)
}

/// Runs the command.
pub(crate) async fn run(out: &mut Out) -> Result<Status> {
    let begin = SystemClock.elapsed();
    let folder = tempfile::Builder::new()
        .prefix("sessile-demo-")
        .tempdir()
        .map_err(Fail::io("cannot make a folder for the demo"))?
        .keep();
    let file = folder.join("demo.db");
    let address =
        file.to_str().ok_or_else(|| Fail::input("the temporary folder has no UTF-8 name"))?;

    say(out, "A planner, a coder and a reviewer work in one thread, in a child process.")?;
    let (acknowledged, status) = tokio::task::block_in_place(|| killed(&file))?;
    let entries = |turns: usize| plural(turns as u64 * TURN, "entry", "entries");
    say(
        out,
        format!(
            "  {} ({}) were acknowledged; then it was killed: {status}",
            plural(acknowledged.len() as u64, "turn", "turns"),
            entries(acknowledged.len()),
        ),
    )?;

    let store = address::open(address).await?;
    let story = after(out, &store, &acknowledged, address, &status).await;
    let told = match story {
        Ok(mut story) => {
            story.seconds = SystemClock.elapsed().saturating_sub(begin).as_secs_f64();
            tell(out, &store, &story).await.map(|()| story.ok)
        }
        Err(error) => Err(error),
    };
    store.close().await?;
    Ok(if told? { Status::Fine } else { Status::Problems })
}

fn say(out: &mut Out, line: impl AsRef<str>) -> Result<()> {
    if out.json { Ok(()) } else { out.line(line) }
}

/// Starts the child, kills it in the middle, and returns the turns that had been acknowledged.
fn killed(store: &Path) -> Result<(BTreeSet<EntryId>, ExitStatus)> {
    let program = std::env::current_exe().map_err(Fail::io("cannot find this program"))?;
    let mut child = Command::new(program)
        .arg("demo-worker")
        .arg(store)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(Fail::io("cannot start the child process"))?;
    let until = usize::try_from(6 + OsIds.random() % 12).unwrap_or(6);
    let mut acknowledged = BTreeSet::new();
    if let Some(lines) = child.stdout.take() {
        // What stands in the pipe after the kill was acknowledged too; a line cut off by it was not.
        for line in BufReader::new(lines).lines() {
            let line = line.map_err(Fail::io("cannot read from the child process"))?;
            acknowledged.extend(line.parse::<EntryId>());
            if acknowledged.len() == until {
                child.kill().map_err(Fail::io("cannot kill the child process"))?;
            }
        }
    }
    let status = child.wait().map_err(Fail::io("cannot wait for the child process"))?;
    if acknowledged.len() < until {
        return Err(Fail::input(format!("the child process ended by itself: {status}")));
    }
    Ok((acknowledged, status))
}

/// What was said in a session; where it had others at work there are markers beside, and what those came to.
async fn said(reader: &Handle, session: SessionId) -> Result<u64> {
    let entries = reader.entries(session).all().await?;
    let said =
        entries.iter().filter(|it| it.kind == EntryKind::Message && it.collapsed_from.is_none());
    Ok(said.count() as u64)
}

/// Checks what the crash left, does the work again, and checks once more.
async fn after(
    out: &mut Out,
    store: &Store,
    acknowledged: &BTreeSet<EntryId>,
    address: &str,
    status: &ExitStatus,
) -> Result<Story> {
    let reader = &team::handle(store, "team")?;
    let (mut kept, mut found, mut torn) = (0, 0, 0);
    for first in acknowledged {
        for version in first.version()..first.version() + TURN {
            let entry = reader.entry(EntryId::new(first.thread(), version)).await?;
            kept += u64::from(entry.is_some());
        }
    }
    for thread in lists::threads(reader, ThreadScope::Tenant).await? {
        for session in lists::sessions(reader, thread.id).await? {
            let said = said(reader, session.id).await?;
            found += said;
            torn += said % TURN;
        }
    }
    let told = acknowledged.len() as u64 * TURN;
    say(out, "The store is opened again.")?;
    let whole = if torn == 0 { "every turn is whole" } else { "SOME TURNS ARE TORN" };
    say(out, format!("  {kept} of {told} acknowledged entries are there, and {whole}"))?;
    if found > told {
        say(out, format!("  {} more had landed before the child could say so", found - told))?;
    }

    let again = Mutex::new(BTreeSet::new());
    let note = |entry| {
        again
            .lock()
            .map(|mut all| all.insert(entry))
            .map_err(|_| Fail::input("a task panicked"))?;
        Ok(())
    };
    team::work(store, Duration::ZERO, &note).await?;
    let again = again.into_inner().unwrap_or_default();
    let (mut entries, mut session) = (0, String::new());
    for thread in lists::threads(reader, ThreadScope::Tenant).await? {
        for row in lists::sessions(reader, thread.id).await? {
            let said = said(reader, row.id).await?;
            entries += said;
            if said > 0 {
                session = row.id.to_string();
            }
        }
    }
    let (added, doubled) = (entries.saturating_sub(found), entries.saturating_sub(TURNS * TURN));
    say(out, "The work is done again from its beginning, with the same idempotency keys.")?;
    let nothing = if doubled == 0 {
        "nothing is there twice".to_owned()
    } else {
        format!("{doubled} are there twice")
    };
    say(out, format!("  {found} entries were there already, {added} are new, {nothing}"))?;

    let checked = verify::verify(reader, None, None).await?;
    let same = acknowledged.is_subset(&again) && again.len() as u64 == TURNS;
    let kept_all = kept == told && torn == 0 && doubled == 0 && entries == TURNS * TURN;
    Ok(Story {
        store: address.to_owned(),
        killed_by: status.to_string(),
        acknowledged_turns: acknowledged.len() as u64,
        acknowledged_entries: told,
        kept,
        unannounced: found.saturating_sub(told),
        torn,
        added,
        doubled,
        entries,
        session,
        verify: verify::verdict(&checked),
        ok: checked.ok && same && kept_all,
        seconds: 0.0,
    })
}

async fn tell(out: &mut Out, store: &Store, story: &Story) -> Result<()> {
    if out.json {
        return out.value(story);
    }
    out.line("")?;
    tree::show(out, &team::handle(store, "team")?).await?;
    out.line("")?;
    out.line(format!("  verify: {}", story.verify))?;
    out.line("")?;
    let verdict = if story.ok {
        "Nothing lost, nothing twice"
    } else {
        "SOMETHING IS WRONG: please report it"
    };
    out.line(out.strong(&format!("{verdict}, {:.1} seconds.", story.seconds)))?;
    out.line("")?;
    out.line("Look further:")?;
    let program = std::env::args().next().unwrap_or_else(|| "sessile".into());
    let program = clean(&program);
    for command in ["tree", "usage", "verify"] {
        out.line(format!("  {program} {command} {}", story.store))?;
    }
    out.line(format!("  {program} show {} {}", story.store, story.session))
}
