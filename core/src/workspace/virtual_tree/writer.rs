//! Changing a tree: what is new goes into packs, what is above it is written anew, all else is named as it is.

use std::collections::{BTreeMap, HashMap};

use super::reader::{Place, Reader, empty_folder};
use crate::{
    error::{Error, Result},
    hash::Hash,
    workspace::{FileChange, FilePath, Node, NodeEntry, ObjectRef},
};

/// Bytes of a pack, about: then another begins.
const PACK_BYTES: usize = 8 << 20;

/// A tree that is being changed.
pub(super) struct TreeWriter<'a> {
    reader: Reader<'a>,
    before: ObjectRef,
    root: Folder,
    packs: Packs,
}

/// A folder that was opened.
#[derive(Default)]
struct Folder(BTreeMap<Box<[u8]>, Item>);

enum Item {
    /// As it was.
    Kept(NodeEntry),
    /// A file whose content is in a pack of this change.
    New { executable: bool, bytes: u64, digest: Hash, slot: Slot },
    /// A folder that was opened.
    Open(Folder),
}

/// A range of a pack of this change.
#[derive(Clone, Copy)]
struct Slot {
    pack: usize,
    from: u64,
}

/// Packs of this change; all but the last have been written.
#[derive(Default)]
struct Packs {
    written: Vec<String>,
    open: Vec<u8>,
    known: HashMap<Hash, Slot>,
}

impl Packs {
    fn add(&mut self, bytes: &[u8]) -> Slot {
        let slot = Slot { pack: self.written.len(), from: self.open.len() as u64 };
        self.open.extend_from_slice(bytes);
        slot
    }

    fn place(&self, slot: Slot, bytes: u64) -> String {
        let blob = self.written.get(slot.pack).map_or("", String::as_str);
        Place::text(blob, slot.from, bytes)
    }

    /// Writes the open pack.
    async fn flush(&mut self, reader: &Reader<'_>) -> Result<()> {
        let bytes = std::mem::take(&mut self.open);
        let name = reader.journal.put_blob(reader.space, &bytes).await?;
        self.written.push(name.0.as_ref().to_owned());
        Ok(())
    }
}

fn conflict<T>(path: &FilePath, reason: &'static str) -> Result<T> {
    Err(Error::PathConflict { path: path.clone(), reason })
}

const A_FOLDER: &str = "a folder is there";
const NO_FOLDER: &str = "a file or link is in the place of a folder";

impl Folder {
    fn of(node: &Node) -> Self {
        let entries = node.entries.iter();
        Self(entries.map(|(name, entry)| (name.clone(), Item::Kept(entry.clone()))).collect())
    }
}

impl Item {
    const fn is_folder(&self) -> bool {
        matches!(self, Self::Open(_) | Self::Kept(NodeEntry::Directory(_)))
    }
}

impl<'a> TreeWriter<'a> {
    pub(super) async fn new(reader: Reader<'a>, root: ObjectRef) -> Result<Self> {
        let node = reader.folder(&root).await?;
        Ok(Self { reader, before: root, root: Folder::of(&node), packs: Packs::default() })
    }

    /// The folder at a path, opened; made where it is missing, or none if `make` is false.
    async fn folder(&mut self, path: Option<&FilePath>, make: bool) -> Result<Option<&mut Folder>> {
        let reader = self.reader;
        let mut folder = &mut self.root;
        let Some(path) = path else { return Ok(Some(folder)) };
        for name in path.names() {
            let inner = match folder.0.get(name) {
                Some(Item::Open(_)) => None,
                Some(Item::Kept(NodeEntry::Directory(inner))) => {
                    Some(Folder::of(&*reader.folder(inner).await?))
                }
                Some(_) if make => return conflict(path, NO_FOLDER),
                None if make => Some(Folder::default()),
                _ => return Ok(None),
            };
            if let Some(inner) = inner {
                folder.0.insert(name.into(), Item::Open(inner));
            }
            folder = match folder.0.get_mut(name) {
                Some(Item::Open(inner)) => inner,
                _ => return Ok(None),
            };
        }
        Ok(Some(folder))
    }

    /// The folder that a path lies in; made.
    async fn above(&mut self, path: &FilePath) -> Result<&mut Folder> {
        match self.folder(path.parent().as_ref(), true).await {
            Ok(Some(folder)) => Ok(folder),
            Ok(None) | Err(Error::PathConflict { .. }) => conflict(path, NO_FOLDER),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn apply(&mut self, change: &FileChange) -> Result<()> {
        match change {
            FileChange::Write { path, content, executable } => {
                self.write(path, content, *executable).await
            }
            FileChange::Link { path, target } => {
                if target.is_empty() || target.len() > 4095 || target.contains(&0) {
                    let reason = "a link says 1 to 4,095 bytes without NUL";
                    return Err(Error::invalid("target", reason));
                }
                let link = Item::Kept(NodeEntry::Link { target: target.clone() });
                self.put(path, link).await
            }
            FileChange::MakeDirectory { path } => {
                let above = self.above(path).await?;
                match above.0.get(path.name()) {
                    Some(item) if item.is_folder() => Ok(()),
                    Some(_) => conflict(path, "a file or link is there"),
                    None => {
                        above.0.insert(path.name().into(), Item::Open(Folder::default()));
                        Ok(())
                    }
                }
            }
            FileChange::Remove { path } => {
                if let Some(above) = self.folder(path.parent().as_ref(), false).await? {
                    above.0.remove(path.name());
                }
                Ok(())
            }
            FileChange::Rename { from, to } => self.rename(from, to).await,
        }
    }

    /// Puts a file or a link in its place.
    async fn put(&mut self, path: &FilePath, item: Item) -> Result<()> {
        let above = self.above(path).await?;
        if above.0.get(path.name()).is_some_and(Item::is_folder) {
            return conflict(path, A_FOLDER);
        }
        above.0.insert(path.name().into(), item);
        Ok(())
    }

    async fn write(&mut self, path: &FilePath, content: &[u8], executable: bool) -> Result<()> {
        let limit = self.reader.journal.info().limits.blob_bytes;
        let bytes = content.len() as u64;
        if bytes > limit {
            return Err(Error::capacity(path.clone(), "bytes of a file", limit, bytes));
        }
        let digest = Hash::of(&[content]);
        let above = self.above(path).await?;
        // The same content in the same folder is there already.
        let there = above.0.values().find_map(|item| match item {
            Item::Kept(NodeEntry::File { object, .. }) if object.digest == digest => {
                Some(object.clone())
            }
            _ => None,
        });
        let item = match there {
            _ if bytes == 0 => {
                let object = ObjectRef { digest, place: None };
                Item::Kept(NodeEntry::File { executable, bytes, object })
            }
            Some(object) => Item::Kept(NodeEntry::File { executable, bytes, object }),
            None => {
                let slot = match self.packs.known.get(&digest) {
                    Some(slot) => *slot,
                    None => {
                        let open = self.packs.open.len();
                        if open > 0 && open + content.len() > PACK_BYTES {
                            self.packs.flush(&self.reader).await?;
                        }
                        let slot = self.packs.add(content);
                        self.packs.known.insert(digest, slot);
                        slot
                    }
                };
                Item::New { executable, bytes, digest, slot }
            }
        };
        self.put(path, item).await
    }

    async fn rename(&mut self, from: &FilePath, to: &FilePath) -> Result<()> {
        let source = self.folder(from.parent().as_ref(), false).await?;
        let Some(is_folder) =
            source.and_then(|above| above.0.get(from.name())).map(Item::is_folder)
        else {
            return Err(Error::not_found(from.clone()));
        };
        if from == to {
            return Ok(());
        }
        if to.is_under(from) {
            return conflict(to, "a folder does not go into itself");
        }
        let above = self.above(to).await?;
        match above.0.get(to.name()) {
            Some(item) if item.is_folder() => return conflict(to, A_FOLDER),
            Some(_) if is_folder => return conflict(to, "a folder replaces nothing"),
            _ => {}
        }
        let source = self.folder(from.parent().as_ref(), false).await?;
        if let Some(item) = source.and_then(|above| above.0.remove(from.name())) {
            let above = self.above(to).await?;
            above.0.insert(to.name().into(), item);
        }
        Ok(())
    }

    /// Writes what is new; answers the root. Where nothing has changed, nothing more is written, and the root is the one
    /// before.
    pub(super) async fn finish(mut self) -> Result<ObjectRef> {
        // Folders are small; a pack that is full of files is written before they come.
        if self.packs.open.len() > PACK_BYTES {
            self.packs.flush(&self.reader).await?;
        }
        let root = std::mem::take(&mut self.root);
        let mut root = write_folder(root, &mut self.packs)?;
        if root.digest == self.before.digest {
            return Ok(self.before);
        }
        if root.place.as_ref().is_some_and(|place| place.starts_with('.')) {
            self.packs.flush(&self.reader).await?;
            let blob = self.packs.written.last().cloned().unwrap_or_default();
            root.place = root.place.map(|place| blob + &place);
        }
        Ok(root)
    }
}

/// Adds a folder to the open pack, after those in it. Paths have at most 256 names, so it goes no deeper.
fn write_folder(folder: Folder, packs: &mut Packs) -> Result<ObjectRef> {
    let mut node = Node::default();
    for (name, item) in folder.0 {
        let entry = match item {
            Item::Kept(entry) => entry,
            Item::New { executable, bytes, digest, slot } => {
                let object = ObjectRef { digest, place: Some(packs.place(slot, bytes)) };
                NodeEntry::File { executable, bytes, object }
            }
            Item::Open(inner) => NodeEntry::Directory(write_folder(inner, packs)?),
        };
        node.entries.insert(name, entry);
    }
    if node.entries.is_empty() {
        return Ok(empty_folder());
    }
    let text = node.encode()?;
    let slot = packs.add(&text);
    let place = Some(packs.place(slot, text.len() as u64));
    Ok(ObjectRef { digest: node.digest(), place })
}
