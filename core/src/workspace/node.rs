//! Trees as objects: a folder names what lies in it by digest, so that equal content is one object and what did not change
//! is shared.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Change, FilePath, TreeChange, path::bytes};
use crate::{
    error::{Error, Result},
    hash::Hash,
};

/// What a digest of a folder begins with, so that it is no digest of a file.
const FOLDER: &[u8] = b"sessile folder 1\n";

/// One object of a tree: a file or a folder.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ObjectRef {
    /// The digest of its content: of a file BLAKE3 over its bytes, of a folder [`Node::digest`].
    #[serde(rename = "d")]
    pub digest: Hash,
    /// Where it is found, if the digest alone does not tell.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

/// What a folder says of one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeEntry {
    /// A file.
    File {
        /// Whether it may be run.
        #[serde(rename = "x", default, skip_serializing_if = "std::ops::Not::not")]
        executable: bool,
        /// Its length.
        #[serde(rename = "b")]
        bytes: u64,
        /// Its content.
        #[serde(flatten)]
        object: ObjectRef,
    },
    /// A symbolic link.
    Link {
        /// What it says.
        #[serde(with = "bytes")]
        target: Vec<u8>,
    },
    /// A folder.
    Directory(ObjectRef),
}

/// A folder of a tree: its names, in the order of their bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// What each name stands for.
    pub entries: BTreeMap<Box<[u8]>, NodeEntry>,
}

/// One row of an encoded folder.
#[derive(Serialize, Deserialize)]
struct Row {
    #[serde(rename = "n", with = "bytes")]
    name: Vec<u8>,
    #[serde(flatten)]
    entry: NodeEntry,
}

impl Node {
    /// The digest of what it says, without places: BLAKE3 over kinds, names, modes, lengths and digests.
    pub fn digest(&self) -> Hash {
        let mut text = FOLDER.to_vec();
        let sized = |text: &mut Vec<u8>, bytes: &[u8]| {
            text.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
            text.extend_from_slice(bytes);
        };
        for (name, entry) in &self.entries {
            sized(&mut text, name);
            match entry {
                NodeEntry::File { executable, bytes, object } => {
                    text.extend_from_slice(if *executable { b"x" } else { b"f" });
                    text.extend_from_slice(&bytes.to_be_bytes());
                    text.extend_from_slice(object.digest.bytes());
                }
                NodeEntry::Link { target } => {
                    text.extend_from_slice(b"l");
                    sized(&mut text, target);
                }
                NodeEntry::Directory(object) => {
                    text.extend_from_slice(b"d");
                    text.extend_from_slice(object.digest.bytes());
                }
            }
        }
        Hash::of(&[&text])
    }

    /// Its text, in JSON: `[{"n":"a.txt","file":{"b":5,"d":"…"}}]`.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let rows: Vec<Row> = self
            .entries
            .iter()
            .map(|(name, entry)| Row { name: name.to_vec(), entry: entry.clone() })
            .collect();
        serde_json::to_vec(&rows).map_err(|e| Error::invalid("folder", e.to_string()))
    }

    /// Reads what [`encode`](Self::encode) wrote. The error says what is wrong with the text: it, or its name, is damaged.
    pub fn decode(text: &[u8]) -> std::result::Result<Self, String> {
        let rows: Vec<Row> = serde_json::from_slice(text).map_err(|e| e.to_string())?;
        let mut node = Self::default();
        for Row { name, entry } in rows {
            FilePath::new(&name).map_err(|e| e.to_string())?;
            if name.contains(&b'/') || node.entries.insert(name.into(), entry).is_some() {
                return Err("a name stands in it that cannot".into());
            }
        }
        Ok(node)
    }
}

/// Reads the folders of a tree.
#[async_trait]
pub trait NodeReader: Send + Sync {
    /// A folder; an error if it is not there, or is not what its digest says.
    async fn node(&self, folder: &ObjectRef) -> Result<Arc<Node>>;
}

impl NodeEntry {
    /// Whether both say the same, wherever it is found.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::File { executable, bytes, object },
                Self::File { executable: x, bytes: b, object: o },
            ) => executable == x && bytes == b && object.digest == o.digest,
            (Self::Link { target }, Self::Link { target: t }) => target == t,
            (Self::Directory(object), Self::Directory(o)) => object.digest == o.digest,
            _ => false,
        }
    }
}

/// What changed from one tree to another, by path: files, links and empty folders that are in one of them only, or differ.
/// Folders that are equal are not read.
pub async fn diff_trees(
    nodes: &dyn NodeReader,
    from: &ObjectRef,
    to: &ObjectRef,
) -> Result<Vec<TreeChange>> {
    let mut changes = BTreeMap::new();
    let mut note = |path: FilePath, change: Change| {
        let both = |before: &mut Change| {
            *before = if *before == change { change } else { Change::Modified }
        };
        changes.entry(path).and_modify(both).or_insert(change);
    };
    let mut folders: Vec<(Option<FilePath>, Option<ObjectRef>, Option<ObjectRef>)> =
        vec![(None, Some(from.clone()), Some(to.clone()))];
    while let Some((path, before, after)) = folders.pop() {
        if let (Some(before), Some(after)) = (&before, &after)
            && before.digest == after.digest
        {
            continue;
        }
        let (before, after) = (load(nodes, before).await?, load(nodes, after).await?);
        if let Some(path) = &path {
            let is_empty =
                |node: &Option<Arc<Node>>| node.as_ref().is_some_and(|n| n.entries.is_empty());
            if is_empty(&before) {
                note(path.clone(), Change::Removed);
            }
            if is_empty(&after) {
                note(path.clone(), Change::Added);
            }
        }
        let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
        let names = before
            .entries
            .keys()
            .chain(after.entries.keys().filter(|name| !before.entries.contains_key(*name)));
        for name in names {
            let (left, right) = (before.entries.get(name), after.entries.get(name));
            if let (Some(left), Some(right)) = (left, right)
                && left.is_same(right)
            {
                continue;
            }
            let inner = match &path {
                Some(path) => path.join(name)?,
                None => FilePath::new(name)?,
            };
            let folder = |entry: Option<&NodeEntry>| match entry {
                Some(NodeEntry::Directory(object)) => Some(object.clone()),
                _ => None,
            };
            let (left_folder, right_folder) = (folder(left), folder(right));
            if left.is_some() && left_folder.is_none() {
                note(inner.clone(), Change::Removed);
            }
            if right.is_some() && right_folder.is_none() {
                note(inner.clone(), Change::Added);
            }
            if left_folder.is_some() || right_folder.is_some() {
                folders.push((Some(inner), left_folder, right_folder));
            }
        }
    }
    Ok(changes.into_iter().map(|(path, change)| TreeChange { path, change }).collect())
}

async fn load(nodes: &dyn NodeReader, folder: Option<ObjectRef>) -> Result<Option<Arc<Node>>> {
    match folder {
        Some(folder) => nodes.node(&folder).await.map(Some),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Folders by digest.
    #[derive(Default)]
    struct Shelf(std::collections::HashMap<Hash, Arc<Node>>);

    #[async_trait]
    impl NodeReader for Shelf {
        async fn node(&self, folder: &ObjectRef) -> Result<Arc<Node>> {
            Ok(self.0[&folder.digest].clone())
        }
    }

    impl Shelf {
        /// A tree with these files; a path that ends with `/` is an empty folder.
        fn tree(&mut self, files: &[(&str, &str)]) -> ObjectRef {
            let mut node = Node::default();
            let mut inner: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
            for (path, content) in files {
                match path.split_once('/') {
                    Some((folder, "")) => drop(inner.entry(folder).or_default()),
                    Some((folder, rest)) => inner.entry(folder).or_default().push((rest, content)),
                    None => {
                        let object =
                            ObjectRef { digest: Hash::of(&[content.as_bytes()]), place: None };
                        let bytes = content.len() as u64;
                        let file = NodeEntry::File { executable: false, bytes, object };
                        node.entries.insert(path.as_bytes().into(), file);
                    }
                }
            }
            for (name, files) in inner {
                let folder = self.tree(&files);
                node.entries.insert(name.as_bytes().into(), NodeEntry::Directory(folder));
            }
            let digest = node.digest();
            let text = node.encode().unwrap();
            assert_eq!(Node::decode(&text).unwrap(), node);
            self.0.insert(digest, Arc::new(node));
            ObjectRef { digest, place: None }
        }
    }

    #[test]
    fn a_difference_is_that_of_two_maps() {
        let trees: [&[(&str, &str)]; 7] = [
            &[],
            &[("a", "1")],
            &[("a/", "")],
            &[("a/b", "1"), ("c", "2")],
            &[("a/b", "2"), ("a/d/e/", ""), ("c/", "")],
            &[("a/d/e/f", "1"), ("a/d/e/g", "1"), ("c", "2")],
            &[("c", "2")],
        ];
        let mut shelf = Shelf::default();
        let roots: Vec<_> = trees.iter().map(|files| shelf.tree(files)).collect();
        for (before, from) in trees.iter().zip(&roots) {
            for (after, to) in trees.iter().zip(&roots) {
                let (b, a): (BTreeMap<_, _>, BTreeMap<_, _>) =
                    (before.iter().copied().collect(), after.iter().copied().collect());
                let (b, a) = (paths(&b), paths(&a));
                let mut expected: BTreeMap<String, Change> = BTreeMap::new();
                for (path, was) in &b {
                    match a.get(path) {
                        None => drop(expected.insert(path.clone(), Change::Removed)),
                        Some(is) if is != was => {
                            expected.insert(path.clone(), Change::Modified);
                        }
                        Some(_) => {}
                    }
                }
                for path in a.keys().filter(|path| !b.contains_key(*path)) {
                    expected.insert(path.clone(), Change::Added);
                }
                let found = futures_lite::future::block_on(diff_trees(&shelf, from, to)).unwrap();
                let found: BTreeMap<_, _> =
                    found.into_iter().map(|c| (c.path.to_string(), c.change)).collect();
                assert_eq!(found, expected, "{before:?} {after:?}");
            }
        }
    }

    /// Paths without a last `/`, each with its content; an empty folder has one that no file has.
    fn paths(files: &BTreeMap<&str, &str>) -> BTreeMap<String, String> {
        let row = |(path, content): (&&str, &&str)| match path.strip_suffix('/') {
            Some(folder) => (folder.to_owned(), "a folder".to_owned()),
            None => ((*path).to_owned(), (*content).to_owned()),
        };
        files.iter().map(row).collect()
    }

    #[test]
    fn a_damaged_folder_is_told() {
        for text in [
            "",
            "{}",
            "[{}]",
            r#"[{"n":"..","link":{"target":"x"}}]"#,
            r#"[{"n":"a/b","link":{"target":"x"}}]"#,
            r#"[{"n":"","link":{"target":"x"}}]"#,
            r#"[{"n":"a","link":{"target":"x"}},{"n":"a","link":{"target":"y"}}]"#,
        ] {
            assert!(Node::decode(text.as_bytes()).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_decoder_panic(text in ".{0,200}", bytes: Vec<u8>) {
            let _ = (Node::decode(text.as_bytes()), Node::decode(&bytes));
        }

        #[test]
        fn what_was_encoded_is_decoded(
            names in proptest::collection::btree_map("[a-c]{1,3}", ".{1,9}", 0..9),
            is_link: bool,
        ) {
            let mut node = Node::default();
            for (name, text) in names {
                let object = ObjectRef { digest: Hash::of(&[text.as_bytes()]), place: Some(text.clone()) };
                let entry = match is_link {
                    true => NodeEntry::Link { target: text.into_bytes() },
                    false => NodeEntry::Directory(object),
                };
                node.entries.insert(name.into_bytes().into(), entry);
            }
            proptest::prop_assert_eq!(Node::decode(&node.encode().unwrap()).unwrap(), node);
        }
    }

    #[test]
    fn names_and_targets_may_be_any_bytes() {
        let mut node = Node::default();
        node.entries.insert([0xff, 1].into(), NodeEntry::Link { target: vec![0xfe] });
        assert_eq!(Node::decode(&node.encode().unwrap()).unwrap(), node);
    }
}
