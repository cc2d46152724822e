//! Contexts: from the log, or from what is folded of it already.

use std::sync::Arc;

use super::{at_head::ThreadAtHead, log::entry_header, stream_reader::StreamReader};
use crate::{
    command::{At, Caller},
    error::{Error, Result},
    id::{EntryId, SessionId, Space, Version},
    journal::Direction,
    model::{Context, ContextMessage, ContextSize},
    record::{Effect, EntryReader},
    rules::thread::{ContextFold, LogEntry},
    store::{contexts::Folded, inner::StoreInner},
};

/// Records of one read.
const READ_RECORDS: usize = 512;

impl StoreInner {
    /// The context of a session at a point: one cut through all sessions of the thread, as all of it follows from the
    /// records up to there (CTX1).
    pub(super) async fn context(
        &self,
        caller: &Caller,
        session: SessionId,
        point: Option<At>,
    ) -> Result<Context> {
        let at = self.at_head(caller, session.thread()).await?;
        at.require_session(session)?;
        let space = session.thread().space(&caller.tenant);
        let version = self.version_of(&at, &space, point).await?;
        if version < session.version() {
            return Err(Error::not_found(session));
        }
        let of = |fold: &mut ContextFold| {
            let tail = Some(fold.last()).filter(|last| *last > session.version());
            fold.context(session, version, tail.unwrap_or_default())
        };
        self.with_fold(caller, &at, session, version, of).await
    }

    /// How long the context of a session is.
    pub(super) async fn context_size(
        &self,
        caller: &Caller,
        session: SessionId,
    ) -> Result<ContextSize> {
        let at = self.at_head(caller, session.thread()).await?;
        at.require_session(session)?;
        let version = at.state()?.version();
        let measured = at.state()?.session(session.version()).and_then(|s| s.context.as_deref());
        let limit = measured.map(|measured| measured.limit.clone());
        let tokens = self.with_fold(caller, &at, session, version, |fold| fold.tokens()).await?;
        Ok(ContextSize { session, version, tokens, limit })
    }

    /// What a compression stands for.
    pub(super) async fn expand(
        &self,
        caller: &Caller,
        id: EntryId,
    ) -> Result<Vec<Arc<ContextMessage>>> {
        let at = self.at_head(caller, id.thread()).await?;
        let space = id.thread().space(&caller.tenant);
        let is_there = (1..=at.state()?.version()).contains(&id.version());
        let found = if is_there { self.record_at(&space, id.version()).await? } else { None };
        let header = found.and_then(|opened| opened.header.event.as_entry());
        let header = header.filter(|entry| {
            at.state().is_ok_and(|state| state.is_readable(entry.session, id.version()))
        });
        let header = header.ok_or_else(|| Error::not_found(id))?;
        let Effect::Compression(first, last) = header.effect else {
            let reason = format!("{id} is {}, and no compression", header.effect.kind().named());
            return Err(Error::invalid("entry", reason));
        };
        let (session, before) = (SessionId::new(id.thread(), header.session), id.version() - 1);
        let sources = |fold: &mut ContextFold| fold.shown_between(id.thread(), first, last);
        self.with_fold(caller, &at, session, before, sources).await
    }

    /// Hands over a session's log, folded up to a version.
    pub(in crate::store) async fn with_fold<T>(
        &self,
        caller: &Caller,
        at: &ThreadAtHead,
        session: SessionId,
        version: Version,
        use_fold: impl FnOnce(&mut ContextFold) -> T,
    ) -> Result<T> {
        let space = session.thread().space(&caller.tenant);
        let (head, removals) = (at.state()?.head(), at.state()?.removals());
        let slot = self.contexts.slot(&caller.tenant, session);
        let mut slot = slot.lock().await;
        let mut folded = match slot.take() {
            Some(kept) if self.is_usable(&space, at, &kept, version).await? => kept,
            // What is kept is newer than what is asked for, and stays for those who ask for the head.
            Some(kept) if kept.fold.last() > version => {
                let mut fold = ContextFold::default();
                *slot = Some(kept);
                self.fold_on(at, &space, session, (&mut fold, version)).await?;
                return Ok(use_fold(&mut fold));
            }
            _ => Folded::default(),
        };
        self.fold_on(at, &space, session, (&mut folded.fold, version)).await?;
        let answer = use_fold(&mut folded.fold);
        let weight = folded.fold.weight();
        *slot = Some(Folded { head, removals, ..folded });
        self.contexts.weigh(&caller.tenant, session, weight, self.options().context_memory);
        Ok(answer)
    }

    /// Whether a kept fold is of this journal's history, of what is not erased or evicted since, and not past a version.
    async fn is_usable(
        &self,
        space: &Space,
        at: &ThreadAtHead,
        kept: &Folded,
        version: Version,
    ) -> Result<bool> {
        let state = at.state()?;
        let Some(seen) = kept.head else { return Ok(false) };
        if kept.removals != state.removals()
            || kept.fold.last() > version
            || seen.version > state.version()
        {
            return Ok(false);
        }
        if state.head() == Some(seen) {
            return Ok(true);
        }
        let records = self.environment.read(space, seen.version - 1, seen.version, 1).await?;
        Ok(records.first().is_some_and(|record| record.link == seen.hash))
    }

    /// Folds in what a log has after what is folded, up to a version.
    async fn fold_on(
        &self,
        at: &ThreadAtHead,
        space: &Space,
        session: SessionId,
        (fold, version): (&mut ContextFold, Version),
    ) -> Result<()> {
        let parts = at.state()?.forks.parts(session.version());
        let mut log =
            StreamReader::of_log(&parts, Direction::Forward, (version, fold.last()), None);
        let mut reader = EntryReader::default();
        loop {
            let records = log.next(self, space, READ_RECORDS).await?;
            if records.is_empty() {
                return Ok(());
            }
            for opened in records {
                let header = entry_header(space, &opened)?;
                let text = self.body_or_erased(at, space, &opened).await?;
                let read = text.map(|text| reader.read(header.effect, &text)).transpose();
                let read =
                    read.map_err(|e| Error::corrupt(space, opened.header.version, e.to_string()))?;
                let (actor, message) = read.map_or((None, None), |read| {
                    let note = read.note.map(|note| note.to_message(&read.actor));
                    (Some(read.actor), read.message.or(note))
                });
                fold.push(LogEntry {
                    version: opened.header.version,
                    at: opened.header.time(),
                    effect: header.effect,
                    tokens: header.tokens,
                    actor,
                    message,
                });
            }
        }
    }
}
