//! `tail`.

use std::collections::VecDeque;

use serde_json::{Map, Value};
use sessile::{command::FeedRecord, handle::Handle, json::Json, model::Message};

use crate::{
    fail::Result,
    find,
    report::{Out, clean, encode, short, stamp},
};

/// Columns of what a record says, and of its facts.
const SAID: usize = 100;
const FACTS: usize = 60;

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
    let mut body: Map<String, Value> = record.body.as_ref().map_or(Ok(Map::new()), Json::to)?;
    let mut kinds: Map<String, Value> = record.facts.to()?;
    let facts = kinds.remove(&record.kind).and_then(|facts| facts.as_object().cloned());
    let mut facts = facts.unwrap_or_default();
    // The text says it better than its digest; the line says whose it is, and when.
    facts.retain(|name, _| name != "session" && !name.ends_with("_at") && !body.contains_key(name));
    body.remove("by");
    let said = match body.remove("message") {
        Some(message) => Json::from_value(&message)?.to::<Message>()?.to_string(),
        None if record.body.is_some() => words(&body),
        None if record.erased => "erased".to_owned(),
        None if record.evicted => "archived".to_owned(),
        None if record.kind == "entries_returned" => String::new(),
        None => "deleted".to_owned(),
    };
    let (said, facts) = (short(&clean(&said), SAID), short(&clean(&words(&facts)), FACTS));
    let about = format!("{}{session}", stamp(record.at));
    let line = [out.strong(&record.kind), out.faint(&about), said, out.faint(&facts)];
    let line: Vec<_> = line.into_iter().filter(|part| !part.is_empty()).collect();
    out.line(format!("{:>6}  {}", record.version, line.join("  ")))
}

/// Fields as words, such as `tokens 85, reached 75`.
fn words(fields: &Map<String, Value>) -> String {
    let words = fields.iter().map(|(name, value)| {
        let name = name.replace('_', " ");
        value.as_str().map_or_else(|| format!("{name} {value}"), |text| format!("{name} {text}"))
    });
    words.collect::<Vec<_>>().join(", ")
}
