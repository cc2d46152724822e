//! A workspace as a map from paths to what lies there.

use std::collections::BTreeMap;

use sessile_core::{
    ErrorKind,
    workspace::{Change, FileChange, FilePath},
};

/// What lies at a path. A folder is in the map only while it is empty: others are told by what is in them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named after what it is")]
pub enum Item {
    File { content: Vec<u8>, executable: bool },
    Link(Vec<u8>),
    EmptyFolder,
}

/// All that a workspace holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    items: BTreeMap<FilePath, Item>,
    /// Whether it keeps folders without anything in them.
    keeps_folders: bool,
}

impl Files {
    /// With these items.
    pub fn new(items: BTreeMap<FilePath, Item>, keeps_folders: bool) -> Self {
        Self { items, keeps_folders }
    }

    /// The items by path.
    pub const fn items(&self) -> &BTreeMap<FilePath, Item> {
        &self.items
    }

    fn is_folder(&self, path: &FilePath) -> bool {
        self.items.get(path) == Some(&Item::EmptyFolder)
            || self.items.keys().any(|inner| inner.is_under(path))
    }

    fn is_there(&self, path: &FilePath) -> bool {
        self.items.contains_key(path) || self.is_folder(path)
    }

    /// Whether a folder above is a file or a link.
    fn is_blocked(&self, path: &FilePath) -> bool {
        let mut above = path.parent();
        while let Some(folder) = above {
            if self.items.get(&folder).is_some_and(|item| *item != Item::EmptyFolder) {
                return true;
            }
            above = folder.parent();
        }
        false
    }

    /// Puts an item where it may lie: the folders above are there with it.
    fn put(&mut self, path: &FilePath, item: Item) {
        let mut above = path.parent();
        while let Some(folder) = above {
            self.items.remove(&folder);
            above = folder.parent();
        }
        self.items.insert(path.clone(), item);
    }

    /// Takes away what lies at a path; the folder above stays, if folders do.
    fn take(&mut self, path: &FilePath) -> Vec<(FilePath, Item)> {
        let is_in = |it: &FilePath| it == path || it.is_under(path);
        let taken: Vec<_> = self
            .items
            .iter()
            .filter(|(it, _)| is_in(it))
            .map(|(it, item)| (it.clone(), item.clone()))
            .collect();
        self.items.retain(|it, _| !is_in(it));
        if let Some(folder) = path.parent()
            && self.keeps_folders
            && !taken.is_empty()
            && !self.is_there(&folder)
        {
            self.items.insert(folder, Item::EmptyFolder);
        }
        taken
    }

    /// Makes a change, or says how it is refused.
    pub fn apply(&mut self, change: &FileChange) -> Result<(), ErrorKind> {
        match change {
            FileChange::Write { path, content, executable } => {
                let item = Item::File { content: content.clone(), executable: *executable };
                self.replace(path, item)
            }
            FileChange::Link { path, target } => self.replace(path, Item::Link(target.clone())),
            FileChange::MakeDirectory { path } => {
                let is_other = self.items.get(path).is_some_and(|it| *it != Item::EmptyFolder);
                if self.is_blocked(path) || is_other {
                    return Err(ErrorKind::Precondition);
                }
                if !self.is_folder(path) {
                    self.put(path, Item::EmptyFolder);
                }
                Ok(())
            }
            FileChange::Remove { path } => {
                if !self.is_blocked(path) {
                    self.take(path);
                }
                Ok(())
            }
            FileChange::Rename { from, to } => {
                if self.is_blocked(from) || !self.is_there(from) {
                    return Err(ErrorKind::NotFound);
                }
                if from == to {
                    return Ok(());
                }
                let folder = self.is_folder(from);
                let blocked = to.is_under(from) || self.is_blocked(to) || self.is_folder(to);
                if blocked || (folder && self.is_there(to)) {
                    return Err(ErrorKind::Precondition);
                }
                let taken = self.take(from);
                for (path, item) in taken {
                    let rest = &path.as_bytes()[from.as_bytes().len()..];
                    let path = FilePath::new([to.as_bytes(), rest].concat()).expect("a path");
                    self.put(&path, item);
                }
                Ok(())
            }
            _ => Err(ErrorKind::Unsupported),
        }
    }

    fn replace(&mut self, path: &FilePath, item: Item) -> Result<(), ErrorKind> {
        if self.is_blocked(path) || self.is_folder(path) {
            return Err(ErrorKind::Precondition);
        }
        self.put(path, item);
        Ok(())
    }
}

/// What a comparison of the two says.
pub fn changes_between(before: &Files, after: &Files) -> BTreeMap<FilePath, Change> {
    let mut changes = BTreeMap::new();
    for (path, was) in &before.items {
        match after.items.get(path) {
            None => drop(changes.insert(path.clone(), Change::Removed)),
            Some(is) if is != was => drop(changes.insert(path.clone(), Change::Modified)),
            Some(_) => {}
        }
    }
    let added = after.items.keys().filter(|path| !before.items.contains_key(*path));
    changes.extend(added.map(|path| (path.clone(), Change::Added)));
    changes
}
