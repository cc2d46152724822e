//! The contract, on every journal of this crate.
#![allow(clippy::expect_used, reason = "tests")]

mod objects;
mod sim;

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use sessile::{
    ErrorKind, Memory,
    disk::{self, Disk},
    id::{Space, Version},
    journal::Journal as _,
    object_store::Cloud,
    redb::{self, Redb},
    sqlite::{self, Options, Sqlite},
    tamper,
};
use sessile_conformance::{Damage, Dir, Tamper};

/// The name of a store's file.
const FILE: &str = "store.db";

/// The name of a store's folder.
const FOLDER: &str = "store";

/// The suite's damage in this crate's words, and the record it begins at.
fn ours(version: Version, damage: Damage) -> (Version, tamper::Damage) {
    match damage {
        Damage::FlipHeader => (version, tamper::Damage::FlipHead),
        Damage::FlipBody => (version, tamper::Damage::FlipBody),
        Damage::Swap(with) => (version, tamper::Damage::Swap(with)),
        Damage::Drop => (version, tamper::Damage::Drop),
        Damage::Insert => (version + 1, tamper::Damage::Insert),
    }
}

struct InMemory(Dir);

#[async_trait]
impl Tamper for InMemory {
    async fn damage(&self, space: &Space, version: Version, damage: Damage) {
        let journal = self.0.kept::<Memory>().expect("the journal that was opened");
        let (version, damage) = ours(version, damage);
        journal.tamper(space, version, damage).expect("a record to damage");
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
        let (version, damage) = ours(version, damage);
        sqlite::tamper(self.path(), space, version, damage).expect("a record to damage");
    }

    async fn newer_format(&self) -> bool {
        sqlite::set_format(self.path(), 1000).expect("a file to change");
        true
    }
}

struct InOneFile(Dir);

#[async_trait]
impl Tamper for InOneFile {
    async fn damage(&self, space: &Space, version: Version, damage: Damage) {
        let (version, damage) = ours(version, damage);
        let kept = self.0.kept::<Redb>().expect("the journal that was opened");
        match kept.tamper(space, version, damage) {
            Err(error) if error.kind() == ErrorKind::Closed => {}
            done => return done.expect("a record to damage"),
        }
        let journal = Redb::open(self.0.path().join(FILE), redb::Options::default()).await;
        let journal = journal.expect("a file that nobody has open");
        journal.tamper(space, version, damage).expect("a record to damage");
        journal.close().await.expect("a handle closes");
    }

    async fn newer_format(&self) -> bool {
        redb::set_format(self.0.path().join(FILE), 1000).expect("a file to change");
        true
    }
}

struct InFolder(Dir);

#[async_trait]
impl Tamper for InFolder {
    async fn damage(&self, space: &Space, version: Version, damage: Damage) {
        let (version, damage) = ours(version, damage);
        let root = self.0.path().join(FOLDER);
        disk::tamper(root, space, version, damage).expect("a record to damage");
    }

    async fn newer_format(&self) -> bool {
        disk::set_format(self.0.path().join(FOLDER), 1000).expect("a store to change");
        true
    }
}

sessile_conformance::suite! {
    journal: memory,
    open: |dir: Dir| async move {
        let journal = Arc::new(Memory::new(rand::random()));
        dir.keep(Arc::clone(&journal));
        journal
    },
    tamper: InMemory;

    journal: disk,
    open: |dir| async move {
        Disk::open(dir.path().join(FOLDER), disk::Options::default()).await
    },
    tamper: InFolder,
    crash: sim::disk;

    journal: object_file,
    open: |dir| async move { objects::in_folder(&dir).await },
    tamper: objects::InObjects,
    crash: sim::objects;

    journal: object_memory,
    open: |dir| async move { objects::in_memory(&dir).await },
    tamper: objects::InObjects,
    crash: sim::objects;

    journal: s3,
    open: |dir| async move { objects::in_cloud(Cloud::S3, &dir).await },
    tamper: objects::InObjects,
    crash: sim::objects,
    absent: objects::without("SESSILE_TEST_S3");

    journal: azure,
    open: |dir| async move { objects::in_cloud(Cloud::Azure, &dir).await },
    tamper: objects::InObjects,
    crash: sim::objects,
    absent: objects::without("SESSILE_TEST_AZURE");

    journal: redb,
    open: |dir: Dir| async move {
        let journal = Redb::open(dir.path().join(FILE), redb::Options::default()).await?;
        let journal = Arc::new(journal);
        dir.keep(Arc::clone(&journal));
        sessile::Result::Ok(journal)
    },
    tamper: InOneFile,
    crash: sim::redb;

    journal: sqlite,
    open: |dir| async move { Sqlite::open(dir.path().join(FILE), Options::default()).await },
    tamper: InFile,
    crash: sim::sqlite;
}
