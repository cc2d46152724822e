//! What the clauses on workspaces share: a store with the driver under judgement, and a model of what a workspace holds.

mod lab;
mod model;

pub use lab::Lab;
pub use model::{Files, Item, changes_between};
