//! What the handle's methods take in place of the full types: a text for a name, entries for an append, an id for a scope.

use crate::{
    command::{
        Append, NewProject, NewSession, NewThread, RunScope, StateScope, ThreadFilter, ThreadScope,
        UsageScope,
    },
    id::{ProjectId, SessionId, ThreadId, UserId},
    model::NewEntry,
};

macro_rules! from_name {
    ($($type:ident by $named:ident),*) => {
        $(
            impl From<&str> for $type {
                fn from(name: &str) -> Self {
                    Self::$named(name)
                }
            }

            impl From<String> for $type {
                fn from(name: String) -> Self {
                    Self::$named(name)
                }
            }
        )*
    };
}

from_name!(NewProject by named, NewThread by titled, NewSession by named);

impl<const N: usize> From<[NewEntry; N]> for Append {
    fn from(entries: [NewEntry; N]) -> Self {
        Self::of(entries.into())
    }
}

macro_rules! from_id {
    ($($type:ident::$variant:ident($id:ident)),*) => {
        $(
            impl From<$id> for $type {
                fn from(id: $id) -> Self {
                    Self::$variant(id)
                }
            }
        )*
    };
}

from_id!(
    RunScope::Session(SessionId),
    RunScope::Thread(ThreadId),
    StateScope::Session(SessionId),
    StateScope::Thread(ThreadId),
    UsageScope::Session(SessionId),
    UsageScope::Thread(ThreadId),
    ThreadScope::Project(ProjectId),
    ThreadScope::User(UserId)
);

impl<T: Into<ThreadScope>> From<T> for ThreadFilter {
    fn from(scope: T) -> Self {
        Self::of(scope.into())
    }
}
