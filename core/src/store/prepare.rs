//! What is made once per call: bodies, blobs, keys.

use super::{environment::BLOB_NAMED_WITHIN, inner::StoreInner};
use crate::{
    command::{Caller, Needs, SessionCommand, ThreadCommand},
    error::{Error, Result},
    id::{Space, SpaceKind, Version},
    journal::RecordBody,
    model::{Content, NewEntry, RunOutcome, TokenCount},
    record::{Body, ReturnedBody, SealedBody, level_of, seal_body},
    rules::{
        decision::{Call, CallKey, ENTRY_BYTES, Gathering, Request},
        idempotency::command_hash,
        thread::{LONG_REASON, uuid_v4},
    },
};

/// An encoded body above this many bytes goes to a blob.
const BLOB_FROM: usize = 64 << 10;
/// In a turn that would not fit into one batch, bodies above this many bytes do.
const BLOB_FROM_TIGHT: usize = 4 << 10;
/// Bytes of inline bodies a turn may have before it is tight.
const TURN_BYTES: usize = 6 << 20;

/// The bytes of the first entry that is too large.
fn oversize(entries: &[NewEntry]) -> Option<u64> {
    entries
        .iter()
        .map(|entry| entry.content.bytes())
        .find(|bytes| *bytes > ENTRY_BYTES)
        .map(|bytes| bytes as u64)
}

impl StoreInner {
    /// Makes a call of a checked request: validates values of kinds of one's own, seals bodies, writes large ones to blobs,
    /// marks the key.
    pub(super) async fn prepare(
        &self,
        caller: &Caller,
        space: &Space,
        (request, needs): (Request, Needs),
        gathering: Option<Box<Gathering>>,
    ) -> Result<Box<Call>> {
        let asked = match &request {
            Request::Reserve { command: ThreadCommand::BeginThread { session, .. }, .. } => {
                session.turn.as_slice()
            }
            request => request.entries(),
        };
        let kinds = &self.options().kinds;
        let turns = request.new_sessions().iter().flat_map(|session| &session.turn);
        let messages = asked.iter().chain(turns).filter_map(NewEntry::message);
        messages.into_iter().try_for_each(|message| kinds.check(message))?;
        let ids = &self.options().ids;
        let began = self.options().clock.elapsed();
        let together: Vec<NewEntry>;
        let entries = match (request.new_sessions(), &gathering) {
            ([], Some(gathering)) if !gathering.entries.is_empty() => &gathering.entries,
            ([], _) => request.entries(),
            ([one], None) => &one.turn,
            (sessions, gathering) => {
                // Of each session what it inherits, then its turn.
                let children = gathering.iter().flat_map(|it| &it.children);
                let inherited = children.map(|child| child.entries.as_slice());
                let inherited = inherited.chain(std::iter::repeat(&[][..]));
                let both = sessions.iter().zip(inherited);
                let all =
                    both.flat_map(|(session, inherited)| inherited.iter().chain(&session.turn));
                together = all.cloned().collect();
                &together
            }
        };
        let (bodies, oversize) = match &request {
            _ if !entries.is_empty() => match oversize(entries) {
                None => (self.seal_entries(caller, space, entries).await?, None),
                oversize => (Vec::new(), oversize),
            },
            Request::Session(SessionCommand::EndRun {
                run,
                outcome: outcome @ RunOutcome::Failed { reason },
                ..
            }) if reason.len() > LONG_REASON => {
                if reason.len() > ENTRY_BYTES {
                    (Vec::new(), Some(reason.len() as u64))
                } else {
                    let end = Box::pin(self.seal_end(caller, space, run.version(), outcome));
                    (end.await?, None)
                }
            }
            // Refused before the reservation; sealed for the thread's own journal.
            Request::Reserve { command: ThreadCommand::BeginThread { session, .. }, .. } => {
                (Vec::new(), oversize(&session.turn))
            }
            _ => (Vec::new(), None),
        };
        let minted_external_id = match &request {
            Request::Session(SessionCommand::StartRun { run, .. }) if run.external_id.is_none() => {
                Some(uuid_v4(ids.random()))
            }
            _ => None,
        };
        let key = match &caller.key {
            Some(key) if needs.key => {
                let command = match &request {
                    Request::Session(command) => serde_json::to_string(command),
                    Request::Thread(command)
                    | Request::Begin { command, .. }
                    | Request::Reserve { command, .. } => serde_json::to_string(command),
                    Request::Workspace(_)
                    | Request::Archive(_)
                    | Request::Forget { .. }
                    | Request::Bind { .. }
                    | Request::Slice(_)
                    | Request::UndoDelete
                    | Request::FinishDelete => Ok(String::new()),
                };
                let command = command.map_err(|e| Error::invalid("command", e.to_string()))?;
                let salt =
                    bodies.first().map_or_else(|| ids.random(), |b| u128::from_be_bytes(b.salt));
                let hash = command_hash(&salt.to_be_bytes(), &command);
                Some(CallKey { mark: key.mark(hash), salt, command })
            }
            _ => None,
        };
        let has_blobs = bodies.iter().any(|b| matches!(b.body, RecordBody::Blob(_)));
        Ok(Box::new(Call {
            caller: caller.clone(),
            request,
            key,
            facts: needs.facts,
            bodies,
            gathering,
            minted_external_id,
            oversize,
            until: has_blobs.then(|| began.saturating_add(BLOB_NAMED_WITHIN)),
            caps: None,
            settled: None,
            workspace_time: self.options().workspace_time,
            max_skew: self.options().max_skew,
        }))
    }

    /// How long an entry is for a model: as the caller says, or as the store's counter counts.
    fn count(&self, caller: &Caller, entry: &NewEntry) -> Option<TokenCount> {
        let note = match &entry.content {
            Content::Note { note, .. } => {
                Some(note.to_message(entry.actor.as_ref().unwrap_or(&caller.actor)))
            }
            _ => None,
        };
        let message = entry.content.message().or(note.as_ref())?;
        Some(match entry.tokens {
            Some(reported) => TokenCount::Reported(reported),
            None => TokenCount::Counted(self.options().tokens.count(message)),
        })
    }

    /// The end of a run, as its record will tell it; nothing where the run does not live.
    async fn seal_end(
        &self,
        caller: &Caller,
        space: &Space,
        run: Version,
        outcome: &RunOutcome,
    ) -> Result<Vec<SealedBody>> {
        let state = async {
            let cached = self.state(space, &caller.cached()).await?;
            if cached.as_thread()?.run(run).is_some() {
                return Ok(cached);
            }
            self.fresh(space).await
        };
        let state = self.within(self.patience(caller), state).await?;
        let Some(end) = state.as_thread()?.end_of_run(run, outcome, &caller.actor) else {
            return Ok(Vec::new());
        };
        let text = Body::RunEnd(end).encode();
        let text = text.map_err(|e| Error::invalid("reason", e.to_string()))?;
        let mut sealed = seal_body(self.options().ids.random(), &text);
        self.to_blob(space, &mut sealed, BLOB_FROM).await?;
        Ok(vec![sealed])
    }

    /// The body of a record of entries that were evicted.
    pub(super) async fn seal_pack(&self, space: &Space, body: &ReturnedBody) -> Result<SealedBody> {
        let text =
            serde_json::to_string(body).map_err(|e| Error::invalid("bundle", e.to_string()))?;
        let mut sealed = seal_body(self.options().ids.random(), &text);
        self.to_blob(space, &mut sealed, BLOB_FROM).await?;
        Ok(sealed)
    }

    /// Moves a body of more than `blob_from` bytes to a blob.
    async fn to_blob(
        &self,
        space: &Space,
        sealed: &mut SealedBody,
        blob_from: usize,
    ) -> Result<()> {
        if let RecordBody::Inline(text) = &sealed.body
            && text.len() > blob_from
        {
            debug_assert_eq!(space.kind(), SpaceKind::Thread);
            sealed.body = RecordBody::Blob(self.journal().put_blob(space, text.as_bytes()).await?);
        }
        Ok(())
    }

    async fn seal_entries(
        &self,
        caller: &Caller,
        space: &Space,
        entries: &[NewEntry],
    ) -> Result<Vec<SealedBody>> {
        let mut bodies = Vec::with_capacity(entries.len());
        for entry in entries {
            let text = Body::encode_entry(&caller.actor, entry.actor.as_ref(), &entry.content);
            let text = text.map_err(|e| Error::invalid("entries", e.to_string()))?;
            let (reader, tokens) = (level_of(&entry.content), self.count(caller, entry));
            let sealed = seal_body(self.options().ids.random(), &text);
            bodies.push(SealedBody { reader, tokens, ..sealed });
        }
        let inline: usize =
            bodies.iter().map(SealedBody::weight).filter(|bytes| *bytes <= BLOB_FROM).sum();
        let blob_from = if inline > TURN_BYTES { BLOB_FROM_TIGHT } else { BLOB_FROM };
        for sealed in &mut bodies {
            self.to_blob(space, sealed, blob_from).await?;
        }
        Ok(bodies)
    }
}
