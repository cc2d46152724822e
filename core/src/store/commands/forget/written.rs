//! Finding what a person wrote in a thread: its records are read once, from the first to the last.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::{
    command::{Caller, ForgetOutcome, Forgotten},
    error::{Error, Result},
    hash::Hash,
    id::{Space, ThreadId, UserId, Version},
    journal::RecordBody,
    model::{Actor, Message, Role},
    record::{Body, Effect, EntryHeader, EntryReader, Event, Opened, open},
    rules::thread::ThreadState,
    store::{
        answers::{Payload, ThreadAtHead},
        commands::archives::EvictedBodies,
        inner::StoreInner,
    },
};

/// Records of one read.
const READ: usize = 256;

/// What a person wrote in a thread, as far as it was read. Of each record it keeps some numbers, and of few the digest of a text.
pub(super) struct Written<'a> {
    user: &'a UserId,
    /// Up to here.
    upto: Version,
    /// What is not erased yet, each with the session that it is of.
    found: BTreeMap<Version, Version>,
    /// What is.
    done: BTreeMap<Version, Version>,
    /// What was erased before, whoever wrote it, and is there all the same.
    pub(super) unfinished: BTreeMap<Version, Version>,
    /// Messages of the person's that entries of other authors may repeat, by what these name: the draft, the entry that was edited, or
    /// the entry that repeated it before.
    repeatable: HashMap<Version, Vec<Hash>>,
    /// The records that tell so. When they are erased nothing else does.
    tells: HashSet<Version>,
    entries: u64,
    drafts: u64,
    summaries: u64,
}

/// Whether a bundle holds a text that was erased.
pub(super) fn is_in(state: &ThreadState, version: Version, archive: Version) -> bool {
    version < archive && state.erased.erased_by(version).is_some_and(|by| by > archive)
}

impl<'a> Written<'a> {
    pub(super) fn of(user: &'a UserId) -> Self {
        Self {
            user,
            upto: 0,
            found: BTreeMap::new(),
            done: BTreeMap::new(),
            unfinished: BTreeMap::new(),
            repeatable: HashMap::new(),
            tells: HashSet::new(),
            entries: 0,
            drafts: 0,
            summaries: 0,
        }
    }

    /// What there is to tell of it.
    pub(super) fn told(self, thread: ThreadId, outcome: ForgetOutcome) -> Forgotten {
        let Self { entries, drafts, summaries, unfinished, .. } = self;
        let unfinished = unfinished.len() as u64;
        Forgotten { thread, entries, drafts, summaries, unfinished, outcome }
    }

    /// Whether there is nothing to tell.
    pub(super) fn is_nothing(&self) -> bool {
        self.found.is_empty() && self.done.is_empty() && self.unfinished.is_empty()
    }

    /// Whether nothing is left to erase.
    pub(super) fn is_all_erased(&self) -> bool {
        self.found.is_empty()
    }

    /// All that was found, by the sessions that it is of.
    pub(super) fn by_session(&self) -> BTreeMap<Version, Vec<Version>> {
        let mut by_session: BTreeMap<Version, Vec<Version>> = BTreeMap::new();
        for (version, session) in self.found.iter().chain(&self.done).chain(&self.unfinished) {
            by_session.entry(*session).or_default().push(*version);
        }
        by_session
    }

    /// The newest that are not erased; and, if one of them is all that tells whose a text is that somebody may repeat, up to where
    /// everything that repeats it was found.
    pub(super) fn newest(&self, limit: usize) -> (Vec<Version>, Option<Version>) {
        let versions: Vec<_> = self.found.keys().rev().take(limit).copied().collect();
        let tells = versions.iter().any(|version| self.tells.contains(version));
        (versions, tells.then_some(self.upto))
    }

    /// These are erased.
    pub(super) fn erased(&mut self, versions: &[Version]) {
        for version in versions {
            self.done.extend(self.found.remove_entry(version));
        }
    }

    /// Looks at a record that is not erased.
    fn look(&mut self, space: &Space, opened: &Opened, text: &str) -> Result<()> {
        let (version, event) = (opened.header.version, &opened.header.event);
        let is_found = self.is_theirs(version, event, text);
        if is_found.map_err(|e| Error::corrupt(space, version, e.to_string()))? {
            self.found.insert(version, event.session_in(opened.header.stream));
        }
        Ok(())
    }

    /// Whether the person is the author of a record, or it repeats what they said.
    fn is_theirs(
        &mut self,
        version: Version,
        event: &Event,
        text: &str,
    ) -> serde_json::Result<bool> {
        let body = Body::decode(event, text)?;
        let is_author = author(&body).and_then(Actor::user_id) == Some(self.user);
        let is_theirs = match event.as_entry() {
            Some(entry) if is_author => {
                if let Effect::Edit(target) = entry.effect
                    && !self.found.contains_key(&target)
                    && !self.done.contains_key(&target)
                    && let Some(message) = message(entry.effect, text)?
                {
                    self.may_be_repeated(target, version, &message)?;
                }
                true
            }
            Some(entry) => self.repeats(version, &entry, text)?,
            None => is_author,
        };
        match body {
            Body::Collapse(draft) if is_theirs => {
                self.drafts += 1;
                let message = Message::text(Role::User, draft.text);
                self.may_be_repeated(version, version, &message)?;
            }
            Body::Summary(_) => self.summaries += u64::from(is_theirs),
            _ => self.entries += u64::from(is_theirs),
        }
        Ok(is_theirs)
    }

    /// Whether an entry of another author says what the person said in what it names.
    fn repeats(
        &mut self,
        version: Version,
        entry: &EntryHeader,
        text: &str,
    ) -> serde_json::Result<bool> {
        let draft = match entry.effect {
            Effect::Collapse(place) => Some(place.collapse),
            _ => None,
        };
        let named = entry.copied_from.into_iter().chain(draft);
        let said: Vec<Hash> =
            named.filter_map(|named| self.repeatable.get(&named)).flatten().copied().collect();
        if said.is_empty() {
            return Ok(false);
        }
        let Some(message) = message(entry.effect, text)? else { return Ok(false) };
        let repeats = said.contains(&digest(&message)?);
        if repeats {
            self.may_be_repeated(version, version, &message)?;
        }
        Ok(repeats)
    }

    /// Entries of other authors that name `named` may say this; the record at `version` tells so.
    fn may_be_repeated(
        &mut self,
        named: Version,
        version: Version,
        message: &Message,
    ) -> serde_json::Result<()> {
        self.repeatable.entry(named).or_default().push(digest(message)?);
        self.tells.insert(version);
        Ok(())
    }
}

fn digest(message: &Message) -> serde_json::Result<Hash> {
    Ok(Hash::of(&[&serde_json::to_vec(message)?]))
}

fn message(effect: Effect, text: &str) -> serde_json::Result<Option<Message>> {
    Ok(EntryReader::default().read(effect, text)?.message)
}

/// Who wrote what may be erased.
const fn author(body: &Body) -> Option<&Actor> {
    match body {
        Body::Entry(author) => Some(author),
        // Of a marker.
        Body::Actor(body) => Some(&body.by),
        Body::Collapse(body) => Some(&body.by),
        Body::Summary(body) => Some(&body.by),
        _ => None,
    }
}

impl StoreInner {
    /// Reads a thread from where it was read up to, and adds what the person wrote there.
    pub(super) async fn find_written(
        &self,
        caller: &Caller,
        thread: ThreadId,
        written: &mut Written<'_>,
    ) -> Result<()> {
        let space = thread.space(&caller.tenant);
        let at = self.fresh_thread(caller, thread).await?;
        at.require_thread()?;
        let head = at.state()?.version();
        let backends = self.archives_of_evicted(&at)?;
        let mut bundles = EvictedBodies::new(&backends);
        while written.upto < head {
            let read = self.environment.read(&space, written.upto, head, READ);
            let records = self.within(self.patience(caller), read).await?;
            let Some(last) = records.last() else {
                return Err(Error::corrupt(&space, written.upto + 1, "the record is missing"));
            };
            let upto = last.version;
            for record in &records {
                let opened = open(&space, record)?;
                // Entries that came back are looked at where they were said.
                let is_pack = matches!(opened.header.event, Event::EntriesReturned { .. });
                if opened.header.event.is_erasable() && !is_pack {
                    self.look_at(caller, &at, (&opened, &mut bundles), written).await?;
                }
            }
            written.upto = upto;
        }
        Ok(())
    }

    async fn look_at(
        &self,
        caller: &Caller,
        at: &ThreadAtHead,
        (opened, bundles): (&Opened, &mut EvictedBodies<'_>),
        written: &mut Written<'_>,
    ) -> Result<()> {
        let space = &at.id().space(&caller.tenant);
        let (state, version) = (at.state()?, opened.header.version);
        if state.erased.erased_by(version).is_none() {
            let text = match self.payload(at, space, opened).await? {
                Payload::Here { text, .. } => Some(text),
                Payload::Erased => None,
                Payload::Evicted { session } => {
                    let body = self.evicted_body(caller, at, (session, version), bundles).await?;
                    body.map(Into::into)
                }
            };
            return text.map_or(Ok(()), |text| written.look(space, opened, &text));
        }
        let session = opened.header.event.session_in(opened.header.stream);
        let of = state.session(session);
        let archives = of.into_iter().flat_map(|it| {
            let archived = it.archived.iter().map(|it| it.archive);
            archived.chain(it.archiving.iter().map(|it| it.archive))
        });
        let is_in_a_bundle = archives.into_iter().any(|archive| is_in(state, version, archive));
        let is_in_a_pack = || {
            let mut packs = state.returned.packs().filter(|pack| pack.session == session);
            packs.any(|pack| state.may_hold(&pack, version))
        };
        if opened.body != RecordBody::None || is_in_a_bundle || is_in_a_pack() {
            written.unfinished.insert(version, session);
        }
        Ok(())
    }
}
