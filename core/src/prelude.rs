//! What a program that uses a store needs most: `use sessile::prelude::*`.

pub use crate::{
    command::{
        Append, At, Expect, Key, NewProject, NewRun, NewSession, NewSubSession, NewThread,
        NewWorkspace, Page, Paging, StateChange, Sweep,
    },
    error::{Error, ErrorKind, Result},
    handle::Handle,
    id::{EntryId, ProjectId, RunId, SessionId, SubSessionId, ThreadId, WorkspaceId},
    model::{
        Actor, Context, Entry, Message, NewEntry, Part, Priority, Role, RunOutcome, Usage,
        annotate, assistant, compress, edit, system, tool, user,
    },
    store::Store,
    workspace::{FileChange, FilePath, Label},
};
