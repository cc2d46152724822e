//! What a program that uses a store needs most: `use sessile::prelude::*`.

pub use crate::{
    command::{
        Append, Key, NewProject, NewRun, NewSession, NewSubSession, NewThread, Page, Paging,
        StateChange,
    },
    error::{Error, ErrorKind, Result},
    handle::Handle,
    id::{EntryId, ProjectId, RunId, SessionId, SubSessionId, ThreadId},
    model::{
        Actor, Entry, Message, NewEntry, Part, Role, RunOutcome, Usage, assistant, system, tool,
        user,
    },
    store::Store,
};
