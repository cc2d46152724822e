//! Everything inside one thread.

mod command;
mod feed;
mod new;
mod outcome;
mod query;

pub use command::SessionCommand;
pub use feed::{Feed, FeedPage, FeedRecord};
pub use new::{
    Append, Expect, LinkSessions, NewRun, NewSession, NewSubSession, UpdateEdge, UpdateSession,
};
pub use outcome::{Appended, SessionOutcome};
pub use query::{
    Drill, RunScope, SessionAnswer, SessionFilter, SessionQuery, UsageScope, Verified,
};
