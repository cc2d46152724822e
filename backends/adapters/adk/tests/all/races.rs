//! Tasks and stores at once on one file.

use std::collections::HashSet;

use adk_session::SessionService;
use serde_json::json;

use crate::{append, create, delete, event, get, invocations, list, service_on};

/// Two services on one file, as two processes have them, and the folder that keeps it.
macro_rules! two_services {
    ($one:ident, $two:ident) => {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("sqlite:{}", folder.path().join("adk.db").display());
        let ($one, _, _first) = service_on(&address).await;
        let ($two, _, _second) = service_on(&address).await;
    };
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_64_creations_one_wins() {
    two_services!(one, two);
    let tasks: Vec<_> = (0..64)
        .map(|n| {
            let service = if n % 2 == 0 { one.clone() } else { two.clone() };
            tokio::spawn(async move {
                match create(&service, "app/ann/1", &[("winner", json!(n))]).await {
                    Ok(_) => Some(n),
                    Err(error) => {
                        assert_eq!(error.code, "session.exists", "{error}");
                        None
                    }
                }
            })
        })
        .collect();
    let mut winners = Vec::new();
    for task in tasks {
        winners.extend(task.await.unwrap());
    }
    assert_eq!(winners.len(), 1);
    let found = get(&one, "app/ann/1").await.unwrap();
    assert_eq!(found.state().get("winner"), Some(json!(winners[0])));
    assert_eq!(list(&two, "app", "ann").await, ["1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_64_appenders_no_event_and_no_delta_is_lost() {
    two_services!(one, two);
    create(&one, "app/ann/1", &[]).await.unwrap();
    let tasks: Vec<_> = (0..64)
        .map(|n| {
            let service = if n % 2 == 0 { one.clone() } else { two.clone() };
            tokio::spawn(async move {
                let (own, user) = (format!("k{n}"), format!("user:k{n}"));
                let delta = [(own.as_str(), json!(n)), (user.as_str(), json!(n))];
                for event in [event(&n.to_string(), &delta), event(&n.to_string(), &[])] {
                    if n % 4 == 0 {
                        service.append_event("1", event).await.unwrap();
                    } else {
                        append(&service, "app/ann/1", event).await.unwrap();
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let found = get(&two, "app/ann/1").await.unwrap();
    let ids: HashSet<_> = found.events().all().into_iter().map(|event| event.id).collect();
    assert_eq!((found.events().len(), ids.len()), (128, 128));
    for n in 0..64 {
        assert_eq!(found.state().get(&format!("k{n}")), Some(json!(n)));
        assert_eq!(found.state().get(&format!("user:k{n}")), Some(json!(n)));
    }
}

/// A deletion that is overtaken by the next creation leaves the new session where its id finds it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_session_is_found_by_its_id_after_creations_and_deletions() {
    let (service, ..) = service_on("memory:").await;
    create(&service, "app/ann/1", &[]).await.unwrap();
    for round in 0..500 {
        let deleter = service.clone();
        let deleted = tokio::spawn(async move { delete(&deleter, "app/ann/1").await });
        while let Err(error) = create(&service, "app/ann/1", &[]).await {
            assert_eq!(error.code, "session.exists", "{error}");
        }
        deleted.await.unwrap();
        let name = round.to_string();
        service.append_event("1", event(&name, &[])).await.unwrap();
        let found = get(&service, "app/ann/1").await.unwrap();
        assert_eq!(invocations(&found.events().all()), [name]);
    }
}

/// What one process remembers of a session that another deleted and made again misleads nobody.
#[tokio::test]
async fn an_append_finds_the_session_that_another_process_made_anew() {
    two_services!(one, two);
    create(&one, "app/ann/1", &[]).await.unwrap();
    append(&one, "app/ann/1", event("old", &[])).await.unwrap();
    for round in 0..3 {
        delete(&two, "app/ann/1").await;
        let gone = append(&one, "app/ann/1", event("lost", &[])).await.unwrap_err();
        assert_eq!(gone.code, "session.not_found");
        create(&two, "app/ann/1", &[]).await.unwrap();
        append(&one, "app/ann/1", event("new", &[])).await.unwrap();
        assert_eq!(invocations(&get(&two, "app/ann/1").await.unwrap().events().all()), ["new"]);
        delete(&two, "app/ann/1").await;
        create(&two, "app/ann/1", &[]).await.unwrap();
        let name = round.to_string();
        append(&one, "app/ann/1", event(&name, &[])).await.unwrap();
        assert_eq!(invocations(&get(&one, "app/ann/1").await.unwrap().events().all()), [name]);
    }
}
