//! Where the processes meet: one store of objects, in a folder or on a server.

use std::{path::PathBuf, sync::Arc, time::Duration};

use object_store::{ObjectStore, local::LocalFileSystem};
use serde::{Deserialize, Serialize};
use sessile::{
    Caller,
    id::{SessionId, TenantId, UserId},
    journal::Sharing,
    model::Actor,
    object_store::{Cloud, Objects, Options, client},
    store::Store,
};
use sessile_conformance::internal::shorthand;
use sessile_testkit::faults::Faults;

/// The bucket that the script beside the tests makes in each server.
const BUCKET: &str = "sessile";

/// Short, so that folded objects are deleted while a test runs.
const GRACE: Duration = Duration::from_secs(1);

/// A store of objects.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Place {
    Folder(PathBuf),
    S3(String),
    Azure(String),
}

impl Place {
    /// A handle with a cache of its own, and the hand on its requests.
    pub(crate) async fn open(&self, fold_after: usize) -> (Store, Faults) {
        let (objects, prefix): (Arc<dyn ObjectStore>, _) = match self {
            Self::Folder(folder) => {
                let objects = LocalFileSystem::new_with_prefix(folder).expect("a folder");
                (Arc::new(objects.with_fsync(true)), "")
            }
            Self::S3(prefix) => (client(Cloud::S3, BUCKET).expect("a server"), prefix.as_str()),
            Self::Azure(prefix) => {
                (client(Cloud::Azure, BUCKET).expect("a server"), prefix.as_str())
            }
        };
        let hand = Faults::new(objects);
        let options = Options::default()
            .with_fold_after(fold_after)
            .with_grace(GRACE)
            .with_sharing(Sharing::ManyProcesses);
        let journal = Objects::open(Arc::new(hand.clone()), prefix, options).await;
        (Store::new(Arc::new(journal.expect("a store")), sessile::options()), hand)
    }
}

/// Who writes and reads here.
pub(crate) fn caller() -> Caller {
    let tenant = TenantId::new("acme").expect("a tenant");
    Caller::new(tenant.clone(), Actor::User { tenant, id: UserId::new("ada").expect("a user") })
}

/// Every entry of a session, in order: its version and its text.
pub(crate) async fn entries(store: &Store, session: SessionId) -> Vec<(u64, String)> {
    let caller = caller();
    let entries = store.as_caller(&caller).entries(session).page_size(1000).all();
    let all = entries.await.expect("the log");
    all.iter().map(|entry| (entry.version, shorthand::text(entry).to_owned())).collect()
}
