//! Looking a space up in its folder; cutting what a crash left unfinished.

use std::{io, sync::Arc};

use sessile_core::{
    error::{Error, Result},
    id::{ProjectId, Space},
    journal::ReadRange,
};

use super::{
    Repair, Shared,
    cell::{Cell, State},
    failed,
    line::{self, ParsedLine},
    log::{Last, Log},
    medium::{File, Mode},
    path, scan,
    tail::{self, Ending, Judge, Trouble},
};
use sessile_driver::lock;

/// How often a handle that only reads looks again at what changes under its eyes.
const LOOKS: usize = 8;

/// How much is to be known of a space.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reach {
    Head,
    /// And where the records of this range stand.
    Range(ReadRange),
    /// And where all records stand.
    All,
}

impl Reach {
    /// Whose places are asked for; `Some(None)` are all.
    pub(super) const fn range(&self) -> Option<Option<&ReadRange>> {
        match self {
            Self::Head => None,
            Self::Range(range) => Some(Some(range)),
            Self::All => Some(None),
        }
    }
}

impl Shared {
    /// Makes the state of a space known, and as far as asked where its records stand. The caller holds its `work`.
    pub(super) fn settle(&self, cell: &Cell, reach: Reach) -> Result<()> {
        let known = match self.epoch {
            Some(_) => lock(&cell.seen).state != State::Unknown,
            None => self.is_unchanged(cell)?,
        };
        if !known {
            match self.epoch {
                Some(_) => self.look_up(cell)?,
                None => self.look_again(cell)?,
            }
        }
        if let Some(range) = reach.range() {
            self.complete(cell, range)?;
        }
        self.cells.reweigh(cell);
        Ok(())
    }

    /// Reads on to the tail, and back as far as the range goes.
    fn complete(&self, cell: &Cell, range: Option<&ReadRange>) -> Result<()> {
        let (mut log, tail, generation) = {
            let mut seen = lock(&cell.seen);
            let State::Live(tail) = &seen.state else { return Ok(()) };
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

    fn is_dropped(&self, cell: &Cell) -> Result<bool> {
        let path = cell.place.dropped();
        match self.medium.stat(&path) {
            Ok(_) => Ok(true),
            Err(e) if is_absent(&e) => Ok(false),
            Err(e) => Err(failed("look at", &path, e)),
        }
    }

    fn see(&self, cell: &Cell, state: State, log: Option<Log>) {
        let mut seen = lock(&cell.seen);
        seen.state = state;
        seen.log = log;
        seen.generation += 1;
    }

    /// For the writer: the file is its own.
    fn look_up(&self, cell: &Cell) -> Result<()> {
        if self.is_dropped(cell)? {
            self.clear(cell);
            self.see(cell, State::Dropped, None);
            return Ok(());
        }
        let records = cell.place.records();
        let engine = |e| failed("read", &records, e);
        self.files.forget(&cell.space);
        let file = match self.files.get(&*self.medium, &cell.space, &records) {
            Ok(file) => file,
            Err(e) if is_absent(&e) => {
                self.see(cell, State::Absent, None);
                return Ok(());
            }
            Err(e) => return Err(engine(e)),
        };
        let mut log = Log::default();
        let meta = lock(&self.meta).clone();
        let judge = Judge { meta: &meta, epoch: self.epoch };
        let Ending { tail, is_torn, is_unclean } =
            tail::ending(judge, &cell.space, &*file, &mut log).map_err(
                |trouble| match trouble {
                    Trouble::Engine(e) => engine(e),
                    Trouble::Damage(error) => error,
                },
            )?;
        if is_torn {
            self.cut(cell, &*file, tail.as_ref().map_or(0, |tail| tail.end)).map_err(engine)?;
        }
        if is_unclean {
            // What is read from now on must not be lost later.
            let folders = cell.place.folders().iter().rev().map(std::path::PathBuf::as_path);
            let flushed = file.sync().and_then(|()| {
                folders.chain([cell.place.root()]).try_for_each(|path| self.medium.sync_dir(path))
            });
            flushed.map_err(engine)?;
        }
        let log = (log.upto > 0).then_some(log);
        let state = tail.map_or(State::Absent, State::Live);
        self.see(cell, state, log);
        Ok(())
    }

    /// Cuts what was never finished, and remembers it.
    fn cut(&self, cell: &Cell, file: &dyn File, end: u64) -> io::Result<()> {
        let bytes = file.stat()?.len.saturating_sub(end);
        file.truncate(end)?;
        file.sync()?;
        lock(&self.repairs).push(Repair { space: cell.space.clone(), bytes });
        Ok(())
    }

    /// For a handle that only reads: whether everything is as it was when it looked last.
    fn is_unchanged(&self, cell: &Cell) -> Result<bool> {
        if self.is_dropped(cell)? {
            self.see(cell, State::Dropped, None);
            return Ok(true);
        }
        let path = cell.place.records();
        match self.medium.stat(&path) {
            Ok(stat) => {
                let seen = lock(&cell.seen);
                Ok(seen.state != State::Unknown && seen.stat == Some(stat))
            }
            Err(e) if is_absent(&e) => {
                self.see(cell, State::Absent, None);
                Ok(true)
            }
            Err(e) => Err(failed("look at", &path, e)),
        }
    }

    /// For a handle that only reads: what cannot be is looked at again, as long as it changes.
    fn look_again(&self, cell: &Cell) -> Result<()> {
        let records = cell.place.records();
        let engine = |e| failed("read", &records, e);
        let mut looks = 0;
        loop {
            looks += 1;
            self.files.forget(&cell.space);
            let file = match self.files.get(&*self.medium, &cell.space, &records) {
                Ok(file) => file,
                Err(e) if is_absent(&e) => {
                    self.see(cell, State::Absent, None);
                    return Ok(());
                }
                Err(e) => return Err(engine(e)),
            };
            let before = file.stat().map_err(engine)?;
            let mut log = self.still_right(cell, &*file).map_err(engine)?;
            let meta = lock(&self.meta).clone();
            let judge = Judge { meta: &meta, epoch: None };
            match tail::ending(judge, &cell.space, &*file, &mut log) {
                Ok(Ending { tail, .. }) => {
                    let log = (log.upto > 0).then_some(log);
                    self.see(cell, tail.map_or(State::Absent, State::Live), log);
                    lock(&cell.seen).stat = Some(before);
                    return Ok(());
                }
                Err(Trouble::Engine(e)) => return Err(engine(e)),
                Err(Trouble::Damage(error)) => {
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

    /// What was known of the file, if its last known line still stands where it did.
    fn still_right(&self, cell: &Cell, file: &dyn File) -> io::Result<Log> {
        let known = lock(&cell.seen).log.take();
        let Some(known) = known else { return Ok(Log::default()) };
        let Last::Batch { line, head } = &known.last else { return Ok(Log::default()) };
        let now = scan::read_line(file, line.at, line.end())?;
        let same = line.end() == known.upto
            && now.as_deref().and_then(line::parse) == Some(ParsedLine::Batch(head.clone()));
        Ok(if same { known } else { Log::default() })
    }

    /// The project of a thread whose end is damaged: what its first line says.
    pub(super) fn project_hint(&self, cell: &Cell) -> Option<ProjectId> {
        let file = self.medium.open(&cell.place.records(), Mode::Read).ok()?;
        let len = file.stat().ok()?.len;
        let mut log = Log::default();
        let _damage_is_known = log.extend(&cell.space, &*file, len).ok()?;
        match log.last {
            Last::Batch { head, .. } => head.project,
            Last::Seal(seal) => seal.project,
            Last::Nothing => None,
        }
    }

    /// Removes what lies beside the tombstone. What cannot be removed now is removed by the next who looks, or by `scrub`.
    pub(super) fn clear(&self, cell: &Cell) {
        if self.epoch.is_some() {
            let _later = self.try_clear(cell);
        }
    }

    pub(super) fn try_clear(&self, cell: &Cell) -> io::Result<()> {
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
                        // A folder that someone else put something into stays.
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

    /// The space's file, as it is now.
    pub(super) fn file(&self, space: &Space, cell: &Cell) -> Result<Arc<dyn File>> {
        let path = cell.place.records();
        let file = self.files.get(&*self.medium, space, &path);
        file.map_err(|e| failed("open", &path, e))
    }
}

/// What is in a folder; nothing if there is no such folder.
pub(super) fn list(
    shared: &Shared,
    path: &std::path::Path,
) -> io::Result<Vec<super::medium::Entry>> {
    match shared.medium.list(path) {
        Err(e) if is_absent(&e) => Ok(Vec::new()),
        listed => listed,
    }
}

/// Removes a file that may be gone.
pub(super) fn remove(shared: &Shared, path: &std::path::Path) -> io::Result<()> {
    match shared.medium.remove_file(path) {
        Err(e) if is_absent(&e) => Ok(()),
        removed => removed,
    }
}

/// There is no such file, and no folder it could lie in.
pub(super) fn is_absent(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// For what a damaged answer must not hide.
pub(super) fn is_damage(error: &Error) -> bool {
    matches!(error, Error::Corrupt { .. })
}
