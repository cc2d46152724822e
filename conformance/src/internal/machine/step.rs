//! The steps of a case. They name things by number, so that any subsequence is a case too.

use sessile_core::model::{RunOutcome, RunStatus, SessionStatus, SubSessionStatus};

/// Which of the things that exist: by number, modulo how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// One that exists in the caller's tenant, near what the command is about.
    Near(u8),
    /// One that exists anywhere in the caller's tenant.
    Own(u8),
    /// One that exists no more, or that never did.
    Gone(u8),
    /// One of another tenant.
    Foreign(u8),
}

/// Which version the caller expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The right one.
    Right,
    /// So far off it.
    Off(i8),
}

/// Which token the caller brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// The right one, where a lease is current.
    Right,
    /// None.
    Missing,
    /// Another.
    WrongJournal(u8),
}

/// Which key the caller brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// None.
    None,
    /// The next number of a producer.
    Next(u8),
    /// An earlier number of a producer.
    Earlier(u8, u8),
    /// A text, new or used before.
    Text(u8),
}

/// Who acts, and through which handle.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "by number")]
pub struct Who {
    pub tenant: u8,
    pub user: u8,
    pub handle: u8,
    pub token: Token,
    pub key: KeyUse,
}

impl Who {
    /// Of the first tenant, with nothing that could be wrong.
    pub(super) const fn first(user: u8) -> Self {
        Self { tenant: 0, user, handle: 0, token: Token::Missing, key: KeyUse::None }
    }
}

/// A text by number: mostly a name that many share, sometimes a hostile one, sometimes one that is refused.
pub type Text = u16;

/// The edge of a new child.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "by number")]
pub struct Under {
    pub parent: Pick,
    pub run: Option<Pick>,
    pub modes: u8,
    pub purpose: Option<Text>,
    pub inherits: u8,
    pub answers: Option<Answers>,
}

/// What an intervention answers: a summary, or by number something outside.
#[derive(Clone, Copy, Debug)]
pub enum Answers {
    /// One that was sealed, or was not.
    Summary(Pick),
    /// Something outside.
    Leaf(u8),
}

/// A change of one key of a state.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "by number")]
pub struct Change {
    pub key: u8,
    /// Removes it where it is none.
    pub value: Option<u8>,
    pub expected: Option<Expected>,
}

/// A command.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "named after the commands")]
pub enum Act {
    CreateProject {
        name: Text,
        caps: u8,
        budget: Option<u8>,
        external_id: Option<u8>,
    },
    UpdateProject {
        project: Pick,
        expected: Expected,
        name: Option<Text>,
        caps: Option<u8>,
        budget: Option<u8>,
    },
    ArchiveProject(Pick),
    ReopenProject(Pick),
    DeleteProject(Pick),
    CreateThread {
        project: Pick,
        title: Text,
        external_id: Option<u8>,
        state: Vec<(u8, u8)>,
        budget: Option<u8>,
    },
    BeginThread {
        project: Pick,
        title: Text,
        external_id: Option<u8>,
        session: Option<u8>,
        texts: Vec<Text>,
        state: Vec<(u8, u8)>,
    },
    UpdateThread {
        thread: Pick,
        expected: Expected,
        title: Option<Text>,
        labels: Option<Text>,
        budget: Option<Option<u8>>,
    },
    ArchiveThread(Pick),
    ReopenThread(Pick),
    DeleteThread(Pick),
    PurgeThread(Pick),
    ReturnBudget(Pick),
    Erase {
        thread: Pick,
        entries: Vec<Pick>,
    },
    Vacuum(Pick),
    CreateSession {
        thread: Pick,
        name: Option<Text>,
        task: Option<u8>,
        owned: bool,
        under: Option<Under>,
        external_id: Option<u8>,
        texts: Vec<Text>,
        state: Vec<(u8, u8)>,
        lease: Option<u8>,
        budget: Option<u8>,
    },
    UpdateSession {
        session: Pick,
        expected: Expected,
        name: Option<Option<Text>>,
        task: Option<Option<u8>>,
        own: bool,
        budget: Option<Option<u8>>,
    },
    SetStatus {
        session: Pick,
        to: SessionStatus,
    },
    ReopenSession(Pick),
    ArchiveSession {
        session: Pick,
        /// To the archive that there is.
        named: bool,
        /// With its entries leaving the journal.
        evict: bool,
    },
    RestoreSession(Pick),
    Continue {
        session: Pick,
        name: Option<Text>,
        task: Option<u8>,
        texts: Vec<Text>,
    },
    Seal {
        session: Pick,
        summary: u8,
    },
    Collapse {
        edge: Pick,
        text: Text,
        autonomy: Option<u8>,
        exact: bool,
    },
    AcceptCollapse {
        collapse: Pick,
        text: Option<Text>,
    },
    RejectCollapse(Pick),
    DeleteSession(Pick),
    Link {
        child: Pick,
        under: Under,
    },
    UpdateEdge {
        edge: Pick,
        expected: Expected,
        purpose: Option<Option<Text>>,
        modes: Option<u8>,
        answers: Option<Answers>,
    },
    DeleteEdge(Pick),
    HandOff {
        session: Pick,
        expected: Expected,
        /// By number; more than one is a broadcast.
        owners: Vec<u8>,
        under: Under,
        texts: Vec<Text>,
        budget: Option<u8>,
    },
    StepMerge {
        edge: Pick,
        expected: Expected,
        to: SubSessionStatus,
    },
    Append {
        session: Pick,
        texts: Vec<Text>,
        run: Option<Pick>,
        reply: Option<Pick>,
        expected: Option<Expected>,
        state: Vec<Change>,
        thread_state: Vec<Change>,
    },
    SetState {
        session: Pick,
        changes: Vec<Change>,
    },
    SetThreadState {
        thread: Pick,
        changes: Vec<Change>,
    },
    StartRun {
        session: Pick,
        retry: Option<Pick>,
        task: Option<u8>,
        queued: bool,
        external_id: Option<u8>,
    },
    SetRunStatus {
        run: Pick,
        to: RunStatus,
    },
    EndRun {
        run: Pick,
        outcome: RunOutcome,
        echo: Option<bool>,
    },
    Await {
        run: Pick,
        edges: Vec<Pick>,
    },
    Sweep {
        thread: Pick,
        silent_for: u8,
        dry_run: bool,
    },
    Book {
        run: Pick,
        call: u8,
        amount: u8,
        echo: Option<bool>,
    },
    Claim {
        session: Pick,
        ttl: u8,
    },
    Renew {
        session: Pick,
        ttl: u8,
    },
    Release(Pick),
}

/// One step of a case.
#[derive(Clone, Debug)]
pub enum Step {
    /// A command.
    Do(Who, Act),
    /// An earlier command that had a key, sent once more through a handle.
    Again(u8, u8),
    /// The clock of a handle jumps, by seconds.
    Jump(u8, i32),
    /// Every handle is closed and opened again.
    Reopen,
    /// Everything is read, through a handle, and compared.
    Look(u8),
}
