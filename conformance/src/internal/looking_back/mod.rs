//! Random lives of a thread whose sessions are edited, annotated, compressed, forked, copied, merged, deleted and erased,
//! beside a model of what their contexts must be.

mod life;
mod model;

pub use life::Life;
pub use model::{Does, LookingBack, ModelEntry, ModelSession, Shown, shown};
