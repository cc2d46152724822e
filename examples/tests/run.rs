//! What the examples promise.

#[allow(dead_code, reason = "its main is the example's own")]
#[path = "../change_backend.rs"]
mod change_backend;

#[allow(dead_code, reason = "its main is the example's own")]
#[path = "../looking_back.rs"]
mod looking_back;

#[allow(dead_code, reason = "its main is the example's own")]
#[path = "../own_ids.rs"]
mod own_ids;

#[tokio::test(flavor = "multi_thread")]
async fn what_has_an_id_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("chats.db").display());
    for said in 1..=3 {
        let store = sessile::open(&url).await.unwrap();
        assert_eq!(own_ids::say(&store, "Why?").await.unwrap(), said);
        store.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_seen_is_seen_again() {
    let store = sessile::open("memory:").await.unwrap();
    let want = [
        "system: Be brief. | user: Why? | assistant: A typo. | user: Where?",
        "system: Be brief. | user: Why? | assistant: A typo in the form.",
        "system: Be brief. | user: It was a typo in the form. | assistant: In login.html, line 7.",
        "2 differ, 2 hits",
        "28 tokens, 70 %",
    ];
    assert_eq!(looking_back::look_back(&store).await.unwrap(), want);
}

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
