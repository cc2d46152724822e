//! Checks before a write: limits, versions that follow each other, and the head that the writer expects.

use std::time::Duration;

use sessile_core::{
    clock::Timestamp,
    error::{Closure, Error, Result},
    id::{Space, Version},
    journal::{
        Batch, BlobName, Commit, Direction, Head, Limits, Position, ReadRange, Record, RecordBody,
    },
};

/// How many missed records `HeadMoved` carries at most.
pub const SINCE_RECORDS: usize = 64;
/// How many bytes of missed records `HeadMoved` carries at most.
pub const SINCE_BYTES: usize = 1 << 20;

/// How the head of a space compares with the head a writer expects (clauses J2 and J20 of the contract).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadMatch {
    /// They are the same: the write may go on.
    Same,
    /// The space has more commits than the writer expects.
    Moved,
    /// The space has fewer commits than the writer expects, or another history.
    Diverged,
}

/// Compares the head of a space with the head a writer expects; `None` is a space without a commit. A dropped space has no
/// head to compare: see [`refusal`].
pub fn compare_heads(actual: Option<Position>, expected: Option<Position>) -> HeadMatch {
    match (actual, expected) {
        (None, None) => HeadMatch::Same,
        (Some(_), None) => HeadMatch::Moved,
        (None, Some(_)) => HeadMatch::Diverged,
        (Some(actual), Some(expected)) if actual == expected => HeadMatch::Same,
        (Some(actual), Some(expected)) if actual.version > expected.version => HeadMatch::Moved,
        (Some(_), Some(_)) => HeadMatch::Diverged,
    }
}

/// Checks a batch against the limits of a journal, and that its versions follow the head it expects (clauses J8 and J3).
///
/// # Errors
/// `Capacity` above a limit; `Invalid` for a batch that is empty, out of line, or names a malformed blob.
pub fn batch(
    limits: &Limits,
    space: &Space,
    expected: Option<Position>,
    batch: &Batch,
) -> Result<()> {
    if batch.records.is_empty() {
        return Err(Error::invalid("batch", "it has no records"));
    }
    let card = batch.card.as_ref().map_or(0, |card| card.json.len());
    require_within(
        space,
        "records in one batch",
        limits.batch_records as u64,
        batch.records.len(),
    )?;
    require_within(space, "bytes in one batch", limits.batch_bytes as u64, batch.weight())?;
    require_within(space, "bytes of one card", limits.card_bytes as u64, card)?;
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

/// Checks one size against its limit.
///
/// # Errors
/// `Capacity` if it is above.
pub fn require_within(
    space: &Space,
    measure: &'static str,
    limit: u64,
    actual: usize,
) -> Result<()> {
    let actual = actual as u64;
    if actual > limit { Err(Error::capacity(space, measure, limit, actual)) } else { Ok(()) }
}

/// Whether a blob name is well formed: 1 to 64 lower-case letters, digits and `-`, so that it is safe in a path or a key.
pub fn is_blob_name(name: &BlobName) -> bool {
    (1..=64).contains(&name.0.len())
        && name.0.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn blob_name(name: &BlobName) -> Result<()> {
    if is_blob_name(name) {
        Ok(())
    } else {
        Err(Error::invalid(
            "batch",
            "a blob name in it is not 1 to 64 lower-case letters, digits and '-'",
        ))
    }
}

/// A new blob name: 128 random bits as hexadecimal digits.
pub fn new_blob_name() -> BlobName {
    BlobName(format!("{:032x}", rand::random::<u128>()).into())
}

/// The answer to a write whose head is not as expected; `None` if the write may go on.
///
/// `dropped` says that the space has a tombstone. `head` and `read` must look at the space in the transaction of the write; they
/// are called only if the write is refused.
///
/// # Errors
/// What `head` returns. An error of `read` leaves the missed records out of the answer.
pub fn refusal<E>(
    dropped: bool,
    actual: Option<Position>,
    expected: Option<Position>,
    head: impl FnOnce() -> Result<Option<Head>, E>,
    read: impl FnOnce(&ReadRange) -> Result<Vec<Record>, E>,
) -> Result<Option<Commit>, E> {
    if dropped {
        return Ok(Some(Commit::HeadMoved { head: None, since: Vec::new(), reservation: None }));
    }
    match compare_heads(actual, expected) {
        HeadMatch::Same => Ok(None),
        HeadMatch::Diverged => Ok(Some(Commit::Diverged { head: head()? })),
        HeadMatch::Moved => {
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
                // Damage of a missed record is reported to those who read it.
                missed = missed_records(read(&range).unwrap_or_default(), behind);
            }
            Ok(Some(Commit::HeadMoved { head: head()?, since: missed, reservation: None }))
        }
    }
}

/// The records to send with `HeadMoved` to a writer that is `behind` by so many: all of them, or none if they are more than
/// [`SINCE_RECORDS`] or [`SINCE_BYTES`].
pub fn missed_records(records: Vec<Record>, behind: u64) -> Vec<Record> {
    let all = records.len() as u64 == behind && records.len() <= SINCE_RECORDS;
    let cheap = || records.iter().map(Record::weight).sum::<usize>() <= SINCE_BYTES;
    if all && cheap() { records } else { Vec::new() }
}

/// The offset and the length of a range of a blob, cut at the size of the blob.
pub fn clamp_range(size: u64, range: Option<std::ops::Range<u64>>) -> (u64, u64) {
    let range = range.unwrap_or(0..size);
    let start = range.start.min(size);
    (start, range.end.min(size).saturating_sub(start))
}

/// The time this long before `now`, or the first time there is.
pub fn time_before(now: Timestamp, time: Duration) -> Timestamp {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_millis(now.millis().saturating_sub(millis))
}

/// The absolute path of the file of a store. `:memory:` is a file name like another; a later change of the working directory
/// has no effect.
///
/// # Errors
/// `Invalid` if the path is a directory, or its directory does not exist.
pub fn absolute_file(path: &std::path::Path) -> Result<std::path::PathBuf> {
    let invalid = |reason: String| Error::invalid("path", reason);
    let place = std::path::absolute(path).map_err(|e| invalid(format!("{path:?}: {e}")))?;
    if place.is_dir() {
        return Err(invalid(format!("{} is a directory; name a file", place.display())));
    }
    match place.parent() {
        Some(folder) if !folder.is_dir() => {
            let folder = folder.display();
            Err(invalid(format!("there is no directory {folder}; make it first")))
        }
        _ => Ok(place),
    }
}

/// Flushes the directory of a file. Without it, a new file may be missing after a loss of power although its content was flushed.
///
/// # Errors
/// What the file system returns.
pub fn flush_directory_of(path: &std::path::Path) -> std::io::Result<()> {
    match path.parent() {
        Some(folder) if cfg!(unix) => std::fs::File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

/// The result of a write that has no expected head, such as a snapshot or a blob: it is done unless the outcome is unknown.
///
/// # Errors
/// `Unavailable` if the outcome is unknown.
pub fn require_known(commit: Commit) -> Result<()> {
    match commit {
        Commit::Indeterminate { source } => {
            let reason =
                "it is not known whether the write was made; it is safe to try again".into();
            Err(Error::Unavailable { reason, operation: None, source })
        }
        _ => Ok(()),
    }
}

/// The error of every call after the close of a journal (clause J16).
pub const fn closed() -> Error {
    Error::closed(Closure::Store)
}

#[cfg(test)]
mod tests {
    use sessile_core::hash::Hash;

    use super::*;

    #[test]
    fn heads_are_compared() {
        let at = |version, byte| Some(Position { version, hash: Hash::from_bytes([byte; 32]) });
        assert_eq!(compare_heads(None, None), HeadMatch::Same);
        assert_eq!(compare_heads(at(2, 1), at(2, 1)), HeadMatch::Same);
        assert_eq!(compare_heads(at(3, 1), at(2, 1)), HeadMatch::Moved);
        assert_eq!(compare_heads(at(1, 1), None), HeadMatch::Moved);
        assert_eq!(compare_heads(at(2, 2), at(2, 1)), HeadMatch::Diverged);
        assert_eq!(compare_heads(at(1, 1), at(2, 1)), HeadMatch::Diverged);
        assert_eq!(compare_heads(None, at(2, 1)), HeadMatch::Diverged);
    }

    #[test]
    fn ranges_are_clamped() {
        assert_eq!(clamp_range(10, None), (0, 10));
        assert_eq!(clamp_range(10, Some(3..5)), (3, 2));
        assert_eq!(clamp_range(10, Some(8..99)), (8, 2));
        assert_eq!(clamp_range(10, Some(99..100)), (10, 0));
        #[allow(clippy::reversed_empty_ranges, reason = "what a caller may give")]
        let reversed = 5..3;
        assert_eq!(clamp_range(10, Some(reversed)), (5, 0));
    }
}
