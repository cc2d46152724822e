//! What lives in a store, as callers see it. Every value here is a copy: changing it changes nothing stored (SES10).

mod actor;
mod edge;
mod entry;
mod lease;
mod project;
mod run;
mod session;
mod text;
mod thread;
mod usage;

pub use actor::{Actor, ActorName};
pub use edge::{CompletionMode, FailureMode, SubSession, SubSessionKind, SubSessionStatus};
pub use entry::{Entry, Message, NewEntry, Part, Role, ToolOutcome, assistant, system, tool, user};
pub use lease::Lease;
pub use project::{Project, ProjectConfig, ProjectStatus};
pub use run::{Run, RunOutcome, RunStatus};
pub use session::{Session, SessionRow, SessionSample, SessionStatus};
pub use text::{Labels, check_text};
pub use thread::{Thread, ThreadRow, ThreadStatus};
pub use usage::{Average, Currency, LedgerRow, Money, RollUp, Tokens, Totals, Usage};
