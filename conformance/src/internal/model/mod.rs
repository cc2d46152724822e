//! The model: what a store must answer, written from the contract with plain maps and without care for speed.
//!
//! It shares no code with the core's state machine. It takes the same commands, the caller and the time, and predicts the
//! outcome or the refusal; ids inside a thread follow from versions, so it predicts them too. Only the minted ids of
//! projects and threads are learnt from the store's answer.

mod archives;
mod budgets;
pub mod collapses;
mod delegation;
mod edges;
mod facts;
mod forks;
mod guards;
mod interventions;
mod keyed;
mod keys;
mod leases;
mod project;
pub mod read;
mod refusal;
mod runs;
mod session;
mod slices;
mod state;
mod sweep;
mod valid;

pub use budgets::SessionBudget;
pub use keyed::KeyedHistory;
pub use refusal::Refusal;
pub use state::{
    Call, Edge, HeldLease, LoggedEntry, Model, ModelRun, Project, Session, Tenant, Thread,
};

/// What the model predicts of a call.
pub type Predicted<T> = Result<T, Refusal>;
