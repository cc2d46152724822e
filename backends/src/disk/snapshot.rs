//! The snapshot of a space.

use serde::{Deserialize, Serialize};
use sessile_core::{
    error::Result,
    hash::Hash,
    id::Version,
    journal::{Position, Snapshot},
};

use super::{
    DiskShared,
    cell::{SpaceCell, SpaceState},
    commit::make,
    failed, frame,
    lookup::is_absent,
    medium::{File, Mode},
    meta,
    read::unreadable,
};
use sessile_driver::lock;

const MEMBER: &[u8] = b"\"snapshot\":";
/// Bytes read for the first line of a snapshot; no first line is longer.
const LONGEST: usize = 1024;

/// The first line of a snapshot's file; the bytes follow.
#[derive(Serialize, Deserialize)]
struct Title {
    version: Version,
    hash: Hash,
    bytes: u64,
    /// CRC-32 of the bytes.
    sum: u32,
}

impl DiskShared {
    /// Replaces an older snapshot. The caller has the guard, and the state is known.
    pub(super) fn save_snapshot(&self, cell: &SpaceCell, snapshot: &Snapshot) -> Result<()> {
        let head = match &lock(&cell.seen).state {
            SpaceState::Live(tail) => tail.position.version,
            _ => return Ok(()),
        };
        let path = cell.place.snapshot();
        let kept = self.medium.open(&path, Mode::Read).ok().and_then(|file| title(&*file));
        let is_newer =
            |kept: &Title| kept.version > snapshot.position.version && kept.version <= head;
        if kept.is_some_and(|(kept, _)| is_newer(&kept)) {
            return Ok(());
        }
        let title = Title {
            version: snapshot.position.version,
            hash: snapshot.position.hash,
            bytes: snapshot.bytes.len() as u64,
            sum: crc32fast::hash(&snapshot.bytes),
        };
        let mut line = frame::start();
        line.extend_from_slice(MEMBER);
        let encoding = |e: serde_json::Error| failed("write", &path, e.into());
        serde_json::to_writer(&mut line, &title).map_err(encoding)?;
        let line = frame::finish(line).unwrap_or_default();
        let folder = cell.place.folder();
        make(self, &folder)
            .and_then(|()| meta::replace(&*self.medium, &folder, &path, &[&line, &snapshot.bytes]))
            .map_err(|e| failed("write", &path, e))
    }

    /// The snapshot, if it is whole.
    pub(super) fn load_snapshot(&self, cell: &SpaceCell) -> Result<Option<Snapshot>> {
        let path = cell.place.snapshot();
        let file = match self.medium.open(&path, Mode::Read) {
            Ok(file) => file,
            Err(e) if is_absent(&e) => return Ok(None),
            Err(e) => return Err(unreadable(&path, e)),
        };
        let Some((title, from)) = title(&*file) else { return Ok(None) };
        let len = file.stat().map_err(|e| unreadable(&path, e))?.len;
        if len != from + title.bytes {
            return Ok(None);
        }
        let mut bytes = vec![0; usize::try_from(title.bytes).unwrap_or_default()];
        let read = file.read_at(&mut bytes, from).map_err(|e| unreadable(&path, e))?;
        let is_whole = read == bytes.len() && crc32fast::hash(&bytes) == title.sum;
        let position = Position { version: title.version, hash: title.hash };
        Ok(is_whole.then_some(Snapshot { position, bytes }))
    }
}

/// The first line of a snapshot, and where the bytes begin.
fn title(file: &dyn File) -> Option<(Title, u64)> {
    let mut bytes = vec![0; LONGEST];
    let read = file.read_at(&mut bytes, 0).ok()?;
    bytes.truncate(read);
    let line = frame::line(&bytes)?;
    let json = frame::members(line).strip_prefix(MEMBER)?;
    Some((serde_json::from_slice(json).ok()?, line.len() as u64))
}
