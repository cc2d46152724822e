//! Reading the state of a space from its folder, and cutting an unfinished line that a crash left.

use std::{io, sync::Arc};

use sessile_core::{
    error::{Error, Result},
    id::{ProjectId, Space},
    journal::ReadRange,
};

use super::{
    DiskShared, Repair,
    cell::{SpaceCell, SpaceState},
    failed,
    line::{self, ParsedLine},
    log::{LastLine, Log},
    medium::{File, Mode},
    path, scan,
    tail::{self, Ending, TailCheck, TailFault},
};
use sessile_driver::lock;

/// How often a handle that only reads starts again because the file changes.
const LOOKS: usize = 8;

/// How much of a space a call needs.
#[derive(Clone, Copy, Debug)]
pub(super) enum LookupDepth {
    Head,
    /// The head, and the places of the records of this range.
    Range(ReadRange),
    /// The head, and the places of all records.
    All,
}

impl LookupDepth {
    /// The range whose places are needed; `Some(None)` is all records.
    pub(super) const fn range(&self) -> Option<Option<&ReadRange>> {
        match self {
            Self::Head => None,
            Self::Range(range) => Some(Some(range)),
            Self::All => Some(None),
        }
    }
}

impl DiskShared {
    /// Ensures that the state of a space is known to this depth. The caller holds its `work`.
    pub(super) fn ensure_known(&self, cell: &SpaceCell, depth: LookupDepth) -> Result<()> {
        let known = match self.epoch {
            Some(_) => lock(&cell.seen).state != SpaceState::Unknown,
            None => self.is_unchanged(cell)?,
        };
        if !known {
            match self.epoch {
                Some(_) => self.recover_tail(cell)?,
                None => self.reread_tail(cell)?,
            }
        }
        if let Some(range) = depth.range() {
            self.complete(cell, range)?;
        }
        self.cells.reweigh(cell);
        Ok(())
    }

    /// Reads the places of records: on to the tail, and back to the beginning of the range.
    fn complete(&self, cell: &SpaceCell, range: Option<&ReadRange>) -> Result<()> {
        let (mut log, tail, generation) = {
            let mut seen = lock(&cell.seen);
            let SpaceState::Live(tail) = &seen.state else { return Ok(()) };
            let tail = tail.clone();
            let is_known = |log: &Log| log.upto >= tail.end && log.reaches(range);
            if seen.log.as_ref().is_some_and(is_known) {
                return Ok(());
            }
            let log = seen.log.take();
            let version = tail.position.version;
            (log.unwrap_or_else(|| Log::behind(version, tail.end)), tail, seen.generation)
        };
        let records = cell.place.records();
        let engine = |e| failed("read", &records, e);
        let file = self.files.get(&*self.medium, &cell.space, &records).map_err(engine)?;
        let extend = |log: &mut Log| -> Result<()> {
            if log.extend(&cell.space, &*file, tail.end).map_err(engine)?.is_some() {
                log.missing_upto(tail.end, tail.position.version);
            }
            Ok(())
        };
        extend(&mut log)?;
        if !log.reaches(range) && !log.extend_back(&cell.space, &*file, range).map_err(engine)? {
            log = Log::default();
            extend(&mut log)?;
        }
        let mut seen = lock(&cell.seen);
        if seen.generation == generation {
            seen.log = Some(log);
        }
        Ok(())
    }

    fn is_dropped(&self, cell: &SpaceCell) -> Result<bool> {
        let path = cell.place.dropped();
        match self.medium.stat(&path) {
            Ok(_) => Ok(true),
            Err(e) if is_absent(&e) => Ok(false),
            Err(e) => Err(failed("look at", &path, e)),
        }
    }

    fn see(&self, cell: &SpaceCell, state: SpaceState, log: Option<Log>) {
        let mut seen = lock(&cell.seen);
        seen.state = state;
        seen.log = log;
        seen.generation += 1;
    }

    /// For the handle that writes: reads the end of the file, and cuts a line that a crash left unfinished.
    fn recover_tail(&self, cell: &SpaceCell) -> Result<()> {
        if self.is_dropped(cell)? {
            self.clear(cell);
            self.see(cell, SpaceState::Dropped, None);
            return Ok(());
        }
        let records = cell.place.records();
        let engine = |e| failed("read", &records, e);
        self.files.forget(&cell.space);
        let file = match self.files.get(&*self.medium, &cell.space, &records) {
            Ok(file) => file,
            Err(e) if is_absent(&e) => {
                self.see(cell, SpaceState::Absent, None);
                return Ok(());
            }
            Err(e) => return Err(engine(e)),
        };
        let mut log = Log::default();
        let meta = lock(&self.meta).clone();
        let check = TailCheck { meta: &meta, epoch: self.epoch };
        let Ending { tail, is_torn, is_unclean } =
            tail::ending(check, &cell.space, &*file, &mut log).map_err(
                |trouble| match trouble {
                    TailFault::Engine(e) => engine(e),
                    TailFault::Damage(error) => error,
                },
            )?;
        if is_torn {
            self.cut(cell, &*file, tail.as_ref().map_or(0, |tail| tail.end)).map_err(engine)?;
        }
        if is_unclean {
            // The file was not closed cleanly: what is read now may not be flushed, and must not be lost later.
            let folders = cell.place.folders().iter().rev().map(std::path::PathBuf::as_path);
            let flushed = file.sync().and_then(|()| {
                folders.chain([cell.place.root()]).try_for_each(|path| self.medium.sync_dir(path))
            });
            flushed.map_err(engine)?;
        }
        let log = (log.upto > 0).then_some(log);
        let state = tail.map_or(SpaceState::Absent, SpaceState::Live);
        self.see(cell, state, log);
        Ok(())
    }

    /// Cuts an unfinished line, and adds it to the repairs.
    fn cut(&self, cell: &SpaceCell, file: &dyn File, end: u64) -> io::Result<()> {
        let bytes = file.stat()?.len.saturating_sub(end);
        file.truncate(end)?;
        file.sync()?;
        lock(&self.repairs).push(Repair { space: cell.space.clone(), bytes });
        Ok(())
    }

    /// For a handle that only reads: whether the file is as it was when it was read last.
    fn is_unchanged(&self, cell: &SpaceCell) -> Result<bool> {
        if self.is_dropped(cell)? {
            self.see(cell, SpaceState::Dropped, None);
            return Ok(true);
        }
        let path = cell.place.records();
        match self.medium.stat(&path) {
            Ok(stat) => {
                let seen = lock(&cell.seen);
                Ok(seen.state != SpaceState::Unknown && seen.stat == Some(stat))
            }
            Err(e) if is_absent(&e) => {
                self.see(cell, SpaceState::Absent, None);
                Ok(true)
            }
            Err(e) => Err(failed("look at", &path, e)),
        }
    }

    /// For a handle that only reads: reads the end of the file, again if it is damaged and changes meanwhile.
    fn reread_tail(&self, cell: &SpaceCell) -> Result<()> {
        let records = cell.place.records();
        let engine = |e| failed("read", &records, e);
        let mut looks = 0;
        loop {
            looks += 1;
            self.files.forget(&cell.space);
            let file = match self.files.get(&*self.medium, &cell.space, &records) {
                Ok(file) => file,
                Err(e) if is_absent(&e) => {
                    self.see(cell, SpaceState::Absent, None);
                    return Ok(());
                }
                Err(e) => return Err(engine(e)),
            };
            let before = file.stat().map_err(engine)?;
            let mut log = self.still_right(cell, &*file).map_err(engine)?;
            let meta = lock(&self.meta).clone();
            let check = TailCheck { meta: &meta, epoch: None };
            match tail::ending(check, &cell.space, &*file, &mut log) {
                Ok(Ending { tail, .. }) => {
                    let log = (log.upto > 0).then_some(log);
                    self.see(cell, tail.map_or(SpaceState::Absent, SpaceState::Live), log);
                    lock(&cell.seen).stat = Some(before);
                    return Ok(());
                }
                Err(TailFault::Engine(e)) => return Err(engine(e)),
                Err(TailFault::Damage(error)) => {
                    let now = super::meta::Meta::read(&*self.medium, &self.root)?.unwrap_or(meta);
                    let is_new = std::mem::replace(&mut *lock(&self.meta), now.clone()) != now;
                    let is_other = self.medium.stat(&records).ok() != Some(before);
                    if looks >= LOOKS || !(is_new || is_other) {
                        return Err(error);
                    }
                    std::thread::park_timeout(std::time::Duration::from_millis(1));
                }
            }
        }
    }

    /// What was known of the file, if its last known line is still in its place.
    fn still_right(&self, cell: &SpaceCell, file: &dyn File) -> io::Result<Log> {
        let known = lock(&cell.seen).log.take();
        let Some(known) = known else { return Ok(Log::default()) };
        let LastLine::Batch { line, head } = &known.last else { return Ok(Log::default()) };
        let now = scan::read_line(file, line.at, line.end())?;
        let same = line.end() == known.upto
            && now.as_deref().and_then(line::parse) == Some(ParsedLine::Batch(head.clone()));
        Ok(if same { known } else { Log::default() })
    }

    /// The project of a thread whose end is damaged, from its first line.
    pub(super) fn project_hint(&self, cell: &SpaceCell) -> Option<ProjectId> {
        let file = self.medium.open(&cell.place.records(), Mode::Read).ok()?;
        let len = file.stat().ok()?.len;
        let mut log = Log::default();
        let _damage_is_known = log.extend(&cell.space, &*file, len).ok()?;
        match log.last {
            LastLine::Batch { head, .. } => head.project,
            LastLine::Seal(seal) => seal.project,
            LastLine::Nothing => None,
        }
    }

    /// Removes the files of a dropped space. What cannot be removed now is removed by the next lookup, or by `scrub`.
    pub(super) fn clear(&self, cell: &SpaceCell) {
        if self.epoch.is_some() {
            let _later = self.try_clear(cell);
        }
    }

    pub(super) fn try_clear(&self, cell: &SpaceCell) -> io::Result<()> {
        let (records, folder) = (cell.place.records(), cell.place.folder());
        let had_records = match self.medium.remove_file(&records) {
            Err(e) if is_absent(&e) => false,
            removed => removed.map(|()| true)?,
        };
        let had_folder = match self.medium.list(&folder) {
            Err(e) if is_absent(&e) => false,
            listed => {
                for entry in listed? {
                    let path = folder.join(&entry.name);
                    if entry.name == path::BLOBS && entry.is_dir {
                        for blob in list(self, &path)? {
                            remove(self, &path.join(blob.name))?;
                        }
                        self.medium.sync_dir(&path)?;
                    }
                    if entry.is_dir {
                        // A folder with files that are not ours stays.
                        let _not_empty = self.medium.remove_dir(&path);
                    } else {
                        remove(self, &path)?;
                    }
                }
                self.medium.sync_dir(&folder)?;
                self.medium.remove_dir(&folder).is_ok()
            }
        };
        if had_records || had_folder { self.medium.sync_dir(cell.place.parent()) } else { Ok(()) }
    }

    /// The open file of a space.
    pub(super) fn file(&self, space: &Space, cell: &SpaceCell) -> Result<Arc<dyn File>> {
        let path = cell.place.records();
        let file = self.files.get(&*self.medium, space, &path);
        file.map_err(|e| failed("open", &path, e))
    }
}

/// The entries of a folder; none if there is no such folder.
pub(super) fn list(
    shared: &DiskShared,
    path: &std::path::Path,
) -> io::Result<Vec<super::medium::Entry>> {
    match shared.medium.list(path) {
        Err(e) if is_absent(&e) => Ok(Vec::new()),
        listed => listed,
    }
}

/// Removes a file, if there is one.
pub(super) fn remove(shared: &DiskShared, path: &std::path::Path) -> io::Result<()> {
    match shared.medium.remove_file(path) {
        Err(e) if is_absent(&e) => Ok(()),
        removed => removed,
    }
}

/// Whether an error says that there is no such file or folder.
pub(super) fn is_absent(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Whether an error is damage of one space.
pub(super) fn is_damage(error: &Error) -> bool {
    matches!(error, Error::Corrupt { .. })
}
