//! Everything inside one thread.

mod archive;
mod command;
mod feed;
mod inherit;
mod new;
mod outcome;
mod query;
mod state;
mod sweep;
mod workspace;

pub use archive::Archiving;
pub use command::SessionCommand;
pub use feed::{Feed, FeedFilter, FeedPage, FeedRecord, Lineage};
pub use inherit::{ContextSelection, Inheritance};
pub use new::{
    Append, Expect, Fork, LinkSessions, NewRun, NewSession, NewSubSession, UpdateEdge,
    UpdateSession,
};
pub use outcome::{Appended, ProposedCollapse, SessionOutcome};
pub use query::{
    Drill, EntryFilter, RunScope, SessionAnswer, SessionFilter, SessionQuery, UsageScope, Verified,
};
pub(crate) use state::{STATE_KEYS, check_initial};
pub use state::{StateChange, StateScope};
pub use sweep::{Sweep, Swept, SweptRun, SweptThread};
pub use workspace::{GivenWorkspace, Need, NewWorkspace, WorkspaceChoice, WorkspaceSource};
