//! From a folder to a tree: what it holds, and keeping that.

use std::collections::{BTreeMap, HashMap};

use sessile_core::{
    error::{Error, Result},
    hash::Hash,
    workspace::{FileKind, FilePath, Node, NodeEntry, ObjectRef, TreeId, WorkspaceName},
};

use super::{
    index::{Contents, Draft, Held, Index},
    make::Proceed,
    objects::Objects,
    root::Root,
    shelf::digest_of,
};
use crate::folder::{Folder, Scanned, failed};

/// Folders of a tree by digest, and which is the outermost.
pub(super) struct Tree {
    pub(super) root: Hash,
    /// In an order in which each comes after those that it names.
    pub(super) folders: Vec<(Hash, Node)>,
}

impl Tree {
    pub(super) fn of(contents: &Contents) -> Result<Self> {
        let mut nodes: BTreeMap<Option<FilePath>, Node> = BTreeMap::new();
        nodes.insert(None, Node::default());
        for (path, held) in contents {
            let entry = match held {
                Held::Directory => {
                    nodes.entry(Some(path.clone())).or_default();
                    continue;
                }
                Held::Link { target } => NodeEntry::Link { target: target.clone() },
                Held::File { executable, digest, stat } => NodeEntry::File {
                    executable: *executable,
                    bytes: stat.len,
                    object: ObjectRef { digest: *digest, place: None },
                },
            };
            let node = nodes.entry(path.parent()).or_default();
            node.entries.insert(path.name().into(), entry);
        }
        let mut folders = Vec::with_capacity(nodes.len());
        // A folder's path is a beginning of those in it, and so comes before them.
        while let Some((path, node)) = nodes.pop_last() {
            let digest = node.digest();
            folders.push((digest, node));
            let Some(path) = path else { return Ok(Self { root: digest, folders }) };
            let entry = NodeEntry::Directory(ObjectRef { digest, place: None });
            let above = nodes.entry(path.parent()).or_default();
            above.entries.insert(path.name().into(), entry);
        }
        Err(Error::failed("a tree has no outermost folder"))
    }

    /// Keeps those of its folders that are not.
    pub(super) fn put(
        &self,
        has: impl Fn(&Hash) -> bool,
        put: impl Fn(&Hash, &Node) -> Result<()>,
    ) -> Result<()> {
        let mut missing = self.folders.iter().filter(|(digest, _)| !has(digest));
        missing.try_for_each(|(digest, node)| put(digest, node))
    }

    pub(super) fn by_digest(self) -> HashMap<Hash, std::sync::Arc<Node>> {
        self.folders.into_iter().map(|(digest, node)| (digest, node.into())).collect()
    }
}

/// What a folder holds; files that the index knows are not read. Of others, `read` says the digest and the length.
pub(super) fn contents(
    folder: &Folder,
    index: Option<&Index>,
    mut read: impl FnMut(&Scanned) -> Result<(Hash, u64)>,
) -> Result<Contents> {
    let mut contents = Contents::new();
    for found in folder.scan()? {
        let held = match &found.kind {
            FileKind::Directory => Held::Directory,
            FileKind::Link { target } => Held::Link { target: target.clone() },
            FileKind::File { executable, .. } => {
                let (executable, mut stat) = (*executable, found.stat);
                let digest = match index.and_then(|index| index.known(&found.path, &found.stat)) {
                    Some(digest) => digest,
                    None => {
                        let (digest, bytes) = match read(&found) {
                            // It went, or became something else, since it was listed.
                            Err(Error::NotFound { .. } | Error::PathConflict { .. }) => continue,
                            read => read?,
                        };
                        stat.len = bytes;
                        digest
                    }
                };
                Held::File { executable, digest, stat }
            }
            _ => continue,
        };
        contents.insert(found.path, held);
    }
    Ok(contents)
}

/// The digest and the length of a file of a folder.
pub(super) fn read_digest(folder: &Folder, path: &FilePath) -> Result<(Hash, u64)> {
    let (mut file, _) = folder.open_to_read(path)?;
    digest_of(&mut file).map_err(|e| failed("read", path, e))
}

/// Keeps what a folder holds in the snapshots of its thread, and has the index say so. Answers the tree, and how many
/// things the folder holds. Files of which `made` says the digest are kept already, and nobody has written into them since.
pub(super) fn save(
    root: &Root,
    name: &WorkspaceName,
    folder: &Folder,
    made: &Contents,
    proceed: &Proceed,
) -> Result<(TreeId, usize)> {
    let objects = Objects::make(root, name)?;
    // Without the tree of the index, what the index knows may not be kept either.
    let index = Index::load(root, name)?.filter(|index| objects.has_folder(&index.tree));
    let draft = Draft::begin(root, name)?;
    let contents = contents(folder, index.as_ref(), |found| {
        if let Some(Held::File { digest, stat, .. }) = made.get(&found.path)
            && stat.len == found.stat.len
        {
            return Ok((*digest, found.stat.len));
        }
        proceed.check()?;
        let (digest, bytes) = read_digest(folder, &found.path)?;
        if objects.has_file(&digest, bytes) {
            return Ok((digest, bytes));
        }
        let (file, _) = folder.open_to_read(&found.path)?;
        objects.put_file(&file.into_std()).map_err(|e| failed("keep", &found.path, e))
    })?;
    let tree = Tree::of(&contents)?;
    tree.put(|digest| objects.has_folder(digest), |digest, node| objects.put_folder(digest, node))?;
    let held = contents.len();
    let id = tree_id(&tree.root)?;
    if index.is_none_or(|index| index.tree != tree.root || index.contents != contents) {
        draft.finish(tree.root, contents)?;
    }
    Ok((id, held))
}

/// The id of a tree: the digest of its outermost folder.
pub(super) fn tree_id(root: &Hash) -> Result<TreeId> {
    TreeId::new(root.to_string())
}
