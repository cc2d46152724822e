//! What a decision takes and gives; the same for projects and threads.

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    command::{Caller, NewSession, SessionCommand, SessionOutcome, ThreadCommand, ThreadOutcome},
    error::{Error, Result},
    hash::Hash,
    id::{EntryId, ProjectId, SessionId, ThreadId, Version, WorkspaceId},
    journal::Stream,
    model::{Actor, Budget, BudgetKind, NewEntry, ProjectConfig, ProjectStatus, Totals},
    record::{ActorBody, Body, Draft, EntryHeader, Event, KeyMark, SealedBody},
    rules::idempotency::{Answer, IdempotencyLog, command_hash},
    rules::tenant::ExternalName,
    rules::thread::ContextFold,
    workspace::{Begun, Label, TreeId},
};

/// What is asked of one journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Of a project or a thread.
    Thread(ThreadCommand),
    /// Inside a thread.
    Session(SessionCommand),
    /// One of the commits of making, using or removing a workspace.
    Workspace(WorkspaceStep),
    /// One of the commits of archiving or restoring a session.
    Archive(ArchiveStep),
    /// Erases what a person wrote: these records. If one of them is all that tells whose a text is that others may have put
    /// elsewhere, then only where nothing follows this version.
    Forget { versions: Vec<Version>, unless_after: Option<Version> },
    /// Binds an external id to another id, as the thing it stood for is gone or has another.
    Bind { name: ExternalName, gone: u128, to: u128 },
    /// The second half of creating a thread: version 1 of its journal, or its first session in one that exists. Without a
    /// reservation (0) the thread must exist.
    Begin { project: ProjectId, reserved: Version, command: ThreadCommand },
    /// The first half: a reservation in the project's journal.
    Reserve { thread: ThreadId, settled: Vec<Version>, command: ThreadCommand },
    /// One of the commits of spending a project's budget.
    Slice(SliceStep),
    /// A deletion found a living thread.
    UndoDelete,
    /// A deletion found none.
    FinishDelete,
}

/// A commit of a flow that draws a slice of a project's budget, or gives it back: to the project's journal or to the thread's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SliceStep {
    /// To the project: a slice, or more of the one that the thread has.
    Draw {
        thread: ThreadId,
        /// The newest draw that the thread knows of.
        known: Version,
        /// Where the thread has one: the draw that began it.
        opened: Option<Version>,
        /// What the thread spent of it, or without one.
        used: Totals,
        /// Whether it is to spend more; else the slice is what it has spent, and is never refused.
        asks_for_more: bool,
    },
    /// To the thread: that was drawn for it.
    Credit(DrawnSlice),
    /// To the thread: it gives back what it has.
    Return,
    /// To the project: the thread gave back what this draw was the newest of, and spent so much.
    Settle { thread: ThreadId, draw: Version, spent: Totals },
    /// To the thread: its project has no budget any more.
    Stop,
}

/// A slice of a project's budget, as the project knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DrawnSlice {
    /// The newest draw.
    pub(crate) draw: Version,
    /// The first.
    pub(crate) opened: Version,
    /// How large it is by now.
    pub(crate) amount: Budget,
    /// What the newest draw used up of the project's budget, with what is used then, and allowed.
    pub(crate) used_up: Vec<(BudgetKind, u64, u64)>,
}

/// A commit of a flow that makes, changes or removes a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WorkspaceStep {
    /// It is claimed, before anything of it is there; without a session, for one that is made with it.
    Reserve { session: Option<SessionId>, kind: String, label: Label, ttl_millis: u64 },
    /// It is there.
    Ready { session: SessionId, made: MadeWorkspace },
    /// Its driver, which keeps its files in the journal, says something else than it said before.
    Changed { workspace: WorkspaceId, expected: String, reference: String },
    /// What it holds was kept, while its driver still says what it said by then, if that matters.
    Saved { workspace: WorkspaceId, expected: Option<String>, tree: TreeId },
    /// It is taken from whoever had it, and is to be removed.
    Leaked { workspace: WorkspaceId, by: GivenUp },
    /// It holds work, and so its owner keeps it.
    Kept { workspace: WorkspaceId },
    /// A handoff came to nothing.
    Unlock { session: SessionId, lock: Version },
    /// It is gone; if it is kept in the journal and not forced, while its driver still says what it said when it was looked at.
    Disposed { workspace: WorkspaceId, expected: Option<String> },
}

/// A commit of a flow that archives or restores a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ArchiveStep {
    /// A bundle is claimed, before the first byte of it is there.
    Reserve { session: SessionId, backend: String, ttl_millis: u64, which: Wanted },
    /// The bundle is whole.
    Archived { session: SessionId, bundle: WrittenBundle },
    /// It came to nothing. Who is not its writer may say so only if that one took too long.
    Abandoned { session: SessionId, archive: Version, by_writer: bool },
    /// The bundle was checked, and what of the session's log is in it leaves the journal.
    Evict { session: SessionId, archive: Version },
    /// What was evicted after one version and up to another is back: the body of the call has it, as of so many erasures.
    Returned {
        session: SessionId,
        archive: Version,
        after: Version,
        upto: Version,
        erasures: usize,
    },
    /// The body of the call has what this pack holds, without what was erased since, as of so many erasures.
    Repacked { pack: Version, erasures: usize },
    /// The bundle was checked, and the session is what it was.
    Restored { session: SessionId, archive: Version },
}

/// What is to be archived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A session that is not archived.
    Any,
    /// One whose last record is this one.
    After(Version),
    /// One that is archived with this bundle, out of which something is to be erased.
    Anew(Version),
}

/// A bundle that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WrittenBundle {
    pub(crate) archive: Version,
    pub(crate) backend: String,
    pub(crate) records: u64,
    pub(crate) entries: u64,
    pub(crate) digest: Hash,
}

/// Who gives a workspace up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GivenUp {
    /// Nobody owns it.
    Nobody,
    /// Its maker did not come to an end with it.
    Maker,
    /// Its owner, with the work in it or not.
    Owner { force: bool },
}

/// A workspace that a driver made, to be given to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MadeWorkspace {
    /// The version that claimed it; 0 where nothing of it is outside the journal.
    pub(crate) reserved: Version,
    pub(crate) kind: String,
    pub(crate) label: Label,
    pub(crate) begun: Begun,
    /// The workspace in the journal that it begins as, and what that one's driver said by then: as long as that holds,
    /// nothing that both share is collected.
    pub(crate) based_on: Option<(WorkspaceId, String)>,
}

impl Request {
    /// The entries that it appends to the journal it is sent to.
    pub(crate) fn entries(&self) -> &[NewEntry] {
        match self {
            Self::Session(SessionCommand::Append { append, .. }) => &append.entries,
            Self::Begin { command: ThreadCommand::BeginThread { session, .. }, .. } => {
                &session.turn
            }
            _ => &[],
        }
    }

    /// The sessions that a command inside a thread creates.
    pub(crate) fn new_sessions(&self) -> &[NewSession] {
        match self {
            Self::Session(command) => command.new_sessions(),
            _ => &[],
        }
    }
}

/// What a command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Thread(ThreadOutcome),
    Session(SessionOutcome),
    /// Nothing was decided: what was looked at before the call is not what the state is by now, or too little.
    LookAgain,
    /// Nothing else is in the way, and a slice of the project's budget has to be drawn first.
    DrawFirst,
    /// Nothing else is in the way, and the slice has to be given back first.
    ReturnFirst,
    /// A slice that was drawn; none where the project has no budget.
    Slice(Option<Arc<DrawnSlice>>),
    /// Nothing is in the way, so what is outside the journal can be made; a handoff is locked for that.
    Proceed {
        lock: Option<Version>,
    },
    /// These records have lost their payload, since this version or before.
    Erased {
        version: Version,
        versions: Vec<Version>,
    },
    /// The bits of the id that an external id stands for.
    Bound(u128),
    /// The reservation, and whether it was there before.
    Reserved {
        thread: ThreadId,
        version: Version,
        replayed: bool,
    },
}

impl Reply {
    pub(crate) const fn changed(version: Version) -> Self {
        Self::Session(SessionOutcome::Changed(version))
    }

    pub(crate) const fn thread_changed(version: Version) -> Self {
        Self::Thread(ThreadOutcome::Changed(version))
    }
}

/// What a decision comes to.
#[derive(Debug)]
pub(crate) enum Decision {
    /// These records, then this answer.
    Write(Vec<Draft>, Reply),
    /// An answer about the head; nothing to write.
    Answer(Reply),
    /// The whole space goes; nothing else in the same commit.
    Drop(Reply),
}

/// The caps of a project, as read during the call.
#[derive(Clone, Debug)]
pub(crate) struct Caps {
    pub(crate) status: ProjectStatus,
    pub(crate) config: ProjectConfig,
    pub(crate) version: Version,
}

/// The key of a call, with the text and salt that tell its command from another.
#[derive(Clone, Debug)]
pub(crate) struct CallKey {
    pub(crate) mark: KeyMark,
    pub(crate) salt: u128,
    pub(crate) command: String,
}

/// Bytes of one entry, or of the reason of a failure, before encoding.
pub(crate) const ENTRY_BYTES: usize = 32 << 20;

/// One call, prepared: checked as far as it can be without state, its bodies sealed.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) caller: Caller,
    pub(crate) request: Request,
    pub(crate) key: Option<CallKey>,
    /// Versions of records whose immutable headers the decision may look at.
    pub(crate) facts: Vec<Version>,
    /// The entries of an append, or the end of a run whose reason is long, sealed; none when one is too large.
    pub(crate) bodies: Vec<SealedBody>,
    /// What was read for it before; few commands need that.
    pub(crate) gathering: Option<Box<Gathering>>,
    /// For the run that it starts, where the caller gives none.
    pub(crate) minted_external_id: Option<String>,
    /// The bytes of the first entry, or of the reason, that has more than [`ENTRY_BYTES`].
    pub(crate) oversize: Option<u64>,
    /// When its blobs are too old to be named in a record, on the store's elapsed clock.
    pub(crate) until: Option<Duration>,
    pub(crate) caps: Option<Caps>,
    /// Of a thread that is to go: the draw whose slice the project knows to be given back.
    pub(crate) settled: Option<Version>,
    /// How long a workspace may take to be made.
    pub(crate) workspace_time: Duration,
    pub(crate) max_skew: Duration,
}

impl Call {
    /// The context that a command changes, as the store saw it.
    pub(crate) fn looked(&self) -> Option<&LookedAt> {
        self.gathering.as_ref()?.looked.as_ref()
    }

    /// What was read and made for one of the sessions that it creates.
    pub(crate) fn child(&self, at: usize) -> Option<&ChildGathering> {
        self.gathering.as_ref()?.children.get(at)
    }

    /// The text of a collapse.
    pub(crate) fn drafted(&self) -> Option<&Drafted> {
        self.gathering.as_ref()?.drafted.as_ref()
    }

    /// The lock that a handoff took before.
    pub(crate) fn lock(&self) -> Option<Version> {
        self.gathering.as_ref()?.lock
    }

    /// What a copy or a merge takes from other logs.
    pub(crate) fn gathered(&self) -> Option<&Gathered> {
        self.gathering.as_ref()?.gathered.as_ref()
    }
}

/// What a command needs that is read before it is decided.
#[derive(Debug, Default)]
pub(crate) struct Gathering {
    pub(crate) looked: Option<LookedAt>,
    pub(crate) gathered: Option<Gathered>,
    /// The entries that were gathered, to be appended.
    pub(crate) entries: Vec<NewEntry>,
    /// Versions of records that the decision looks at.
    pub(crate) facts: Vec<Version>,
    /// Of each session that is created, in their order.
    pub(crate) children: Vec<ChildGathering>,
    /// Of a draft: the text that the summarizer made, or that of the draft that is accepted.
    pub(crate) drafted: Option<Drafted>,
    /// Of a handoff for which workspaces were made.
    pub(crate) lock: Option<Version>,
}

/// The text of a collapse, which the entry that was sealed with it says too.
#[derive(Debug)]
pub(crate) struct Drafted {
    pub(crate) text: String,
    /// Tokens of it.
    pub(crate) tokens: u64,
    /// Where the summarizer made it.
    pub(crate) read: Option<ReadChild>,
}

/// What the summarizer read.
#[derive(Debug)]
pub(crate) struct ReadChild {
    /// The version as of which the child is meant.
    pub(crate) upto: Version,
    /// Tokens of its context.
    pub(crate) tokens: u64,
    /// The parent's tail by then.
    pub(crate) parent_tail: Version,
}

/// What was read and made for a session that is created.
#[derive(Debug, Default)]
pub(crate) struct ChildGathering {
    /// What it inherits, as copies.
    pub(crate) inherited: Gathered,
    /// The entries of that.
    pub(crate) entries: Vec<NewEntry>,
    pub(crate) workspace: Option<Provision>,
}

/// Whether the workspace of a new session is there yet.
#[derive(Debug)]
pub(crate) enum Provision {
    /// Nothing was made yet: the decision says whether all else is well.
    Wanted,
    /// It is there.
    Made(MadeWorkspace),
}

/// A context that was looked at before a decision, and what it refuses.
#[derive(Clone, Debug)]
pub(crate) struct LookedAt {
    /// The session's tail by then.
    pub(crate) tail: Version,
    pub(crate) refusal: Option<Error>,
    /// The log, folded up to there, where the size of its context is to be known.
    pub(crate) fold: Option<ContextFold>,
}

/// Entries that were read to be copied; their bodies are those of the call, in the same order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gathered {
    /// The version of each, and its header.
    pub(crate) entries: Vec<(Version, EntryHeader, Option<Actor>)>,
    /// Of what a child inherits from a summary: whose, and which it was by then.
    pub(crate) summary: Option<(SessionId, Version)>,
    /// The first that was asked for and is not there.
    pub(crate) missing: Option<EntryId>,
    /// Of a merge, the fork's tail by then; of what a child inherits, the parent's.
    pub(crate) tail: Version,
    /// Edits that entries say what they say by.
    pub(crate) edits: Vec<Version>,
    /// Of a merge: copies that earlier merges made, by what they are copies of.
    pub(crate) copies: HashMap<Version, Version>,
}

/// What immutable records say that a command names and the state does not hold. `None`: read, and not there.
pub(crate) type Facts = HashMap<Version, Option<Event>>;

/// Everything a decision sees beside the state.
#[derive(Debug)]
pub(crate) struct DecisionInput<'a> {
    pub(crate) call: &'a Call,
    pub(crate) now: Timestamp,
    pub(crate) facts: &'a Facts,
}

impl DecisionInput<'_> {
    pub(crate) const fn caller(&self) -> &Caller {
        &self.call.caller
    }

    pub(crate) fn caller_body(&self) -> Body {
        Body::Actor(ActorBody { by: self.call.caller.actor.clone() })
    }

    /// The remembered answer of the call's key.
    pub(crate) fn known(&self, keys: &IdempotencyLog) -> Result<Option<Answer>> {
        match (&self.call.caller.key, &self.call.key) {
            (Some(key), Some(call)) => keys.known(key, &call.command),
            _ => Ok(None),
        }
    }

    /// What an immutable record says, if there is one.
    pub(crate) fn fact(&self, version: Version) -> Option<&Event> {
        self.facts.get(&version).and_then(Option::as_ref)
    }
}

/// Collects the records of one command.
#[derive(Debug)]
pub(crate) struct Drafts<'a> {
    input: &'a DecisionInput<'a>,
    next: Version,
    lease: Option<Version>,
    drafts: Vec<Draft>,
    /// At the end, records that the answer says nothing about.
    trailing: usize,
    only_trailing: bool,
}

impl<'a> Drafts<'a> {
    /// Records that follow `head`; `lease` is the token the caller was found to hold.
    pub(crate) fn after(
        input: &'a DecisionInput<'a>,
        head: Version,
        lease: Option<Version>,
    ) -> Self {
        // Room for what most commands write: one record, or one for each body.
        let drafts = Vec::with_capacity(input.call.bodies.len().max(1));
        Self { input, next: head + 1, lease, drafts, trailing: 0, only_trailing: false }
    }

    /// The version the next record gets.
    pub(crate) const fn next(&self) -> Version {
        self.next
    }

    /// Adds a record and gives its version.
    pub(crate) fn push(&mut self, stream: Stream, event: Event, body: Body) -> Version {
        self.push_sealed(stream, event, body, None)
    }

    /// Adds a last record, which the answer says nothing about.
    pub(crate) fn push_trailing(&mut self, stream: Stream, event: Event, body: Body) {
        self.begin_trailing();
        self.push(stream, event, body);
    }

    /// The answer says nothing about the records that come from here on.
    pub(crate) const fn begin_trailing(&mut self) {
        self.only_trailing = true;
    }

    /// The entries among the records, each with its version.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (Version, EntryHeader)> {
        let first = self.next - self.drafts.len() as u64;
        let drafts = (first..).zip(&self.drafts);
        drafts.filter_map(|(version, draft)| Some((version, draft.event.as_entry()?)))
    }

    /// Adds a record whose body was sealed before.
    pub(crate) fn push_sealed(
        &mut self,
        stream: Stream,
        event: Event,
        body: Body,
        sealed: Option<SealedBody>,
    ) -> Version {
        let version = self.next;
        self.next += 1;
        self.trailing += usize::from(self.only_trailing);
        let lease = self.lease;
        let at = self.input.now;
        self.drafts.push(Draft {
            stream,
            event,
            body,
            sealed,
            salt: 0,
            key: None,
            count: None,
            lease,
            at,
            not_before: None,
        });
        version
    }

    /// The decision: these records, of which the key of the call knows nothing.
    pub(crate) fn without_key(self, reply: Reply) -> Result<Decision> {
        Ok(Decision::Write(self.drafts, reply))
    }

    /// The decision: these records, this answer.
    pub(crate) fn done(mut self, reply: Reply) -> Result<Decision> {
        let count = u16::try_from(self.drafts.len() - self.trailing).map_err(|_| {
            let count = self.drafts.len();
            Error::invalid("command", format!("{count} records, where at most 65535 fit"))
        })?;
        if let (Some(first), Some(key)) = (self.drafts.first_mut(), &self.input.call.key) {
            // The key stands for the command together with the salt of the record that it is on. That is not always the first
            // of the bodies: a merge leaves some out.
            let command = match &first.sealed {
                Some(sealed) if sealed.salt != key.salt.to_be_bytes() => {
                    command_hash(&sealed.salt, &key.command)
                }
                _ => key.mark.command,
            };
            first.key = Some(KeyMark { command, ..key.mark });
            first.count = (count != 1).then_some(count);
            first.salt = key.salt;
        }
        Ok(Decision::Write(self.drafts, reply))
    }
}
