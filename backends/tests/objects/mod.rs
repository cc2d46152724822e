//! Stores of objects for the suite.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::{ObjectStore, ObjectStoreExt as _, local::LocalFileSystem, memory::InMemory};
use sessile::{
    ErrorKind, Result,
    archive::ArchiveObjects,
    id::{Space, Version},
    journal::{Durability, Journal as _, Sharing},
    object_store::{Cloud, Objects, Options, client, connect},
};
use sessile_conformance::{Damage, Dir, Tamper};

use sessile_testkit::{self as testkit, WrappedJournal, faults::Faults};

/// Where objects are.
enum Place {
    Memory(Arc<dyn ObjectStore>),
    Folder(PathBuf),
    Cloud(Cloud, String),
}

/// What a location has: its objects, and the handles that were opened.
struct Location {
    place: Place,
    opened: Mutex<Vec<Arc<WrappedJournal>>>,
}

impl Location {
    /// The one of a directory.
    fn of(dir: &Dir, place: impl FnOnce() -> Place) -> Arc<Self> {
        dir.kept::<Self>().unwrap_or_else(|| {
            let location = Arc::new(Self { place: place(), opened: Mutex::default() });
            dir.keep(Arc::clone(&location));
            location
        })
    }

    async fn open(&self) -> Result<Arc<WrappedJournal>> {
        let journal = Arc::new(WrappedJournal::new(Arc::new(self.handle().await?)));
        self.opened.lock().expect("no panic inside").push(Arc::clone(&journal));
        Ok(journal)
    }

    /// A handle with empty caches.
    async fn handle(&self) -> Result<Objects> {
        let options = Options::default();
        match &self.place {
            Place::Memory(store) => {
                let options =
                    options.with_durability(Durability::None).with_sharing(Sharing::OneProcess);
                Objects::open(Arc::clone(store), "", options).await
            }
            Place::Folder(folder) => {
                let options = options.with_sharing(Sharing::ManyProcesses);
                Objects::open_folder(folder, options).await
            }
            Place::Cloud(cloud, prefix) => connect(*cloud, BUCKET, prefix, options).await,
        }
    }

    /// The objects, past any handle, and the prefix of the store.
    fn objects(&self) -> (Arc<dyn ObjectStore>, &str) {
        match &self.place {
            Place::Memory(store) => (Arc::clone(store), ""),
            Place::Folder(folder) => {
                let files = LocalFileSystem::new_with_prefix(folder).expect("a folder");
                (Arc::new(files), "")
            }
            Place::Cloud(cloud, prefix) => (client(*cloud, BUCKET).expect("a server"), prefix),
        }
    }

    /// Gives every handle that is open empty caches.
    async fn forget(&self, space: &Space) {
        let opened = self.opened.lock().expect("no panic inside").clone();
        for journal in opened {
            if journal.head(space).await.map_err(|e| e.kind()) != Err(ErrorKind::Closed) {
                journal.replace(Arc::new(self.handle().await.expect("a handle more")));
            }
        }
    }
}

/// The bucket that the script beside the tests makes in each server.
const BUCKET: &str = "sessile";

/// In memory, where every call gives way to others first.
pub(super) async fn in_memory(dir: &Dir) -> Result<Arc<WrappedJournal>> {
    // The crate's own store never gives way, so nothing would ever happen at the same time.
    let yielding = || Place::Memory(Arc::new(Faults::new(Arc::new(InMemory::new()))));
    Location::of(dir, yielding).open().await
}

/// In files, each flushed.
pub(super) async fn in_folder(dir: &Dir) -> Result<Arc<WrappedJournal>> {
    Location::of(dir, || Place::Folder(dir.path().join("objects"))).open().await
}

/// On a server, below a prefix that the directory's name tells from others; each process tells the same.
pub(super) async fn in_cloud(cloud: Cloud, dir: &Dir) -> Result<Arc<WrappedJournal>> {
    let name = dir.path().file_name().expect("a directory of its own").to_string_lossy();
    Location::of(dir, || Place::Cloud(cloud, format!("suite/{name}"))).open().await
}

/// Whether an object of the store has these bytes.
pub(super) async fn holds(dir: Dir, bytes: Vec<u8>) -> bool {
    let location = dir.kept::<Location>().expect("a location that was opened");
    let (store, prefix) = location.objects();
    let below = (!prefix.is_empty()).then(|| prefix.into());
    let all: Vec<_> = store.list(below.as_ref()).try_collect().await.expect("a list");
    for object in all {
        // One that goes away meanwhile holds nothing.
        let Ok(got) = store.get(&object.location).await else { continue };
        let content = got.bytes().await.expect("an object");
        if content.windows(bytes.len()).any(|window| window == bytes) {
            return true;
        }
    }
    false
}

/// Removes what is below the store's prefix on a server.
pub(super) async fn clean(dir: Dir) {
    let Some(location) = dir.kept::<Location>() else { return };
    let (store, prefix) = location.objects();
    let all = store.list(Some(&prefix.into())).map_ok(|object| object.location).boxed();
    let removed: Vec<_> = store.delete_stream(all).try_collect().await.expect("it is removed");
    drop(removed);
}

/// Why there is no server, if there is none: its variable is not set.
pub(super) fn without(variable: &str) -> Option<String> {
    let why = || format!("{variable} is not set; backends/tests/servers.sh COMMAND starts servers");
    std::env::var_os(variable).is_none().then(why)
}

/// Damages objects, then gives every handle empty caches.
pub(super) struct InObjects(pub(super) Dir);

impl InObjects {
    fn location(&self) -> Arc<Location> {
        self.0.kept::<Location>().expect("a location that was opened")
    }
}

#[async_trait]
impl Tamper for InObjects {
    async fn damage(&self, space: &Space, version: Version, damage: Damage) {
        let location = self.location();
        let (store, prefix) = location.objects();
        let done = testkit::objects::damage(&*store, prefix, space, version, damage).await;
        assert!(done, "a record to damage");
        location.forget(space).await;
    }

    async fn newer_format(&self) -> bool {
        let location = self.location();
        let (store, prefix) = location.objects();
        testkit::objects::set_format(&*store, prefix, 1000).await;
        true
    }
}

/// An archive in memory, shared by all that opens it in a location.
pub(super) fn archive_in_memory(dir: &Dir) -> Result<ArchiveObjects> {
    let store = dir.kept::<InMemory>().unwrap_or_else(|| {
        let store = Arc::new(InMemory::new());
        dir.keep(Arc::clone(&store));
        store
    });
    ArchiveObjects::new(store, "below/a/prefix")
}
