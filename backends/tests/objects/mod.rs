//! Stores of objects for the suite.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use object_store::{ObjectStore, memory::InMemory};
use sessile::{
    Result,
    id::{Space, Version},
    journal::{Durability, Sharing},
    object_store::{Cloud, Objects, Options, connect, faults::Faults},
};
use sessile_conformance::{Damage, Dir, Tamper};

use super::ours;

/// Where objects are.
enum Place {
    Memory(Arc<dyn ObjectStore>),
    Folder(PathBuf),
    Cloud(Cloud, String),
}

/// What a location has: its objects, and the handles that were opened.
struct Location {
    place: Place,
    opened: Mutex<Vec<Arc<Objects>>>,
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

    async fn open(&self) -> Result<Arc<Objects>> {
        let options = Options::default();
        let journal = match &self.place {
            Place::Memory(store) => {
                let options =
                    options.with_durability(Durability::None).with_sharing(Sharing::OneProcess);
                Objects::open(Arc::clone(store), "", options).await?
            }
            Place::Folder(folder) => {
                let options = options.with_sharing(Sharing::ManyProcesses);
                Objects::open_folder(folder, options).await?
            }
            Place::Cloud(cloud, prefix) => connect(*cloud, BUCKET, prefix, options).await?,
        };
        let journal = Arc::new(journal);
        self.opened.lock().expect("no panic inside").push(Arc::clone(&journal));
        Ok(journal)
    }

    fn handles(&self) -> Vec<Arc<Objects>> {
        self.opened.lock().expect("no panic inside").clone()
    }
}

/// The bucket that the script beside the tests makes in each server.
const BUCKET: &str = "sessile";

/// In memory, where every call gives way to others first.
pub(super) async fn in_memory(dir: &Dir) -> Result<Arc<Objects>> {
    // The crate's own store never gives way, so nothing would ever happen at the same time.
    let yielding = || Place::Memory(Arc::new(Faults::new(Arc::new(InMemory::new()))));
    Location::of(dir, yielding).open().await
}

/// In files, each flushed.
pub(super) async fn in_folder(dir: &Dir) -> Result<Arc<Objects>> {
    Location::of(dir, || Place::Folder(dir.path().join("objects"))).open().await
}

/// On a server, below a prefix that the directory's name tells from others; each process tells the same.
pub(super) async fn in_cloud(cloud: Cloud, dir: &Dir) -> Result<Arc<Objects>> {
    let name = dir.path().file_name().expect("a directory of its own").to_string_lossy();
    Location::of(dir, || Place::Cloud(cloud, format!("suite/{name}"))).open().await
}

/// Why there is no server, if there is none: its variable is not set.
pub(super) fn without(variable: &str) -> Option<String> {
    let why = || format!("{variable} is not set; backends/tests/servers.sh COMMAND starts servers");
    std::env::var_os(variable).is_none().then(why)
}

/// Damages objects, then lets every handle forget what it read.
pub(super) struct InObjects(pub(super) Dir);

impl InObjects {
    async fn hand(&self) -> (Arc<Location>, Arc<Objects>) {
        let location = self.0.kept::<Location>().expect("a location that was opened");
        let hand = location.open().await.expect("a handle more");
        (location, hand)
    }
}

#[async_trait]
impl Tamper for InObjects {
    async fn damage(&self, space: &Space, version: Version, damage: Damage) {
        let (location, hand) = self.hand().await;
        let (version, damage) = ours(version, damage);
        hand.tamper(space, version, damage).await.expect("a record to damage");
        location.handles().iter().for_each(|handle| handle.forget());
    }

    async fn newer_format(&self) -> bool {
        let (_, hand) = self.hand().await;
        hand.set_format(1000).await.expect("an object to change");
        true
    }
}
