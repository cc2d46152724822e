//! How do I keep my agent's sessions in a file?
//!
//! `cargo run -p sessile-adk --example sessions`, again and again: each run finds the events and the state of those before. A
//! runner gets the service as `Arc<dyn SessionService>`; this does what a runner does, without a model.

use std::{collections::HashMap, sync::Arc};

use adk_core::{
    Content,
    identity::{AdkIdentity, AppName, SessionId, UserId},
};
use adk_session::{AppendEventRequest, CreateRequest, Event, SessionService};
use sessile::prelude::Actor;
use sessile_adk::SessileSessionService;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::temp_dir().join("sessile-adk-example.db");
    let store = sessile::open(&format!("sqlite:{}", file.display())).await?;
    let runner = store.caller("acme", Actor::user("runner"))?;
    let service: Arc<dyn SessionService> = Arc::new(SessileSessionService::new(runner));

    let identity = AdkIdentity::new(
        AppName::try_from("weather")?,
        UserId::try_from("ann")?,
        SessionId::try_from("chat-17")?,
    );
    let session = match service.get_for_identity(&identity).await {
        Err(error) if error.is_not_found() => {
            let (app_name, user_id) = ("weather".into(), "ann".into());
            let session_id = Some("chat-17".into());
            let state = HashMap::from([("user:name".to_owned(), "Ann".into())]);
            service.create(CreateRequest { app_name, user_id, session_id, state }).await?
        }
        found => found?,
    };
    let asked = session.state().get("asked").and_then(|it| it.as_u64()).unwrap_or(0);

    let mut event = Event::new("invocation-1");
    event.author = "user".into();
    event.set_content(Content::new("user").with_text("Will it rain?"));
    event.actions.state_delta.insert("asked".into(), (asked + 1).into());
    let identity_of_event = identity.clone();
    let request = AppendEventRequest { identity: identity_of_event, event };
    service.append_event_for_identity(request).await?;

    let session = service.get_for_identity(&identity).await?;
    println!("{} events; state {:?}", session.events().len(), session.state().all());
    store.close().await?;
    Ok(())
}
