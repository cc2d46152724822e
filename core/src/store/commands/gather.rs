//! Reading what a command needs beyond the state: entries to copy, and the context that a compression is of.
//!
//! What is read may be another by the time the command is decided. The decision then says so, and all is done again.

use std::collections::HashMap;

use super::session_outcome;
use crate::{
    command::{Append, Caller, Needs, Read, SessionCommand, SessionOutcome},
    error::{Closure, Error, Result},
    id::{EntryId, SessionId, Space, Version},
    journal::Direction,
    model::{Actor, Content, Entry, EntryKind, NewEntry},
    record::{Effect, EntryHeader, EntryReader, Opened},
    rules::{
        decision::{Gathered, Gathering, LookedAt, Reply, Request},
        thread::{Base, COPIED_ENTRIES, ContextFold},
    },
    store::{
        answers::{StreamReader, ThreadAtHead, entry_header},
        inner::StoreInner,
    },
};

/// Records of one read.
const READ_RECORDS: usize = 256;

/// Whether a command is decided on more than the state and single records.
pub(super) fn is_needed(command: &SessionCommand) -> bool {
    match command {
        SessionCommand::CopyEntries { .. }
        | SessionCommand::MergeFork { .. }
        | SessionCommand::SetContextLimit { limit: Some(_), .. } => true,
        SessionCommand::Append { append, .. } => compression(append).is_some(),
        _ => false,
    }
}

/// Whether it is, where the context of its session has a limit.
pub(super) fn is_needed_with_limit(command: &SessionCommand) -> bool {
    let SessionCommand::Append { append, .. } = command else { return false };
    append.entries.iter().any(|entry| !entry.content.kind().only_adds())
}

/// The range of the compression in an append.
fn compression(append: &Append) -> Option<(EntryId, EntryId)> {
    append.entries.iter().find_map(|entry| match entry.content {
        Content::Compression { first, last, .. } => Some((first, last)),
        _ => None,
    })
}

impl StoreInner {
    /// Carries out a command that is decided on what is read before: again, as long as somebody writes in between.
    pub(super) async fn apply_gathered(
        &self,
        caller: &Caller,
        space: &Space,
        command: SessionCommand,
        needs: Needs,
    ) -> Result<SessionOutcome> {
        let until = self.environment.elapsed().saturating_add(self.patience(caller));
        loop {
            let left = self.environment.left(until);
            if left.is_zero() {
                return Err(Error::contended(space));
            }
            let caller = caller.within(left);
            let gathering = self.within(left, self.gather(&caller, &command)).await?;
            let facts = needs.facts.iter().copied().chain(gathering.facts.iter().copied());
            let needs = Needs { key: needs.key, facts: facts.collect() };
            let request = Request::Session(command.clone());
            let gathering = Some(Box::new(gathering));
            let call = self.prepare(&caller, space, (request, needs), gathering).await?;
            match self.submit(space, call).await {
                Ok(Reply::LookAgain) => {}
                reply => return session_outcome(reply?),
            }
        }
    }

    /// Reads what a command needs.
    async fn gather(&self, caller: &Caller, command: &SessionCommand) -> Result<Gathering> {
        let caller = Caller { read: Read::default(), ..caller.clone() };
        match command {
            SessionCommand::Append { session, append } => {
                let at = self.at_head(&caller, session.thread()).await?;
                let looked = self.look(&caller, &at, *session, compression(append), false).await?;
                Ok(Gathering { looked, ..Gathering::default() })
            }
            SessionCommand::SetContextLimit { session, .. } => {
                let at = self.at_head(&caller, session.thread()).await?;
                let looked = self.look(&caller, &at, *session, None, true).await?;
                Ok(Gathering { looked, ..Gathering::default() })
            }
            SessionCommand::CopyEntries { to, entries, .. } => {
                let at = self.at_head(&caller, to.thread()).await?;
                let looked = self.look(&caller, &at, *to, None, false).await?;
                let gathering = self.gather_entries(&caller, &at, entries).await?;
                Ok(Gathering { looked, ..gathering })
            }
            SessionCommand::MergeFork { fork, .. } => {
                let at = self.at_head(&caller, fork.thread()).await?;
                let base = at.state()?.session(fork.version()).and_then(|fork| fork.base);
                let looked = match base {
                    Some(base) => {
                        let into = SessionId::new(fork.thread(), base.session);
                        self.look(&caller, &at, into, None, false).await?
                    }
                    None => None,
                };
                let gathering = self.gather_fork(&caller, &at, *fork).await?;
                Ok(Gathering { looked, ..gathering })
            }
            _ => Ok(Gathering::default()),
        }
    }

    /// Looks at the context of a session: whether a range of it may be compressed, and at the whole, if its size will be
    /// needed.
    async fn look(
        &self,
        caller: &Caller,
        at: &ThreadAtHead,
        session: SessionId,
        range: Option<(EntryId, EntryId)>,
        is_measured: bool,
    ) -> Result<Option<LookedAt>> {
        let Some(state) = at.state()?.session(session.version()) else { return Ok(None) };
        let is_measured = is_measured || state.context.is_some();
        if range.is_none() && !is_measured {
            return Ok(None);
        }
        let (tail, version) = (state.tail, at.state()?.version());
        let look = |fold: &mut ContextFold| LookedAt {
            tail,
            refusal: range.and_then(|(first, last)| {
                let (first, last) = (first.version(), last.version());
                fold.require_compressible(session.thread(), first, last).err()
            }),
            fold: is_measured.then(|| fold.clone()),
        };
        self.with_fold(caller, at, session, version, look).await.map(Some)
    }

    async fn gather_entries(
        &self,
        caller: &Caller,
        at: &ThreadAtHead,
        entries: &[EntryId],
    ) -> Result<Gathering> {
        let space = at.id().space(&caller.tenant);
        let (head, mut gathered) = (at.state()?.version(), Gathered::default());
        let mut news = Vec::with_capacity(entries.len());
        let mut reader = EntryReader::default();
        for id in entries.iter().filter(|id| id.thread() == at.id()) {
            let found = if (1..=head).contains(&id.version()) {
                self.record_at(&space, id.version()).await?
            } else {
                None
            };
            let header = found.as_ref().and_then(|opened| opened.header.event.as_entry());
            match (found, header) {
                (Some(opened), Some(header))
                    if at.state()?.is_readable(header.session, id.version()) =>
                {
                    let read = (&opened, &header);
                    let entry = self.read_present(at, &space, read, &mut reader).await?;
                    match entry.content.filter(|_| entry.actor.is_some()) {
                        Some(content) => {
                            push(
                                &mut gathered,
                                &mut news,
                                (id.version(), header),
                                entry.actor,
                                content,
                            );
                        }
                        None => gathered.missing = gathered.missing.or(Some(*id)),
                    }
                }
                _ => gathered.missing = gathered.missing.or(Some(*id)),
            }
        }
        Ok(gathered_with(gathered, news))
    }

    /// An entry to be copied, which must not be evicted.
    async fn read_present(
        &self,
        at: &ThreadAtHead,
        space: &Space,
        read: (&Opened, &EntryHeader),
        reader: &mut EntryReader,
    ) -> Result<Entry> {
        let entry = self.read_entry(at, space, read, reader).await?;
        if entry.evicted {
            return Err(Error::closed(Closure::SessionArchived(entry.session)));
        }
        Ok(entry)
    }

    async fn gather_fork(
        &self,
        caller: &Caller,
        at: &ThreadAtHead,
        fork: SessionId,
    ) -> Result<Gathering> {
        let space = at.id().space(&caller.tenant);
        let state = at.state()?;
        let (mut gathered, mut news) = (Gathered::default(), Vec::new());
        let Some(session) = state.session(fork.version()) else {
            return Ok(gathered_with(gathered, news));
        };
        gathered.tail = session.tail;
        let own = state.forks.parts(fork.version()).pop();
        let from = session.merged.max(fork.version());
        let mut log =
            StreamReader::of_log(own.as_slice(), Direction::Forward, (state.version(), from), None);
        let mut reader = EntryReader::default();
        let mut unknown = false;
        // One more than fit, so that the decision sees that they are too many.
        'all: loop {
            let records = log.next(self, &space, READ_RECORDS).await?;
            if records.is_empty() {
                break;
            }
            for opened in records {
                let version = opened.header.version;
                if state.erased.erased_by(version).is_some() {
                    continue;
                }
                let header = entry_header(&space, &opened)?;
                let read = (&opened, &header);
                let entry = self.read_present(at, &space, read, &mut reader).await?;
                let Some(content) = entry.content else { continue };
                if content.kind() == EntryKind::Marker {
                    continue;
                }
                unknown |= named(header.effect)
                    .any(|target| target > fork.version() && target <= session.merged);
                push(&mut gathered, &mut news, (version, header), entry.actor, content);
                if gathered.entries.len() > COPIED_ENTRIES {
                    break 'all;
                }
            }
        }
        if let (true, Some(base)) = (unknown, session.base) {
            let into = state.forks.parts(base.session).pop();
            let range = (state.version(), fork.version());
            gathered.copies = self.copies(&space, into.as_slice(), range).await?;
            // What both show is named as it is, whatever copies of it there are.
            gathered.copies.retain(|from, _| *from > fork.version());
        }
        Ok(gathered_with(gathered, news))
    }

    /// The copies in a log, by what they are copies of.
    async fn copies(
        &self,
        space: &Space,
        of: &[Base],
        range: (Version, Version),
    ) -> Result<HashMap<Version, Version>> {
        let mut log = StreamReader::of_log(of, Direction::Forward, range, None);
        let mut copies = HashMap::new();
        loop {
            let records = log.next(self, space, READ_RECORDS).await?;
            if records.is_empty() {
                return Ok(copies);
            }
            for opened in records {
                if let Some(from) = entry_header(space, &opened)?.copied_from {
                    copies.insert(from, opened.header.version);
                }
            }
        }
    }
}

/// The entries that one names.
fn named(effect: Effect) -> impl Iterator<Item = Version> {
    let (one, other) = match effect {
        Effect::Message | Effect::Note(_) | Effect::Marker(_) | Effect::Collapse(_) => (None, None),
        Effect::Edit(target) | Effect::Annotation(target, _) => (Some(target), None),
        Effect::Compression(first, last) => (Some(first), Some(last)),
    };
    one.into_iter().chain(other)
}

/// What was gathered; the decision looks at what the entries name, too.
fn gathered_with(gathered: Gathered, entries: Vec<NewEntry>) -> Gathering {
    let targets = gathered.entries.iter().flat_map(|(_, header, _)| named(header.effect));
    let facts = targets.collect();
    Gathering { gathered: Some(gathered), entries, facts, ..Gathering::default() }
}

fn push(
    gathered: &mut Gathered,
    news: &mut Vec<NewEntry>,
    (version, header): (Version, EntryHeader),
    actor: Option<Actor>,
    content: Content,
) {
    gathered.entries.push((version, header, actor.clone()));
    news.push(NewEntry { actor, ..NewEntry::new(content) });
}
