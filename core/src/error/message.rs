//! What each error says to a person: what was asked, what is the case, what to do. One line, whatever is quoted.

use std::fmt::{self, Display, Formatter, Write as _};

use super::{Error, Subject, ThreadAction, subject::JournalName};
use crate::{
    id::{SessionId, Version},
    model::{SessionSample, SessionStatus},
};

/// Sessions that a message names.
const NAMED: usize = 3;

impl Display for Error {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid { field, reason } => write!(f, "invalid {field}: {}", OneLine(reason)),
            Self::KeyReused { key } => {
                write!(f, "{key} was used for another command; take a new key for a new command")
            }
            Self::KeyExpired { key, greatest } => {
                write!(f, "{key} is no longer remembered")?;
                if let Some(greatest) = greatest {
                    write!(f, ", the greatest of its producer is {greatest}")?;
                }
                f.write_str("; nothing was written now, read to see what the key wrote before")
            }
            Self::TenantIsolation { what, tenant } => {
                write!(
                    f,
                    "{what} belongs to another tenant, not to `{tenant}`; ask as a caller of its own tenant"
                )
            }
            Self::NotFound { what } => {
                write!(f, "{what} does not exist; it was deleted, or never created")
            }
            Self::Closed { what, operation } => write!(f, "{}{what}", Cannot(*operation)),
            Self::WrongThread { what, expected } => {
                write!(f, "{what} does not belong to {expected}; name one that does")
            }
            Self::RunEnded { run } => {
                write!(f, "run {run} has ended and takes nothing more; start another run")
            }
            Self::WrongExternalId { run, given } => write!(
                f,
                "{given:?} is not the external id of run {run}; name the run that it belongs to"
            ),
            Self::ExternalIdTaken { thread, external_id } => write!(
                f,
                "cannot start a run: thread {thread} has or had one with the external id {external_id:?}; give another"
            ),
            Self::RunLive { run, status } => {
                write!(f, "run {run} is {status}; end it first")
            }
            Self::SessionOwned { session, owner } => {
                write!(f, "cannot give session {session} an owner: {} owns it", owner.name())
            }
            Self::NotOwner { session, owner } => {
                write!(
                    f,
                    "session {session} is owned by {}; a former owner cannot write to it, and only its owner hands it over",
                    owner.name()
                )
            }
            Self::NotMergeBack { edge } => {
                write!(
                    f,
                    "edge {edge} returns a summary and is not merged; change its completion mode first"
                )
            }
            Self::NotHandedOff { undone } => {
                let removed = undone.made.saturating_sub(undone.left.len());
                write!(
                    f,
                    "{}; undone, {removed} of {} workspaces removed",
                    undone.cause, undone.made
                )?;
                let mut left = undone.left.iter();
                left.try_for_each(|id| write!(f, ", {id} is left"))
            }
            Self::Fenced { session, current, given } => fenced(f, *session, *current, *given),
            Self::IllegalTransition { what, from, to } => {
                write!(f, "cannot set {what} to {to}: it is {from}")?;
                if let Subject::Session(_) = what {
                    f.write_str("; while a run lives, the run decides its status")?;
                }
                Ok(())
            }
            Self::ThreadNotEmpty { thread, action, samples, total } => {
                write!(f, "cannot {action} thread {thread}: ")?;
                not_empty(f, *action, samples, *total)
            }
            Self::ProjectNotEmpty { project, threads } => {
                let threads = Count(*threads, "thread");
                write!(
                    f,
                    "cannot delete project {project}: it holds {threads} or more; delete or purge them first"
                )
            }
            Self::SessionLinked { session, edge } => write!(
                f,
                "cannot delete session {session}: edge {edge} names it; delete the edge first"
            ),
            Self::NothingToSummarise { session, last } => {
                write!(f, "cannot summarise session {session}: nothing was done in it")?;
                last.map_or(Ok(()), |last| write!(f, " since {last}"))
            }
            Self::AlreadyContinued { session, successor } => {
                write!(f, "session {session} goes on as {successor}; go on there")
            }
            Self::ArtifactSet { edge } => {
                write!(f, "edge {edge} says already what it answers, which never changes")
            }
            Self::ChildAtWork { session, edge } => write!(
                f,
                "cannot archive session {session}: its child below edge {edge} is at work; wait for it, or end it"
            ),
            Self::ArchiveNotConfigured { project, backend: None } => write!(
                f,
                "cannot archive: project {project} names no archive; name one, or configure it"
            ),
            Self::ArchiveNotConfigured { project, backend: Some(backend) } => write!(
                f,
                "this store has no archive `{backend}`, which a session of project {project} needs; open it with one"
            ),
            Self::BrokenBundle { archive, fault } => write!(
                f,
                "cannot use the bundle of archive {archive}: {fault}; bring it back from a copy"
            ),
            Self::NotSummarised { session } => {
                write!(f, "session {session} has no summary to inherit; seal one first")
            }
            Self::SessionHasWorkspace { session, workspace } => write!(
                f,
                "cannot give session {session} a workspace: it has {workspace}; use that, or dispose of it first"
            ),
            Self::WorkspaceNotReady { workspace, status } => {
                write!(
                    f,
                    "workspace {workspace} is {status} and takes no work; wait until it is made, or make another"
                )
            }
            Self::PathConflict { path, reason } => {
                write!(
                    f,
                    "cannot use the path {path}: {reason}; take another, or remove that first"
                )
            }
            Self::NotAForest { parent, child, reason } => {
                write!(f, "cannot put session {child} below session {parent}: {reason}")
            }
            Self::Capacity { what, measure, limit, actual } => {
                write!(f, "too much for {what}: {measure} would be {actual}, the limit is {limit}")
            }
            Self::BudgetExceeded { of, kind, used, limit } => write!(
                f,
                "the budget of {of} does not allow that: {used} of {limit} {kind} are used or reserved; \
                 ask for less, or raise the budget"
            ),
            Self::Stale { what, counter, expected, actual } => write!(
                f,
                "{what} has changed: {counter} {expected} was expected, it is {actual}; \
                 read again and retry with {counter} {actual}"
            ),
            Self::Contended { space, operation } => write!(
                f,
                "{}others kept writing to {} until the deadline; nothing was written, try again or allow more time",
                Cannot(*operation),
                JournalName(space)
            ),
            Self::Corrupt { space, version, reason } => {
                if *version > 0 {
                    write!(f, "record {version} of ")?;
                }
                let (journal, reason) = (JournalName(space), OneLine(reason));
                write!(f, "{journal} is damaged: {reason}; verify it, and restore it from a copy")
            }
            Self::CorruptFile { file, reason } => write!(
                f,
                "{file} is damaged or no store: {}; check the address, or restore it from a copy",
                OneLine(reason)
            ),
            Self::Unavailable { reason, operation, .. } => {
                write!(f, "{}{}", Cannot(*operation), OneLine(reason))
            }
            Self::Indeterminate { space, operation, .. } => write!(
                f,
                "{} may or may not have been written to {}; ask again with the same key, or read",
                Operation(operation.unwrap_or("a change")),
                JournalName(space)
            ),
            Self::Trimmed { thread, upto } => write!(
                f,
                "the feed of thread {thread} was trimmed up to {upto}; read what there is, and follow from there"
            ),
            Self::Unsupported { what } => write!(f, "unsupported: {}", OneLine(what)),
            Self::NewerFormat { what, needs, has } => write!(
                f,
                "{what} needs format {needs}, and this release reads up to {has}; use a newer release"
            ),
        }
    }
}

fn fenced(
    f: &mut Formatter<'_>,
    session: SessionId,
    current: Option<Version>,
    given: Option<Version>,
) -> fmt::Result {
    write!(f, "cannot write to session {session}: ")?;
    match (current, given) {
        (Some(current), Some(given)) => write!(
            f,
            "its lease is {current}, and {given} was given; stop, or claim the lease when it has expired"
        ),
        (Some(current), None) => write!(
            f,
            "its lease is {current}, and none was given; give its token, or claim the lease when it has expired"
        ),
        (None, Some(given)) => {
            write!(f, "it has no lease, and {given} was given; claim the lease again")
        }
        (None, None) => f.write_str("it has no lease; claim it first"),
    }
}

/// What is in the way of a thread's end, and how it goes.
fn not_empty(
    f: &mut Formatter<'_>,
    action: ThreadAction,
    samples: &[SessionSample],
    total: u64,
) -> fmt::Result {
    let busy = |status: SessionStatus| {
        use SessionStatus::{Active, AwaitingHitl, AwaitingMerge, Locked};
        matches!(status, Active | AwaitingHitl | AwaitingMerge | Locked)
    };
    let all_are = samples.first().map(|s| s.status).filter(|first| {
        samples.len() as u64 == total && samples.iter().all(|s| s.status == *first)
    });
    let are = if total == 1 { "is" } else { "are" };
    let sessions = Count(total, "session");
    match (action, all_are) {
        (ThreadAction::Delete, _) => {
            write!(f, "{sessions} {} left", if total == 1 { "is" } else { "are" })?;
        }
        (_, Some(status)) if busy(status) => write!(f, "{sessions} {are} {status}")?,
        _ => write!(f, "{sessions} {are} at work")?,
    }
    f.write_str(" (")?;
    for (i, sample) in samples.iter().take(NAMED).enumerate() {
        write!(f, "{}{}", if i > 0 { ", " } else { "" }, sample.session)?;
        match all_are {
            Some(status) if busy(status) => {}
            _ if action == ThreadAction::Delete || busy(sample.status) => {
                write!(f, " {}", sample.status)?;
            }
            _ => f.write_str(" with a live run or a lease")?,
        }
    }
    let more = total.saturating_sub(samples.len().min(NAMED) as u64);
    if more > 0 {
        write!(f, " and {more} more")?;
    }
    f.write_str(match action {
        ThreadAction::Delete => "); delete them first, or purge the thread",
        ThreadAction::Archive | ThreadAction::Purge => {
            "); end their runs, release their leases and set them idle first"
        }
    })
}

/// A number of things, with its plural.
struct Count(u64, &'static str);

impl Display for Count {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.0, self.1, if self.0 == 1 { "" } else { "s" })
    }
}

/// The name of a command or query in words.
struct Operation(&'static str);

impl Display for Operation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| f.write_char(if c == '_' { ' ' } else { c }))
    }
}

/// How a message begins that knows what was asked.
struct Cannot(Option<&'static str>);

impl Display for Cannot {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |operation| write!(f, "cannot {}: ", Operation(operation)))
    }
}

/// Text from outside, with spaces for line ends and other control characters.
struct OneLine<'a>(&'a str);

impl Display for OneLine<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let text = self.0.trim_end();
        text.chars().try_for_each(|c| f.write_char(if c.is_control() { ' ' } else { c }))
    }
}
