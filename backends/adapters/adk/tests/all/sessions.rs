//! Sessions: made, found, listed, deleted, kept apart; what ADK's own tests ask of a service.

use adk_core::ErrorCategory;
use adk_session::{GetRequest, ListRequest, SessionService};
use serde_json::json;

use crate::{
    append, code, create, delete, event, get, identity, invocations, list, recent, service_on,
};

#[tokio::test]
async fn a_session_is_made_once_and_found() {
    let (service, ..) = service_on("memory:").await;
    let missing = get(&service, "app/ann/1").await.err().unwrap();
    assert!(missing.is_not_found());
    assert_eq!(missing.code, "session.not_found");
    let made = create(&service, "app/ann/1", &[]).await.unwrap();
    assert_eq!((made.app_name(), made.user_id(), made.id()), ("app", "ann", "1"));
    assert!(made.events().is_empty());
    let again = create(&service, "app/ann/1", &[("k", json!(1))]).await;
    assert_eq!(code(again), "session.exists");
    let found = get(&service, "app/ann/1").await.unwrap();
    assert_eq!((found.app_name(), found.user_id(), found.id()), ("app", "ann", "1"));
    assert!(found.state().all().is_empty(), "the refused creation changed nothing");
}

#[tokio::test]
async fn a_session_without_an_id_gets_one() {
    let (service, ..) = service_on("memory:").await;
    let request = adk_session::CreateRequest {
        app_name: "app".into(),
        user_id: "ann".into(),
        session_id: None,
        state: Default::default(),
    };
    let one = service.create(request.clone()).await.unwrap();
    let two = service.create(request).await.unwrap();
    assert_ne!(one.id(), two.id());
    assert_eq!(list(&service, "app", "ann").await.len(), 2);
}

#[tokio::test]
async fn events_are_in_the_order_of_their_appends() {
    let (service, ..) = service_on("memory:").await;
    create(&service, "app/ann/1", &[]).await.unwrap();
    let names: Vec<_> = (0..1200).map(|n| n.to_string()).collect();
    for name in &names {
        append(&service, "app/ann/1", event(name, &[])).await.unwrap();
    }
    let found = get(&service, "app/ann/1").await.unwrap();
    assert_eq!(invocations(&found.events().all()), names);
    for count in [0, 1, 7, 999, 1000, 1001, 1200, 5000] {
        let kept = names.len() - count.min(names.len());
        assert_eq!(invocations(&recent(&service, "app/ann/1", count).await), names[kept..]);
    }
}

#[tokio::test]
async fn events_after_a_time_are_those_at_it_or_later() {
    let (service, ..) = service_on("memory:").await;
    create(&service, "app/ann/1", &[]).await.unwrap();
    let start = chrono::DateTime::from_timestamp(1_800_000_000, 5).unwrap();
    for second in [3, 0, 2, 1] {
        let mut it = event(&second.to_string(), &[]);
        it.timestamp = start + chrono::Duration::seconds(second);
        append(&service, "app/ann/1", it).await.unwrap();
    }
    let get = async |num_recent_events, seconds| {
        let request = GetRequest {
            app_name: "app".into(),
            user_id: "ann".into(),
            session_id: "1".into(),
            num_recent_events,
            after: Some(start + chrono::Duration::seconds(seconds)),
        };
        let events = service.get(request).await.unwrap().events().all();
        invocations(&events).join(" ")
    };
    assert_eq!(get(None, 2).await, "3 2");
    assert_eq!(get(None, 0).await, "3 0 2 1");
    assert_eq!(get(None, 4).await, "");
    assert_eq!(get(Some(2), 2).await, "2", "the last two, and of those what is not older");
}

#[tokio::test]
async fn sessions_of_one_id_are_kept_apart() {
    let (service, ..) = service_on("memory:").await;
    let all = ["app/ann/1", "app/bob/1", "other/ann/1", "app/ann/2"];
    for path in all {
        create(&service, path, &[("own", json!(path))]).await.unwrap();
    }
    append(&service, "app/ann/1", event("a", &[])).await.unwrap();
    for path in all {
        let found = get(&service, path).await.unwrap();
        assert_eq!(found.state().get("own"), Some(json!(path)));
        assert_eq!(found.events().len(), usize::from(path == "app/ann/1"), "{path}");
    }
    assert_eq!(list(&service, "app", "bob").await, ["1"]);
    assert_eq!(list(&service, "other", "ann").await, ["1"]);
    assert_eq!(list(&service, "app", "nobody").await, [""; 0]);
    delete(&service, "app/bob/1").await;
    delete(&service, "app/bob/1").await;
    assert_eq!(code(get(&service, "app/bob/1").await), "session.not_found");
    assert!(get(&service, "app/ann/1").await.is_ok());
    let late = append(&service, "app/bob/1", event("late", &[])).await.unwrap_err();
    assert_eq!(late.code, "session.not_found");
}

#[tokio::test]
async fn a_session_made_again_is_empty() {
    let (service, ..) = service_on("memory:").await;
    create(&service, "app/ann/1", &[("k", json!(1))]).await.unwrap();
    append(&service, "app/ann/1", event("old", &[])).await.unwrap();
    delete(&service, "app/ann/1").await;
    create(&service, "app/ann/1", &[]).await.unwrap();
    let found = get(&service, "app/ann/1").await.unwrap();
    assert!(found.events().is_empty() && found.state().all().is_empty());
    service.append_event("1", event("new", &[])).await.unwrap();
    assert_eq!(invocations(&recent(&service, "app/ann/1", 9).await), ["new"]);
}

#[tokio::test]
async fn the_id_alone_is_enough_where_one_user_has_it() {
    let (service, ..) = service_on("memory:").await;
    let unknown = service.append_event("1", event("x", &[])).await.unwrap_err();
    assert_eq!(unknown.code, "session.not_found");
    create(&service, "app/ann/1", &[]).await.unwrap();
    service.append_event("1", event("a", &[("app:k", json!(1))])).await.unwrap();
    create(&service, "other/bob/1", &[]).await.unwrap();
    let twice = service.append_event("1", event("b", &[])).await.unwrap_err();
    assert_eq!((twice.code, twice.category), ("session.ambiguous", ErrorCategory::InvalidInput));
    delete(&service, "app/ann/1").await;
    service.append_event("1", event("c", &[("app:k", json!(2))])).await.unwrap();
    let bob = get(&service, "other/bob/1").await.unwrap();
    assert_eq!(invocations(&bob.events().all()), ["c"]);
    assert_eq!(bob.state().get("app:k"), Some(json!(2)));
    delete(&service, "other/bob/1").await;
    let gone = service.append_event("1", event("d", &[])).await.unwrap_err();
    assert_eq!(gone.code, "session.not_found");
}

#[tokio::test]
async fn lists_are_paged_and_newest_first() {
    let (service, ..) = service_on("memory:").await;
    for n in 0..5 {
        create(&service, &format!("app/ann/{n}"), &[("n", json!(n))]).await.unwrap();
    }
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    append(&service, "app/ann/2", event("x", &[])).await.unwrap();
    let all = list(&service, "app", "ann").await;
    assert_eq!((all.len(), all[0].as_str()), (5, "2"));
    let mut paged = Vec::new();
    for offset in (0..6).step_by(2) {
        let (app_name, user_id) = ("app".into(), "ann".into());
        let request = ListRequest { app_name, user_id, limit: Some(2), offset: Some(offset) };
        for session in service.list(request).await.unwrap() {
            assert_eq!(session.state().get("n").unwrap().to_string(), session.id());
            assert!(session.events().is_empty(), "ADK lists sessions without their events");
            paged.push(session.id().to_owned());
        }
    }
    assert_eq!(paged, all);
}

#[tokio::test]
async fn all_sessions_of_a_user_can_be_deleted() {
    let (service, ..) = service_on("memory:").await;
    for path in ["app/ann/1", "app/ann/2", "app/bob/3", "other/ann/4"] {
        create(&service, path, &[("user:kept", json!(path))]).await.unwrap();
    }
    service.delete_all_sessions("app", "ann").await.unwrap();
    service.delete_all_sessions("app", "nobody").await.unwrap();
    assert_eq!(list(&service, "app", "ann").await, [""; 0]);
    assert_eq!(list(&service, "app", "bob").await, ["3"]);
    assert_eq!(list(&service, "other", "ann").await, ["4"]);
    let again = create(&service, "app/ann/5", &[]).await.unwrap();
    assert_eq!(again.state().get("user:kept"), Some(json!("app/ann/2")));
    service.health_check().await.unwrap();
}

#[tokio::test]
async fn names_are_kept_verbatim_or_refused() {
    let (service, ..) = service_on("memory:").await;
    let longest = "\u{1F600}".repeat(128);
    let names = ["a", "A", " a", "a:b", "..", "user:", "app:", "%2F", "e\u{301}", &longest];
    for name in names {
        let path = format!("{name}/{name}/{name}");
        let made = create(&service, &path, &[("user:n", json!(name))]).await.unwrap();
        assert_eq!((made.app_name(), made.user_id(), made.id()), (name, name, name));
        service.append_event(name, event(name, &[("app:n", json!(name))])).await.unwrap();
    }
    for name in names {
        let found = get(&service, &format!("{name}/{name}/{name}")).await.unwrap();
        assert_eq!(invocations(&found.events().all()), [name]);
        assert_eq!(found.state().get("user:n"), Some(json!(name)));
        assert_eq!(found.state().get("app:n"), Some(json!(name)));
    }
    for bad in ["/ann/1", "app//1", "app/ann/", "a\nb/ann/1", "app/\u{7}/1", "app/ann/a\0b"] {
        let error = create(&service, bad, &[]).await.err().unwrap();
        assert_eq!(error.category, ErrorCategory::InvalidInput, "{bad:?}: {error}");
    }
    for reserved in ["adk:apps", "adk:sessions", "adk:x"] {
        let path = format!("{reserved}/ann/1");
        assert_eq!(code(create(&service, &path, &[]).await), "session.invalid");
        assert_eq!(code(service.get_for_identity(&identity(&path)).await), "session.invalid");
    }
    let long = "x".repeat(513);
    let error = create(&service, &format!("app/ann/{long}"), &[]).await.err().unwrap();
    assert_eq!(error.category, ErrorCategory::InvalidInput);
}
