//! What a store needs from outside.

use std::{sync::Arc, time::Duration};

use crate::{
    archive::ArchiveBackends,
    background::Background,
    clock::{Clock, IdSource},
    json::Json,
    kinds::Kinds,
    summarizer::Summarizer,
    tokens::{Estimate, TokenCounter},
    workspace::WorkspaceDrivers,
};

/// Clock, randomness and bounds of a store.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StoreOptions {
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where nonces, salts and ids come from.
    pub ids: Arc<dyn IdSource>,
    /// How far clocks of processes that share a store may be apart; a lease may be claimed this long after it expired.
    /// 30 s.
    pub max_skew: Duration,
    /// How long a call may take that brings no deadline of its own. 30 s.
    pub deadline: Duration,
    /// Bytes of thread states kept in memory, about; idle ones beyond it are dropped, oldest use first. 256 MiB.
    pub memory: usize,
    /// Bytes of folded logs kept in memory, about, for contexts; what was used longest ago beyond it is dropped. 64 MiB.
    pub context_memory: usize,
    /// What counts the tokens of messages. [`Estimate`].
    pub tokens: Arc<dyn TokenCounter>,
    /// What makes workspaces, by kind; beside `virtual`, which every store has. None.
    pub workspaces: WorkspaceDrivers,
    /// How long a driver may take for a call that brings no deadline of its own; a workspace that is made for longer counts as
    /// leaked, after the skew. 10 minutes.
    pub workspace_time: Duration,
    /// What makes the text of a collapse, where the caller brings none. None.
    pub summarizer: Option<Arc<dyn Summarizer>>,
    /// How long it may take for a call that brings no deadline of its own. 10 minutes.
    pub summary_time: Duration,
    /// Where sessions are archived to, by name. None.
    pub archives: ArchiveBackends,
    /// How long an archive may take for a bundle, in a call that brings no deadline of its own; one that is written for longer
    /// belongs to nothing, after the skew. 10 minutes.
    pub archive_time: Duration,
    /// What JSON parts of certain kinds must look like to be written. None.
    pub kinds: Kinds,
    /// What finishes the work of futures that are dropped. None.
    pub background: Option<Arc<dyn Background>>,
}

impl StoreOptions {
    /// The defaults.
    pub fn new(clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>) -> Self {
        Self {
            clock,
            ids,
            max_skew: Duration::from_secs(30),
            deadline: Duration::from_secs(30),
            memory: 256 << 20,
            context_memory: 64 << 20,
            tokens: Arc::new(Estimate),
            workspaces: WorkspaceDrivers::default(),
            workspace_time: Duration::from_secs(600),
            summarizer: None,
            summary_time: Duration::from_secs(600),
            archives: ArchiveBackends::default(),
            archive_time: Duration::from_secs(600),
            kinds: Kinds::default(),
            background: None,
        }
    }

    /// With another skew.
    #[must_use]
    pub const fn with_max_skew(mut self, skew: Duration) -> Self {
        self.max_skew = skew;
        self
    }

    /// With another default deadline.
    #[must_use]
    pub const fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// With another bound of the memory for contexts.
    #[must_use]
    pub const fn with_context_memory(mut self, bytes: usize) -> Self {
        self.context_memory = bytes;
        self
    }

    /// With another bound of memory.
    #[must_use]
    pub const fn with_memory(mut self, bytes: usize) -> Self {
        self.memory = bytes;
        self
    }

    /// With another counter of tokens.
    #[must_use]
    pub fn with_token_counter(mut self, counter: impl TokenCounter + 'static) -> Self {
        self.tokens = Arc::new(counter);
        self
    }

    /// With these drivers of workspaces.
    #[must_use]
    pub fn with_workspaces(mut self, drivers: WorkspaceDrivers) -> Self {
        self.workspaces = drivers;
        self
    }

    /// With another time that a driver may take.
    #[must_use]
    pub const fn with_workspace_time(mut self, time: Duration) -> Self {
        self.workspace_time = time;
        self
    }

    /// With this to make the texts of collapses.
    #[must_use]
    pub fn with_summarizer(mut self, summarizer: impl Summarizer) -> Self {
        self.summarizer = Some(Arc::new(summarizer));
        self
    }

    /// With another time that a summarizer may take.
    #[must_use]
    pub const fn with_summary_time(mut self, time: Duration) -> Self {
        self.summary_time = time;
        self
    }

    /// With these archives.
    #[must_use]
    pub fn with_archives(mut self, archives: ArchiveBackends) -> Self {
        self.archives = archives;
        self
    }

    /// With another time that an archive may take.
    #[must_use]
    pub const fn with_archive_time(mut self, time: Duration) -> Self {
        self.archive_time = time;
        self
    }

    /// With this to finish the work of futures that are dropped; see [`Handle::in_run`](crate::Handle::in_run).
    #[must_use]
    pub fn with_background(mut self, background: impl Background) -> Self {
        self.background = Some(Arc::new(background));
        self
    }

    /// With a validator of the JSON parts of a kind; see [`Kinds::with`].
    #[must_use]
    pub fn with_kind(
        mut self,
        kind: impl Into<String>,
        validate: impl Fn(&Json) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.kinds = self.kinds.with(kind, validate);
        self
    }
}
