//! Reading trees that lie in packs: each object is a range of a blob, checked against its digest.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use hashlink::LruCache;

use crate::{
    error::{Error, Result},
    hash::Hash,
    id::Space,
    journal::{BlobName, Journal},
    workspace::{FilePath, Node, NodeEntry, NodeReader, ObjectRef, TreeId},
};

/// Folders kept in memory.
const NODES: usize = 1024;

/// Folders that were read. A place is never used for anything else, so what is kept stays right.
#[derive(Debug)]
pub(crate) struct NodeCache(Mutex<LruCache<(Space, String), Arc<Node>>>);

impl Default for NodeCache {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(NODES)))
    }
}

/// Where an object lies: a range of a blob. As text `<blob>.<from>.<bytes>`; without a blob, in the one it is named in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) blob: BlobName,
    from: u64,
    bytes: u64,
}

impl Place {
    pub(super) fn text(blob: &str, from: u64, bytes: u64) -> String {
        format!("{blob}.{from}.{bytes}")
    }

    fn parse(text: &str) -> Option<Self> {
        let (blob, range) = text.split_once('.')?;
        let (from, bytes) = range.split_once('.')?;
        let (from, bytes) = (from.parse().ok()?, bytes.parse().ok()?);
        let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let fits = (1..=64).contains(&blob.len()) && blob.bytes().all(is_name);
        fits.then(|| Self { blob: BlobName(blob.into()), from, bytes })
    }

    /// Of an object that has one.
    pub(crate) fn of(object: &ObjectRef) -> Option<Self> {
        Self::parse(object.place.as_deref()?)
    }
}

/// A folder without anything in it, which lies nowhere.
pub(super) fn empty_folder() -> ObjectRef {
    static EMPTY: OnceLock<Hash> = OnceLock::new();
    ObjectRef { digest: *EMPTY.get_or_init(|| Node::default().digest()), place: None }
}

/// The id of the tree with this root.
pub(super) fn tree_of(root: &ObjectRef) -> Result<TreeId> {
    match &root.place {
        Some(place) => TreeId::new(format!("{}@{place}", root.digest)),
        None => TreeId::new(root.digest.to_string()),
    }
}

/// The root of a tree; `NotFound` if no tree of this driver has such an id.
pub(super) fn root_of(tree: &TreeId) -> Result<ObjectRef> {
    let root = Hash::parse(tree.content())
        .map(|digest| ObjectRef { digest, place: tree.place().map(str::to_owned) });
    match root {
        Some(root) if root == empty_folder() || Place::of(&root).is_some() => Ok(root),
        _ => Err(Error::not_found(tree.clone())),
    }
}

/// Reads the trees of one thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    pub(crate) journal: &'a dyn Journal,
    pub(crate) space: &'a Space,
    pub(super) nodes: &'a NodeCache,
}

impl Reader<'_> {
    fn damaged(&self, reason: impl Into<String>) -> Error {
        Error::corrupt(self.space, 0, reason)
    }

    async fn bytes(&self, object: &ObjectRef) -> Result<(Vec<u8>, BlobName)> {
        let place = Place::of(object)
            .ok_or_else(|| self.damaged(format!("object {} lies nowhere", object.digest)))?;
        let range = place.from..place.from.saturating_add(place.bytes);
        let bytes = self.journal.get_blob(self.space, &place.blob, Some(range)).await?;
        Ok((bytes, place.blob))
    }

    /// A folder; `NotFound` if its blob is not there.
    pub(super) async fn folder(&self, folder: &ObjectRef) -> Result<Arc<Node>> {
        if folder.digest == empty_folder().digest {
            return Ok(Arc::default());
        }
        let key = (self.space.clone(), folder.place.clone().unwrap_or_default());
        let lock = || self.nodes.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().get(&key).cloned();
        let node = match known {
            Some(node) => node,
            None => {
                let (bytes, blob) = self.bytes(folder).await?;
                let mut node = Node::decode(&bytes).map_err(|why| {
                    self.damaged(format!("folder {} is damaged: {why}", folder.digest))
                })?;
                for entry in node.entries.values_mut() {
                    if let NodeEntry::File { object, .. } | NodeEntry::Directory(object) = entry
                        && let Some(place) = &mut object.place
                        && place.starts_with('.')
                    {
                        place.insert_str(0, &blob.0);
                    }
                }
                let node = Arc::new(node);
                lock().insert(key, Arc::clone(&node));
                node
            }
        };
        if node.digest() != folder.digest {
            return Err(self.damaged(format!("folder {} is another", folder.digest)));
        }
        Ok(node)
    }

    /// A folder of a tree.
    pub(super) async fn folder_at(
        &self,
        root: &ObjectRef,
        path: Option<&FilePath>,
    ) -> Result<Arc<Node>> {
        let mut node = self.folder(root).await?;
        let Some(path) = path else { return Ok(node) };
        for name in path.names() {
            let inner = match node.entries.get(name) {
                Some(NodeEntry::Directory(inner)) => inner.clone(),
                Some(_) => {
                    return Err(Error::PathConflict {
                        path: path.clone(),
                        reason: "it is no folder",
                    });
                }
                None => return Err(Error::not_found(path.clone())),
            };
            node = self.folder(&inner).await?;
        }
        Ok(node)
    }

    /// The bytes of a file of a tree.
    pub(super) async fn file_at(&self, root: &ObjectRef, path: &FilePath) -> Result<Vec<u8>> {
        let node = match self.folder_at(root, path.parent().as_ref()).await {
            Err(Error::NotFound { .. } | Error::PathConflict { .. }) => {
                return Err(Error::not_found(path.clone()));
            }
            node => node?,
        };
        match node.entries.get(path.name()) {
            Some(NodeEntry::File { bytes: 0, .. }) => Ok(Vec::new()),
            Some(NodeEntry::File { object, .. }) => {
                let missing = |_| self.damaged(format!("the content of {path} is missing"));
                let bytes = match self.bytes(object).await {
                    Err(Error::NotFound { what }) => Err(missing(what)),
                    bytes => bytes.map(|(bytes, _)| bytes),
                }?;
                if Hash::of(&[&bytes]) == object.digest {
                    Ok(bytes)
                } else {
                    Err(self.damaged(format!("the content of {path} is damaged")))
                }
            }
            Some(_) => Err(Error::PathConflict { path: path.clone(), reason: "it is no file" }),
            None => Err(Error::not_found(path.clone())),
        }
    }
}

#[async_trait]
impl NodeReader for Reader<'_> {
    async fn node(&self, folder: &ObjectRef) -> Result<Arc<Node>> {
        self.folder(folder).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn any_id_of_a_tree_is_read_or_refused(text in "[a-f0-9]{0,70}@?[a-z0-9.-]{0,40}") {
            if let Ok(tree) = TreeId::new(&text)
                && let Ok(root) = root_of(&tree)
            {
                proptest::prop_assert_eq!(tree_of(&root).unwrap(), tree);
            }
        }
    }

    #[test]
    fn places_are_strict() {
        for bad in ["", ".1.2", "b.1", "b.1.2.3", "B.1.2", "b.-1.2", "b.1.x", "b/.1.2"] {
            assert_eq!(Place::parse(bad), None, "{bad}");
        }
        let place = Place::parse("b-0.1.2").unwrap();
        assert_eq!(Place::text(&place.blob.0, place.from, place.bytes), "b-0.1.2");
    }
}
