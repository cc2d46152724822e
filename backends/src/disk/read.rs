//! Reading records at known places; what is read there is checked.

use std::sync::Arc;

use sessile_core::{
    error::{Error, Result},
    id::Space,
    journal::{ReadRange, Record, Stream},
};

use super::{
    DiskShared,
    cell::{SpaceCell, SpaceState},
    failed, frame, line,
    log::Place,
    medium::File,
};
use sessile_driver::lock;

/// Neighbours are read together, up to so many bytes.
const RUN: u64 = 1 << 20;
/// Lines this near are neighbours.
const NEAR: u64 = 16 << 10;

/// The next step of a read.
pub(super) enum ReadPlan {
    /// Nothing: there are no such records.
    Nothing,
    /// Look the space up first, with the lines of the range.
    LookUp,
    /// Read these records, at these lines.
    Fetch(Fetch),
}

/// Records of one prefix, and the file they stand in.
pub(super) struct Fetch {
    space: Space,
    file: Arc<dyn File>,
    stream: Option<Stream>,
    records: Vec<Place>,
    pub(super) generation: u64,
}

impl DiskShared {
    /// What a range asks for, by what is acknowledged now.
    pub(super) fn plan(&self, cell: &SpaceCell, range: &ReadRange) -> Result<ReadPlan> {
        let seen = lock(&cell.seen);
        let tail = match &seen.state {
            SpaceState::Unknown => return Ok(ReadPlan::LookUp),
            SpaceState::Absent | SpaceState::Dropped => return Ok(ReadPlan::Nothing),
            SpaceState::Live(tail) => tail,
        };
        if range.limit == 0 || range.after >= range.upto.min(tail.position.version) {
            return Ok(ReadPlan::Nothing);
        }
        let range = ReadRange { upto: range.upto.min(tail.position.version), ..*range };
        let log = seen.log.as_ref();
        let Some(log) = log.filter(|log| log.upto >= tail.end && log.reaches(Some(&range))) else {
            return Ok(ReadPlan::LookUp);
        };
        let records = log.select(&cell.space, &range)?;
        if records.is_empty() {
            return Ok(ReadPlan::Nothing);
        }
        // Opened under the lock: an erasure puts another file there, with other places.
        let file = self.file(&cell.space, cell)?;
        Ok(ReadPlan::Fetch(Fetch {
            space: cell.space.clone(),
            file,
            stream: range.stream,
            records,
            generation: seen.generation,
        }))
    }
}

impl Fetch {
    /// Reads, up to about so many bytes; `None` if a record is not where it was.
    pub(super) fn run(&self, most: usize) -> Result<Option<Vec<Record>>> {
        let mut taken: Vec<Record> = Vec::with_capacity(self.records.len());
        let mut weight = 0;
        let mut rest = self.records.as_slice();
        while let Some(place) = rest.first() {
            let (mut from, mut to, mut count) = (place.at, place.end(), 0);
            for place in rest {
                let (lower, upper) = (from.min(place.at), to.max(place.end()));
                let is_near = (upper - lower).saturating_sub(to - from) <= place.len + NEAR;
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
            for place in run {
                let skip = usize::try_from(place.at - from).unwrap_or(usize::MAX);
                let bytes = bytes.get(skip..).unwrap_or_default();
                let len = usize::try_from(place.len).unwrap_or(usize::MAX);
                let Some(bytes) = bytes.get(..len) else { return Ok(None) };
                let Some(record) = self.record(place, bytes)? else { return Ok(None) };
                weight += record.weight();
                if weight > most && !taken.is_empty() {
                    return Ok(Some(taken));
                }
                taken.push(record);
            }
        }
        Ok(Some(taken))
    }

    /// What stands there; `None` if that is no record.
    fn record(&self, place: &Place, bytes: &[u8]) -> Result<Option<Record>> {
        let version = place.version;
        let record = if place.is_line() {
            let Some(line) = frame::line(bytes).filter(|line| line.len() == bytes.len()) else {
                return Ok(None);
            };
            let no_batch = || Error::corrupt(&self.space, version, "the line says no batch");
            let (_, records) = line::content(line).ok_or_else(no_batch)?;
            records.into_iter().find(|record| record.version == version)
        } else {
            let Some(record) = line::record(bytes) else { return Ok(None) };
            Some(record).filter(|record| record.version == version)
        };
        let is_right = |record: &Record| self.stream.is_none_or(|stream| stream == record.stream);
        let missing = || Error::corrupt(&self.space, version, "the record is missing");
        record.filter(is_right).map(Some).ok_or_else(missing)
    }
}

/// [`failed`], for files of a space.
pub(super) fn unreadable(path: &std::path::Path, e: std::io::Error) -> Error {
    failed("read", path, e)
}
