//! The contract, on every journal and workspace driver of this crate.
#![allow(clippy::expect_used, reason = "tests")]

#[allow(dead_code, reason = "its main is the example's own")]
#[path = "../../examples/fjall_driver.rs"]
mod fjall_driver;
mod objects;
mod postgres;
mod sim;
mod workspaces;

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use fjall_driver::Fjall;
use sessile::{
    Memory,
    archive::{ArchiveFolder, ArchiveObjects},
    disk::{self, Disk},
    id::{Space, Version},
    journal::Journal,
    object_store::Cloud,
    redb,
    sqlite::{Options, Sqlite},
};
use sessile_conformance::{Damage, Dir, KvTamper, Tamper};
use sessile_driver::kv::{KvJournal, Map};
use sessile_testkit::{self as testkit, WrappedJournal};

/// The name of a store's file.
const FILE: &str = "store.db";

/// The name of a store's folder.
const FOLDER: &str = "store";

struct InMemory(Dir);

#[async_trait]
impl Tamper for InMemory {
    async fn damage(&self, space: &Space, version: Version, damage: Damage) {
        let journal = self.0.kept::<WrappedJournal>().expect("the journal that was opened");
        assert!(journal.damage(space, version, damage).await, "a record to damage");
    }

    async fn newer_format(&self) -> bool {
        false
    }
}

struct InFile(Dir);

impl InFile {
    fn path(&self) -> PathBuf {
        self.0.path().join(FILE)
    }
}

#[async_trait]
impl Tamper for InFile {
    async fn damage(&self, space: &Space, version: Version, damage: Damage) {
        assert!(
            testkit::sqlite::damage(&self.path(), space, version, damage),
            "a record to damage"
        );
    }

    async fn newer_format(&self) -> bool {
        testkit::sqlite::set_format(&self.path(), 1000);
        true
    }
}

/// Keeps a journal over an ordered map, so that it can be damaged.
fn kept(dir: &Dir, journal: KvJournal) -> Arc<KvJournal> {
    let journal = Arc::new(journal);
    dir.keep(Arc::clone(&journal));
    journal
}

struct InFolder(Dir);

#[async_trait]
impl Tamper for InFolder {
    async fn damage(&self, space: &Space, version: Version, damage: Damage) {
        let root = self.0.path().join(FOLDER);
        assert!(testkit::disk::damage(&root, space, version, damage), "a record to damage");
    }

    async fn newer_format(&self) -> bool {
        testkit::disk::set_format(&self.0.path().join(FOLDER), 1000);
        true
    }
}

/// Opens a journal so that it can be damaged, or replaced, under the store that is open over it.
fn wrapped(dir: &Dir, journal: impl Journal) -> Arc<WrappedJournal> {
    let journal = Arc::new(WrappedJournal::new(Arc::new(journal)));
    dir.keep(Arc::clone(&journal));
    journal
}

/// What the records of workspaces stand in: processes share it.
async fn records(dir: Dir) -> sessile::Result<Sqlite> {
    Sqlite::open(dir.path().join(FILE), Options::default()).await
}

sessile_conformance::suite! {
    journal: memory,
    open: |dir: Dir| async move { wrapped(&dir, Memory::new(rand::random())) },
    tamper: InMemory;

    journal: map,
    open: |dir: Dir| async move {
        let journal = KvJournal::open(Arc::new(Map::default())).await?;
        sessile::Result::Ok(kept(&dir, journal))
    },
    tamper: |dir| KvTamper::new(dir, |_| async { Ok(Arc::new(Map::default()) as _) });

    journal: fjall,
    open: |dir: Dir| async move {
        let fjall = Fjall::open(dir.path().join(FOLDER)).await?;
        sessile::Result::Ok(kept(&dir, KvJournal::open(Arc::new(fjall)).await?))
    },
    tamper: |dir| KvTamper::new(dir, |dir| async move {
        Ok(Arc::new(Fjall::open(dir.path().join(FOLDER)).await?) as _)
    });

    journal: disk,
    open: |dir| async move {
        Disk::open(dir.path().join(FOLDER), disk::Options::default()).await
    },
    tamper: InFolder,
    crash: sim::disk,
    level: Medium;

    journal: object_file,
    open: |dir| async move { objects::in_folder(&dir).await },
    tamper: objects::InObjects,
    crash: sim::objects,
    level: Medium;

    journal: object_memory,
    open: |dir| async move { objects::in_memory(&dir).await },
    tamper: objects::InObjects,
    crash: sim::objects,
    holds: objects::holds,
    level: Medium;

    journal: s3,
    open: |dir| async move { objects::in_cloud(Cloud::S3, &dir).await },
    tamper: objects::InObjects,
    crash: sim::objects,
    holds: objects::holds,
    clean: objects::clean,
    level: Medium,
    absent: objects::without("SESSILE_TEST_S3");

    journal: azure,
    open: |dir| async move { objects::in_cloud(Cloud::Azure, &dir).await },
    tamper: objects::InObjects,
    crash: sim::objects,
    holds: objects::holds,
    clean: objects::clean,
    level: Medium,
    absent: objects::without("SESSILE_TEST_AZURE");

    journal: postgres,
    open: |dir| async move { postgres::open(dir).await },
    tamper: postgres::InSchema,
    wire: postgres::ToServer,
    restart: postgres::restart,
    holds: postgres::holds,
    clean: postgres::clean,
    absent: postgres::without();

    journal: redb,
    open: |dir: Dir| async move {
        let journal = redb::open(dir.path().join(FILE), redb::Options::default()).await?;
        sessile::Result::Ok(kept(&dir, journal))
    },
    tamper: |dir| KvTamper::new(dir, |dir| async move {
        let journal = redb::open(dir.path().join(FILE), redb::Options::default()).await?;
        Ok(Arc::clone(journal.engine()))
    }),
    crash: sim::redb,
    level: Medium;

    journal: sqlite,
    open: |dir| async move { Sqlite::open(dir.path().join(FILE), Options::default()).await },
    tamper: InFile,
    crash: sim::sqlite,
    level: Medium;

    workspace: directory,
    open: workspaces::directory,
    over: records,
    audit: workspaces::audit_directory;

    workspace: git_worktree,
    open: workspaces::git_worktree,
    over: records,
    audit: workspaces::audit_git_worktree;

    archive: archive_folder,
    open: |dir| async move { ArchiveFolder::open(dir.path().join(FOLDER)).await },
    over: records;

    archive: archive_file,
    open: |dir| async move { ArchiveObjects::in_folder(dir.path().join(FOLDER)) };

    archive: archive_memory,
    open: |dir| async move { objects::archive_in_memory(&dir) };
}
