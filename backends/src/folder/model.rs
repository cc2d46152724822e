//! What a folder holds, as a plain map, and the changes that make it so.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests: also in what they share")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use sessile_core::{
    error::ErrorKind,
    workspace::{FileChange, FileKind, FilePath},
};

use super::Folder;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    File(Vec<u8>, bool),
    Link(Vec<u8>),
    Directory,
}

pub(crate) type Map = BTreeMap<FilePath, Item>;

pub(crate) fn path(text: impl AsRef<[u8]>) -> FilePath {
    FilePath::new(text).unwrap()
}

/// What a folder holds.
pub(crate) fn read(folder: &Folder) -> Map {
    let mut map = Map::new();
    for found in folder.scan().unwrap() {
        let item = match found.kind {
            FileKind::File { executable, bytes, .. } => {
                let content = folder.read(&found.path).unwrap();
                assert_eq!(content.len() as u64, bytes);
                Item::File(content, executable)
            }
            FileKind::Link { target } => Item::Link(target),
            _ => Item::Directory,
        };
        map.insert(found.path, item);
    }
    map
}

fn above(map: &Map, path: &FilePath) -> Result<Vec<FilePath>, ErrorKind> {
    let mut missing = Vec::new();
    let mut parent = path.parent();
    while let Some(folder) = parent {
        match map.get(&folder) {
            Some(Item::Directory) => {}
            Some(_) => return Err(ErrorKind::Precondition),
            None => missing.push(folder.clone()),
        }
        parent = folder.parent();
    }
    Ok(missing)
}

fn put(map: &mut Map, path: &FilePath, item: Item) -> Result<(), ErrorKind> {
    let missing = above(map, path)?;
    if map.get(path) == Some(&Item::Directory) {
        return Err(ErrorKind::Precondition);
    }
    map.extend(missing.into_iter().map(|folder| (folder, Item::Directory)));
    map.insert(path.clone(), item);
    Ok(())
}

/// Makes a change of a map, as the words of [`FileChange`] say.
pub(crate) fn apply(map: &mut Map, change: &FileChange, keep_empty: bool) -> Result<(), ErrorKind> {
    match change {
        FileChange::Write { path, content, executable } => {
            put(map, path, Item::File(content.clone(), *executable))?;
        }
        FileChange::Link { path, target } => put(map, path, Item::Link(target.clone()))?,
        FileChange::MakeDirectory { .. } if !keep_empty => return Err(ErrorKind::Unsupported),
        FileChange::MakeDirectory { path } => {
            let missing = above(map, path)?;
            if map.get(path).is_some_and(|item| *item != Item::Directory) {
                return Err(ErrorKind::Precondition);
            }
            map.extend(missing.into_iter().map(|folder| (folder, Item::Directory)));
            map.insert(path.clone(), Item::Directory);
        }
        FileChange::Remove { path } => {
            // Below a file or a link nothing lies.
            if above(map, path).is_err() {
                return Ok(());
            }
            map.retain(|other, _| other != path && !other.is_under(path));
            prune(map, path, keep_empty);
        }
        FileChange::Rename { from, to } => {
            above(map, from).map_err(|_| ErrorKind::NotFound)?;
            let item = map.get(from).cloned().ok_or(ErrorKind::NotFound)?;
            if from == to {
                return Ok(());
            }
            if to.is_under(from) {
                return Err(ErrorKind::Precondition);
            }
            let missing = above(map, to)?;
            let there = map.get(to);
            if there == Some(&Item::Directory) || (item == Item::Directory && there.is_some()) {
                return Err(ErrorKind::Precondition);
            }
            map.extend(missing.into_iter().map(|folder| (folder, Item::Directory)));
            let inner: Vec<_> = map.keys().filter(|other| other.is_under(from)).cloned().collect();
            for old in inner {
                let rest = &old.as_bytes()[from.as_bytes().len()..];
                let new = path([to.as_bytes(), rest].concat());
                let item = map.remove(&old).unwrap();
                map.insert(new, item);
            }
            map.remove(from);
            map.insert(to.clone(), item);
            prune(map, from, keep_empty);
        }
        _ => unreachable!(),
    }
    Ok(())
}

fn prune(map: &mut Map, path: &FilePath, keep_empty: bool) {
    let mut parent = path.parent();
    while let Some(folder) = parent {
        if keep_empty || map.keys().any(|other| other.is_under(&folder)) {
            return;
        }
        map.remove(&folder);
        parent = folder.parent();
    }
}

/// Paths of few names, so that changes meet.
pub(crate) fn paths() -> impl Strategy<Value = FilePath> {
    let name = prop::sample::select(vec![&b"a"[..], b"b", b"c-", b"\xff\xfe"]);
    prop::collection::vec(name, 1..4).prop_map(|names| path(names.join(&b'/')))
}

/// Any change; links lead everywhere.
pub(crate) fn changes() -> impl Strategy<Value = FileChange> {
    let target =
        prop::sample::select(vec![&b"/"[..], b"..", b".", b"a", b"../b", b"\xff", b"/etc/passwd"]);
    let content = prop::sample::select(vec![&b""[..], b"1", b"2", b"three"]);
    prop_oneof![
        4 => (paths(), content, any::<bool>()).prop_map(|(path, content, executable)| {
            FileChange::Write { path, content: content.to_vec(), executable }
        }),
        1 => (paths(), target).prop_map(|(path, t)| FileChange::Link { path, target: t.to_vec() }),
        1 => paths().prop_map(|path| FileChange::MakeDirectory { path }),
        2 => paths().prop_map(|path| FileChange::Remove { path }),
        3 => (paths(), paths()).prop_map(|(from, to)| FileChange::Rename { from, to }),
    ]
}
