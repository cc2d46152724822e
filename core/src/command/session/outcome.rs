//! What commands inside a thread did.

use crate::{
    command::{CreatedSession, GivenWorkspace, SweptRun},
    id::{ArchiveId, CollapseId, EntryId, RunId, SubSessionId, SummaryId, Version},
    workspace::{Disposal, TreeId},
};

/// The entries of one append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The first entry.
    pub first: EntryId,
    /// How many, at consecutive versions.
    pub count: u16,
}

impl Appended {
    /// Their ids, in order.
    pub fn entries(self) -> impl Iterator<Item = EntryId> {
        let (thread, first) = (self.first.thread(), self.first.version());
        (0..u64::from(self.count)).map(move |i| EntryId::new(thread, first + i))
    }

    /// The session's tail right after this append.
    pub const fn tail(self) -> Version {
        self.first.version() + self.count as u64 - 1
    }
}

/// A collapse that was proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProposedCollapse {
    /// The collapse.
    pub id: CollapseId,
    /// The entry of the parent's log, where it was accepted at once.
    pub entry: Option<EntryId>,
}

/// What a [`SessionCommand`](super::SessionCommand) did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionOutcome {
    /// The session exists; with its edge, if it was created under a parent.
    SessionCreated(CreatedSession),
    /// The edge exists.
    Linked(SubSessionId),
    /// The entries are in the log.
    Appended(Appended),
    /// The fork's entries are in the log it came from, as copies; `None` where there was nothing new.
    Merged(Option<Appended>),
    /// The run lives.
    RunStarted(RunId),
    /// The session is handed over, and its recipient goes on here.
    HandedOff(CreatedSession),
    /// The session waits for these, in the order they were named.
    BroadcastSent(Vec<CreatedSession>),
    /// The summary is sealed.
    Summarised(SummaryId),
    /// The collapse is proposed, or stands in the parent's log already.
    CollapseProposed(ProposedCollapse),
    /// The run waits for sub-sessions, since the record at this version; `None` where all had ended: nothing was written,
    /// and it goes on running.
    Awaiting(Option<Version>),
    /// The runs that the sweep ended, or would, in that order.
    Swept(Vec<SweptRun>),
    /// The session is archived.
    Archived(ArchiveId),
    /// The lease is held under this fencing token.
    Leased(Version),
    /// The change stands in the record at this version; for what wrote nothing, the version that made it so.
    Changed(Version),
    /// It is gone, or never was.
    Deleted,
    /// The workspace that the session has now, if it was given one.
    WorkspaceGiven(GivenWorkspace),
    /// What the workspace holds is kept as this tree, and stands in the record at this version.
    Saved(TreeId, Version),
    /// What became of the disposal.
    Disposed(Disposal),
}
