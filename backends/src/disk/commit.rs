//! Appending a line, and dropping a space.

use std::{io, path::PathBuf, sync::Arc};

use sessile_core::{
    error::{Error, Result},
    journal::{Batch, Commit, Position, ReadRange},
};

use super::{
    DiskShared,
    cell::{AckedState, SpaceCell, SpaceState, WriteGuard},
    failed,
    line::{self, BatchHeader, ParsedLine},
    log::Log,
    lookup::LookupDepth,
    medium::{File, Mode},
    read::ReadPlan,
    tail::Tail,
};
use sessile_driver::{
    check::{self, HeadMatch},
    lock,
};

/// A line to append, and the state of the space before and after it.
#[derive(Debug)]
pub(super) struct Append {
    before: Option<Tail>,
    after: Tail,
    head: BatchHeader,
    line: Vec<u8>,
}

/// What a failed write left.
enum WriteFailure {
    /// Nothing: it was taken back.
    Undone(io::Error),
    /// Unknown.
    Doubt(io::Error),
}

/// The end of a space whose head is as expected; `None` if it is not.
pub(super) fn expected(state: &SpaceState, expected: Option<Position>) -> Option<Option<Tail>> {
    let tail = match state {
        SpaceState::Live(tail) => Some(tail),
        SpaceState::Absent => None,
        SpaceState::Unknown | SpaceState::Dropped => return None,
    };
    let verdict = check::compare_heads(tail.map(|tail| tail.position), expected);
    (verdict == HeadMatch::Same).then(|| tail.cloned())
}

impl Append {
    /// The line of a batch that follows `before`.
    pub(super) fn new(
        cell: &SpaceCell,
        epoch: u64,
        before: Option<Tail>,
        batch: &Batch,
    ) -> Result<Self> {
        let position = batch.end().ok_or_else(|| Error::invalid("batch", "it has no records"))?;
        let at = before.as_ref().map_or(0, |tail| tail.end);
        let (project, card, card_at) = match &before {
            Some(tail) => (tail.project, tail.card.clone(), tail.card_at),
            None => (batch.project, None, None),
        };
        let (card, card_at) = match &batch.card {
            Some(card) => (Some(card.clone()), Some(at)),
            None => (card, card_at),
        };
        let mut head = line::header(&batch.records, epoch, project, card_at);
        if before.is_none() {
            head.space = Some(cell.space.to_string());
        }
        let line = line::batch(&mut head, batch.card.as_ref(), &batch.records);
        let line = line.ok_or_else(|| {
            Error::invalid("batch", "it cannot be encoded: it is longer than 4 GiB")
        })?;
        let end = at + line.len() as u64;
        let after = Tail { position, card, card_at, project, end };
        Ok(Self { before, after, head, line })
    }
}

impl DiskShared {
    /// The answer to a writer that expects another head. The caller has the guard, and the state is known.
    pub(super) fn refusal(&self, cell: &SpaceCell, expected: Option<Position>) -> Result<Commit> {
        let state = lock(&cell.seen).state.clone();
        let tail = if let SpaceState::Live(tail) = &state { Some(tail) } else { None };
        let read = |range: &ReadRange| {
            self.ensure_known(cell, LookupDepth::Range(*range))?;
            match self.plan(cell, range)? {
                ReadPlan::Fetch(fetch) => Ok(fetch.run(check::SINCE_BYTES)?.unwrap_or_default()),
                ReadPlan::Nothing | ReadPlan::LookUp => Ok(Vec::new()),
            }
        };
        let (is_dropped, actual) = (state == SpaceState::Dropped, tail.map(|tail| tail.position));
        let head = || Ok(tail.map(Tail::head));
        let refusal = check::refusal(is_dropped, actual, expected, head, read)?;
        refusal.ok_or_else(|| {
            cell.error("its newest records are gone; open the store again, and verify the thread")
        })
    }

    /// Writes a line durably; the state it was made for still holds, because the caller has the guard.
    pub(super) fn append(
        &self,
        cell: &SpaceCell,
        mut guard: WriteGuard,
        append: Append,
    ) -> Result<Commit> {
        let Append { before, after, head, line } = append;
        lock(&self.written).insert(cell.space.clone());
        let written = match &before {
            Some(tail) => {
                let file = self.file(&cell.space, cell)?;
                let len = file.stat().map_err(|e| failed("look at", &cell.place.records(), e))?.len;
                if len != tail.end {
                    let generation = lock(&cell.seen).generation;
                    cell.forget(generation);
                    return Err(cell.error("another program changed the file; open the store again, and verify the thread"));
                }
                write(&*file, tail.end, &line)
            }
            None => self.create(cell, &line, &after),
        };
        match written {
            Ok(()) => {}
            Err(WriteFailure::Undone(e)) => return Err(failed("write", &cell.place.records(), e)),
            Err(WriteFailure::Doubt(e)) => return Ok(self.poison(cell, &mut guard, e)),
        }
        {
            let mut seen = lock(&cell.seen);
            let AckedState { state, log, .. } = &mut *seen;
            let at = before.as_ref().map_or(0, |tail| tail.end);
            if before.is_none() {
                *log = Some(Log::default());
            }
            if let Some(log) = log.as_mut().filter(|log| log.upto == at) {
                let len = u32::try_from(line.len()).unwrap_or(u32::MAX);
                log.accept(&cell.space, ParsedLine::Batch(head), at, len, false);
            }
            *state = SpaceState::Live(after.clone());
        }
        self.cells.reweigh(cell);
        self.lists.put(&cell.space, &after);
        drop(guard);
        self.notifier.notify(&cell.space);
        Ok(Commit::Done)
    }

    /// Writes the first line of a space. All names are made before the first flush, so that a file system with a journal
    /// flushes them together.
    fn create(&self, cell: &SpaceCell, line: &[u8], after: &Tail) -> Result<(), WriteFailure> {
        let flush = self.make_folders(cell).map_err(WriteFailure::Undone)?;
        let path = cell.place.records();
        let file = self.medium.open(&path, Mode::Create).map_err(WriteFailure::Undone)?;
        if file.stat().map_err(WriteFailure::Undone)?.len > 0 {
            file.truncate(0).map_err(WriteFailure::Undone)?;
        }
        let marker = after.project.map(|project| cell.place.marker(&cell.space, project));
        if let Some((marker, folder)) = marker {
            // The marker is for people; a failure changes no answer.
            let _for_people = self.mark(&marker, &folder);
        }
        match write(&*file, 0, line) {
            Ok(()) => {}
            Err(WriteFailure::Undone(e)) => {
                let _empty_is_absent = self.medium.remove_file(&path);
                return Err(WriteFailure::Undone(e));
            }
            Err(doubt) => return Err(doubt),
        }
        self.flush_folders(cell, flush).map_err(WriteFailure::Doubt)?;
        self.files.put(&cell.space, &file);
        Ok(())
    }

    fn mark(&self, marker: &std::path::Path, folder: &std::path::Path) -> io::Result<()> {
        let made = self.medium.open(marker, Mode::Create);
        if made.is_ok() {
            return Ok(());
        }
        for folder in folder.ancestors().take(3).collect::<Vec<_>>().into_iter().rev() {
            make(self, folder)?;
        }
        self.medium.open(marker, Mode::Create).map(drop)
    }

    /// Makes the folders of a space; returns the folders to flush.
    pub(super) fn make_folders(&self, cell: &SpaceCell) -> io::Result<Vec<PathBuf>> {
        let mut flush = vec![cell.place.parent().to_owned()];
        let mut above = cell.place.root();
        for folder in cell.place.folders() {
            if !lock(&self.flushed).contains(folder) {
                make(self, folder)?;
                flush.push(above.to_owned());
            }
            above = folder;
        }
        Ok(flush)
    }

    /// Flushes folders, and remembers that those of this space are flushed.
    pub(super) fn flush_folders(&self, cell: &SpaceCell, folders: Vec<PathBuf>) -> io::Result<()> {
        let is_new = folders.len() > 1;
        for folder in folders {
            self.medium.sync_dir(&folder)?;
        }
        if is_new {
            lock(&self.flushed).extend(cell.place.folders().iter().cloned());
        }
        Ok(())
    }

    /// After a failed flush: this space takes no more writes until the store is opened again.
    pub(super) fn poison(&self, cell: &SpaceCell, guard: &mut WriteGuard, e: io::Error) -> Commit {
        let reason = format!("an earlier flush failed ({e}); open the store again");
        guard.poisoned = Some(reason);
        self.is_poisoned.store(true, std::sync::atomic::Ordering::Release);
        self.notifier.notify(&cell.space);
        Commit::Indeterminate { source: Some(Arc::new(e)) }
    }

    /// Writes the tombstone, then removes the files of the space. The caller has compared the heads.
    pub(super) fn drop_now(
        &self,
        cell: &SpaceCell,
        mut guard: WriteGuard,
        before: Option<Tail>,
    ) -> Result<Commit> {
        let path = cell.place.dropped();
        let made = self.make_folders(cell).and_then(|flush| {
            self.medium.open(&path, Mode::Create)?;
            Ok(flush)
        });
        let flush = made.map_err(|e| failed("make", &path, e))?;
        if let Err(e) = self.flush_folders(cell, flush) {
            return Ok(self.poison(cell, &mut guard, e));
        }
        {
            let mut seen = lock(&cell.seen);
            let generation = seen.generation + 1;
            *seen = AckedState { state: SpaceState::Dropped, generation, ..AckedState::default() };
            self.files.forget(&cell.space);
        }
        self.cells.reweigh(cell);
        lock(&self.written).remove(&cell.space);
        self.lists.remove(&cell.space);
        if let Some(project) = before.and_then(|tail| tail.project) {
            let (marker, _) = cell.place.marker(&cell.space, project);
            let _for_people = self.medium.remove_file(&marker);
        }
        self.clear(cell);
        drop(guard);
        self.notifier.notify(&cell.space);
        Ok(Commit::Done)
    }
}

/// Makes a folder unless there is one.
pub(super) fn make(shared: &DiskShared, folder: &std::path::Path) -> io::Result<()> {
    match shared.medium.create_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Appends a line and flushes it. If the append fails, the file is cut to its old length and flushed.
fn write(file: &dyn File, at: u64, line: &[u8]) -> Result<(), WriteFailure> {
    match file.write_at(line, at) {
        Ok(()) => file.sync().map_err(WriteFailure::Doubt),
        Err(e) => match file.truncate(at).and_then(|()| file.sync()) {
            Ok(()) => Err(WriteFailure::Undone(e)),
            Err(_) => Err(WriteFailure::Doubt(e)),
        },
    }
}
