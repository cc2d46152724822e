//! What lives in a store, as callers see it. Every value here is a copy: changing it changes nothing stored (SES10).

mod actor;
mod artifact;
mod budget;
mod bytes;
mod collapse;
mod context;
mod edge;
mod entry;
mod lease;
mod message;
mod new_entry;
mod note;
mod part;
mod pieces;
mod project;
mod resumable;
mod run;
mod session;
mod shown;
mod state;
mod summary;
mod text;
mod thread;
mod tool_result;
mod usage;
mod workspace;

pub use actor::{Actor, ActorName};
pub use artifact::PrevArtifact;
pub use budget::{Amount, Budget, BudgetKind, BudgetUse, OnExceeding};
pub(crate) use bytes::encode as encode_base64;
pub use collapse::{Autonomy, Collapse, CollapseStatus, CollapsedFrom, NewCollapse};
pub(crate) use collapse::{check_collapse_text, no_manual_text};
pub use context::{Context, ContextDiff, ContextLimit, ContextMessage, ContextSize, ContextTokens};
pub use edge::{CompletionMode, FailureMode, SubSession, SubSessionKind, SubSessionStatus};
pub use entry::{Content, Entry, EntryKind, Priority, TokenCount};
pub use lease::Lease;
pub use message::{Message, Role};
pub use new_entry::{NewEntry, annotate, assistant, compress, edit, system, tool, user};
pub use note::{Marker, MarkerKind, Note, NoteKind, note};
pub use part::{Artifact, Binary, Part, Reasoning, Text, ToolCall};
pub(crate) use pieces::{Piece, Pieces};
pub use project::{
    DefaultWorkspace, Project, ProjectConfig, ProjectStatus, Retention, SharedKind, SharedReference,
};
pub use resumable::{Awaited, Resumable};
pub use run::{Run, RunOutcome, RunStatus};
pub use session::{Archive, ForkBase, Session, SessionRow, SessionSample, SessionStatus};
pub(crate) use shown::Shown;
pub use state::{KeyedState, StateValue};
pub use summary::{Deliverable, NewSummary, Summary, SummaryOutcome};
pub use text::{Labels, check_text};
pub use thread::{Thread, ThreadRow, ThreadStatus};
pub use tool_result::{ToolOutcome, ToolResult};
pub use usage::{Average, Currency, LedgerRow, Money, PerRun, RollUp, Tokens, Totals, Usage};
pub use workspace::{Workspace, WorkspaceStatus};
