//! What can be refused before any I/O, and what is made once per call: bodies, blobs, keys.

use std::time::Duration;

use super::{shared::Shared, vacuum};
use crate::{
    command::{Caller, NewSession, NewSubSession, SessionCommand, ThreadCommand},
    error::{Error, Result},
    id::{ProjectId, RunId, Space, SpaceKind, ThreadId, check_outside},
    journal::RecordBody,
    model::{NewEntry, Part, RunOutcome, check_text},
    record::{Body, SealedBody, seal_body},
    rules::decision::{Call, CallKey, ENTRY_BYTES, Request},
    rules::idempotency::command_hash,
    rules::thread::external_id,
};

/// An encoded body above this many bytes goes to a blob.
const BLOB_FROM: usize = 64 << 10;
/// In a turn that would not fit into one batch, bodies above this many bytes do.
const BLOB_FROM_TIGHT: usize = 4 << 10;
/// Bytes of inline bodies a turn may have before it is tight.
const TURN_BYTES: usize = 6 << 20;
/// Entries of one append.
const TURN_ENTRIES: usize = 1000;
/// Entries of one erasure.
const ERASE_ENTRIES: usize = 256;
/// The longest lease.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What a thread command is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A project that is to be made.
    NewProject,
    Project(ProjectId),
    Thread(ThreadId),
}

/// Checks a thread command; `Invalid` comes before `TenantIsolation`.
pub(super) fn check_thread(caller: &Caller, command: &ThreadCommand) -> Result<Target> {
    caller.check()?;
    if caller.lease.is_some() {
        return Err(Error::invalid("lease", "this command writes to no session"));
    }
    let target = match command {
        ThreadCommand::CreateProject { name, config } => {
            check_text("name", name)?;
            config.check()?;
            Target::NewProject
        }
        ThreadCommand::UpdateProject { project, update, .. } => {
            update.name.as_deref().map_or(Ok(()), |name| check_text("name", name))?;
            update.config.as_ref().map_or(Ok(()), |config| config.check())?;
            Target::Project(*project)
        }
        ThreadCommand::ArchiveProject { project }
        | ThreadCommand::ReopenProject { project }
        | ThreadCommand::DeleteProject { project } => Target::Project(*project),
        ThreadCommand::CreateThread { project, thread } => {
            check_text("title", &thread.title)?;
            thread.labels.check()?;
            Target::Project(*project)
        }
        ThreadCommand::UpdateThread { thread, update, .. } => {
            update.title.as_deref().map_or(Ok(()), |title| check_text("title", title))?;
            update.labels.as_ref().map_or(Ok(()), |labels| labels.check())?;
            Target::Thread(*thread)
        }
        ThreadCommand::ArchiveThread { thread }
        | ThreadCommand::ReopenThread { thread }
        | ThreadCommand::DeleteThread { thread }
        | ThreadCommand::PurgeThread { thread }
        | ThreadCommand::VacuumThread { thread } => Target::Thread(*thread),
        ThreadCommand::EraseEntries { thread, entries } => {
            let count = entries.len();
            if !(1..=ERASE_ENTRIES).contains(&count) {
                let reason = format!("{count} entries, where 1 to {ERASE_ENTRIES} are allowed");
                return Err(Error::invalid("entries", reason));
            }
            Target::Thread(*thread)
        }
    };
    match target {
        Target::NewProject => {}
        Target::Project(project) => caller.owns(project.tag(), project)?,
        Target::Thread(thread) => caller.owns(thread.tag(), thread)?,
    }
    if let ThreadCommand::EraseEntries { entries, .. } = command {
        entries.iter().try_for_each(|entry| caller.owns(entry.thread().tag(), entry))?;
    }
    Ok(target)
}

/// Checks a session command, and tells its thread.
pub(super) fn check_session(caller: &Caller, command: &SessionCommand) -> Result<ThreadId> {
    let mut foreign = caller.check();
    let mut actor = |field, actor: &Option<crate::model::Actor>| {
        if foreign.is_ok() {
            foreign = actor.as_ref().map_or(Ok(()), |a| a.check(field, &caller.tenant));
        }
    };
    let thread = match command {
        SessionCommand::CreateSession { thread, session } => {
            check_new_session(caller, session)?;
            actor("actor", &session.actor);
            *thread
        }
        SessionCommand::UpdateSession { session, update, .. } => {
            update.name.iter().flatten().try_for_each(|name| check_text("name", name))?;
            update.task.iter().flatten().try_for_each(|task| check_outside("task", task))?;
            update.labels.as_ref().map_or(Ok(()), |labels| labels.check())?;
            actor("actor", &update.actor);
            session.thread()
        }
        SessionCommand::SetStatus { session, .. }
        | SessionCommand::ReopenSession { session }
        | SessionCommand::DeleteSession { session }
        | SessionCommand::ReleaseLease { session } => session.thread(),
        SessionCommand::LinkSessions(link) => {
            check_edge(&link.edge)?;
            link.child.thread()
        }
        SessionCommand::UpdateEdge { edge, update, .. } => {
            update
                .purpose
                .iter()
                .flatten()
                .try_for_each(|purpose| check_text("purpose", purpose))?;
            edge.thread()
        }
        SessionCommand::DeleteEdge { edge } => edge.thread(),
        SessionCommand::Append { session, append } => {
            let count = append.entries.len();
            if !(1..=TURN_ENTRIES).contains(&count) {
                let reason = format!("{count} entries, where 1 to {TURN_ENTRIES} are allowed");
                return Err(Error::invalid("entries", reason));
            }
            append.entries.iter().for_each(|entry| actor("entries", &entry.actor));
            session.thread()
        }
        SessionCommand::StartRun { session, run } => {
            run.task.as_deref().map_or(Ok(()), |task| check_outside("task", task))?;
            run.labels.check()?;
            session.thread()
        }
        SessionCommand::SetRunStatus { run, .. } => run.thread(),
        SessionCommand::EndRun { run, outcome, echo } => {
            if let RunOutcome::Failed { reason } = outcome
                && reason.len() > 256
            {
                return Err(Error::invalid(
                    "reason",
                    format!("{} bytes, where at most 256 are allowed", reason.len()),
                ));
            }
            check_echo(*run, echo.as_deref())?;
            run.thread()
        }
        SessionCommand::BookUsage { run, call, echo, .. } => {
            check_outside("call", call)?;
            check_echo(*run, echo.as_deref())?;
            run.thread()
        }
        SessionCommand::ClaimLease { session, ttl }
        | SessionCommand::RenewLease { session, ttl } => {
            if *ttl < Duration::from_millis(1) || *ttl > DAY {
                return Err(Error::invalid(
                    "ttl",
                    format!("{ttl:?}, where 1 ms to 1 day are allowed"),
                ));
            }
            session.thread()
        }
    };
    foreign?;
    caller.owns(thread.tag(), thread)?;
    check_named(caller, thread, command)?;
    Ok(thread)
}

/// Every other id a command names is of the tenant. Whether it is of the thread is decided later: what does not exist
/// and what is closed come before (TEN8).
fn check_named(caller: &Caller, thread: ThreadId, command: &SessionCommand) -> Result<()> {
    let mut named: Vec<(ThreadId, String)> = Vec::new();
    let mut edge = |edge: &NewSubSession| {
        let run = edge.spawned_by_run.map(|r| (r.thread(), r.to_string()));
        std::iter::once((edge.parent.thread(), edge.parent.to_string()))
            .chain(run)
            .collect::<Vec<_>>()
    };
    match command {
        SessionCommand::CreateSession { session, .. } => {
            named.extend(session.parent.iter().flat_map(&mut edge))
        }
        SessionCommand::LinkSessions(link) => named.extend(edge(&link.edge)),
        SessionCommand::Append { append, .. } => {
            for NewEntry { run, in_reply_to, .. } in &append.entries {
                named.extend(
                    run.filter(|r| r.thread() != thread).map(|r| (r.thread(), r.to_string())),
                );
                named.extend(
                    in_reply_to
                        .filter(|e| e.thread() != thread)
                        .map(|e| (e.thread(), e.to_string())),
                );
            }
        }
        SessionCommand::StartRun { run, .. } => {
            named.extend(run.retry_of.map(|r| (r.thread(), r.to_string())));
        }
        _ => {}
    }
    for (other, id) in &named {
        caller.owns(other.tag(), id)?;
    }
    Ok(())
}

fn check_new_session(caller: &Caller, session: &NewSession) -> Result<()> {
    session.name.as_deref().map_or(Ok(()), |name| check_text("name", name))?;
    session.task.as_deref().map_or(Ok(()), |task| check_outside("task", task))?;
    session.labels.check()?;
    match &session.parent {
        Some(edge) => check_edge(edge),
        None if caller.lease.is_some() => {
            Err(Error::invalid("lease", "a session without a parent has no lease yet"))
        }
        None => Ok(()),
    }
}

fn check_edge(edge: &NewSubSession) -> Result<()> {
    edge.purpose.as_deref().map_or(Ok(()), |purpose| check_text("purpose", purpose))
}

/// The external id follows from the run's own, so an echo is judged without looking (RUN1).
fn check_echo(run: RunId, echo: Option<&str>) -> Result<()> {
    match echo {
        Some(echo) if echo != external_id(run) => {
            Err(Error::invalid("external_id", "is not the one that was handed out for this run"))
        }
        _ => Ok(()),
    }
}

fn entry_bytes(entry: &NewEntry) -> usize {
    let optional = |text: &Option<String>| text.as_deref().map_or(0, str::len);
    let parts = entry.message.parts.iter().map(|part| match part {
        Part::Text { text } | Part::Reasoning { text } => text.len(),
        Part::ToolCall { id, name, arguments } => optional(id) + name.len() + arguments.get().len(),
        Part::ToolResult { id, text, .. } => optional(id) + text.len(),
        Part::Json { kind, value } => kind.len() + value.get().len(),
        Part::Artifact { reference, media_type } => reference.len() + optional(media_type),
    });
    let metadata = entry.message.metadata.as_ref().map_or(0, |m| m.get().len());
    optional(&entry.message.name) + metadata + parts.sum::<usize>()
}

impl Shared {
    /// Makes a call of a checked request: seals bodies, writes large ones to blobs, marks the key.
    pub(super) async fn prepare(
        &self,
        caller: &Caller,
        space: &Space,
        request: Request,
    ) -> Result<Call> {
        let ids = &self.options.ids;
        let began = self.options.clock.elapsed();
        let (bodies, oversize) = match &request {
            Request::Session(SessionCommand::Append { append, .. }) => {
                match append.entries.iter().map(entry_bytes).find(|bytes| *bytes > ENTRY_BYTES) {
                    Some(bytes) => (Vec::new(), Some(bytes as u64)),
                    None => (self.seal_entries(caller, space, &append.entries).await?, None),
                }
            }
            _ => (Vec::new(), None),
        };
        let key = match &caller.key {
            Some(key) => {
                let command = match &request {
                    Request::Session(command) => serde_json::to_string(command),
                    Request::Thread(command)
                    | Request::Begin { command, .. }
                    | Request::Reserve { command, .. } => serde_json::to_string(command),
                    Request::UndoDelete | Request::FinishDelete => Ok(String::new()),
                };
                let command = command.map_err(|e| Error::invalid("command", e.to_string()))?;
                let salt =
                    bodies.first().map_or_else(|| ids.random(), |b| u128::from_be_bytes(b.salt));
                let hash = command_hash(&salt.to_be_bytes(), &command);
                Some(CallKey { mark: key.mark(hash), salt, command })
            }
            None => None,
        };
        // Deletion is idempotent by itself, and the second half of creating a thread by its reservation.
        let keyed = !matches!(
            request,
            Request::Begin { .. }
                | Request::UndoDelete
                | Request::FinishDelete
                | Request::Thread(
                    ThreadCommand::DeleteProject { .. }
                        | ThreadCommand::DeleteThread { .. }
                        | ThreadCommand::PurgeThread { .. }
                )
                | Request::Session(
                    SessionCommand::DeleteSession { .. } | SessionCommand::DeleteEdge { .. }
                )
        );
        let key = key.filter(|_| keyed);
        let has_blobs = bodies.iter().any(|b| matches!(b.body, RecordBody::Blob(_)));
        Ok(Call {
            caller: caller.clone(),
            request,
            key,
            bodies,
            oversize,
            until: has_blobs.then(|| began.saturating_add(vacuum::NAMED_WITHIN)),
            caps: None,
            max_skew: self.options.max_skew,
        })
    }

    async fn seal_entries(
        &self,
        caller: &Caller,
        space: &Space,
        entries: &[NewEntry],
    ) -> Result<Vec<SealedBody>> {
        let mut texts = Vec::with_capacity(entries.len());
        for entry in entries {
            let text = Body::encode_entry(&caller.actor, entry.actor.as_ref(), &entry.message);
            texts.push(text.map_err(|e| Error::invalid("entries", e.to_string()))?);
        }
        let inline: usize = texts.iter().map(String::len).filter(|len| *len <= BLOB_FROM).sum();
        let blob_from = if inline > TURN_BYTES { BLOB_FROM_TIGHT } else { BLOB_FROM };
        let mut bodies = Vec::with_capacity(texts.len());
        for text in texts {
            let mut sealed = seal_body(self.options.ids.random(), &text);
            if text.len() > blob_from {
                debug_assert_eq!(space.kind(), SpaceKind::Thread);
                sealed.body =
                    RecordBody::Blob(self.journal.put_blob(space, text.as_bytes()).await?);
            }
            bodies.push(sealed);
        }
        Ok(bodies)
    }
}
