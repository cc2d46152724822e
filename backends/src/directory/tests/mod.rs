//! What the module promises, and what kills leave.
#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests: also in what they share"
)]

mod dispose;
mod histories;
mod kept;
mod made;
mod templates;
mod whole;

use std::{
    fs,
    path::{Path, PathBuf},
};

use sessile_core::{
    error::Result,
    id::{TenantId, ThreadId, WorkspaceId},
    workspace::{
        FileChange, Inspection, Label, TreeId, WorkspaceDriver, WorkspaceName, WorkspaceRef,
    },
};
use tempfile::TempDir;

use super::{Directory, subvolumes::Subvolumes};
use crate::folder::{
    Folder,
    model::{Map, path, read},
};

pub(super) const STORE: u128 = 7;

pub(super) fn tenant() -> TenantId {
    TenantId::new("acme").unwrap()
}

/// The name of a workspace of thread 1.
pub(super) fn name(label: &str) -> WorkspaceName {
    name_in(STORE, 1, label)
}

pub(super) fn name_in(store: u128, thread: u128, label: &str) -> WorkspaceName {
    let id = WorkspaceId::new(ThreadId::from_bits(thread), 3);
    WorkspaceName::new(Label::new(label).unwrap(), store, id)
}

pub(super) fn at(name: &WorkspaceName) -> WorkspaceRef {
    WorkspaceRef { tenant: tenant(), name: name.clone(), reference: "told".into(), saved: None }
}

pub(super) fn write(text: &str, content: &str) -> FileChange {
    FileChange::write(path(text), content)
}

/// A driver, and the folder of all that it may touch, beside which a secret lies.
pub(super) struct Bench {
    pub(super) driver: Directory,
    pub(super) root: PathBuf,
    pub(super) outer: TempDir,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::in_folder(&std::env::temp_dir())
    }

    /// With all of it in a folder of this one.
    pub(super) fn in_folder(folder: &Path) -> Self {
        let outer = tempfile::tempdir_in(folder).unwrap();
        fs::write(outer.path().join("secret"), "secret").unwrap();
        let root = outer.path().join("root");
        let mut driver = Directory::new(&root).unwrap();
        driver.root = driver.root.with(Subvolumes::of_any_size());
        Self { driver, root, outer }
    }

    pub(super) fn templated(fill: impl FnOnce(&Path)) -> Self {
        Self::new().with_template(fill)
    }

    pub(super) fn with_template(mut self, fill: impl FnOnce(&Path)) -> Self {
        let bench = &mut self;
        let template = bench.outer.path().join("template");
        fs::create_dir(&template).unwrap();
        fill(&template);
        bench.driver = bench.driver.clone().with_template(template);
        self
    }

    /// Makes a workspace and answers the tree that it begins with.
    pub(super) async fn create(&self, name: &WorkspaceName) -> TreeId {
        self.driver.create(&tenant(), name, None).await.unwrap().tree.unwrap()
    }

    pub(super) async fn change(&self, name: &WorkspaceName, changes: &[FileChange]) {
        self.driver.change_files(&at(name), changes).await.unwrap();
    }

    pub(super) async fn inspect(&self, name: &WorkspaceName) -> Option<Inspection> {
        self.driver.inspect(&at(name)).await.unwrap()
    }

    pub(super) async fn is_dirty(&self, name: &WorkspaceName) -> bool {
        self.inspect(name).await.unwrap().dirty
    }

    pub(super) async fn snapshot(&self, name: &WorkspaceName) -> TreeId {
        self.driver.snapshot(&at(name)).await.unwrap()
    }

    pub(super) async fn list(&self) -> Vec<WorkspaceName> {
        self.driver.list(STORE).await.unwrap()
    }

    /// The path of a workspace's folder.
    pub(super) fn live(&self, name: &WorkspaceName) -> PathBuf {
        self.root.join("workspaces").join(name.to_string())
    }

    /// What a workspace holds.
    pub(super) fn holds(&self, name: &WorkspaceName) -> Map {
        read(&Folder::open(&self.live(name)).unwrap())
    }

    /// Something in one of the root's folders, as a kill may leave it.
    pub(super) fn leave(&self, place: &str, name: &WorkspaceName) -> PathBuf {
        let left = self.root.join(place).join(name.to_string()).join("0123");
        fs::create_dir_all(left.join("deep/er")).unwrap();
        fs::write(left.join("deep/file"), "half").unwrap();
        left
    }

    /// How many names lie in the folders of workspaces, but for snapshots.
    pub(super) fn leftovers(&self) -> usize {
        let count = |place: &str| fs::read_dir(self.root.join(place)).unwrap().count();
        ["workspaces", "making", "trash", "index"].map(count).iter().sum()
    }

    /// The objects and folders that threads keep, of their own and of templates.
    pub(super) fn objects(&self) -> usize {
        fn count(at: &Path) -> usize {
            let Ok(entries) = fs::read_dir(at) else { return 0 };
            let one = |entry: std::io::Result<fs::DirEntry>| {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() { count(&entry.path()) } else { 1 }
            };
            entries.map(one).sum()
        }
        let templates = fs::read_dir(self.root.join("templates")).unwrap();
        let shelves = templates.flat_map(|entry| {
            let at = entry.unwrap().path();
            ["objects", "folders"].map(|kind| at.join(kind))
        });
        count(&self.root.join("snapshots")) + shelves.map(|at| count(&at)).sum::<usize>()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let secret = fs::read_to_string(self.outer.path().join("secret"));
        assert_eq!(secret.unwrap(), "secret");
    }
}

pub(super) fn kind<T: std::fmt::Debug>(answer: Result<T>) -> sessile_core::ErrorKind {
    answer.unwrap_err().kind()
}

/// A btrfs of 256 MB in a file.
pub(super) struct Mounted(TempDir);

impl Mounted {
    /// `None`, and a word about it, where nobody may mount one.
    pub(super) fn new() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("image");
        fs::File::create(&image).unwrap().set_len(256 << 20).unwrap();
        fs::create_dir(dir.path().join("at")).unwrap();
        let run = |program: &str, args: &[&std::ffi::OsStr]| {
            std::process::Command::new(program)
                .args(args)
                .output()
                .is_ok_and(|o| o.status.success())
        };
        let at = dir.path().join("at");
        let made = run("mkfs.btrfs", &["-q".as_ref(), image.as_ref()])
            && run("mount", &["-o".as_ref(), "loop".as_ref(), image.as_ref(), at.as_ref()]);
        if !made {
            eprintln!("NOT RUN: there is no program to make a btrfs, or no right to mount one");
        }
        made.then(|| Self(dir))
    }

    pub(super) fn at(&self) -> PathBuf {
        self.0.path().join("at")
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0.path().join("at")).output();
    }
}
