//! What lives in a store, as callers see it. Every value here is a copy: changing it changes nothing stored (SES10).

mod actor;
mod bytes;
mod edge;
mod entry;
mod lease;
mod part;
mod pieces;
mod project;
mod run;
mod session;
mod shown;
mod state;
mod text;
mod thread;
mod tool_result;
mod usage;

pub use actor::{Actor, ActorName};
pub(crate) use bytes::encode as encode_base64;
pub use edge::{CompletionMode, FailureMode, SubSession, SubSessionKind, SubSessionStatus};
pub use entry::{Entry, Message, NewEntry, Role, assistant, system, tool, user};
pub use lease::Lease;
pub use part::{Artifact, Binary, Part, Reasoning, Text, ToolCall};
pub(crate) use pieces::{Piece, Pieces};
pub use project::{Project, ProjectConfig, ProjectStatus};
pub use run::{Run, RunOutcome, RunStatus};
pub use session::{Session, SessionRow, SessionSample, SessionStatus};
pub(crate) use shown::Shown;
pub use state::{KeyedState, StateValue};
pub use text::{Labels, check_text};
pub use thread::{Thread, ThreadRow, ThreadStatus};
pub use tool_result::{ToolOutcome, ToolResult};
pub use usage::{Average, Currency, LedgerRow, Money, RollUp, Tokens, Totals, Usage};
