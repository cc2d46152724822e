//! The context of a session as a fold of its log. Pure, and total: any log has a context.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use crate::{
    clock::Timestamp,
    error::{Error, Result},
    id::{EntryId, SessionId, ThreadId, Version},
    model::{
        Actor, Context, ContextMessage, ContextTokens, EntryKind, Message, Priority, Role,
        TokenCount,
    },
    record::Effect,
};

/// One entry, as the fold takes it.
#[derive(Clone, Debug)]
pub(crate) struct LogEntry {
    pub(crate) version: Version,
    pub(crate) at: Timestamp,
    pub(crate) effect: Effect,
    pub(crate) tokens: Option<TokenCount>,
    /// `None` if it was erased.
    pub(crate) actor: Option<Actor>,
    /// `None` if it was erased, or is an annotation.
    pub(crate) message: Option<Message>,
}

impl LogEntry {
    /// Bytes it takes in memory, about.
    fn weight(&self) -> usize {
        384 + self.message.as_ref().map_or(0, Message::bytes)
    }
}

/// What an entry says and how long that is.
#[derive(Clone, Debug)]
struct Said {
    message: Option<Arc<Message>>,
    tokens: Option<TokenCount>,
}

/// An entry that can stand in a context.
#[derive(Clone, Debug)]
struct Item {
    version: Version,
    at: Timestamp,
    actor: Option<Actor>,
    said: Said,
    /// The edits of it, the oldest first.
    edits: Vec<(Version, Said)>,
    is_note: bool,
    /// A compression's: where it stands, and the items it stands for, as places in the list of items.
    compression: Option<(Version, Vec<usize>)>,
    /// As it would be shown now; made when it is needed.
    shown: Option<Arc<ContextMessage>>,
}

/// A log up to some version, ready to tell its context.
///
/// An entry costs what it adds; a compression looks at the whole context once, to know what it stands for.
#[derive(Clone, Debug, Default)]
pub(crate) struct ContextFold {
    /// By version.
    items: Vec<Item>,
    /// The item that an edit is of.
    edited: HashMap<Version, usize>,
    /// What the newest annotation says, where it says something.
    priorities: BTreeMap<Version, Priority>,
    has_compressions: bool,
    last: Version,
    weight: usize,
}

impl ContextFold {
    /// The last entry that was folded in; 0 before the first.
    pub(crate) const fn last(&self) -> Version {
        self.last
    }

    /// Bytes it takes in memory, about.
    pub(crate) const fn weight(&self) -> usize {
        self.weight
    }

    fn index_of(&self, version: Version) -> Option<usize> {
        self.items.binary_search_by_key(&version, |item| item.version).ok()
    }

    /// Folds the next entry in.
    pub(crate) fn push(&mut self, entry: LogEntry) {
        self.weight += entry.weight();
        self.last = entry.version;
        let LogEntry { version, at, effect, tokens, actor, message } = entry;
        let said = Said { message: message.map(Arc::new), tokens };
        match effect {
            Effect::Message | Effect::Collapse(_) => self.push_item(version, at, actor, said, None),
            Effect::Note(_) => {
                self.push_item(version, at, actor, said, None);
                self.items.last_mut().into_iter().for_each(|item| item.is_note = true);
            }
            Effect::Marker(_) => {}
            Effect::Edit(target) => {
                let Some(index) = self.index_of(target) else { return };
                self.edited.insert(version, index);
                if let Some(item) = self.items.get_mut(index) {
                    item.edits.push((version, said));
                    item.shown = None;
                }
            }
            Effect::Annotation(target, priority) => {
                match priority {
                    Some(priority) => self.priorities.insert(target, priority),
                    None => self.priorities.remove(&target),
                };
                let index = self.index_of(target).or_else(|| self.edited.get(&target).copied());
                if let Some(item) = index.and_then(|index| self.items.get_mut(index)) {
                    item.shown = None;
                }
            }
            Effect::Compression(first, last) => {
                let sources = self.between(first, last).unwrap_or_default();
                let place = sources.first().map_or(version, |index| self.place(*index));
                self.has_compressions = true;
                self.push_item(version, at, actor, said, Some((place, sources)));
            }
        }
    }

    fn push_item(
        &mut self,
        version: Version,
        at: Timestamp,
        actor: Option<Actor>,
        said: Said,
        compression: Option<(Version, Vec<usize>)>,
    ) {
        let (edits, shown, is_note) = (Vec::new(), None, false);
        let item = Item { version, at, actor, said, edits, is_note, compression, shown };
        self.items.push(item);
    }

    fn is_skipped(&self, version: Version) -> bool {
        self.priorities.get(&version) == Some(&Priority::Skip)
    }

    /// Where an item stands.
    fn place(&self, index: usize) -> Version {
        self.items.get(index).map_or(0, |item| match &item.compression {
            Some((place, _)) => *place,
            None => item.version,
        })
    }

    /// The items in the context, in its order.
    ///
    /// A compression is undone by skipping it, but not while another stands for it: that one was made of its text, and
    /// stands for all that the text stood for.
    fn visible(&self) -> Vec<usize> {
        let is_skipped = |item: &Item| self.is_skipped(item.version);
        if !self.has_compressions {
            let items = self.items.iter().enumerate();
            return items.filter(|(_, item)| !is_skipped(item)).map(|(index, _)| index).collect();
        }
        let mut covered = vec![false; self.items.len()];
        // What stands for an item is newer than it.
        for (index, item) in self.items.iter().enumerate().rev() {
            let is_covered = covered.get(index).copied().unwrap_or_default();
            if let Some((_, sources)) = &item.compression
                && (is_covered || !is_skipped(item))
            {
                for source in sources {
                    covered.get_mut(*source).into_iter().for_each(|covered| *covered = true);
                }
            }
        }
        let items = self.items.iter().zip(covered).enumerate();
        let mut visible: Vec<_> = items
            .filter(|(_, (item, covered))| !covered && !is_skipped(item))
            .map(|(index, _)| index)
            .collect();
        visible.sort_by_key(|index| (self.place(*index), *index));
        visible
    }

    /// The items that the context shows from one entry to another; `None` if it does not show both, in this order.
    fn between(&self, first: Version, last: Version) -> Option<Vec<usize>> {
        let (first, last) = (self.index_of(first)?, self.index_of(last)?);
        let visible = self.visible();
        let begin = visible.iter().position(|index| *index == first)?;
        let end = visible.iter().position(|index| *index == last)?;
        // A range that ends right before it begins would be an empty one, and no refusal.
        visible.get(begin..=end).filter(|range| !range.is_empty()).map(<[usize]>::to_vec)
    }

    /// What the context shows from one entry to another.
    pub(crate) fn shown_between(
        &self,
        thread: ThreadId,
        first: Version,
        last: Version,
    ) -> Vec<Arc<ContextMessage>> {
        let sources = self.between(first, last).unwrap_or_default();
        let items = sources.iter().filter_map(|index| self.items.get(*index));
        items.map(|item| Arc::new(self.show(thread, item))).collect()
    }

    /// Refuses a compression of what the context does not show, and of what is pinned (CMP2).
    pub(crate) fn require_compressible(
        &self,
        thread: ThreadId,
        first: Version,
        last: Version,
    ) -> Result<()> {
        let id = |version| EntryId::new(thread, version);
        let Some(sources) = self.between(first, last) else {
            let reason =
                format!("the context does not show {} and after it {}", id(first), id(last));
            return Err(Error::invalid("entries", reason));
        };
        let items = sources.iter().filter_map(|index| self.items.get(*index));
        let pinned = items.into_iter().find(|item| self.priority(item) == Priority::Pinned);
        pinned.map_or(Ok(()), |item| {
            let reason = format!("{} is pinned, and is not compressed", id(item.version));
            Err(Error::invalid("entries", reason))
        })
    }

    /// The newest edit that is not skipped, or the entry itself.
    fn said<'a>(&self, item: &'a Item) -> (Option<Version>, &'a Said) {
        let edit = item.edits.iter().rev().find(|(version, _)| !self.is_skipped(*version));
        edit.map_or((None, &item.said), |(version, said)| (Some(*version), said))
    }

    fn priority(&self, item: &Item) -> Priority {
        let role = self.said(item).1.message.as_ref().map(|message| message.role);
        let by_itself = match role {
            _ if item.is_note => Priority::Pinned,
            Some(Role::System) if item.compression.is_none() => Priority::Pinned,
            _ => Priority::Normal,
        };
        self.priorities.get(&item.version).copied().unwrap_or(by_itself)
    }

    /// Tokens of the context.
    pub(crate) fn tokens(&self) -> ContextTokens {
        let mut tokens = ContextTokens::default();
        for item in self.visible().into_iter().filter_map(|index| self.items.get(index)) {
            tokens.add(self.said(item).1.tokens);
        }
        tokens
    }

    /// The context, and how long it is.
    pub(crate) fn context(
        &mut self,
        session: SessionId,
        version: Version,
        tail: Version,
    ) -> Context {
        let mut tokens = ContextTokens::default();
        let visible = self.visible();
        let mut messages = Vec::with_capacity(visible.len());
        for index in visible {
            let Some(item) = self.items.get(index) else { continue };
            let message = match &item.shown {
                Some(shown) => Arc::clone(shown),
                None => {
                    let shown = Arc::new(self.show(session.thread(), item));
                    if let Some(item) = self.items.get_mut(index) {
                        item.shown = Some(Arc::clone(&shown));
                    }
                    shown
                }
            };
            tokens.add(message.tokens);
            messages.push(message);
        }
        Context { session, version, tail, messages, tokens }
    }

    fn show(&self, thread: ThreadId, item: &Item) -> ContextMessage {
        let (edited_by, said) = self.said(item);
        ContextMessage {
            id: EntryId::new(thread, item.version),
            kind: match item.compression {
                Some(_) => EntryKind::Compression,
                None if item.is_note => EntryKind::Note,
                None => EntryKind::Message,
            },
            actor: item.actor.clone(),
            at: item.at,
            message: said.message.clone(),
            edited_by: edited_by.map(|version| EntryId::new(thread, version)),
            priority: self.priority(item),
            tokens: said.tokens,
        }
    }
}
