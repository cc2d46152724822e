//! What lies beside the records: the snapshot, and blobs.

use std::{collections::HashSet, io, ops::Range, time::Duration};

use serde::{Deserialize, Serialize};
use sessile_core::{
    error::{Error, Result, Subject},
    hash::Hash,
    id::Version,
    journal::{BlobName, Position, Snapshot},
};

use super::{
    Shared,
    cell::{Cell, State},
    commit::make,
    failed, frame,
    medium::{File, Mode},
    meta,
    path::{self, TEMPORARY},
    read::unreadable,
    settle::{is_absent, list, remove},
};
use sessile_driver::{check, lock};

const MEMBER: &[u8] = b"\"snapshot\":";
/// Longer than the first line of any snapshot.
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

impl Shared {
    /// Puts a snapshot in the place of an older one. The caller has the guard, and the state is known.
    pub(super) fn save_snapshot(&self, cell: &Cell, snapshot: &Snapshot) -> Result<()> {
        let head = match &lock(&cell.seen).state {
            State::Live(tail) => tail.position.version,
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
    pub(super) fn load_snapshot(&self, cell: &Cell) -> Result<Option<Snapshot>> {
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

    /// Keeps a blob under a name of its own. What has no record yet may be put, too.
    pub(super) fn put_blob(&self, cell: &Cell, name: &BlobName, bytes: &[u8]) -> Result<()> {
        let folder = cell.place.blobs();
        let path = folder.join(&*name.0);
        let write = || {
            let flush = self.make_folders(cell)?;
            make(self, &cell.place.folder())?;
            make(self, &folder)?;
            let file = self.medium.open(&path, Mode::CreateNew)?;
            file.write_at(bytes, 0)?;
            file.sync()?;
            self.medium.sync_dir(&folder)?;
            self.medium.sync_dir(&cell.place.folder())?;
            self.flush_folders(cell, flush)
        };
        let written = write();
        let is_gone = lock(&cell.seen).state == State::Dropped;
        if is_gone || written.is_err() {
            // Nobody knows the name: what cannot be removed is found by a collection, or by scrub.
            let _later = remove(self, &path);
        }
        match written {
            Err(e) if !is_gone => Err(failed("write", &path, e)),
            _ => Ok(()),
        }
    }

    pub(super) fn get_blob(
        &self,
        cell: &Cell,
        name: &BlobName,
        range: Option<Range<u64>>,
    ) -> Result<Vec<u8>> {
        let missing = || Error::not_found(Subject::blob(&cell.space, name));
        if !check::is_blob_name(name) || lock(&cell.seen).state == State::Dropped {
            return Err(missing());
        }
        let path = cell.place.blobs().join(&*name.0);
        let file = match self.medium.open(&path, Mode::Read) {
            Ok(file) => file,
            Err(e) if is_absent(&e) => return Err(missing()),
            Err(e) => return Err(unreadable(&path, e)),
        };
        let size = file.stat().map_err(|e| unreadable(&path, e))?.len;
        let (start, length) = check::clamp_range(size, range);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        let read = file.read_at(&mut bytes, start).map_err(|e| unreadable(&path, e))?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// Removes blobs that are not in use and older than that, by the clock that dates files here.
    pub(super) fn collect(
        &self,
        cell: &Cell,
        in_use: &HashSet<BlobName>,
        older_than: Duration,
    ) -> Result<u64> {
        let folder = cell.place.blobs();
        let work = || {
            let blobs = list(self, &folder)?;
            if blobs.is_empty() {
                return Ok(0);
            }
            let now = self.now()?;
            let mut collected = 0;
            for blob in blobs {
                let path = folder.join(&blob.name);
                if blob.is_dir || in_use.contains(&BlobName(blob.name.into())) {
                    continue;
                }
                match self.medium.stat(&path) {
                    Ok(stat) if now.saturating_sub(stat.modified) >= older_than => {
                        remove(self, &path)?;
                        collected += 1;
                    }
                    Err(e) if !is_absent(&e) => return Err(e),
                    _ => {}
                }
            }
            if collected > 0 {
                self.medium.sync_dir(&folder)?;
            }
            Ok(collected)
        };
        work().map_err(|e: io::Error| failed("collect in", &folder, e))
    }

    /// The time a file gets that is written now.
    fn now(&self) -> io::Result<Duration> {
        let path = path::temporary(&self.root);
        let file = self.medium.open(&path, Mode::CreateNew)?;
        let now = file.write_at(TEMPORARY.as_bytes(), 0).and_then(|()| file.stat());
        self.medium.remove_file(&path)?;
        Ok(now?.modified)
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
