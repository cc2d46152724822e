//! What contexts must be, written from the contract without care for speed: every question is answered from all entries.

use std::collections::{BTreeMap, BTreeSet};

use sessile_core::{
    id::Version,
    model::{Context, EntryKind, Message, Priority, Role, TokenCount},
};

/// What an entry does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    Says,
    Edits(Version),
    Annotates(Version, Option<Priority>),
    Compresses(Version, Version),
}

/// One entry.
#[derive(Clone, Debug)]
pub struct ModelEntry {
    pub session: Version,
    pub does: Does,
    /// `None` for an annotation.
    pub message: Option<Message>,
    pub tokens: Option<TokenCount>,
    pub erased: bool,
}

/// One session.
#[derive(Clone, Copy, Debug, Default)]
pub struct ModelSession {
    pub base: Option<(Version, Version)>,
    /// Its own entries up to here were merged.
    pub merged: Version,
    pub deleted: bool,
}

/// A thread's sessions and entries.
#[derive(Clone, Debug, Default)]
pub struct LookingBack {
    pub sessions: BTreeMap<Version, ModelSession>,
    pub entries: BTreeMap<Version, ModelEntry>,
}

/// A message of a context, as far as the model predicts it.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    pub id: Version,
    pub kind: EntryKind,
    pub message: Option<Message>,
    pub edited_by: Option<Version>,
    pub priority: Priority,
    pub tokens: Option<TokenCount>,
}

/// What a store answered, as the model says it.
pub fn shown(context: &Context) -> Vec<Shown> {
    let messages = context.messages.iter();
    let shown = messages.map(|message| Shown {
        id: message.id.version(),
        kind: message.kind,
        message: message.message.as_deref().cloned(),
        edited_by: message.edited_by.map(|edit| edit.version()),
        priority: message.priority,
        tokens: message.tokens,
    });
    shown.collect()
}

impl LookingBack {
    /// The versions that a session's log shows at a version.
    pub fn log(&self, session: Version, at: Version) -> Vec<Version> {
        let mut log = match self.sessions[&session].base {
            Some((base, upto)) => self.log(base, upto.min(at)),
            None => Vec::new(),
        };
        let own = self.entries.range(..=at).filter(|(_, entry)| entry.session == session);
        log.extend(own.map(|(version, _)| *version));
        log
    }

    /// Whether somebody may read an entry.
    pub fn is_readable(&self, version: Version) -> bool {
        let live = self.sessions.iter().filter(|(_, session)| !session.deleted);
        live.into_iter().any(|(session, _)| self.log(*session, Version::MAX).contains(&version))
    }

    /// What the model sees of a session at a version.
    pub fn context(&self, session: Version, at: Version) -> Vec<Shown> {
        self.context_of(&self.log(session, at))
    }

    fn context_of(&self, log: &[Version]) -> Vec<Shown> {
        let entry = |version: &Version| &self.entries[version];
        let priority_set = |of: Version| {
            let said = log.iter().rev().find_map(|version| match entry(version).does {
                Does::Annotates(target, priority) if target == of => Some(priority),
                _ => None,
            });
            said.flatten()
        };
        let skipped = |of: Version| priority_set(of) == Some(Priority::Skip);
        // What each compression stands for is what was shown right before it.
        let mut covers: BTreeMap<Version, Vec<Version>> = BTreeMap::new();
        let mut places: BTreeMap<Version, Version> = log.iter().map(|v| (*v, *v)).collect();
        for (at, version) in log.iter().enumerate() {
            let Does::Compresses(first, last) = entry(version).does else { continue };
            let before: Vec<_> = self.context_of(&log[..at]).iter().map(|shown| shown.id).collect();
            let find = |of| before.iter().position(|id| *id == of);
            let sources = match (find(first), find(last)) {
                (Some(first), Some(last)) if first <= last => before[first..=last].to_vec(),
                _ => Vec::new(),
            };
            if let Some(first) = sources.first() {
                places.insert(*version, places[first]);
            }
            covers.insert(*version, sources);
        }
        let mut covered = BTreeSet::new();
        for (version, sources) in covers.iter().rev() {
            if covered.contains(version) || !skipped(*version) {
                covered.extend(sources.iter().copied());
            }
        }
        let mut ids: Vec<Version> = log
            .iter()
            .copied()
            .filter(|id| matches!(entry(id).does, Does::Says | Does::Compresses(..)))
            .filter(|id| !covered.contains(id) && !skipped(*id))
            .collect();
        ids.sort_by_key(|id| (places[id], *id));
        let shown = ids.into_iter().map(|id| {
            let edit = log
                .iter()
                .copied()
                .rev()
                .find(|version| entry(version).does == Does::Edits(id) && !skipped(*version));
            let said = entry(&edit.unwrap_or(id));
            let message = said.message.clone().filter(|_| !said.erased);
            let is_compression = matches!(entry(&id).does, Does::Compresses(..));
            let is_system = message.as_ref().is_some_and(|message| message.role == Role::System);
            let by_itself =
                if is_system && !is_compression { Priority::Pinned } else { Priority::Normal };
            Shown {
                id,
                kind: if is_compression { EntryKind::Compression } else { EntryKind::Message },
                message,
                edited_by: edit,
                priority: priority_set(id).unwrap_or(by_itself),
                tokens: said.tokens,
            }
        });
        shown.collect()
    }
}
