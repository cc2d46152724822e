//! Bundles in a folder: an object is a file.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use sessile_core::{
    archive::ArchiveBackend,
    error::{Error, Result, Subject},
};
use sessile_driver::blocking;

/// Times that a file is begun anew because another removed its folder, which was empty.
const TRIES: usize = 16;

/// Keeps bundles as files below a folder, by any processes of one host.
///
/// A file is written beside its place, flushed, and renamed into it, and then its folder is flushed: a loss of power leaves all of
/// it or nothing. What a process leaves that is killed meanwhile is a file whose name begins with a `.` and ends with `.tmp`:
/// nobody reads it, and it may be removed when nobody writes. A folder that is empty is removed.
///
/// Not promised: anything on a file system that several hosts share.
#[derive(Clone, Debug)]
pub struct ArchiveFolder {
    root: Arc<Path>,
}

impl ArchiveFolder {
    /// Opens the folder, which is made if it is missing.
    pub async fn open(folder: impl Into<PathBuf>) -> Result<Self> {
        let root: Arc<Path> = folder.into().into();
        let folder = Arc::clone(&root);
        blocking::run(move || fs::create_dir_all(&folder))
            .await?
            .map_err(|e| Error::unavailable(format!("cannot make {}", root.display()), e))?;
        Ok(Self { root })
    }

    /// The file of a name, which stays below the root.
    fn path(&self, name: &str) -> Result<PathBuf> {
        let is_of_names =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
        let is_segment = |it: &str| {
            !it.is_empty() && !it.starts_with('.') && it.len() <= 255 && it.bytes().all(is_of_names)
        };
        if name.len() <= 512 && name.split('/').all(is_segment) {
            return Ok(self.root.join(name));
        }
        let reason = format!("{name:?} does not match [a-z0-9_-][a-z0-9._-]* between slashes");
        Err(Error::invalid("name", reason))
    }

    async fn run<T: Send + 'static>(
        &self,
        what: &'static str,
        path: PathBuf,
        work: impl FnOnce(&Path, &Path) -> io::Result<T> + Send + 'static,
    ) -> Result<io::Result<T>> {
        let root = Arc::clone(&self.root);
        let named = path.clone();
        let done = blocking::run(move || work(&root, &path)).await?;
        match done {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::unavailable(format!("cannot {what} {}", named.display()), error))
            }
            done => Ok(done),
        }
    }
}

#[async_trait]
impl ArchiveBackend for ArchiveFolder {
    async fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let (path, bytes) = (self.path(name)?, bytes.to_vec());
        let stored = self.run("store", path, move |root, path| store(root, path, &bytes)).await?;
        stored.map_err(|e| Error::unavailable(format!("cannot store {name}"), e))
    }

    async fn get(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.path(name)?;
        let read = self.run("read", path, |_, path| fs::read(path)).await?;
        read.map_err(|_| Error::not_found(Subject::file(name)))
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        let path = if folder.is_empty() { self.root.to_path_buf() } else { self.path(folder)? };
        let folder = folder.to_owned();
        let names = self.run("list", path, move |_, path| names_below(path, &folder)).await?;
        let mut names = names.unwrap_or_default();
        names.retain(|name| {
            name.starts_with(prefix) && after.is_none_or(|after| name.as_str() > after)
        });
        names.sort_unstable();
        names.truncate(limit);
        Ok(names)
    }

    async fn remove(&self, name: &str) -> Result<()> {
        let path = self.path(name)?;
        // What is not there is removed already.
        self.run("remove", path, remove).await.map(drop)
    }
}

fn parent(path: &Path) -> io::Result<&Path> {
    path.parent().ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// The folders above a file, up to the root and with it.
fn folders<'a>(root: &'a Path, path: &'a Path) -> impl Iterator<Item = &'a Path> {
    path.ancestors().skip(1).take_while(move |folder| folder.starts_with(root))
}

fn flush_folder(folder: &Path) -> io::Result<()> {
    // A folder that another removed meanwhile has nothing to flush.
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        flushed => flushed,
    }
}

fn store(root: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = parent(path)?;
    let beside = folder.join(format!(".{:032x}.tmp", rand::random::<u128>()));
    let write = || {
        fs::create_dir_all(folder)?;
        let mut file = File::create_new(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    let mut tries = 0;
    loop {
        match write() {
            Ok(()) => break,
            Err(error) => {
                let _ = fs::remove_file(&beside);
                tries += 1;
                if error.kind() != io::ErrorKind::NotFound || tries == TRIES {
                    return Err(error);
                }
            }
        }
    }
    folders(root, path).try_for_each(flush_folder)
}

fn remove(root: &Path, path: &Path) -> io::Result<()> {
    fs::remove_file(path)?;
    flush_folder(parent(path)?)?;
    for folder in folders(root, path).filter(|folder| *folder != root) {
        if fs::remove_dir(folder).is_err() {
            // Something is in it.
            break;
        }
    }
    Ok(())
}

/// The names of all files below a folder, which has this name.
fn names_below(folder: &Path, name: &str) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    let mut folders = vec![(folder.to_path_buf(), name.to_owned())];
    while let Some((folder, name)) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            // Another removed it meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let Some(own) = entry.file_name().to_str().map(str::to_owned) else { continue };
            if own.starts_with('.') {
                continue;
            }
            let own = if name.is_empty() { own } else { format!("{name}/{own}") };
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push((entry.path(), own)),
                Ok(_) => names.push(own),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(names)
}
