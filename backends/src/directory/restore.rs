//! From a tree to a folder.

use std::{collections::BTreeMap, ffi::OsStr};

use cap_fs_ext::DirExt;
use cap_std::fs::Dir;
use sessile_core::{
    error::{Error, Result},
    hash::Hash,
    workspace::{FileChange, FilePath, NodeEntry, TreeId, WorkspaceName},
};

use super::{
    index::{Contents, Held, Index},
    make::{Making, Own, Proceed},
    objects::Objects,
    root::{Place, Root},
    save::{contents, read_digest, save},
    subvolumes::is_subvolume,
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

/// Puts a tree into the folder of a workspace that is made; answers that, and what it holds.
pub(super) fn check_out(
    objects: &Objects,
    tree: &Hash,
    making: &Making<'_>,
) -> Result<(Own, Contents)> {
    let wanted = wanted(objects, tree)?;
    let own = making.folder(wanted.len())?;
    let folder = &own.folder;
    let staging = folder.dir();
    let mut put = Vec::new();
    for (path, entry) in &wanted {
        making.proceed.check()?;
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
    Ok((own, wanted.into_iter().map(|(path, entry)| (path, held(entry))).collect()))
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
    let staging = Staging::begin(root, name, &folder)?;
    let mut put = Vec::new();
    let mut staged = || {
        for (path, entry) in &wanted {
            proceed.check()?;
            if let NodeEntry::File { executable, object, .. } = entry
                && !is_same(now.get(path), entry)
            {
                let made = temporary();
                objects.copy_out(&object.digest, &staging.dir, OsStr::new(&made), *executable)?;
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
        put.iter().try_for_each(|(path, made)| folder.move_in(&staging.dir, made, path))?;
        folder.sweep()?;
        save(root, name, &folder, &Contents::new(), proceed)
    });
    staging.end();
    let (is, _) = done?;
    if is != *tree {
        let reason = format!("cannot restore the workspace {name}: somebody writes in it");
        return Err(Error::failed(reason));
    }
    Ok(())
}

/// Where files are written before they are moved to their places.
struct Staging {
    /// Where it lies.
    above: Dir,
    name: String,
    dir: Dir,
}

impl Staging {
    /// Begins with an empty one, and removes what an earlier restore left that was killed.
    fn begin(root: &Root, name: &WorkspaceName, folder: &Folder) -> Result<Self> {
        let shown = |e| failed("restore the workspace", name, e);
        let text = name.to_string();
        let inside = is_subvolume(&root.dir(Place::Workspaces)?, OsStr::new(&text));
        if !inside.map_err(shown)? {
            let above = root.dir(Place::Making)?;
            remove_all(&above, OsStr::new(&text)).map_err(shown)?;
            let dir = root.make(Place::Making, name)?;
            return Ok(Self { above, name: text, dir });
        }
        // No file can be moved into a subvolume: it is written there, where nobody looks.
        folder.sweep_top().map_err(shown)?;
        let own = temporary();
        let make = || {
            let above = folder.dir().try_clone()?;
            above.create_dir(&own)?;
            Ok((above.open_dir_nofollow(&own)?, above))
        };
        let (dir, above) = make().map_err(shown)?;
        Ok(Self { above, name: own, dir })
    }

    /// Removes it: an empty folder, or what a failure left; if that fails, it goes with the workspace.
    fn end(self) {
        let _ = remove_all(&self.above, OsStr::new(&self.name));
    }
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
