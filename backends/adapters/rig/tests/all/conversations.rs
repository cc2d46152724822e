//! Order, restart, races, names, and what `clear` removes.

use std::collections::HashSet;

use rig_core::{
    completion::Message,
    id::ConversationId,
    memory::{ConversationMemory, MemoryError},
};
use sessile::ErrorKind;

use crate::{append, load, memory_on};

#[tokio::test]
async fn a_conversation_begins_empty_and_grows_in_order() {
    let (memory, ..) = memory_on("memory:").await;
    assert_eq!(load(&memory, "a").await, []);
    append(&memory, "a", Vec::new()).await;
    assert_eq!(load(&memory, "a").await, [], "nothing was said");
    let mut said = Vec::new();
    for turn in 0..50 {
        let turn = [Message::user(format!("{turn}?")), Message::assistant(format!("{turn}."))];
        append(&memory, "a", turn.to_vec()).await;
        said.extend(turn);
    }
    append(&memory, "b", vec![Message::user("elsewhere")]).await;
    assert_eq!(load(&memory, "a").await, said);
    assert_eq!(load(&memory, "b").await, [Message::user("elsewhere")]);
}

#[tokio::test]
async fn more_than_a_page_is_loaded_whole() {
    let (memory, ..) = memory_on("memory:").await;
    let turn: Vec<_> = (0..999).map(|n| Message::user(n.to_string())).collect();
    for _ in 0..3 {
        append(&memory, "long", turn.clone()).await;
    }
    assert_eq!(load(&memory, "long").await, [turn.clone(), turn.clone(), turn].concat());
}

#[tokio::test]
async fn a_conversation_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("sqlite:{}", folder.path().join("rig.db").display());
    for before in 0..3 {
        let (memory, _, store) = memory_on(&address).await;
        assert_eq!(load(&memory, "a").await.len(), before);
        append(&memory, "a", vec![Message::user("again")]).await;
        store.close().await.unwrap();
        let closed = memory.load(&"a".into()).await.unwrap_err();
        assert_eq!(kind(closed), ErrorKind::Closed);
    }
}

#[tokio::test]
async fn clear_removes_one_conversation_for_ever() {
    let (memory, bot, _) = memory_on("memory:").await;
    memory.clear(&"a".into()).await.unwrap();
    append(&memory, "a", vec![Message::user("secret")]).await;
    append(&memory, "b", vec![Message::user("kept")]).await;
    memory.clear(&"a".into()).await.unwrap();
    memory.clear(&"a".into()).await.unwrap();
    assert_eq!(load(&memory, "a").await, []);
    assert_eq!(load(&memory, "b").await, [Message::user("kept")]);
    append(&memory, "a", vec![Message::user("new")]).await;
    assert_eq!(load(&memory, "a").await, [Message::user("new")]);
    let project = bot.project_by_external_id("chat").await.unwrap().unwrap();
    assert_eq!(bot.threads(project.id).all().await.unwrap().len(), 2);
}

/// 64 tasks begin one conversation at once: there is one, and each turn stands whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn turns_of_many_tasks_follow_one_another_whole() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("sqlite:{}", folder.path().join("rig.db").display());
    // Two stores on one file, as two processes have them.
    let (one, bot, _first) = memory_on(&address).await;
    let (two, _, _second) = memory_on(&address).await;
    let tasks: Vec<_> = (0..64)
        .map(|n| {
            let memory = if n % 2 == 0 { one.clone() } else { two.clone() };
            tokio::spawn(async move {
                let turn = vec![Message::user(n.to_string()), Message::assistant(n.to_string())];
                append(&memory, "shared", turn).await;
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let said = load(&one, "shared").await;
    assert_eq!(said.len(), 128);
    let mut seen = HashSet::new();
    for turn in said.chunks(2) {
        let [Message::User { .. }, Message::Assistant(answer)] = turn else {
            panic!("a turn was torn: {turn:?}")
        };
        assert!(seen.insert(format!("{:?}", answer.content)), "a turn stands twice");
    }
    let project = bot.project_by_external_id("chat").await.unwrap().unwrap();
    assert_eq!(bot.threads(project.id).all().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn appends_go_on_while_others_clear() {
    let (memory, ..) = memory_on("memory:").await;
    let tasks: Vec<_> = (0..64)
        .map(|n| {
            let memory = memory.clone();
            tokio::spawn(async move {
                match n % 4 {
                    0 => memory.clear(&"a".into()).await.unwrap(),
                    _ => append(&memory, "a", vec![Message::user("x")]).await,
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    append(&memory, "a", vec![Message::user("last")]).await;
    assert_eq!(load(&memory, "a").await.last(), Some(&Message::user("last")));
}

#[tokio::test]
async fn names_are_kept_verbatim_or_refused() {
    let (memory, ..) = memory_on("memory:").await;
    let longest = "\u{1F600}".repeat(128);
    let names = ["a", "A", " a", "a ", "../../a", "a/b", "a%2Fb", "\u{e9}", "e\u{301}", &longest];
    for name in names {
        append(&memory, name, vec![Message::user(name)]).await;
    }
    for name in names {
        assert_eq!(load(&memory, name).await, [Message::user(name)]);
    }
    for bad in ["", "a\nb", "a\0", &"x".repeat(513)] {
        let bad = ConversationId::from(bad);
        assert_eq!(kind(memory.load(&bad).await.unwrap_err()), ErrorKind::Invalid, "{bad:?}");
        let append = memory.append(&bad, vec![Message::user("x")]).await;
        assert_eq!(kind(append.unwrap_err()), ErrorKind::Invalid, "{bad:?}");
        assert_eq!(kind(memory.clear(&bad).await.unwrap_err()), ErrorKind::Invalid, "{bad:?}");
    }
}

fn kind(error: MemoryError) -> ErrorKind {
    let MemoryError::Backend(source) = error else { panic!("{error:?}") };
    source.downcast_ref::<sessile::Error>().expect("Sessile's error").kind()
}
