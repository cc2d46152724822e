//! A thread as of one head, and the records and bodies a query reads of it.

use std::sync::Arc;

use crate::{
    command::{Caller, Read},
    error::{Closure, Error, Result, Subject},
    id::{SessionId, Space, TenantId, ThreadId, Version},
    journal::RecordBody,
    model::RollUp,
    record::{Opened, check_body, open},
    rules::thread::{Reading, Stored, ThreadState},
    store::{inner::StoreInner, state::JournalState},
};

/// What became of a record's body.
pub(in crate::store) enum Payload {
    /// This is it, with the salt of its digest.
    Here {
        salt: [u8; 16],
        text: Arc<str>,
    },
    Erased,
    /// It stands in the bundle of this session.
    Evicted {
        session: Version,
    },
}

/// A thread as of one head.
pub(in crate::store) struct ThreadAtHead {
    tenant: TenantId,
    id: ThreadId,
    journal_state: Arc<JournalState>,
}

impl ThreadAtHead {
    pub(in crate::store) fn state(&self) -> Result<&ThreadState> {
        self.journal_state.as_thread()
    }

    pub(in crate::store) const fn id(&self) -> ThreadId {
        self.id
    }

    pub(in crate::store) fn reading(&self) -> Result<Reading<'_>> {
        Ok(Reading { tenant: &self.tenant, id: self.id, state: self.state()? })
    }

    /// `NotFound` unless the thread exists.
    pub(in crate::store) fn require_thread(&self) -> Result<()> {
        if self.state()?.thread.is_some() { Ok(()) } else { Err(Error::not_found(self.id)) }
    }

    /// `NotFound` unless the session exists.
    pub(in crate::store) fn require_session(&self, session: SessionId) -> Result<()> {
        let exists = self.state()?.session(session.version()).is_some();
        if exists { Ok(()) } else { Err(Error::not_found(session)) }
    }

    /// The totals of a task; `NotFound` unless a session or run ever named it (USE4).
    pub(in crate::store) fn require_task(&self, task: &str) -> Result<&RollUp> {
        let known = self.state()?.tasks.get(task);
        let unknown = || Error::not_found(Subject::Task { thread: self.id, task: task.into() });
        known.map(|roll_up| &**roll_up).ok_or_else(unknown)
    }
}

impl StoreInner {
    /// The thread of an id, as fresh as the caller asked for.
    pub(in crate::store) async fn at_head(
        &self,
        caller: &Caller,
        thread: ThreadId,
    ) -> Result<ThreadAtHead> {
        caller.owns(thread.tag(), thread)?;
        let journal_state = self.state(&thread.space(&caller.tenant), caller).await?;
        Ok(ThreadAtHead { tenant: caller.tenant.clone(), id: thread, journal_state })
    }

    /// The thread of an id, at its head.
    pub(in crate::store) async fn fresh_thread(
        &self,
        caller: &Caller,
        thread: ThreadId,
    ) -> Result<ThreadAtHead> {
        let caller = Caller { read: Read::Fresh, ..caller.clone() };
        self.at_head(&caller, thread).await
    }

    /// The text of a record's body, checked; `None` if it was erased. Of an entry that was evicted it is `Closed`.
    pub(in crate::store) async fn body_or_erased(
        &self,
        at: &ThreadAtHead,
        space: &Space,
        opened: &Opened,
    ) -> Result<Option<Arc<str>>> {
        match self.payload(at, space, opened).await? {
            Payload::Here { text, .. } => Ok(Some(text)),
            Payload::Erased => Ok(None),
            Payload::Evicted { session } => {
                let session = SessionId::new(at.id(), session);
                Err(Error::closed(Closure::SessionArchived(session)))
            }
        }
    }

    /// What became of a record's body. A missing one is right only if a record says that it was erased or evicted, up to the
    /// head of the question or after it; else it is `Corrupt`.
    pub(in crate::store) async fn payload(
        &self,
        at: &ThreadAtHead,
        space: &Space,
        opened: &Opened,
    ) -> Result<Payload> {
        if let Some(elsewhere) = self.payload_elsewhere(space, at.state()?, opened).await? {
            return Ok(elsewhere);
        }
        let version = opened.header.version;
        let missing = match self.body_text(space, opened).await {
            Ok(Some(text)) => return Ok(Payload::Here { salt: opened.salt, text }),
            Ok(None) => Error::corrupt(space, version, "the body is missing"),
            Err(error @ Error::Corrupt { .. }) => error,
            Err(error) => return Err(error),
        };
        let now = self.fresh(space).await?;
        let JournalState::Thread(state) = &*now else { return Err(missing) };
        self.payload_elsewhere(space, state, opened).await?.ok_or(missing)
    }

    /// The body of a record, where it is not in that.
    async fn payload_elsewhere(
        &self,
        space: &Space,
        state: &ThreadState,
        opened: &Opened,
    ) -> Result<Option<Payload>> {
        let session = opened.header.event.as_entry().map(|entry| entry.session);
        Ok(match state.stored(session, opened.header.version) {
            Stored::Here => None,
            Stored::Erased => Some(Payload::Erased),
            Stored::Evicted(session) => Some(Payload::Evicted { session }),
            // Who looks again finds out that it was erased since.
            Stored::Returned(pack) => self.returned(space, pack, opened).await?,
        })
    }

    /// The text of a record's body; a blob is checked against the digest, as the record's sum covers only its name.
    pub(in crate::store) async fn body_text(
        &self,
        space: &Space,
        opened: &Opened,
    ) -> Result<Option<Arc<str>>> {
        let corrupt = |reason: &str| Error::corrupt(space, opened.header.version, reason);
        match &opened.body {
            RecordBody::None => Ok(None),
            RecordBody::Inline(text) => Ok(Some(Arc::clone(text))),
            RecordBody::Blob(name) => {
                let bytes = match self.journal().get_blob(space, name, None).await {
                    Err(Error::NotFound { .. }) => Err(corrupt("the blob of the body is missing")),
                    bytes => bytes,
                }?;
                check_body(space, opened, &bytes)?;
                let text =
                    String::from_utf8(bytes).map_err(|_| corrupt("the body is not UTF-8"))?;
                Ok(Some(text.into()))
            }
        }
    }

    /// The record at one version.
    pub(in crate::store) async fn record_at(
        &self,
        space: &Space,
        version: Version,
    ) -> Result<Option<Opened>> {
        let before = version.saturating_sub(1);
        let records = self.environment.read(space, before, version, 1).await?;
        records.first().map(|record| open(space, record)).transpose()
    }
}
