//! What the service promises, on stores in memory and in SQLite files.

#![cfg(test)]

mod crash;
mod events;
mod races;
mod sessions;
mod state;

use std::collections::HashMap;

use adk_core::{
    AdkError,
    identity::{AdkIdentity, AppName, SessionId, UserId},
};
use adk_session::{
    AppendEventRequest, CreateRequest, DeleteRequest, Event, GetRequest, ListRequest, Session,
    SessionService,
};
use serde_json::Value;
use sessile::{Store, prelude::*};
use sessile_adk::SessileSessionService;

type Found = Result<Box<dyn Session>, AdkError>;

/// A service on a store; the store, to look below it.
async fn service_on(address: &str) -> (SessileSessionService, Handle, Store) {
    let store = sessile::open(address).await.unwrap();
    let runner = store.caller("acme", Actor::user("runner")).unwrap();
    (SessileSessionService::new(runner.clone()), runner, store)
}

/// An identity, such as `app/ann/1`.
fn identity(path: &str) -> AdkIdentity {
    let [app, user, session] = path.split('/').collect::<Vec<_>>()[..] else { panic!("{path}") };
    AdkIdentity::new(
        AppName::try_from(app).unwrap(),
        UserId::try_from(user).unwrap(),
        SessionId::try_from(session).unwrap(),
    )
}

async fn create(service: &SessileSessionService, path: &str, state: &[(&str, Value)]) -> Found {
    let [app_name, user_id, session] =
        path.split('/').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap();
    let state: HashMap<_, _> =
        state.iter().map(|(key, it)| (key.to_string(), it.clone())).collect();
    service.create(CreateRequest { app_name, user_id, session_id: Some(session), state }).await
}

async fn get(service: &SessileSessionService, path: &str) -> Found {
    service.get_for_identity(&identity(path)).await
}

async fn recent(service: &SessileSessionService, path: &str, count: usize) -> Vec<Event> {
    let it = identity(path);
    let request = GetRequest {
        app_name: it.app_name.to_string(),
        user_id: it.user_id.to_string(),
        session_id: it.session_id.to_string(),
        num_recent_events: Some(count),
        after: None,
    };
    service.get(request).await.unwrap().events().all()
}

async fn append(service: &SessileSessionService, path: &str, event: Event) -> Result<(), AdkError> {
    let identity = identity(path);
    service.append_event_for_identity(AppendEventRequest { identity, event }).await
}

async fn list(service: &SessileSessionService, app: &str, user: &str) -> Vec<String> {
    let (app_name, user_id) = (app.to_owned(), user.to_owned());
    let request = ListRequest { app_name, user_id, limit: None, offset: None };
    service.list(request).await.unwrap().iter().map(|it| it.id().to_owned()).collect()
}

async fn delete(service: &SessileSessionService, path: &str) {
    let it = identity(path);
    let (app_name, user_id) = (it.app_name.to_string(), it.user_id.to_string());
    let session_id = it.session_id.to_string();
    service.delete(DeleteRequest { app_name, user_id, session_id }).await.unwrap();
}

/// An event with this invocation id and these changes of state.
fn event(invocation: &str, delta: &[(&str, Value)]) -> Event {
    let mut event = Event::new(invocation);
    event.author = "agent".into();
    event.actions.state_delta =
        delta.iter().map(|(key, value)| (key.to_string(), value.clone())).collect();
    event
}

fn invocations(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.invocation_id.as_str()).collect()
}

fn code(found: Found) -> &'static str {
    found.err().expect("an error").code
}
