//! One life: steps, each done by the store and by the model.

use std::collections::BTreeMap;

use sessile_core::{
    Caller, ErrorKind, IdSource,
    command::{Append, Expect, NewSession, ThreadCommand},
    id::{EntryId, SessionId, ThreadId, Version},
    model::{
        Content, Message, NewEntry, Part, Priority, Role, TokenCount, annotate, compress, edit,
    },
    store::{AnyStore, StoreOptions},
};

use super::{Does, LookingBack, ModelEntry, ModelSession, Shown, shown};
use crate::internal::{SeededIds, shorthand::head};

/// A thread that lives.
pub struct Life<'a> {
    store: &'a dyn AnyStore,
    caller: Caller,
    thread: ThreadId,
    random: SeededIds,
    counter: &'a StoreOptions,
    /// What must be.
    pub model: LookingBack,
    /// What was done, for whoever reads a failure.
    pub story: Vec<String>,
}

const ROLES: [Role; 4] = [Role::User, Role::Assistant, Role::Tool, Role::System];
const PRIORITIES: [Option<Priority>; 5] = [
    Some(Priority::Skip),
    Some(Priority::Skip),
    Some(Priority::Normal),
    Some(Priority::Pinned),
    None,
];

impl<'a> Life<'a> {
    /// A life in an empty thread. `counter` are options of the store: its counter of tokens.
    pub fn new(
        (store, caller): (&'a dyn AnyStore, Caller),
        thread: ThreadId,
        seed: u64,
        counter: &'a StoreOptions,
    ) -> Self {
        let (random, model, story) = (SeededIds::new(seed), LookingBack::default(), Vec::new());
        Self { store, caller, thread, random, counter, model, story }
    }

    fn below(&self, bound: usize) -> usize {
        (self.random.random() % bound.max(1) as u128) as usize
    }

    fn one<T: Copy>(&self, of: &[T]) -> Option<T> {
        of.get(self.below(of.len())).copied()
    }

    fn live(&self) -> Vec<Version> {
        let live = self.model.sessions.iter().filter(|(_, session)| !session.deleted);
        live.map(|(session, _)| *session).collect()
    }

    /// The sessions that are not deleted.
    pub fn sessions(&self) -> Vec<SessionId> {
        self.live().into_iter().map(|version| self.session(version)).collect()
    }

    const fn session(&self, version: Version) -> SessionId {
        SessionId::new(self.thread, version)
    }

    const fn entry(&self, version: Version) -> EntryId {
        EntryId::new(self.thread, version)
    }

    fn message(&self, what: &str) -> Message {
        let role = ROLES[self.below(8).min(3 + self.below(2)) % 4];
        let text = format!("{what} {}", self.story.len());
        match self.below(4) {
            0 => Message::new(role, vec![Part::text(text), Part::text("\u{0}é")]),
            _ => Message::text(role, text),
        }
    }

    /// Messages that a session's log shows, at the head.
    fn messages(&self, session: Version) -> Vec<Version> {
        let mut log = self.model.log(session, Version::MAX);
        log.retain(|version| self.model.entries[version].does == Does::Says);
        log
    }

    fn note(&mut self, first: Version, session: Version, entries: &[NewEntry]) {
        for (version, entry) in (first..).zip(entries) {
            let message = entry.content.message().cloned();
            let tokens = message.as_ref().map(|message| match entry.tokens {
                Some(tokens) => TokenCount::Reported(tokens),
                None => TokenCount::Counted(self.counter.tokens.count(message)),
            });
            let does = match &entry.content {
                Content::Edit { target, .. } => Does::Edits(target.version()),
                Content::Annotation { target, priority, .. } => {
                    Does::Annotates(target.version(), *priority)
                }
                Content::Compression { first, last, .. } => {
                    Does::Compresses(first.version(), last.version())
                }
                _ => Does::Says,
            };
            let entry = ModelEntry { session, does, message, tokens, erased: false };
            self.model.entries.insert(version, entry);
        }
    }

    async fn append(&mut self, session: Version, entries: Vec<NewEntry>) {
        let ann = self.store.as_caller(&self.caller);
        let appended = ann.append(self.session(session), Append::of(entries.clone())).await;
        let appended = appended.unwrap_or_else(|e| panic!("{e}, after {:#?}", self.story));
        self.note(appended.first.version(), session, &entries);
    }

    /// One random step.
    pub async fn step(&mut self) {
        let live = self.live();
        let Some(session) = self.one(&live) else { return self.create(None).await };
        match self.below(20) {
            0 => self.create(None).await,
            1 | 2 if live.len() < 8 => {
                let head = head(self.store, &self.caller, self.thread).await;
                let at = session + self.below((head - session + 1) as usize) as u64;
                self.create(Some((session, at))).await;
            }
            3 => self.copy(session).await,
            4 => self.merge(session).await,
            5 if live.len() > 2 => self.delete(session).await,
            6 => self.erase().await,
            7..=9 => self.edit(session).await,
            10..=12 => self.annotate(session).await,
            13..=15 => self.compress(session).await,
            _ => {
                let entries: Vec<_> = (0..=self.below(3))
                    .map(|_| {
                        let entry = NewEntry::new(self.message("said"));
                        if self.below(3) == 0 { entry.with_tokens(7) } else { entry }
                    })
                    .collect();
                self.story.push(format!("{} messages in {session}", entries.len()));
                self.append(session, entries).await;
            }
        }
    }

    async fn create(&mut self, fork: Option<(Version, Version)>) {
        let ann = self.store.as_caller(&self.caller);
        let new = match fork {
            Some((base, at)) => NewSession::named("fork").fork_of(self.session(base), at),
            None => NewSession::named("session"),
        };
        let made = ann.create_session(self.thread, new).await.expect("a session").version();
        self.story.push(format!("session {made}, a fork of {fork:?}"));
        self.model.sessions.insert(made, ModelSession { base: fork, ..ModelSession::default() });
    }

    async fn edit(&mut self, session: Version) {
        let Some(target) = self.one(&self.messages(session)) else { return };
        self.story.push(format!("edit of {target} in {session}"));
        let entry = edit(self.entry(target), self.message("edited"));
        self.append(session, vec![entry]).await;
    }

    async fn annotate(&mut self, session: Version) {
        let mut log = self.model.log(session, Version::MAX);
        log.retain(|entry| !matches!(self.model.entries[entry].does, Does::Annotates(..)));
        let (Some(target), Some(priority)) = (self.one(&log), self.one(&PRIORITIES)) else {
            return;
        };
        self.story.push(format!("{target} is {priority:?} in {session}"));
        let entry = annotate(self.entry(target), priority).because("why not");
        self.append(session, vec![entry]).await;
    }

    /// A compression of what is shown, or one that is refused: of what is pinned, of what is not shown.
    async fn compress(&mut self, session: Version) {
        let context = self.model.context(session, Version::MAX);
        let Some(one) = self.one(&(0..context.len()).collect::<Vec<_>>()) else { return };
        let other = (one + self.below(4)).min(context.len() - 1);
        let (mut first, mut last) = (context[one].id, context[other].id);
        if self.below(6) == 0 {
            std::mem::swap(&mut first, &mut last);
        }
        let find = |id: Version| context.iter().position(|shown| shown.id == id);
        let sources = find(first).zip(find(last)).and_then(|(a, b)| context.get(a..=b));
        let may = sources.is_some_and(|sources| {
            !sources.is_empty() && sources.iter().all(|shown| shown.priority != Priority::Pinned)
        });
        self.story.push(format!("compression of {first} to {last} in {session}: {may}"));
        let entry =
            compress(self.entry(first), self.entry(last), Message::text(Role::User, "in short"));
        if may {
            return self.append(session, vec![entry]).await;
        }
        let ann = self.store.as_caller(&self.caller);
        let answer = ann.append(self.session(session), entry).await;
        let refused = answer.expect_err(&format!("not compressible, after {:#?}", self.story));
        assert_eq!(refused.kind(), ErrorKind::Invalid, "{refused}, after {:#?}", self.story);
    }

    async fn copy(&mut self, to: Version) {
        let readable: Vec<_> = self
            .model
            .entries
            .iter()
            .filter(|(version, entry)| {
                entry.does == Does::Says && !entry.erased && self.model.is_readable(**version)
            })
            .map(|(version, _)| *version)
            .collect();
        let chosen: Vec<_> = (0..2).filter_map(|_| self.one(&readable)).collect();
        if chosen.is_empty() {
            return;
        }
        self.story.push(format!("copies of {chosen:?} in {to}"));
        let ids = chosen.iter().map(|version| self.entry(*version));
        let ann = self.store.as_caller(&self.caller);
        let copied = ann.copy_entries(self.session(to), ids, Expect::Any).await.expect("copies");
        for (copy, from) in copied.entries().zip(&chosen) {
            let entry = ModelEntry { session: to, ..self.model.entries[from].clone() };
            self.model.entries.insert(copy.version(), entry);
        }
    }

    async fn merge(&mut self, fork: Version) {
        let ModelSession { base: Some((into, upto)), merged, .. } = self.model.sessions[&fork]
        else {
            return;
        };
        let ann = self.store.as_caller(&self.caller);
        // What the model does not know of: which entries earlier merges copied where.
        let mut copies: BTreeMap<Version, Version> = BTreeMap::new();
        if !self.model.sessions[&into].deleted {
            let log = ann.entries(self.session(into)).all().await.expect("a log");
            let copied = log.iter().filter(|entry| entry.session == self.session(into));
            let copied = copied.filter(|entry| entry.version > fork);
            let of_fork = |from: &Version| *from > fork;
            copies.extend(copied.filter_map(|it| {
                it.copied_from.map(|from| from.version()).filter(of_fork).zip(Some(it.version))
            }));
        }
        let answer = ann.merge_fork(self.session(fork), Expect::Any).await;
        self.story.push(format!("merge of {fork} into {into}: {answer:?}"));
        if self.model.sessions[&into].deleted {
            let refused = answer.expect_err("there is nothing to merge into");
            return assert_eq!(refused.kind(), ErrorKind::NotFound, "{refused}");
        }
        let own = self.model.entries.iter().filter(|(version, entry)| {
            entry.session == fork && **version > merged && !entry.erased
        });
        let own: Vec<_> = own.map(|(version, entry)| (*version, entry.clone())).collect();
        let shared = upto.max(merged);
        let moved = self.model.entries.iter().any(|(v, e)| e.session == into && *v > shared);
        let reaches = own.iter().any(|(_, entry)| {
            matches!(entry.does, Does::Compresses(first, last) if first <= shared && last > shared)
        });
        if moved && reaches {
            let refused = answer.expect_err("it would swallow what came since");
            return assert_eq!(refused.kind(), ErrorKind::Invalid, "{refused}");
        }
        let answer = answer.unwrap_or_else(|e| panic!("{e}, after {:#?}", self.story));
        let shown = self.model.log(into, Version::MAX);
        let upto = own.last().map(|(version, _)| *version);
        let mut next = answer.map_or(0, |appended| appended.first.version());
        let mut pushed = 0;
        for (from, entry) in own {
            let to = |target: Version| {
                copies.get(&target).copied().or_else(|| shown.contains(&target).then_some(target))
            };
            let does = match entry.does {
                Does::Says => Some(Does::Says),
                Does::Edits(target) => to(target).map(Does::Edits),
                Does::Annotates(target, priority) => {
                    to(target).map(|target| Does::Annotates(target, priority))
                }
                Does::Compresses(first, last) => {
                    to(first).zip(to(last)).map(|(first, last)| Does::Compresses(first, last))
                }
            };
            // What names an erased entry stays behind with it.
            let Some(does) = does else { continue };
            copies.insert(from, next);
            self.model.entries.insert(next, ModelEntry { session: into, does, ..entry });
            (next, pushed) = (next + 1, pushed + 1);
        }
        let count = answer.map_or(0, |appended| usize::from(appended.count));
        assert_eq!(count, pushed, "after {:#?}", self.story);
        if let (Some(session), Some(upto), true) =
            (self.model.sessions.get_mut(&fork), upto, pushed > 0)
        {
            session.merged = upto;
        }
    }

    async fn delete(&mut self, session: Version) {
        self.story.push(format!("{session} is deleted"));
        let ann = self.store.as_caller(&self.caller);
        ann.delete_session(self.session(session)).await.expect("deleted");
        if let Some(session) = self.model.sessions.get_mut(&session) {
            session.deleted = true;
        }
    }

    async fn erase(&mut self) {
        let all: Vec<_> = self.model.entries.keys().copied().collect();
        let Some(version) = self.one(&all) else { return };
        self.story.push(format!("{version} is erased"));
        let command =
            ThreadCommand::EraseEntries { thread: self.thread, entries: vec![self.entry(version)] };
        self.store.apply_thread(&self.caller, command).await.expect("erased");
        if let Some(entry) = self.model.entries.get_mut(&version) {
            entry.erased = true;
        }
    }

    /// Compares what a store says of every session at a version with the model.
    pub async fn compare(&self, store: &dyn AnyStore, at: Option<Version>) {
        let ann = store.as_caller(&self.caller);
        for session in self.live() {
            let id = self.session(session);
            let context = match at {
                Some(at) if at < session => continue,
                Some(at) => ann.context_at(id, at).await,
                None => ann.context(id).await,
            };
            let context = context.unwrap_or_else(|e| panic!("{e}, after {:#?}", self.story));
            let want = self.model.context(session, at.unwrap_or(Version::MAX));
            let got: Vec<Shown> = shown(&context);
            assert_eq!(got, want, "session {session} at {at:?}, after {:#?}", self.story);
            let own = self.model.entries.range(..=at.unwrap_or(Version::MAX));
            let tail = own.filter(|(_, entry)| entry.session == session).map(|(v, _)| *v).max();
            assert_eq!(context.tail, tail.unwrap_or_default());
            let total: u64 =
                want.iter().filter_map(|shown| shown.tokens).map(TokenCount::number).sum();
            assert_eq!(context.tokens.total(), total);
        }
    }
}
