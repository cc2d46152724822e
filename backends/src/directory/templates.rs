//! What templates hold, kept once for all threads with workspaces that began as they are.
//!
//! ```text
//! <root>/templates/<key>.<32 digits>/threads/<store>.<thread>  an empty file: this thread builds upon it
//! ```
//!
//! A thread that is named is named for good: what it has made of the template stays until the thread's snapshots are dropped.
//! Whoever removes the last name removes `threads`, which the file system does in one step and only if nothing is in it, and
//! from then on nobody can be named: the rest goes. A folder's name is never used again, so that who removes one that is over
//! cannot meet one that is in use. Nobody waits for anybody.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    io::{self, ErrorKind},
};

use cap_fs_ext::DirExt;
use cap_std::fs::{Dir, OpenOptions};
use sessile_core::{
    error::{Error, Result},
    hash::Hash,
    workspace::WorkspaceName,
};

use super::{
    objects::folder_of,
    root::{Place, Root, open_if_folder},
    shelf::Shelf,
    whole,
};
use crate::folder::{Stat, failed, is_temporary, remove_all, temporary};

const THREADS: &str = "threads";

/// Tries of being named in a folder while others remove theirs. One that was made for this thread stays as long as that does.
const TRIES: usize = 4;

/// What is done, in messages.
const OPEN: &str = "open the folder of the template";

/// Nanoseconds after which a file that is being written is one that a kill has left.
const ABANDONED: i64 = 3_600_000_000_000;

/// The folder of a template, made if there is none, in which a workspace's thread is named from now on.
pub(super) fn join(root: &Root, key: &Hash, of: &WorkspaceName) -> Result<Shelf> {
    let templates = root.dir(Place::Templates)?;
    let (begin, thread) = (format!("{key}."), folder_of(of));
    for _ in 0..TRIES {
        // Two that are made at the same time may both stay. The first of them serves all that come later.
        for name in names(root)?.iter().filter(|name| name.starts_with(&begin)) {
            let joined = enter(&templates, name, &thread);
            if let Some(dir) = joined.map_err(|e| failed(OPEN, name, e))? {
                return Ok(Shelf::new(dir, format!("templates/{name}")));
            }
        }
        let name = format!("{begin}{:032x}", rand::random::<u128>());
        // Where the workspace is made: what a kill leaves there goes with it.
        let making = root.make(Place::Making, of)?;
        found(&making, &templates, &name, &thread)
            .map_err(|e| failed("make the folder of the template", &name, e))?;
    }
    Err(Error::failed("the folder of the template does not stay"))
}

/// Names a thread in the folder of a template; `None` if that is over.
fn enter(templates: &Dir, name: &str, thread: &str) -> io::Result<Option<Dir>> {
    let Some(dir) = open_if_folder(templates, name)? else { return Ok(None) };
    let Some(threads) = open_if_folder(&dir, THREADS)? else { return Ok(None) };
    match sign(&threads, thread) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        signed => signed.map(|()| Some(dir)),
    }
}

fn sign(threads: &Dir, thread: &str) -> io::Result<()> {
    threads.open_with(thread, OpenOptions::new().write(true).create(true)).map(drop)
}

/// Makes the folder of a template, which comes to its place with the first thread's name in it.
fn found(making: &Dir, templates: &Dir, name: &str, thread: &str) -> io::Result<()> {
    let made = temporary();
    let make = || {
        making.create_dir(&made)?;
        let dir = making.open_dir_nofollow(&made)?;
        Shelf::prepare(&dir)?;
        dir.create_dir(THREADS)?;
        sign(&dir.open_dir_nofollow(THREADS)?, thread)?;
        making.rename(&made, templates, name)
    };
    make().inspect_err(|_| drop(remove_all(making, OsStr::new(&made))))
}

/// Those that a thread builds upon.
pub(super) fn of_thread(root: &Root, thread: &str) -> Result<Vec<Shelf>> {
    let templates = root.dir(Place::Templates)?;
    let mut shelves = Vec::new();
    for name in names(root)? {
        let shown = |e| failed(OPEN, &name, e);
        if templates.symlink_metadata(format!("{name}/{THREADS}/{thread}")).is_ok()
            && let Some(dir) = open_if_folder(&templates, &name).map_err(shown)?
        {
            shelves.push(Shelf::new(dir, format!("templates/{name}")));
        }
    }
    Ok(shelves)
}

/// The names of all threads that build upon any.
pub(super) fn threads(root: &Root) -> Result<BTreeSet<String>> {
    let templates = root.dir(Place::Templates)?;
    let mut threads = BTreeSet::new();
    for name in names(root)? {
        let mut list = || -> io::Result<()> {
            let Some(dir) = open_if_folder(&templates, &name)? else { return Ok(()) };
            let Some(named) = open_if_folder(&dir, THREADS)? else { return Ok(()) };
            for entry in named.entries()? {
                threads.extend(entry?.file_name().into_string());
            }
            Ok(())
        };
        list().or_else(gone).map_err(|e| failed("list the threads of the template", &name, e))?;
    }
    Ok(threads)
}

/// Takes a thread's name from all, and removes those that no thread is named in, with what kills left of others.
pub(super) fn leave(root: &Root, thread: &str) -> Result<()> {
    let templates = root.dir(Place::Templates)?;
    for name in root.texts(Place::Templates)? {
        let leave = || {
            if is_temporary(name.as_bytes())
                || (is_name(&name) && is_over(&templates, &name, thread)?)
            {
                remove_store(root, &templates, &name)?;
            }
            Ok(())
        };
        leave().map_err(|e| failed("remove the folder of the template", &name, e))?;
    }
    Ok(())
}

/// Takes a thread's name from one; answers whether it was the last.
fn is_over(templates: &Dir, name: &str, thread: &str) -> io::Result<bool> {
    let Some(dir) = open_if_folder(templates, name)? else { return Ok(false) };
    dir.remove_file(format!("{THREADS}/{thread}")).or_else(gone)?;
    match dir.remove_dir(THREADS) {
        Ok(()) => Ok(true),
        // Or what is no folder, put by hand.
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(true),
        // Some systems say of a folder that is not empty that it is there.
        Err(e) if matches!(e.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists) => {
            Ok(false)
        }
        Err(e) => Err(e),
    }
}

/// Removes what is over: first from where anybody looks, in one step.
fn remove_store(root: &Root, templates: &Dir, name: &str) -> io::Result<()> {
    let aside = temporary();
    match templates.rename(name, templates, &aside) {
        // Somebody else removes it.
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        moved => moved.and_then(|()| {
            whole::remove_all_of(root, templates, &aside)?;
            remove_all(templates, OsStr::new(&aside))
        }),
    }
}

/// Removes what kills left in the folder of a template: files that nobody has written into for an hour, by the clock of their
/// file system.
pub(super) fn sweep(shelf: &Shelf, now: i64) -> Result<()> {
    let sweep = || -> io::Result<()> {
        for entry in shelf.dir().entries()? {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_str().is_some_and(|name| is_temporary(name.as_bytes()))
                && Stat::of(&entry.metadata()?).mtime < now.saturating_sub(ABANDONED)
            {
                shelf.dir().remove_file(&name)?;
            }
        }
        Ok(())
    };
    sweep().or_else(gone).map_err(|e| failed("clean", &shelf.at(), e))
}

fn names(root: &Root) -> Result<BTreeSet<String>> {
    let mut names = root.texts(Place::Templates)?;
    names.retain(|name| is_name(name));
    Ok(names)
}

/// Whether a name is that of a template's folder. What has another name is not touched.
fn is_name(name: &str) -> bool {
    let is_hex = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    name.split_once('.')
        .is_some_and(|(key, own)| Hash::parse(key).is_some() && own.len() == 32 && is_hex(own))
}

fn gone(e: io::Error) -> io::Result<()> {
    if e.kind() == ErrorKind::NotFound { Ok(()) } else { Err(e) }
}
