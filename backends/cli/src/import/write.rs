//! One file into one session.

use sessile::{
    Error, ErrorKind, Key,
    command::{NewSession, Paging},
    id::SessionId,
    model::{Entry, NewEntry},
};

use super::{
    source::Source,
    target::{LABEL, Target, Thread},
    transcript::{Fault, Item, Transcript},
    usage,
};
use crate::fail::{Fail, Result, chain};

/// Entries in one append, at most.
const TURN: usize = 1000;

/// What importing a file did.
pub(super) struct Written {
    /// Entries of the file that the store holds now.
    pub(super) entries: u64,
    /// Entries that it did not hold before.
    pub(super) added: u64,
}

/// Imports a file into its session. `Fault` is an error of the file; `Fail` is an error of the store and ends the import.
pub(super) async fn session(
    target: &Target,
    thread: &Thread,
    file: &Source,
    transcript: &Transcript,
) -> Result<Result<Written, Fault>> {
    match bring_up(target, thread, file, transcript).await {
        Err(Stop::Store(error)) if hopeless(&error) => Err(Fail::Store(error)),
        Err(Stop::Store(error)) => Ok(Err(Fault::whole(chain(&error)))),
        Err(Stop::File(fault)) => Ok(Err(fault)),
        Ok(written) => Ok(Ok(written)),
    }
}

/// Whether the next file would fail with the same error.
fn hopeless(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Unavailable
            | ErrorKind::Contended
            | ErrorKind::Indeterminate
            | ErrorKind::Unsupported
            | ErrorKind::NewerFormat
            | ErrorKind::Closed
    )
}

/// Why a file was not imported, or not whole.
pub(super) enum Stop {
    File(Fault),
    Store(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

async fn bring_up(
    target: &Target,
    thread: &Thread,
    file: &Source,
    transcript: &Transcript,
) -> Result<Written, Stop> {
    let importer = &target.importer;
    let producer = file.digest("file", &importer.caller().tenant);
    let session = match thread.sessions.get(&producer) {
        Some(&session) => session,
        None => {
            let new = NewSession::named(file.title.clone()).with_label(LABEL, producer.clone());
            importer
                .with_key(Key::rising(producer.clone(), 1))
                .create_session(thread.id, new)
                .await?
        }
    };
    let stored = stored(target, session, &transcript.items).await?;
    let mut added = 0;
    let mut at = stored;
    for turn in turns(transcript.items.get(stored..).unwrap_or_default()) {
        at += turn.len();
        let key = Key::rising(producer.clone(), 1 + at as u64);
        let entries: Vec<NewEntry> = turn.iter().map(|item| item.entry.clone()).collect();
        match importer.with_key(key).append(session, entries).await {
            Ok(appended) => added += u64::from(appended.count),
            // Another import of the same file was here between our look and our write.
            Err(Error::KeyExpired { .. }) => {}
            Err(Error::KeyReused { .. }) => {
                let line = turn.first().map_or(1, |item| item.line);
                return Err(Stop::File(conflict(line, at + 1 - turn.len())));
            }
            Err(error) => return Err(error.into()),
        }
    }
    usage::book(target, session, &producer, transcript.usage.as_ref()).await?;
    Ok(Written { entries: transcript.items.len() as u64, added })
}

/// How many of the file's messages the session holds already: from its beginning, each equal to the file's. What the
/// session holds beyond the end of the file is left alone.
async fn stored(target: &Target, session: SessionId, items: &[Item]) -> Result<usize, Stop> {
    let mut items_left = items.iter();
    let mut after = None;
    let mut same = 0;
    loop {
        let page = match target.importer.entries(session).page(Paging::default().after(after)).await
        {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let reason = "it was imported before, and its session was deleted since";
                return Err(Stop::File(Fault::whole(reason)));
            }
            Err(error) => return Err(error.into()),
            Ok(page) => page,
        };
        for entry in &page.items {
            let Some(item) = items_left.next() else { return Ok(same) };
            if !equal(entry, item, &target.importer.caller().actor) {
                return Err(Stop::File(conflict(item.line, same + 1)));
            }
            same += 1;
        }
        after = page.next;
        if after.is_none() {
            return Ok(same);
        }
    }
}

/// An erased entry equals any message: it is no conflict and is not imported again.
fn equal(entry: &Entry, item: &Item, importer: &sessile::model::Actor) -> bool {
    let author = item.entry.actor.as_ref().unwrap_or(importer);
    entry.content.as_ref().is_none_or(|content| *content == item.entry.content)
        && entry.actor.as_ref().is_none_or(|actor| actor == author)
}

fn conflict(line: u64, ordinal: usize) -> Fault {
    let reason = format!("conflict: message {ordinal} is not the one that was imported before");
    Fault::at(line, reason)
}

/// Cuts messages into turns: one begins at each assistant message, and none is larger than an append may be.
fn turns(items: &[Item]) -> Vec<&[Item]> {
    let mut turns = Vec::new();
    let mut begin = 0;
    for (at, item) in items.iter().enumerate() {
        if at > begin && (item.begins_turn() || at - begin == TURN) {
            turns.extend(items.get(begin..at));
            begin = at;
        }
    }
    turns.extend(items.get(begin..).filter(|last| !last.is_empty()));
    turns
}
