//! What a scrub finishes, and what it waits for.

use object_store::{ObjectStore as _, path::Path};
use sessile_core::{
    id::{Space, SpaceKind, TenantId},
    journal::Scrub,
};

use super::*;

/// The keys that have this part.
async fn keys(store: &Faults, part: &str) -> Vec<Path> {
    let all: Vec<_> = store.list(None).map_ok(|meta| meta.location).try_collect().await.unwrap();
    all.into_iter().filter(|key| key.as_ref().contains(part)).collect()
}

#[tokio::test]
async fn a_drop_that_was_cut_off_is_finished_whatever_its_tenant() {
    for name in ["t", "con.x_"] {
        let (store, clock) = (faults(), Arc::new(Hand::default()));
        let journal = open(&store, &clock).await;
        let space = Space::new(TenantId::new(name).unwrap(), SpaceKind::Thread, 1);
        let first = carded(vec![record(1, 4, "x")], 1, Some(7));
        assert!(matches!(journal.commit(&space, None, &first).await.unwrap(), Commit::Done));
        journal.put_blob(&space, b"x").await.unwrap();
        store.fail_deletes(Some("/"));
        assert!(matches!(journal.drop_space(&space, first.end()).await.unwrap(), Commit::Done));
        store.fail_deletes(None);
        assert_eq!(keys(&store, "/index/").await.len(), 2);
        let scrubbed = open(&store, &clock).await.scrub().await.unwrap();
        assert!(matches!(scrubbed, Scrub::Pending { .. }), "its log waits for the grace");
        assert_eq!(keys(&store, "/index/").await, []);
        assert_eq!(keys(&store, "/blob/").await, []);
    }
}
