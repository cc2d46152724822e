//! What every journal checks before it writes: the bounds it states, and the head a writer expects.

use std::time::Duration;

use sessile_core::{
    clock::Timestamp,
    error::{Closure, Error, Result},
    id::Version,
    journal::{
        Batch, BlobName, Commit, Direction, Head, Limits, Position, ReadRange, Record, RecordBody,
    },
};

/// What is left of a batch of records to send with `HeadMoved`: few and cheap, or none.
pub(crate) const SINCE_RECORDS: usize = 64;
/// See [`SINCE_RECORDS`].
pub(crate) const SINCE_BYTES: usize = 1 << 20;

/// What the head of a space says to a writer that expects something (J2, J20).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As expected: go on.
    Go,
    /// Past what was expected, or dropped.
    Moved,
    /// Before it, or at another history.
    Diverged,
}

/// Compares the head of a living space, or of one that has no commit, with what a writer expects.
pub(crate) fn verdict(actual: Option<Position>, expected: Option<Position>) -> Verdict {
    match (actual, expected) {
        (None, None) => Verdict::Go,
        (Some(_), None) => Verdict::Moved,
        (None, Some(_)) => Verdict::Diverged,
        (Some(actual), Some(expected)) if actual == expected => Verdict::Go,
        (Some(actual), Some(expected)) if actual.version > expected.version => Verdict::Moved,
        (Some(_), Some(_)) => Verdict::Diverged,
    }
}

/// Refuses a batch above the limits, or one that does not follow what it expects (J8, J3).
pub(crate) fn batch(limits: &Limits, expected: Option<Position>, batch: &Batch) -> Result<()> {
    if batch.records.is_empty() {
        return Err(Error::invalid("batch", "has no records"));
    }
    let card = batch.card.as_ref().map_or(0, |card| card.json.len());
    within("records in one batch", limits.batch_records as u64, batch.records.len())?;
    within("bytes in one batch", limits.batch_bytes as u64, batch.weight())?;
    within("bytes of one card", limits.card_bytes as u64, card)?;
    let mut version = expected.map_or(0, |position| position.version);
    for record in &batch.records {
        version = version.saturating_add(1);
        if record.version != version {
            let reason = format!("version {} stands where {version} follows", record.version);
            return Err(Error::invalid("batch", reason));
        }
        if let RecordBody::Blob(name) = &record.body {
            blob_name(name)?;
        }
    }
    Ok(())
}

/// Refuses what is above a limit.
pub(crate) fn within(what: &'static str, limit: u64, actual: usize) -> Result<()> {
    let actual = actual as u64;
    if actual > limit { Err(Error::Capacity { what, limit, actual }) } else { Ok(()) }
}

/// Whether it is a name that a journal may have given: safe in a path or a key.
pub(crate) fn is_blob_name(name: &BlobName) -> bool {
    (1..=64).contains(&name.0.len())
        && name.0.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn blob_name(name: &BlobName) -> Result<()> {
    if is_blob_name(name) {
        Ok(())
    } else {
        Err(Error::invalid("batch", "a blob's name is malformed"))
    }
}

/// A name that was never used: 128 random bits.
pub(crate) fn new_blob_name() -> BlobName {
    BlobName(format!("{:032x}", rand::random::<u128>()).into())
}

/// What to answer if the head is not as expected: nothing, if it is. `dropped`: there is a tombstone. `head` and `read`
/// look at the space as the commit sees it.
pub(crate) fn refusal<E>(
    dropped: bool,
    actual: Option<Position>,
    expected: Option<Position>,
    head: impl FnOnce() -> Result<Option<Head>, E>,
    read: impl FnOnce(&ReadRange) -> Result<Vec<Record>, E>,
) -> Result<Option<Commit>, E> {
    if dropped {
        return Ok(Some(Commit::HeadMoved { head: None, since: Vec::new(), reservation: None }));
    }
    match verdict(actual, expected) {
        Verdict::Go => Ok(None),
        Verdict::Diverged => Ok(Some(Commit::Diverged { head: head()? })),
        Verdict::Moved => {
            let after = expected.map_or(0, |position| position.version);
            let behind = actual.map_or(0, |position| position.version).saturating_sub(after);
            let mut missed = Vec::new();
            if behind <= SINCE_RECORDS as u64 {
                let range = ReadRange {
                    stream: None,
                    after,
                    upto: Version::MAX,
                    direction: Direction::Forward,
                    limit: SINCE_RECORDS,
                };
                // A damaged record is found by who reads it.
                missed = since(read(&range).unwrap_or_default(), behind);
            }
            Ok(Some(Commit::HeadMoved { head: head()?, since: missed, reservation: None }))
        }
    }
}

/// The records to send with `HeadMoved`: all of them, or none.
pub(crate) fn since(records: Vec<Record>, behind: u64) -> Vec<Record> {
    let all = records.len() as u64 == behind && records.len() <= SINCE_RECORDS;
    let cheap = || records.iter().map(Record::weight).sum::<usize>() <= SINCE_BYTES;
    if all && cheap() { records } else { Vec::new() }
}

/// The bytes of a range of a blob, clamped to its end: where it begins, and how many.
pub(crate) fn clamp(size: u64, range: Option<std::ops::Range<u64>>) -> (u64, u64) {
    let range = range.unwrap_or(0..size);
    let start = range.start.min(size);
    (start, range.end.min(size).saturating_sub(start))
}

/// A time this long before `now`, or the first there is.
pub(crate) fn before(now: Timestamp, time: Duration) -> Timestamp {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_millis(now.millis().saturating_sub(millis))
}

/// The absolute path of a store's file, in a directory that exists: `:memory:` and an empty one mean nothing special, and a change of directory changes nothing.
#[cfg(any(feature = "redb", feature = "sqlite"))]
pub(crate) fn file_place(path: &std::path::Path) -> Result<std::path::PathBuf> {
    let invalid = |reason: String| Error::invalid("path", reason);
    let place = std::path::absolute(path).map_err(|e| invalid(format!("{path:?}: {e}")))?;
    if place.is_dir() {
        return Err(invalid(format!("{} is a directory", place.display())));
    }
    match place.parent() {
        Some(folder) if !folder.is_dir() => {
            Err(invalid(format!("there is no directory {}", folder.display())))
        }
        _ => Ok(place),
    }
}

/// Flushes the name of a file: a new one may otherwise be lost with its content flushed.
#[cfg(any(feature = "redb", feature = "sqlite"))]
pub(crate) fn flush_name(path: &std::path::Path) -> std::io::Result<()> {
    match path.parent() {
        Some(folder) if cfg!(unix) => std::fs::File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

/// What a write that no head can refuse came to.
#[cfg(any(feature = "redb", feature = "sqlite"))]
pub(crate) fn kept(commit: Commit) -> Result<()> {
    match commit {
        Commit::Indeterminate { source } => {
            Err(Error::Unavailable { reason: "the write is in doubt".into(), source })
        }
        _ => Ok(()),
    }
}

/// The handle was closed (J16).
pub(crate) const fn closed() -> Error {
    Error::Closed { what: Closure::Store }
}

#[cfg(test)]
mod tests {
    use sessile_core::hash::Hash;

    use super::*;

    #[test]
    fn the_head_decides() {
        let at = |version, byte| Some(Position { version, hash: Hash::from_bytes([byte; 32]) });
        assert_eq!(verdict(None, None), Verdict::Go);
        assert_eq!(verdict(at(2, 1), at(2, 1)), Verdict::Go);
        assert_eq!(verdict(at(3, 1), at(2, 1)), Verdict::Moved);
        assert_eq!(verdict(at(1, 1), None), Verdict::Moved);
        assert_eq!(verdict(at(2, 2), at(2, 1)), Verdict::Diverged);
        assert_eq!(verdict(at(1, 1), at(2, 1)), Verdict::Diverged);
        assert_eq!(verdict(None, at(2, 1)), Verdict::Diverged);
    }

    #[test]
    fn ranges_are_clamped() {
        assert_eq!(clamp(10, None), (0, 10));
        assert_eq!(clamp(10, Some(3..5)), (3, 2));
        assert_eq!(clamp(10, Some(8..99)), (8, 2));
        assert_eq!(clamp(10, Some(99..100)), (10, 0));
        #[allow(clippy::reversed_empty_ranges, reason = "what a caller may give")]
        let reversed = 5..3;
        assert_eq!(clamp(10, Some(reversed)), (5, 0));
    }
}
