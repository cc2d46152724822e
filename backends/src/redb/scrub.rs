//! Scrubbing: removing erased bytes from the file.
//!
//! The engine never overwrites what it frees, and its own compaction only moves pages to the front: old bytes stay between
//! them until a page is used again. So everything that is left is written to a new file.

use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
    sync::{Arc, PoisonError},
};

use redb::{Database, ReadableDatabase as _, ReadableTable as _, backends::FileBackend};
use sessile_core::{
    error::{Error, Result},
    journal::Scrub,
};

use super::{
    DatabaseSlot, Options, ROWS, Shared,
    error::{self, EngineResult},
    medium::{Flush, Medium, Watch},
    open::{self, Place},
};
use sessile_driver::check;

pub(super) fn scrub(shared: &Shared) -> Result<Scrub> {
    let Place::File(path) = &shared.place else {
        return Err(Error::Unsupported {
            what: "only a store in a file can be scrubbed, and this one is on another medium"
                .into(),
        });
    };
    // Whatever failed before is put right first.
    shared.read(|_| Ok(()))?;
    let mut slot = shared.slot.write().unwrap_or_else(PoisonError::into_inner);
    shared.check()?;
    let Some(db) = &slot.db else {
        let why = format!("{} has to be opened again first", path.display());
        return Ok(Scrub::Pending { why });
    };
    let beside = open::beside(path);
    let new = match rewrite(db, path, &beside, &shared.options, &shared.flush) {
        Ok(new) => new,
        Err(failure) => {
            let _ = std::fs::remove_file(&beside);
            return Err(failure.told(|e| shared.engine_error(e)));
        }
    };
    if let Err(e) = std::fs::rename(&beside, path) {
        drop(new);
        let _ = std::fs::remove_file(&beside);
        return Err(shared.engine_error(redb::Error::Io(e)));
    }
    let generation = slot.generation + 1;
    // The old file has no name any more; it goes with its last owner.
    *slot = DatabaseSlot::open(new, generation);
    if let Err(e) = check::flush_directory_of(path) {
        // After a loss of power the old file might be back, without what is written from now on.
        shared.flush.fail(&e);
        shared.check()?;
    }
    Ok(Scrub::Done)
}

/// A new file with everything that is left, flushed, locked and open.
fn rewrite(
    db: &Database,
    path: &Path,
    beside: &Path,
    options: &Options,
    flush: &Arc<Flush>,
) -> EngineResult<Database> {
    let file = make(path, beside).map_err(redb::StorageError::Io)?;
    let inner = Arc::new(FileBackend::new(file)?);
    // A flush that fails before the copy is whole does no harm to the old file.
    let watch = Watch::new(&Arc::default());
    let medium = Medium { inner, is_file: true, watch: watch.clone() };
    error::guarded(|| {
        let new = open::database(medium, options)?;
        let (from, to) = (db.begin_read()?, new.begin_write()?);
        {
            let mut rows = to.open_table(ROWS)?;
            for row in from.open_table(ROWS)?.iter()? {
                let (key, value) = row?;
                rows.insert(key.value(), value.value())?;
            }
        }
        to.commit()?;
        watch.set(flush);
        Ok(new)
    })
}

/// An empty file that the same people may read.
fn make(path: &Path, beside: &Path) -> io::Result<File> {
    match std::fs::remove_file(beside) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(beside)?;
    file.set_permissions(std::fs::metadata(path)?.permissions())?;
    let _ = file.try_lock();
    Ok(file)
}
