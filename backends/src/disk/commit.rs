//! Appending a line, and dropping a space.

use std::{io, path::PathBuf, sync::Arc};

use sessile_core::{
    error::{Error, Result},
    journal::{Batch, Commit, Position, ReadRange},
};

use super::{
    Shared,
    cell::{Cell, Guard, Seen, State},
    failed,
    line::{self, BatchHeader, ParsedLine},
    log::Log,
    medium::{File, Mode},
    read::Plan,
    settle::Reach,
    tail::Tail,
};
use sessile_driver::{
    check::{self, HeadMatch},
    lock,
};

/// A line on its way to its file.
#[derive(Debug)]
pub(super) struct Append {
    before: Option<Tail>,
    after: Tail,
    head: BatchHeader,
    line: Vec<u8>,
}

/// How far a write got that did not succeed.
enum Failure {
    /// Nothing is left of it.
    Undone(io::Error),
    /// Nobody knows.
    Doubt(io::Error),
}

/// The end of a space whose head is as expected; `None` if it is not.
pub(super) fn expected(state: &State, expected: Option<Position>) -> Option<Option<Tail>> {
    let tail = match state {
        State::Live(tail) => Some(tail),
        State::Absent => None,
        State::Unknown | State::Dropped => return None,
    };
    let verdict = check::compare_heads(tail.map(|tail| tail.position), expected);
    (verdict == HeadMatch::Same).then(|| tail.cloned())
}

impl Append {
    /// The line of a batch that follows `before`.
    pub(super) fn new(
        cell: &Cell,
        epoch: u64,
        before: Option<Tail>,
        batch: &Batch,
    ) -> Result<Self> {
        let position = batch.end().ok_or_else(|| Error::invalid("batch", "has no records"))?;
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
        let line = line.ok_or_else(|| Error::invalid("batch", "cannot be encoded"))?;
        let end = at + line.len() as u64;
        let after = Tail { position, card, card_at, project, end };
        Ok(Self { before, after, head, line })
    }
}

impl Shared {
    /// What to answer to a writer that expects another head. The caller has the guard, and the state is known.
    pub(super) fn refusal(&self, cell: &Cell, expected: Option<Position>) -> Result<Commit> {
        let state = lock(&cell.seen).state.clone();
        let tail = if let State::Live(tail) = &state { Some(tail) } else { None };
        let read = |range: &ReadRange| {
            self.settle(cell, Reach::Range(*range))?;
            match self.plan(cell, range)? {
                Plan::Fetch(fetch) => Ok(fetch.run(check::SINCE_BYTES)?.unwrap_or_default()),
                Plan::Nothing | Plan::LookUp => Ok(Vec::new()),
            }
        };
        let (is_dropped, actual) = (state == State::Dropped, tail.map(|tail| tail.position));
        let head = || Ok(tail.map(Tail::head));
        let refusal = check::refusal(is_dropped, actual, expected, head, read)?;
        refusal.ok_or_else(|| {
            cell.error("its newest records are gone; open the store again, and verify the thread")
        })
    }

    /// Writes a line durably; the state it was made for still holds, because the caller has the guard.
    pub(super) fn append(&self, cell: &Cell, mut guard: Guard, append: Append) -> Result<Commit> {
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
            Err(Failure::Undone(e)) => return Err(failed("write", &cell.place.records(), e)),
            Err(Failure::Doubt(e)) => return Ok(self.poison(cell, &mut guard, e)),
        }
        {
            let mut seen = lock(&cell.seen);
            let Seen { state, log, .. } = &mut *seen;
            let at = before.as_ref().map_or(0, |tail| tail.end);
            if before.is_none() {
                *log = Some(Log::default());
            }
            if let Some(log) = log.as_mut().filter(|log| log.upto == at) {
                let len = u32::try_from(line.len()).unwrap_or(u32::MAX);
                log.accept(&cell.space, ParsedLine::Batch(head), at, len, false);
            }
            *state = State::Live(after.clone());
        }
        self.cells.reweigh(cell);
        self.lists.put(&cell.space, &after);
        drop(guard);
        self.notifier.notify(&cell.space);
        Ok(Commit::Done)
    }

    /// The first line of a space. Names first, flushes after: a file system with a journal then flushes all at once.
    fn create(&self, cell: &Cell, line: &[u8], after: &Tail) -> Result<(), Failure> {
        let flush = self.make_folders(cell).map_err(Failure::Undone)?;
        let path = cell.place.records();
        let file = self.medium.open(&path, Mode::Create).map_err(Failure::Undone)?;
        if file.stat().map_err(Failure::Undone)?.len > 0 {
            file.truncate(0).map_err(Failure::Undone)?;
        }
        let marker = after.project.map(|project| cell.place.marker(&cell.space, project));
        if let Some((marker, folder)) = marker {
            // For people only; what is missing is made good by nobody's answer.
            let _for_people = self.mark(&marker, &folder);
        }
        match write(&*file, 0, line) {
            Ok(()) => {}
            Err(Failure::Undone(e)) => {
                let _empty_is_absent = self.medium.remove_file(&path);
                return Err(Failure::Undone(e));
            }
            Err(doubt) => return Err(doubt),
        }
        self.flush_folders(cell, flush).map_err(Failure::Doubt)?;
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

    /// Makes the folders above the files of a space; answers those whose names have to be flushed.
    pub(super) fn make_folders(&self, cell: &Cell) -> io::Result<Vec<PathBuf>> {
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

    /// Flushes the names in folders; those above the files of a space need it no more.
    pub(super) fn flush_folders(&self, cell: &Cell, folders: Vec<PathBuf>) -> io::Result<()> {
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
    pub(super) fn poison(&self, cell: &Cell, guard: &mut Guard, e: io::Error) -> Commit {
        let reason = format!("an earlier flush failed ({e}); open the store again");
        guard.poisoned = Some(reason);
        self.is_poisoned.store(true, std::sync::atomic::Ordering::Release);
        self.notifier.notify(&cell.space);
        Commit::Indeterminate { source: Some(Arc::new(e)) }
    }

    /// Leaves the tombstone, then removes what the space had. The caller has judged.
    pub(super) fn drop_now(
        &self,
        cell: &Cell,
        mut guard: Guard,
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
            *seen = Seen { state: State::Dropped, generation, ..Seen::default() };
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

/// Makes a folder that may be there.
pub(super) fn make(shared: &Shared, folder: &std::path::Path) -> io::Result<()> {
    match shared.medium.create_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Appends and flushes; what fails before the flush is taken back, and that flushed.
fn write(file: &dyn File, at: u64, line: &[u8]) -> Result<(), Failure> {
    match file.write_at(line, at) {
        Ok(()) => file.sync().map_err(Failure::Doubt),
        Err(e) => match file.truncate(at).and_then(|()| file.sync()) {
            Ok(()) => Err(Failure::Undone(e)),
            Err(_) => Err(Failure::Doubt(e)),
        },
    }
}
