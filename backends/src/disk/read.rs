//! Reading records: where they stand is known, what stands there is checked again.

use std::sync::Arc;

use sessile_core::{
    error::{Error, Result},
    id::{Space, Version},
    journal::{ReadRange, Record},
};

use super::{
    Shared,
    cell::{Cell, State},
    failed, frame, line,
    log::Line,
    medium::File,
};
use crate::lock::lock;

/// Neighbours are read together, up to so many bytes.
const RUN: u64 = 1 << 20;
/// Lines this near are neighbours.
const NEAR: u64 = 16 << 10;

/// What has to be done for a read.
pub(super) enum Plan {
    /// Nothing: there are no such records.
    Nothing,
    /// Look the space up first, with all its lines.
    LookUp,
    /// Read these records, at these lines.
    Fetch(Fetch),
}

/// Records of one prefix, and the file they stand in.
pub(super) struct Fetch {
    space: Space,
    file: Arc<dyn File>,
    records: Vec<(Version, Line)>,
    pub(super) generation: u64,
}

impl Shared {
    /// What a range asks for, by what is acknowledged now.
    pub(super) fn plan(&self, cell: &Cell, range: &ReadRange) -> Result<Plan> {
        let seen = lock(&cell.seen);
        let tail = match &seen.state {
            State::Unknown => return Ok(Plan::LookUp),
            State::Absent | State::Dropped => return Ok(Plan::Nothing),
            State::Live(tail) => tail,
        };
        if range.limit == 0 || range.after >= range.upto.min(tail.position.version) {
            return Ok(Plan::Nothing);
        }
        let Some(log) = seen.log.as_ref().filter(|log| log.upto >= tail.end) else {
            return Ok(Plan::LookUp);
        };
        let range = ReadRange { upto: range.upto.min(tail.position.version), ..*range };
        let records = log.select(&cell.space, &range)?;
        if records.is_empty() {
            return Ok(Plan::Nothing);
        }
        // Opened under the lock: an erasure puts another file there, with other places.
        let file = self.file(&cell.space, cell)?;
        Ok(Plan::Fetch(Fetch {
            space: cell.space.clone(),
            file,
            records,
            generation: seen.generation,
        }))
    }
}

impl Fetch {
    /// Reads, up to about so many bytes; `None` if a line is not where it was.
    pub(super) fn run(&self, most: usize) -> Result<Option<Vec<Record>>> {
        let mut taken: Vec<Record> = Vec::new();
        let mut weight = 0;
        let mut rest = self.records.as_slice();
        let mut near: Option<(Line, Vec<Record>)> = None;
        while let Some((_, line)) = rest.first() {
            let (mut from, mut to, mut count) = (line.at, line.end(), 0);
            for (_, line) in rest {
                let (lower, upper) = (from.min(line.at), to.max(line.end()));
                let grown = (upper - lower).saturating_sub(to - from);
                let is_near = grown <= u64::from(line.len) + NEAR;
                if !is_near || (count > 0 && upper - lower > RUN) {
                    break;
                }
                (from, to, count) = (lower, upper, count + 1);
            }
            let (run, later) = rest.split_at_checked(count.max(1)).unwrap_or((rest, &[]));
            rest = later;
            let mut bytes = vec![0; usize::try_from(to - from).unwrap_or_default()];
            let read = self.file.read_at(&mut bytes, from);
            bytes.truncate(read.map_err(|e| {
                Error::unavailable(format!("the records of {} cannot be read", self.space), e)
            })?);
            for (version, line) in run {
                if near.as_ref().is_none_or(|(known, _)| known != line) {
                    let skip = usize::try_from(line.at - from).unwrap_or(usize::MAX);
                    let whole = bytes.get(skip..).and_then(frame::line);
                    let whole = whole.filter(|whole| whole.len() as u64 == u64::from(line.len));
                    let Some(whole) = whole else { return Ok(None) };
                    let no_batch =
                        || Error::corrupt(&self.space, *version, "the line says no batch");
                    let (_, records) = line::content(whole).ok_or_else(no_batch)?;
                    near = Some((*line, records));
                }
                let records = near.as_ref().map(|(_, records)| records.as_slice());
                let record = records.and_then(|records| find(records, line, *version));
                let missing = || Error::corrupt(&self.space, *version, "the record is missing");
                let record = record.ok_or_else(missing)?;
                weight += record.weight();
                if weight > most && !taken.is_empty() {
                    return Ok(Some(taken));
                }
                taken.push(record.clone());
            }
        }
        Ok(Some(taken))
    }
}

fn find<'a>(records: &'a [Record], line: &Line, version: Version) -> Option<&'a Record> {
    let place = usize::try_from(version.checked_sub(line.first)?).ok()?;
    let here = records.get(place).filter(|record| record.version == version);
    here.or_else(|| records.iter().find(|record| record.version == version))
}

/// [`failed`], for files of a space.
pub(super) fn unreadable(path: &std::path::Path, e: std::io::Error) -> Error {
    failed("read", path, e)
}
