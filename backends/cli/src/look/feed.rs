//! `tail`.

use std::collections::VecDeque;

use sessile::{command::FeedRecord, handle::Handle};

use crate::{
    fail::Result,
    find,
    report::{Out, clean, encode, short, stamp},
};

/// Columns of a body.
const COLUMNS: usize = 100;

/// The last records of a thread or session, then those that come.
pub(super) async fn tail(
    out: &mut Out,
    reader: &Handle,
    id: &str,
    follow: bool,
    lines: u64,
) -> Result<()> {
    let (thread, session) = match find::session(reader, id).await {
        Ok(session) => (session.thread(), Some(session)),
        Err(_) => (find::thread(reader, id).await?, None),
    };
    let of = |after: u64| {
        let changes = reader.changes(thread).after(after);
        match session {
            Some(session) => changes.of_session(session),
            None => changes,
        }
    };
    let head = reader.thread(thread).await?.map_or(0, |thread| thread.head);
    // Where the last records of a session begin is not known before they are read.
    let mut changes = of(if session.is_some() { 0 } else { head.saturating_sub(lines) });
    let (mut last, mut seen) = (VecDeque::new(), head);
    while let Some(record) = changes.try_next().await? {
        seen = seen.max(record.version);
        last.push_back(record);
        if last.len() as u64 > lines {
            last.pop_front();
        }
    }
    last.iter().try_for_each(|record| print(out, record))?;
    if !follow {
        return Ok(());
    }
    let mut changes = of(seen).follow();
    out.flush()?;
    while let Some(record) = changes.try_next().await? {
        print(out, &record)?;
        out.flush()?;
    }
    Ok(())
}

fn print(out: &mut Out, record: &FeedRecord) -> Result<()> {
    if out.json {
        return out.line(encode(record)?);
    }
    let session = record.session.map_or(String::new(), |session| format!("  {session}"));
    let body = match &record.body {
        Some(body) => short(&clean(body.get()), COLUMNS),
        None if record.erased => "erased".to_owned(),
        None => "deleted".to_owned(),
    };
    let about = format!("{}{session}", stamp(record.at));
    let kind = out.strong(&record.kind);
    out.line(format!("{:>6}  {kind}  {}  {body}", record.version, out.faint(&about)))
}
