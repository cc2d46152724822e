//! The state that all calls of a handle share; opening and closing it.

use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use sessile_core::{
    error::{Error, Result},
    id::Space,
    journal::{Durability, JournalInfo, Sharing},
};

use super::{
    Options, Repair,
    cell::{SpaceCell, SpaceCells, SpaceState},
    failed,
    files::Files,
    line::{self, Seal},
    lists::Lists,
    lockfile::Lock,
    lookup::{LookupDepth, is_damage},
    medium::{File, Medium, Mode},
    meta::{self, Meta},
    tail::Tail,
};
use sessile_driver::{check, lock, notifier::Notifier};

/// Files sealed at the same time by a close.
const SEALERS: usize = 16;

/// The state that all calls of a handle share.
#[derive(Debug)]
pub(super) struct DiskShared {
    pub(super) medium: Arc<dyn Medium>,
    pub(super) root: PathBuf,
    pub(super) info: JournalInfo,
    /// The content of the store's file; the opening of this handle counts as closed cleanly.
    pub(super) meta: Mutex<Meta>,
    /// The number of this opening, if it writes.
    pub(super) epoch: Option<u64>,
    lock: Option<Lock>,
    pub(super) cells: SpaceCells,
    pub(super) files: Files,
    pub(super) lists: Lists,
    pub(super) notifier: Notifier,
    /// Spaces whose files have to be sealed.
    pub(super) written: Mutex<HashSet<Space>>,
    /// Folders whose names were flushed by this handle.
    pub(super) flushed: Mutex<HashSet<PathBuf>>,
    pub(super) repairs: Mutex<Vec<Repair>>,
    pub(super) is_poisoned: AtomicBool,
    pub(super) is_closed: AtomicBool,
}

impl DiskShared {
    /// Opens or makes a store.
    pub(super) fn open(medium: Arc<dyn Medium>, root: &Path, options: &Options) -> Result<Self> {
        let root = std::path::absolute(root)
            .map_err(|e| Error::invalid("path", format!("{}: {e}", root.display())))?;
        let no_store = || {
            Error::invalid(
                "path",
                format!("there is no store in {}, and to read only none is made", root.display()),
            )
        };
        if options.read_only {
            let meta = Meta::read(&*medium, &root)?.ok_or_else(no_store)?;
            return Ok(Self::over(medium, root, options, meta, None, None));
        }
        make_root(&*medium, &root)?;
        let lock = Lock::take(&*medium, &root)?;
        let meta = match Meta::read(&*medium, &root)? {
            Some(meta) => meta,
            None => {
                check_new(&*medium, &root)?;
                Meta::new(rand::random())
            }
        };
        let meta = meta.opened();
        meta.write(&*medium, &root)?;
        let epoch = meta.epoch;
        Ok(Self::over(medium, root, options, meta.closed(), Some(epoch), Some(lock)))
    }

    fn over(
        medium: Arc<dyn Medium>,
        root: PathBuf,
        options: &Options,
        meta: Meta,
        epoch: Option<u64>,
        lock: Option<Lock>,
    ) -> Self {
        let (durability, sharing) = (Durability::PowerLoss, Sharing::OneProcess);
        let mode = if epoch.is_some() { Mode::Write } else { Mode::Read };
        Self {
            info: JournalInfo::new("disk", meta.id, durability, sharing, meta::FORMAT),
            medium,
            root,
            meta: Mutex::new(meta),
            epoch,
            lock,
            cells: SpaceCells::new(options.memory),
            files: Files::new(options.files, mode),
            lists: Lists::new(options.memory),
            notifier: Notifier::new(),
            written: Mutex::default(),
            flushed: Mutex::default(),
            repairs: Mutex::default(),
            is_poisoned: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.is_closed.load(Ordering::Acquire) { Err(check::closed()) } else { Ok(()) }
    }

    /// The number of this opening; `Unsupported` if it does not write.
    pub(super) fn writer(&self) -> Result<u64> {
        self.check()?;
        self.epoch.ok_or_else(|| Error::Unsupported {
            what: format!("{} is open to read only; open it to write", self.root.display()),
        })
    }

    /// Seals the files that were written, and marks the opening as closed cleanly. No write is under way.
    pub(super) fn finish(&self) -> Result<()> {
        let sealed = match self.epoch {
            Some(epoch) => self.seal_all(epoch),
            None => Ok(()),
        };
        self.files.close();
        if let Some(lock) = &self.lock {
            lock.release();
        }
        sealed
    }

    fn seal_all(&self, epoch: u64) -> Result<()> {
        let written: Vec<Space> = std::mem::take(&mut *lock(&self.written)).into_iter().collect();
        let share = written.len().div_ceil(SEALERS).max(8);
        let seal = |spaces: &[Space]| spaces.iter().try_for_each(|space| self.seal(space, epoch));
        std::thread::scope(|scope| {
            let parts: Vec<_> =
                written.chunks(share).map(|part| scope.spawn(move || seal(part))).collect();
            parts.into_iter().try_for_each(|part| {
                let panicked = || Error::failed("closing the files panicked");
                part.join().unwrap_or_else(|_| Err(panicked()))
            })
        })?;
        if self.is_poisoned.load(Ordering::Acquire) {
            return Ok(());
        }
        lock(&self.meta).clone().write(&*self.medium, &self.root)
    }

    fn seal(&self, space: &Space, epoch: u64) -> Result<()> {
        let cell = self.cells.get(&self.root, space);
        let guard = cell.work.lock_arc_blocking();
        if guard.poisoned.is_some() {
            return Ok(());
        }
        let Some((file, tail)) = self.to_seal(&cell)? else { return Ok(()) };
        let seal = Seal {
            version: tail.position.version,
            link: tail.position.hash,
            epoch,
            project: tail.project,
            card_at: tail.card_at,
        };
        let line = line::seal(&seal).unwrap_or_default();
        let written = file.write_at(&line, tail.end).and_then(|()| file.sync());
        written.map_err(|e| failed("seal", &cell.place.records(), e))
    }

    /// The file of a space to seal, and its end; `None` for a damaged one, which gets no seal.
    fn to_seal(&self, cell: &SpaceCell) -> Result<Option<(Arc<dyn File>, Tail)>> {
        for _ in 0..2 {
            match self.ensure_known(cell, LookupDepth::Head) {
                Err(error) if is_damage(&error) => return Ok(None),
                with_known => with_known?,
            }
            let (state, generation) = {
                let seen = lock(&cell.seen);
                (seen.state.clone(), seen.generation)
            };
            let SpaceState::Live(tail) = state else { return Ok(None) };
            let file = self.file(&cell.space, cell)?;
            let len = file.stat().map_err(|e| failed("look at", &cell.place.records(), e))?.len;
            if len == tail.end {
                return Ok(Some((file, tail)));
            }
            cell.forget(generation);
        }
        Err(cell
            .error("another program changed the file; open the store again, and verify the thread"))
    }
}

/// Makes the folder of a store if there is none; the folder it lies in exists.
fn make_root(medium: &dyn Medium, root: &Path) -> Result<()> {
    let invalid = |reason: &str| Error::invalid("path", format!("{}: {reason}", root.display()));
    match medium.create_dir(root) {
        Ok(()) => {
            let parent = root.parent().unwrap_or(root);
            medium.sync_dir(parent).map_err(|e| failed("flush", parent, e))
        }
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => match medium.list(root) {
            Ok(_) => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::NotADirectory => {
                Err(invalid("it is no folder; name a folder"))
            }
            Err(e) => Err(failed("list", root, e)),
        },
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            Err(invalid("the folder it would be made in does not exist; make that first"))
        }
        Err(e) => Err(failed("make", root, e)),
    }
}

/// Checks that a folder without a store is empty, before a store is made in it.
fn check_new(medium: &dyn Medium, root: &Path) -> Result<()> {
    let entries = medium.list(root).map_err(|e| failed("list", root, e))?;
    match entries.iter().find(|entry| !entry.name.starts_with('_')) {
        None => Ok(()),
        Some(entry) => {
            let reason = format!(
                "the folder has no {}, and holds {:?} of something else",
                super::path::META,
                entry.name
            );
            Err(Error::CorruptFile { file: root.display().to_string(), reason })
        }
    }
}
