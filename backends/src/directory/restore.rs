//! From a tree to a folder.

use std::{collections::BTreeMap, ffi::OsStr};

use sessile_core::{
    error::{Error, Result},
    hash::Hash,
    workspace::{FileChange, FilePath, NodeEntry, TreeId, WorkspaceName},
};

use super::{
    index::{Contents, Held, Index},
    make::Proceed,
    objects::Objects,
    root::{Place, Root},
    save::{contents, read_digest, save},
};
use crate::folder::{Folder, Stat, failed, remove_all, temporary};

/// All that lies in a tree, folders before what is in them.
type Wanted = BTreeMap<FilePath, NodeEntry>;

fn wanted(objects: &Objects, root: &Hash) -> Result<Wanted> {
    let mut all = Wanted::new();
    let mut waiting = vec![(None::<FilePath>, *root)];
    while let Some((folder, digest)) = waiting.pop() {
        for (name, entry) in &objects.read_folder(&digest)?.entries {
            let path = match &folder {
                Some(folder) => folder.join(name)?,
                None => FilePath::new(name)?,
            };
            if let NodeEntry::Directory(object) = entry {
                waiting.push((Some(path.clone()), object.digest));
            }
            all.insert(path, entry.clone());
        }
    }
    Ok(all)
}

/// Puts a tree into an empty folder; answers what that is.
pub(super) fn check_out(
    objects: &Objects,
    tree: &Hash,
    folder: &Folder,
    proceed: &Proceed,
) -> Result<Contents> {
    let wanted = wanted(objects, tree)?;
    let staging = folder.dir();
    let mut put = Vec::new();
    for (path, entry) in &wanted {
        proceed.check()?;
        match entry {
            NodeEntry::File { executable, object, .. } => {
                let made = temporary();
                objects.copy_out(&object.digest, staging, OsStr::new(&made), *executable)?;
                put.push((path, made));
            }
            other => folder.change(&change(path, other))?,
        }
    }
    for (path, made) in put {
        folder.move_in(staging, &made, path)?;
    }
    Ok(wanted.into_iter().map(|(path, entry)| (path, held(entry))).collect())
}

fn held(entry: NodeEntry) -> Held {
    match entry {
        NodeEntry::File { executable, bytes, object } => Held::File {
            executable,
            digest: object.digest,
            stat: Stat { len: bytes, ..Stat::default() },
        },
        NodeEntry::Link { target } => Held::Link { target },
        NodeEntry::Directory(_) => Held::Directory,
    }
}

/// Makes a workspace what a tree of its thread is, and changes only what differs. What can fail for want of room or because
/// of damage comes before the first change.
pub(super) fn restore(
    root: &Root,
    name: &WorkspaceName,
    tree: &TreeId,
    proceed: &Proceed,
) -> Result<()> {
    let folder = root.live(name)?;
    let objects = Objects::open(root, name)?.ok_or_else(|| Error::not_found(tree.clone()))?;
    let wanted = wanted(&objects, &objects.root_of(tree)?)?;
    let index = Index::load(root, name)?;
    let now = contents(&folder, index.as_ref(), |found| {
        proceed.check()?;
        read_digest(&folder, &found.path)
    })?;
    let shown = |e| failed("restore the workspace", name, e);
    let (making, own) = (root.dir(Place::Making)?, name.to_string());
    // Of an earlier restore that was killed.
    remove_all(&making, OsStr::new(&own)).map_err(shown)?;
    let staging = root.make(Place::Making, name)?;
    let mut put = Vec::new();
    let mut staged = || {
        for (path, entry) in &wanted {
            proceed.check()?;
            if let NodeEntry::File { executable, object, .. } = entry
                && !is_same(now.get(path), entry)
            {
                let made = temporary();
                objects.copy_out(&object.digest, &staging, OsStr::new(&made), *executable)?;
                put.push((path, made));
            }
        }
        Ok(())
    };
    let done = staged().and_then(|()| {
        remove_others(&folder, &now, &wanted)?;
        for (path, entry) in &wanted {
            if !matches!(entry, NodeEntry::File { .. }) && !is_same(now.get(path), entry) {
                folder.change(&change(path, entry))?;
            }
        }
        put.iter().try_for_each(|(path, made)| folder.move_in(&staging, made, path))?;
        folder.sweep()?;
        save(root, name, &folder, &Contents::new(), proceed)
    });
    // An empty folder then, or what a failure left; it goes with the workspace at the latest.
    let _ = remove_all(&making, OsStr::new(&own));
    let (is, _) = done?;
    if is != *tree {
        let reason = format!("cannot restore the workspace {name}: somebody writes in it");
        return Err(Error::failed(reason));
    }
    Ok(())
}

/// Removes what the tree does not have, and what is in the way: a folder where it has none, and the other way round.
fn remove_others(folder: &Folder, now: &Contents, wanted: &Wanted) -> Result<()> {
    let mut gone: Option<&FilePath> = None;
    for (path, held) in now {
        if gone.is_some_and(|gone| path.is_under(gone)) {
            continue;
        }
        let is_folder = matches!(held, Held::Directory);
        let stays = wanted
            .get(path)
            .is_some_and(|entry| matches!(entry, NodeEntry::Directory(_)) == is_folder);
        if !stays {
            folder.change(&FileChange::Remove { path: path.clone() })?;
            gone = is_folder.then_some(path).or(gone);
        }
    }
    Ok(())
}

/// The change that makes a link or a folder.
fn change(path: &FilePath, entry: &NodeEntry) -> FileChange {
    match entry {
        NodeEntry::Link { target } => {
            FileChange::Link { path: path.clone(), target: target.clone() }
        }
        _ => FileChange::MakeDirectory { path: path.clone() },
    }
}

fn is_same(held: Option<&Held>, entry: &NodeEntry) -> bool {
    match (held, entry) {
        (Some(Held::Directory), NodeEntry::Directory(_)) => true,
        (Some(Held::Link { target }), NodeEntry::Link { target: wanted }) => target == wanted,
        (
            Some(Held::File { executable, digest, .. }),
            NodeEntry::File { executable: wanted, object, .. },
        ) => executable == wanted && *digest == object.digest,
        _ => false,
    }
}
