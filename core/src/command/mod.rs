//! What can be asked of a store: who asks, commands and queries, outcomes and answers.
//!
#![doc = include_str!("../../docs/commands.md")]

mod at;
mod caller;
mod created;
mod describe;
mod forget;
mod name;
mod new_project;
mod page;
mod session;
mod thread;
mod timeline;

pub use at::At;
pub use caller::{Caller, Key, Read};
pub use created::{Begun, Created, CreatedSession};
pub(crate) use describe::{Description, Needs};
pub use forget::{Forget, ForgetOutcome, Forgotten};
pub use new_project::NewProject;
pub use page::{Cursor, MAX_PAGE, Page, Paging};
pub use session::{
    Append, Appended, Archiving, ContextSelection, Drill, EntryFilter, Expect, Feed, FeedFilter,
    FeedPage, FeedRecord, Fork, GivenWorkspace, Inheritance, Lineage, LinkSessions, Need, NewRun,
    NewSession, NewSubSession, NewWorkspace, ProposedCollapse, RunScope, SessionAnswer,
    SessionCommand, SessionFilter, SessionOutcome, SessionQuery, StateChange, StateScope, Sweep,
    Swept, SweptRun, SweptThread, UpdateEdge, UpdateSession, UsageScope, Verified, WorkspaceChoice,
    WorkspaceSource,
};
pub(crate) use session::{STATE_KEYS, check_initial};
pub(crate) use thread::Target;
pub use thread::{
    NewThread, ProjectUsage, ThreadAnswer, ThreadCommand, ThreadFilter, ThreadOutcome, ThreadQuery,
    ThreadScope, UpdateProject, UpdateThread,
};
pub use timeline::{TimelineFilter, TimelineRow, TimelineScope};
