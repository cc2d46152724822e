//! What the records of a log have in common, whatever their kind.

use super::Event;
use crate::{
    id::Version,
    model::{EntryKind, MarkerKind, NoteKind, Priority, TokenCount},
};

/// What an entry does to the entries before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: it is a message.
    Message,
    /// Puts another message in the place of one.
    Edit(Version),
    /// Says how much one matters.
    Annotation(Version, Option<Priority>),
    /// Puts one message in the place of those from the first to the last.
    Compression(Version, Version),
    /// Nothing: it is a note.
    Note(NoteKind),
    /// Nothing: it is a marker.
    Marker(MarkedPlace),
    /// Nothing: it is a message that stands for a child.
    Collapse(CollapsedPlace),
}

/// What a message stands for, by versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CollapsedPlace {
    /// The draft.
    pub collapse: Version,
    /// The session.
    pub child: Version,
    /// As of when that session is meant.
    pub upto: Version,
}

/// Where a marker leads to, by versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkedPlace {
    /// What happened.
    pub kind: MarkerKind,
    /// The session.
    pub to: Version,
    /// The edge between the two.
    pub edge: Option<Version>,
    /// As of when that session is meant.
    pub version: Option<Version>,
}

impl Effect {
    /// The kind of entry that has it.
    pub const fn kind(self) -> EntryKind {
        match self {
            Self::Message | Self::Collapse(_) => EntryKind::Message,
            Self::Edit(_) => EntryKind::Edit,
            Self::Annotation(..) => EntryKind::Annotation,
            Self::Compression(..) => EntryKind::Compression,
            Self::Note(_) => EntryKind::Note,
            Self::Marker(_) => EntryKind::Marker,
        }
    }
}

/// The header of an entry, whatever its kind. Entries are named by their versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryHeader {
    /// Whose log.
    pub session: Version,
    /// The run it belongs to.
    pub run: Option<Version>,
    /// The entry it answers.
    pub in_reply_to: Option<Version>,
    /// The entry it is a copy of.
    pub copied_from: Option<Version>,
    /// How long its message is.
    pub tokens: Option<TokenCount>,
    /// What it does.
    pub effect: Effect,
}

impl From<EntryHeader> for Event {
    fn from(header: EntryHeader) -> Self {
        let EntryHeader { session, run, in_reply_to, copied_from, tokens, effect } = header;
        let (tokens, reported) = match tokens {
            Some(TokenCount::Counted(number)) => (Some(number), None),
            Some(TokenCount::Reported(number)) => (None, Some(number)),
            None => (None, None),
        };
        match effect {
            Effect::Message => {
                Self::Entry { session, run, in_reply_to, copied_from, tokens, reported }
            }
            Effect::Edit(target) => {
                Self::Edit { session, target, run, in_reply_to, copied_from, tokens, reported }
            }
            Effect::Annotation(target, priority) => {
                Self::Annotation { session, target, priority, run, in_reply_to, copied_from }
            }
            Effect::Compression(first, last) => Self::Compression {
                session,
                first,
                last,
                run,
                in_reply_to,
                copied_from,
                tokens,
                reported,
            },
            Effect::Note(kind) => {
                Self::Note { session, kind, run, in_reply_to, copied_from, tokens, reported }
            }
            Effect::Collapse(CollapsedPlace { collapse, child, upto }) => Self::Collapsed {
                session,
                collapse,
                child,
                upto,
                copied_from,
                in_reply_to,
                tokens,
                reported,
            },
            Effect::Marker(MarkedPlace { kind, to, edge, version }) => {
                Self::Marker { session, kind, to, edge, version }
            }
        }
    }
}

impl Event {
    /// What it says of an entry; `None` for what is no entry.
    pub fn as_entry(&self) -> Option<EntryHeader> {
        let of = |tokens: Option<u64>, reported: Option<u64>| {
            reported.map(TokenCount::Reported).or(tokens.map(TokenCount::Counted))
        };
        Some(match *self {
            Self::Entry { session, run, in_reply_to, copied_from, tokens, reported } => {
                let (tokens, effect) = (of(tokens, reported), Effect::Message);
                EntryHeader { session, run, in_reply_to, copied_from, tokens, effect }
            }
            Self::Edit { session, target, run, in_reply_to, copied_from, tokens, reported } => {
                let (tokens, effect) = (of(tokens, reported), Effect::Edit(target));
                EntryHeader { session, run, in_reply_to, copied_from, tokens, effect }
            }
            Self::Annotation { session, target, priority, run, in_reply_to, copied_from } => {
                let (tokens, effect) = (None, Effect::Annotation(target, priority));
                EntryHeader { session, run, in_reply_to, copied_from, tokens, effect }
            }
            Self::Compression {
                session,
                first,
                last,
                run,
                in_reply_to,
                copied_from,
                tokens,
                reported,
            } => {
                let (tokens, effect) = (of(tokens, reported), Effect::Compression(first, last));
                EntryHeader { session, run, in_reply_to, copied_from, tokens, effect }
            }
            Self::Note { session, kind, run, in_reply_to, copied_from, tokens, reported } => {
                let (tokens, effect) = (of(tokens, reported), Effect::Note(kind));
                EntryHeader { session, run, in_reply_to, copied_from, tokens, effect }
            }
            Self::Collapsed {
                session,
                collapse,
                child,
                upto,
                copied_from,
                in_reply_to,
                tokens,
                reported,
            } => {
                let effect = Effect::Collapse(CollapsedPlace { collapse, child, upto });
                let (tokens, run) = (of(tokens, reported), None);
                EntryHeader { session, run, in_reply_to, copied_from, tokens, effect }
            }
            Self::Marker { session, kind, to, edge, version } => EntryHeader {
                session,
                run: None,
                in_reply_to: None,
                copied_from: None,
                tokens: None,
                effect: Effect::Marker(MarkedPlace { kind, to, edge, version }),
            },
            _ => return None,
        })
    }
}
