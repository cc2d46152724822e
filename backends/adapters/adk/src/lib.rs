//! A session service for [ADK](https://docs.rs/adk-session) agents, kept by [Sessile](https://docs.rs/sessile): every event is
//! durable with its state delta when it is acknowledged, on any of its backends, shared by tasks and - where the backend is -
//! by processes.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use sessile::model::Actor;
//! use sessile_adk::SessileSessionService;
//!
//! let store = sessile::open("sqlite:agents.db").await?;
//! let service = SessileSessionService::new(store.caller("acme", Actor::user("runner"))?);
//! # let _ = service;
//! # Ok(()) }
//! ```

mod error;
mod event;
mod index;
mod service;
mod session;
mod state;

pub use service::SessileSessionService;
