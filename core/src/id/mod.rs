//! Ids: kind, thread and the version of the record that created the thing.
//!
//! Projects and threads are *minted*: 128 bits (48 of milliseconds, 32 of the tenant's tag, 48 random), written as 26
//! lower-case Crockford base32 characters behind `prj_` or `thd_`. Everything inside a thread is *derived*: the thread's
//! characters and the version of the record that created it, so `ses_…_13` was created by version 3 of its thread. An id
//! therefore routes itself, needs no directory, sorts by creation - as a value and as a string - and is never reused.
//!
//! Parsing is strict: another kind, length, alphabet or case is [`Error::Invalid`](crate::Error::Invalid), so no two
//! strings name one thing.
//!
//! Not promised: that the milliseconds inside a minted id are right. They make ids sort nicely; no rule reads them.

mod derived;
pub(crate) mod minted;
mod outside;
mod space;

pub use derived::{
    ArchiveId, CollapseId, EntryId, RunId, SessionId, SubSessionId, SummaryId, WorkspaceId,
};
pub use minted::{ProjectId, ThreadId};
pub use outside::{AgentId, TenantId, UserId};
pub use space::{Space, SpaceKind};

pub(crate) use outside::{check_external_id, check_outside};

/// The counter of one journal: the first record is version 1. Version 0 means "before everything".
pub type Version = u64;
