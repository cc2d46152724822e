//! What forgetting a person is asked, and what it did.

use serde::Serialize;

use crate::id::{ThreadId, UserId};

/// Whose writing to erase in all threads of a tenant (ERA1).
///
/// Erased is what the person is the author of: entries of every kind, drafts of collapses, sealed summaries. A copy has the author
/// of what it is a copy of, and goes as well; so does what others put elsewhere unchanged, without being its authors: an edit of
/// somebody else's message that a child inherited, a draft that somebody else accepted. Authors are erased with what they wrote;
/// places, times, kinds, links and numbers stay.
///
/// **Not erased**, and readable until the thread is purged or the project is deleted:
///
/// - titles, names, purposes, labels, tasks, external ids, values of states, reasons of failed runs. A newer one takes the place of
///   an older one, which the feed goes on telling;
/// - what others wrote that repeats or tells of it: messages of agents, compressions, summaries, texts of collapses;
/// - files of workspaces, and what the person had an agent write: an agent is an author of its own, on whose behalf it acts or not;
/// - the person's id, where a record says who called, who owns or owned a session, who holds a lease, whom a thread's card names.
///
/// A copy that was made of somebody's message while another's edit stood there has the author of the message: it goes with that one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Forget {
    /// Who is forgotten.
    pub user: UserId,
    /// Say what would be erased, and erase nothing.
    pub dry_run: bool,
}

impl Forget {
    /// What this person wrote.
    pub const fn user(user: UserId) -> Self {
        Self { user, dry_run: false }
    }

    /// Only say what would be erased.
    #[must_use]
    pub const fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }
}

/// What became of what a person wrote in a thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ForgetOutcome {
    /// It would be erased.
    Found,
    /// It is erased.
    Erased,
    /// It is not, or not all of it, for this reason. What was erased stays so; asking again goes on with the rest. In a dry run: it
    /// could not be erased now.
    Failed(String),
}

/// What a person wrote in a thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Forgotten {
    /// In which thread.
    pub thread: ThreadId,
    /// Entries of theirs that were found.
    pub entries: u64,
    /// Drafts of collapses.
    pub drafts: u64,
    /// Sealed summaries.
    pub summaries: u64,
    /// Records that were erased before, whoever wrote them, and whose text was still in the journal or in a bundle: an erasure was
    /// cut off. It is finished with this.
    pub unfinished: u64,
    /// What became of them.
    pub outcome: ForgetOutcome,
}

impl Forgotten {
    pub(crate) const fn failed(thread: ThreadId, why: String) -> Self {
        let outcome = ForgetOutcome::Failed(why);
        Self { thread, entries: 0, drafts: 0, summaries: 0, unfinished: 0, outcome }
    }
}
