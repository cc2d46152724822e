//! What the examples promise.

#[allow(dead_code, reason = "its main is the example's own")]
#[path = "../change_backend.rs"]
mod change_backend;

#[tokio::test(flavor = "multi_thread")]
async fn another_address_is_all_it_takes() {
    let folder = tempfile::tempdir().unwrap();
    let at = |scheme: &str| format!("{scheme}:{}", folder.path().join(scheme).display());
    for (url, remembers) in [
        ("memory:".to_owned(), false),
        (at("disk"), true),
        (at("sqlite"), true),
        (at("redb"), true),
        (at("file"), true),
    ] {
        for visit in 1..=3 {
            let store = sessile::open(&url).await.unwrap();
            let counted = change_backend::visit(&store).await.unwrap();
            assert_eq!(counted, if remembers { visit } else { 1 }, "{url}");
            store.close().await.unwrap();
        }
    }
}
