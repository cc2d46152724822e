//! Decisions: from a state and a command to records, or a refusal. Pure.

pub(crate) use copy::COPIED_ENTRIES;
pub(crate) use entry::refuse_oversize;
pub(crate) use thread::{closed_project, stale, thread_made};

mod archive;
mod budget;
mod collapse;
mod continued;
mod copy;
mod edge;
mod entry;
mod erase;
mod follow;
mod handoff;
mod lease;
mod measure;
mod run;
mod session;
mod slices;
mod state;
mod summary;
mod sweep;
mod thread;
mod workspace;

pub(crate) use run::LONG_REASON;
pub(crate) use state::require_room_for;

use super::state::{SessionState, ThreadFields, ThreadState};
use crate::{
    command::{
        Appended, Begun, Created, SessionCommand, SessionOutcome, ThreadCommand, ThreadOutcome,
    },
    error::{Error, Result},
    id::{EntryId, RunId, SessionId, SubSessionId, SummaryId, ThreadId, Version},
    rules::decision::{Decision, DecisionInput, Reply, Request},
    rules::idempotency::Answer,
};

/// A thread's state, seen with the id it has.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) id: ThreadId,
    pub(super) state: &'a ThreadState,
}

impl ThreadState {
    /// What a call comes to on this state. Pure: the same arguments give the same answer.
    pub(crate) fn decide(&self, id: ThreadId, input: &DecisionInput<'_>) -> Result<Decision> {
        let view = View { id, state: self };
        if let Some(answer) = input.known(&self.keys)? {
            let mut reply = replay(id, &input.call.request, answer);
            match &mut reply {
                Reply::Session(
                    SessionOutcome::SessionCreated(made) | SessionOutcome::HandedOff(made),
                ) => made.workspace = view.given_workspace(made.id.version()),
                Reply::Session(SessionOutcome::BroadcastSent(sent)) => {
                    if let Request::Session(SessionCommand::Broadcast { recipients, .. }) =
                        &input.call.request
                    {
                        *sent = view.recipients(answer, recipients);
                    }
                }
                _ => {}
            }
            return Ok(Decision::Answer(reply));
        }
        let decision = match &input.call.request {
            Request::Begin { project, reserved, command } => {
                let new = command.new_thread().ok_or_else(wrong_journal)?;
                view.begin(input, (*project, *reserved), new)
            }
            Request::Thread(command) => view.decide_thread(input, command),
            Request::Session(command) => view.decide_session(input, command),
            Request::Workspace(step) => view.decide_workspace(input, step),
            Request::Slice(step) => view.decide_slice(input, step),
            Request::Archive(step) => view.decide_archive(input, step),
            Request::Forget { versions, unless_after } => {
                view.forget(input, versions, *unless_after)
            }
            Request::Bind { .. }
            | Request::Reserve { .. }
            | Request::UndoDelete
            | Request::FinishDelete => Err(wrong_journal()),
        };
        match decision? {
            Decision::Write(drafts, reply) => {
                let drafts = view.follow_edge_ends(input, drafts)?;
                Ok(Decision::Write(view.warn_of_budgets(input, drafts)?, reply))
            }
            decision => Ok(decision),
        }
    }
}

/// A request that reached the wrong journal: a bug of the store above, said instead of guessed.
pub(crate) fn wrong_journal() -> Error {
    Error::invalid("command", "is not for this journal")
}

/// The answer a key got before.
fn replay(id: ThreadId, request: &Request, answer: Answer) -> Reply {
    let (first, last) = (answer.first, answer.first + u64::from(answer.count.max(1)) - 1);
    Reply::Session(match request {
        Request::Session(command) => match command {
            SessionCommand::CreateSession { session, .. } => {
                let inherited = session::inherited(answer.count, session);
                let made = session::session_made(id, first, inherited, session);
                SessionOutcome::SessionCreated(made)
            }
            SessionCommand::HandOff { recipient, .. } => {
                // The first of its records says that it was handed over.
                let inherited = session::inherited(answer.count.saturating_sub(1), recipient);
                let made = session::session_made(id, first + 1, inherited, recipient);
                SessionOutcome::HandedOff(made)
            }
            SessionCommand::ContinueAs { successor, .. } => {
                SessionOutcome::SessionCreated(continued::continued(id, answer, successor))
            }
            // Which they were follows from the state.
            SessionCommand::Broadcast { .. } => SessionOutcome::BroadcastSent(Vec::new()),
            SessionCommand::LinkSessions(_) => SessionOutcome::Linked(SubSessionId::new(id, first)),
            SessionCommand::Append { append, .. } => SessionOutcome::Appended(Appended {
                first: EntryId::new(id, first),
                count: u16::try_from(append.entries.len()).unwrap_or(answer.count),
            }),
            SessionCommand::CopyEntries { entries, .. } => SessionOutcome::Appended(Appended {
                first: EntryId::new(id, first),
                count: u16::try_from(entries.len()).unwrap_or(answer.count),
            }),
            // The last of its records says that it was merged.
            SessionCommand::MergeFork { .. } => SessionOutcome::Merged(Some(Appended {
                first: EntryId::new(id, first),
                count: answer.count.saturating_sub(1),
            })),
            SessionCommand::StartRun { .. } => SessionOutcome::RunStarted(RunId::new(id, first)),
            SessionCommand::AwaitSubSessions { .. } => SessionOutcome::Awaiting(Some(first)),
            SessionCommand::ClaimLease { .. } => SessionOutcome::Leased(first),
            SessionCommand::SealSummary { .. } => {
                SessionOutcome::Summarised(SummaryId::new(id, first))
            }
            SessionCommand::ProposeCollapse { .. } => {
                SessionOutcome::CollapseProposed(collapse::proposed(id, answer))
            }
            SessionCommand::AcceptCollapse { .. } => {
                SessionOutcome::Appended(Appended { first: EntryId::new(id, first), count: 1 })
            }
            SessionCommand::DeleteSession { .. } | SessionCommand::DeleteEdge { .. } => {
                SessionOutcome::Deleted
            }
            _ => SessionOutcome::Changed(last),
        },
        Request::Begin { command, .. } => {
            return match command.new_thread() {
                Some((_, Some(session))) if first > 1 => {
                    Reply::Thread(ThreadOutcome::ThreadBegun(Begun {
                        thread: Created { id, created: false },
                        session: session::session_made(id, first, 0, session),
                    }))
                }
                Some((new, session)) => Reply::Thread(thread_made(id, new, session)),
                None => Reply::thread_changed(last),
            };
        }
        Request::Thread(ThreadCommand::DeleteThread { .. } | ThreadCommand::PurgeThread { .. }) => {
            return Reply::Thread(ThreadOutcome::Deleted);
        }
        _ => return Reply::thread_changed(last),
    })
}

impl<'a> View<'a> {
    /// The thread, if it exists.
    fn thread(&self) -> Result<&'a ThreadFields> {
        self.state.thread.as_deref().ok_or_else(|| Error::not_found(self.id))
    }

    /// Refuses what an archived thread refuses.
    fn open(&self) -> Result<()> {
        self.thread()?;
        self.state.require_not_archived(self.id)
    }

    /// A session of this thread that exists.
    fn session(&self, id: SessionId) -> Result<(Version, &'a SessionState)> {
        let session = self.state.session(id.version()).ok_or_else(|| Error::not_found(id))?;
        Ok((id.version(), session))
    }

    /// The token the caller holds on a session, or why it may not write (LEA2, LEA6, MSG8).
    fn fence(
        &self,
        input: &DecisionInput<'_>,
        version: Version,
        session: &SessionState,
    ) -> Result<Option<Version>> {
        session.require_not_archived(self.session_id(version))?;
        self.fence_deletion(input, version, session)
    }

    /// The same for what may go while it is archived.
    fn fence_deletion(
        &self,
        input: &DecisionInput<'_>,
        version: Version,
        session: &SessionState,
    ) -> Result<Option<Version>> {
        let id = self.session_id(version);
        let lease = session.fence(id, input.caller().lease)?;
        session.require_not_former(id, &input.caller().actor)?;
        Ok(lease)
    }

    const fn session_id(&self, version: Version) -> SessionId {
        SessionId::new(self.id, version)
    }

    fn decide_session(
        &self,
        input: &DecisionInput<'_>,
        command: &SessionCommand,
    ) -> Result<Decision> {
        // That the thread does not exist or is archived is said before anything about what is in it (TEN8). Deletions
        // look later: to delete what is not there is no refusal.
        if !matches!(
            command,
            SessionCommand::DeleteSession { .. } | SessionCommand::DeleteEdge { .. }
        ) {
            self.open()?;
        }
        match command {
            SessionCommand::CreateSession { session, .. } => self.create_session(input, session),
            SessionCommand::UpdateSession { session, expected, update } => {
                self.update_session(input, *session, *expected, update)
            }
            SessionCommand::SetStatus { session, to } => self.set_status(input, *session, *to),
            SessionCommand::ReopenSession { session } => self.reopen_session(input, *session),
            SessionCommand::DeleteSession { session } => self.delete_session(input, *session),
            SessionCommand::LinkSessions(link) => self.link(input, link),
            SessionCommand::UpdateEdge { edge, expected, update } => {
                self.update_edge(input, *edge, *expected, update)
            }
            SessionCommand::DeleteEdge { edge } => self.delete_edge(input, *edge),
            SessionCommand::Append { session, append } => self.append(input, *session, append),
            SessionCommand::CopyEntries { to, entries, expect } => {
                self.copy_entries(input, *to, entries, *expect)
            }
            SessionCommand::MergeFork { fork, expect } => self.merge_fork(input, *fork, *expect),
            SessionCommand::SetContextLimit { session, limit } => {
                self.set_context_limit(input, *session, limit.as_ref())
            }
            SessionCommand::StartRun { session, run } => self.start_run(input, *session, run),
            SessionCommand::SetRunStatus { run, to } => self.set_run_status(input, *run, *to),
            SessionCommand::EndRun { run, outcome, echo } => {
                self.end_run(input, *run, outcome, echo.as_deref())
            }
            SessionCommand::AwaitSubSessions { run, edges } => {
                self.await_sub_sessions(input, *run, edges)
            }
            SessionCommand::SweepRuns { sweep, .. } => self.sweep(input, *sweep),
            SessionCommand::BookUsage { run, call, usage, echo } => {
                self.book(input, *run, (call, usage), echo.as_deref())
            }
            SessionCommand::ClaimLease { session, ttl } => self.claim(input, *session, *ttl),
            SessionCommand::RenewLease { session, ttl } => self.renew(input, *session, *ttl),
            SessionCommand::ReleaseLease { session } => self.release(input, *session),
            SessionCommand::HandOff { expected, .. }
            | SessionCommand::Broadcast { expected, .. } => {
                self.hand_off(input, command, *expected)
            }
            SessionCommand::ContinueAs { session, successor } => {
                self.continue_as(input, *session, successor)
            }
            SessionCommand::StepMerge { edge, expected, to } => {
                self.step_merge(input, *edge, *expected, *to)
            }
            SessionCommand::SealSummary { session, summary } => {
                self.seal_summary(input, *session, summary)
            }
            SessionCommand::ProposeCollapse { edge, collapse } => {
                self.propose_collapse(input, *edge, collapse)
            }
            SessionCommand::AcceptCollapse { collapse, text } => {
                self.accept_collapse(input, *collapse, text.is_none())
            }
            SessionCommand::RejectCollapse { collapse } => self.reject_collapse(input, *collapse),
            SessionCommand::SetState { of, changes } => self.set_state(input, *of, changes),
            // The store makes steps of them.
            SessionCommand::CreateWorkspace { .. }
            | SessionCommand::ChangeFiles { .. }
            | SessionCommand::SnapshotWorkspace { .. }
            | SessionCommand::RestoreWorkspace { .. }
            | SessionCommand::DisposeWorkspace { .. }
            | SessionCommand::ArchiveSession { .. }
            | SessionCommand::RestoreSession { .. } => Err(wrong_journal()),
        }
    }
}
