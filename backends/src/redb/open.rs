//! Opening a file or a medium: a store, a new one, or one to refuse.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use redb::{
    Builder, Database, ReadableDatabase as _, StorageBackend, TableHandle as _,
    backends::FileBackend,
};
use sessile_core::error::{Error, Result};

use super::{
    Options, ROWS,
    error::{self, EngineResult, RedbFailure},
    medium::{Flush, Medium, Watch},
};
use sessile_driver::{check, owner};

/// Where the pages are.
#[derive(Clone, Debug)]
pub(super) enum Place {
    File(PathBuf),
    Medium(Arc<dyn StorageBackend>),
}

impl Place {
    /// Its name in errors.
    pub(super) fn name(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Medium(_) => Path::new("the medium"),
        }
    }

    /// Opens the database; a new one gets its table.
    pub(super) fn open(&self, options: &Options, flush: &Arc<Flush>) -> Result<Database> {
        let (inner, is_file): (Arc<dyn StorageBackend>, bool) = match self {
            Self::File(path) => (Arc::new(file(path)?), true),
            Self::Medium(medium) => (medium.clone(), false),
        };
        let name = self.name();
        let opened = error::guarded(|| {
            let medium = Medium { inner, is_file, watch: Watch::new(flush) };
            forget_unborn(&medium).map_err(redb::StorageError::Io)?;
            database(medium, options)
        })
        .and_then(|db| error::guarded(|| adopt(&db, name)).map(|()| db));
        match opened {
            Ok(opened) => {
                if let Self::File(path) = self {
                    settle(path).map_err(|e| {
                        Error::unavailable(
                            format!("cannot flush the folder of {}", path.display()),
                            e,
                        )
                    })?;
                }
                Ok(opened)
            }
            Err(RedbFailure::Stated(error)) => Err(error),
            Err(RedbFailure::Engine(redb::Error::DatabaseAlreadyOpen)) => Err(in_use(name)),
            Err(RedbFailure::Engine(e)) => Err(error::engine(name, e)),
        }
    }
}

pub(super) fn database(medium: Medium, options: &Options) -> EngineResult<Database> {
    let mut builder = Builder::new();
    builder.set_cache_size(options.cache_bytes);
    Ok(builder.create_with_backend(medium)?)
}

fn in_use(path: &Path) -> Error {
    let caller = owner::of(path).unwrap_or_else(|| "another handle or process".into());
    let reason = format!(
        "{} is in use by {caller}, and one process may have it open; close it there first",
        path.display()
    );
    Error::failed(reason)
}

/// The file, locked: a second open is refused.
fn file(path: &Path) -> Result<FileBackend> {
    let fails = |e: io::Error| error::engine(path, redb::Error::Io(e));
    loop {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = file.map_err(fails)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(path)),
            // A file system without locks: the engine decides.
            Err(TryLockError::Error(e)) if e.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(e)) => return Err(fails(e)),
        }
        // A scrub puts another file in its place before it lets go of the old one.
        if same_file(&file, path).map_err(fails)? {
            return FileBackend::new(file).map_err(|e| error::engine(path, e.into()));
        }
    }
}

#[cfg(unix)]
fn same_file(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let held = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(named) => Ok((held.dev(), held.ino()) == (named.dev(), named.ino())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

#[cfg(not(unix))]
fn same_file(_file: &File, _path: &Path) -> io::Result<bool> {
    Ok(true)
}

/// The engine writes its first page in two steps, and refuses a file that a crash left between them. Nothing was ever in
/// such a file: it is made empty, and so new.
fn forget_unborn(medium: &Medium) -> io::Result<()> {
    const MAGIC: usize = 9;
    const FIRST_PAGE: u64 = 4096;
    const MOST: u64 = 16 << 20;
    let length = medium.len()?;
    if !(1..=MOST).contains(&length) {
        return Ok(());
    }
    let is_zero = |from: u64, to: u64| -> io::Result<bool> {
        let mut bytes = vec![0; to.saturating_sub(from) as usize];
        medium.read(from, &mut bytes)?;
        Ok(bytes.iter().all(|byte| *byte == 0))
    };
    if is_zero(0, length.min(MAGIC as u64))? && is_zero(FIRST_PAGE.min(length), length)? {
        medium.set_len(0)?;
    }
    Ok(())
}

/// After a new file: its name is flushed. What a scrub that was killed left behind goes.
fn settle(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(beside(path)) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    check::flush_directory_of(path)
}

/// The path of the new file of a scrub.
pub(super) fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".scrub");
    name.into()
}

/// The file's absolute path, links followed: a scrub replaces what it really is.
pub(super) fn place(path: &Path) -> Result<PathBuf> {
    let place = check::absolute_file(path)?;
    Ok(std::fs::canonicalize(&place).unwrap_or(place))
}

/// Makes the table in a new database, and refuses one that is another application's.
fn adopt(db: &Database, name: &Path) -> EngineResult<()> {
    let txn = db.begin_read()?;
    let tables: Vec<String> = txn.list_tables()?.map(|table| table.name().to_owned()).collect();
    if tables == [ROWS.name()] {
        return Ok(());
    }
    if !tables.is_empty() || txn.list_multimap_tables()?.next().is_some() {
        let (file, reason) =
            (name.display().to_string(), "it is the database of another application".into());
        return Err(RedbFailure::Stated(Error::CorruptFile { file, reason }));
    }
    drop(txn);
    let txn = db.begin_write()?;
    txn.open_table(ROWS)?;
    txn.commit()?;
    Ok(())
}
