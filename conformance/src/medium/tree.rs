//! Files and folders as they are now, as they would be after loss of power, and what lies between.

use std::collections::BTreeMap;

use rand::{RngExt, rngs::StdRng};

/// A write lands in pieces of this size.
const SECTOR: usize = 512;

/// The number of a file or folder, whatever its names.
pub(super) type Ino = u64;

/// The folder all paths begin in.
pub(super) const ROOT: Ino = 0;

/// One operation that changes something.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// A new file or folder under a name.
    Make {
        dir: Ino,
        name: String,
        ino: Ino,
        is_dir: bool,
    },
    Write {
        ino: Ino,
        at: u64,
        bytes: Vec<u8>,
    },
    SetLen {
        ino: Ino,
        len: u64,
    },
    Sync {
        ino: Ino,
    },
    /// A flush that failed: what was to be flushed is not, and a later flush passes it over.
    LoseSync {
        ino: Ino,
    },
    Rename {
        from: (Ino, String),
        to: (Ino, String),
        ino: Ino,
    },
    Remove {
        dir: Ino,
        name: String,
    },
    SyncDir {
        ino: Ino,
    },
    /// A whole file, durable at once: what an object store does.
    PutObject {
        dir: Ino,
        name: String,
        ino: Ino,
        bytes: Vec<u8>,
    },
    /// Removed, durably at once.
    DeleteObject {
        dir: Ino,
        name: String,
    },
    /// Something that failed before it did anything.
    Nothing,
}

#[derive(Clone, Debug)]
enum Edit {
    Write { at: u64, bytes: Vec<u8> },
    SetLen(u64),
}

impl Edit {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { at, bytes } => {
                let at = *at as usize;
                let end = at + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[at..end].copy_from_slice(bytes);
            }
            Self::SetLen(len) => content.resize(*len as usize, 0),
        }
    }
}

#[derive(Clone, Debug)]
enum Name {
    Is(String, Ino),
    Gone(String),
    Moved(String, String, Ino),
}

impl Name {
    fn apply(&self, names: &mut BTreeMap<String, Ino>) {
        match self {
            Self::Is(name, ino) => {
                names.insert(name.clone(), *ino);
            }
            Self::Gone(name) => {
                names.remove(name);
            }
            Self::Moved(from, to, ino) => {
                if names.get(from) == Some(ino) {
                    names.remove(from);
                }
                names.insert(to.clone(), *ino);
            }
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct File {
    pub(super) live: Vec<u8>,
    flushed: Vec<u8>,
    pending: Vec<Edit>,
    /// What a failed flush passed over.
    lost: Vec<Edit>,
    /// The number of the operation that wrote it last.
    pub(super) touched: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Folder {
    pub(super) live: BTreeMap<String, Ino>,
    flushed: BTreeMap<String, Ino>,
    pending: Vec<Name>,
    lost: Vec<Name>,
}

impl Folder {
    fn change(&mut self, change: Name) {
        change.apply(&mut self.live);
        self.pending.push(change);
    }

    fn flush(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            change.apply(&mut self.flushed);
        }
    }
}

#[derive(Clone, Debug)]
pub(super) enum Node {
    File(File),
    Folder(Folder),
}

/// How loss of power decides about each thing that was not flushed.
#[derive(Debug)]
pub(super) enum Fate {
    /// It is lost.
    Lost,
    /// Chance decides, piece by piece.
    Chance(Box<StdRng>),
}

impl Fate {
    fn keeps(&mut self) -> bool {
        match self {
            Self::Lost => false,
            Self::Chance(rng) => rng.random_bool(0.5),
        }
    }
}

/// The whole medium.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) nodes: BTreeMap<Ino, Node>,
    /// Operations applied.
    pub(super) count: u64,
}

impl Default for Tree {
    fn default() -> Self {
        Self { nodes: [(ROOT, Node::Folder(Folder::default()))].into(), count: 0 }
    }
}

impl Tree {
    pub(super) fn folder(&self, ino: Ino) -> Option<&Folder> {
        if let Some(Node::Folder(folder)) = self.nodes.get(&ino) { Some(folder) } else { None }
    }

    pub(super) fn file(&self, ino: Ino) -> Option<&File> {
        if let Some(Node::File(file)) = self.nodes.get(&ino) { Some(file) } else { None }
    }

    fn folder_mut(&mut self, ino: Ino) -> &mut Folder {
        match self.nodes.get_mut(&ino) {
            Some(Node::Folder(folder)) => folder,
            _ => panic!("{ino} is no folder"),
        }
    }

    fn file_mut(&mut self, ino: Ino) -> &mut File {
        match self.nodes.get_mut(&ino) {
            Some(Node::File(file)) => file,
            _ => panic!("{ino} is no file"),
        }
    }

    /// Bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        let len =
            |node: &Node| if let Node::File(file) = node { file.live.len() as u64 } else { 0 };
        self.nodes.values().map(len).sum()
    }

    pub(super) fn apply(&mut self, op: &Op) {
        self.count += 1;
        let count = self.count;
        match op {
            Op::Nothing => {}
            Op::Make { dir, name, ino, is_dir } => {
                let node = if *is_dir {
                    Node::Folder(Folder::default())
                } else {
                    Node::File(File { touched: count, ..File::default() })
                };
                self.nodes.insert(*ino, node);
                self.folder_mut(*dir).change(Name::Is(name.clone(), *ino));
            }
            Op::Write { ino, at, bytes } => {
                self.edit(*ino, Edit::Write { at: *at, bytes: bytes.clone() });
            }
            Op::SetLen { ino, len } => self.edit(*ino, Edit::SetLen(*len)),
            Op::Sync { ino } => {
                let file = self.file_mut(*ino);
                for edit in std::mem::take(&mut file.pending) {
                    edit.apply(&mut file.flushed);
                }
            }
            Op::LoseSync { ino } => match self.nodes.get_mut(ino) {
                Some(Node::File(file)) => file.lost.append(&mut file.pending),
                Some(Node::Folder(folder)) => folder.lost.append(&mut folder.pending),
                None => {}
            },
            Op::Rename { from, to, ino } if from.0 == to.0 => {
                self.folder_mut(from.0).change(Name::Moved(from.1.clone(), to.1.clone(), *ino));
            }
            Op::Rename { from, to, ino } => {
                self.folder_mut(to.0).change(Name::Is(to.1.clone(), *ino));
                self.folder_mut(from.0).change(Name::Gone(from.1.clone()));
            }
            Op::Remove { dir, name } => self.folder_mut(*dir).change(Name::Gone(name.clone())),
            Op::SyncDir { ino } => self.folder_mut(*ino).flush(),
            Op::PutObject { dir, name, ino, bytes } => {
                let file = File {
                    live: bytes.clone(),
                    flushed: bytes.clone(),
                    touched: count,
                    ..File::default()
                };
                self.nodes.insert(*ino, Node::File(file));
                let folder = self.folder_mut(*dir);
                folder.change(Name::Is(name.clone(), *ino));
                folder.flush();
            }
            Op::DeleteObject { dir, name } => {
                let folder = self.folder_mut(*dir);
                folder.change(Name::Gone(name.clone()));
                folder.flush();
            }
        }
    }

    fn edit(&mut self, ino: Ino, edit: Edit) {
        let count = self.count;
        let file = self.file_mut(ino);
        edit.apply(&mut file.live);
        file.pending.push(edit);
        file.touched = count;
    }

    /// What is there after the death of the process: all that was written. What a failed flush passed over is to be
    /// flushed again: the systems differ in this, and no program can tell what of what it reads is on the medium.
    pub(super) fn kill(&self) -> Self {
        let mut tree = self.clone();
        tree.count = 0;
        for node in tree.nodes.values_mut() {
            match node {
                Node::File(File { lost, pending, .. }) => {
                    pending.splice(0..0, lost.drain(..)).for_each(drop)
                }
                Node::Folder(Folder { lost, pending, .. }) => {
                    pending.splice(0..0, lost.drain(..)).for_each(drop);
                }
            }
        }
        tree
    }

    /// What is there after loss of power.
    pub(super) fn lose_power(&self, mut fate: Fate) -> Self {
        let nodes = self.nodes.iter().map(|(ino, node)| {
            let left = match node {
                Node::File(file) => Node::File(left_of_file(file, &mut fate)),
                Node::Folder(folder) => {
                    let mut names = folder.flushed.clone();
                    for change in &folder.pending {
                        if fate.keeps() {
                            change.apply(&mut names);
                        }
                    }
                    Node::Folder(settled(names))
                }
            };
            (*ino, left)
        });
        Self { nodes: nodes.collect(), count: 0 }
    }
}

fn written(content: Vec<u8>, touched: u64) -> File {
    File { live: content.clone(), flushed: content, touched, ..File::default() }
}

fn settled(names: BTreeMap<String, Ino>) -> Folder {
    Folder { live: names.clone(), flushed: names, ..Folder::default() }
}

/// The flushed content, and of each write since then the sectors that made it; the length may have made it alone.
fn left_of_file(file: &File, fate: &mut Fate) -> File {
    let mut content = file.flushed.clone();
    for edit in &file.pending {
        match edit {
            Edit::SetLen(_) => {
                if fate.keeps() {
                    edit.apply(&mut content);
                }
            }
            Edit::Write { at, bytes } => {
                let mut from = 0;
                while from < bytes.len() {
                    let place = *at as usize + from;
                    let to = (from + SECTOR - place % SECTOR).min(bytes.len());
                    if fate.keeps() {
                        let piece = bytes[from..to].to_vec();
                        Edit::Write { at: place as u64, bytes: piece }.apply(&mut content);
                    }
                    from = to;
                }
            }
        }
    }
    if !file.pending.is_empty() && content.len() < file.live.len() && fate.keeps() {
        content.resize(file.live.len(), 0);
    }
    written(content, file.touched)
}
