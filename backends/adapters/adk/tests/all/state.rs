//! State: of sessions, users and apps; in the commit of its event; across a restart.

use serde_json::{Value, json};

use crate::{append, create, delete, event, get, service_on};

async fn value(service: &sessile_adk::SessileSessionService, path: &str, key: &str) -> Value {
    get(service, path).await.unwrap().state().get(key).unwrap_or_default()
}

#[tokio::test]
async fn each_scope_is_seen_by_those_it_is_for() {
    let (service, ..) = service_on("memory:").await;
    let seed = [
        ("own", json!("seed")),
        ("user:name", json!("ann")),
        ("app:locale", json!("en")),
        ("temp:x", json!("gone")),
    ];
    let made = create(&service, "app/ann/1", &seed).await.unwrap();
    assert_eq!(made.state().all().len(), 3);
    for path in ["app/ann/2", "app/bob/3", "other/ann/4"] {
        create(&service, path, &[]).await.unwrap();
    }
    let delta = [
        ("own", json!({"deep": [1.5, null]})),
        ("user:name", json!("anna")),
        ("app:locale", json!(null)),
        ("temp:y", json!(1)),
    ];
    append(&service, "app/ann/1", event("a", &delta)).await.unwrap();
    let found = get(&service, "app/ann/1").await.unwrap();
    assert_eq!(found.state().get("own"), Some(json!({"deep": [1.5, null]})));
    assert_eq!(found.state().get("app:locale"), Some(Value::Null), "null is a value");
    assert_eq!(found.state().all().len(), 3);
    let kept = &found.events().at(0).unwrap().actions.state_delta;
    assert!(!kept.contains_key("temp:y") && kept.len() == 3, "{kept:?}");
    let seen = async |path, key| get(&service, path).await.unwrap().state().get(key);
    assert_eq!(seen("app/ann/2", "own").await, None);
    assert_eq!(seen("app/ann/2", "user:name").await, Some(json!("anna")));
    assert_eq!(seen("app/bob/3", "user:name").await, None);
    assert_eq!(seen("app/bob/3", "app:locale").await, Some(Value::Null));
    assert_eq!(seen("other/ann/4", "user:name").await, None);
    assert_eq!(seen("other/ann/4", "app:locale").await, None);
}

#[tokio::test]
async fn a_refused_event_changes_no_state() {
    let (service, ..) = service_on("memory:").await;
    create(&service, "app/ann/1", &[("own", json!(1)), ("user:u", json!(1))]).await.unwrap();
    let large = json!("x".repeat(300 * 1024));
    let delta = [("own", json!(2)), ("user:u", json!(2)), ("large", large)];
    let error = append(&service, "app/ann/1", event("a", &delta)).await.unwrap_err();
    assert_eq!(error.code, "session.invalid", "{error}");
    assert!(!error.is_retryable());
    let found = get(&service, "app/ann/1").await.unwrap();
    assert!(found.events().is_empty());
    assert_eq!(found.state().get("own"), Some(json!(1)));
    assert_eq!(found.state().get("user:u"), Some(json!(1)));
    for key in ["", "user:", &"k".repeat(257)] {
        let error = append(&service, "app/ann/1", event("a", &[(key, json!(1))])).await;
        assert_eq!(error.unwrap_err().code, "session.invalid", "{key:?}");
    }
}

#[tokio::test]
async fn all_of_it_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("sqlite:{}", folder.path().join("adk.db").display());
    for round in 0..3 {
        let (service, _, store) = service_on(&address).await;
        if round == 0 {
            create(&service, "app/ann/1", &[]).await.unwrap();
        } else {
            assert_eq!(value(&service, "app/ann/1", "own").await, json!(round - 1));
            assert_eq!(value(&service, "app/ann/1", "user:u").await, json!(round - 1));
            assert_eq!(value(&service, "app/ann/1", "app:a").await, json!(round - 1));
        }
        let round = json!(round);
        let delta = [("own", round.clone()), ("user:u", round.clone()), ("app:a", round)];
        // By the id alone, in a process that never saw the session.
        use adk_session::SessionService;
        service.append_event("1", event("x", &delta)).await.unwrap();
        store.close().await.unwrap();
        let closed = get(&service, "app/ann/1").await.err().unwrap();
        assert_eq!(closed.code, "session.refused", "{closed}");
    }
    let (service, runner, _) = service_on(&address).await;
    assert_eq!(get(&service, "app/ann/1").await.unwrap().events().len(), 3);
    delete(&service, "app/ann/1").await;
    // Nothing names the user any more where ids of sessions are kept.
    let index = runner.project_by_external_id("adk:sessions").await.unwrap().unwrap();
    for thread in runner.threads(index.id).all().await.unwrap() {
        assert!(runner.state(thread.id).await.unwrap().values.is_empty());
    }
}
