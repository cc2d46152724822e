//! A thread whose project names an archive, sessions to archive in it, and all that can be read of one.

use std::{sync::Arc, time::Duration};

use sessile_core::{
    Error, Handle, Store,
    archive::{ArchiveBackend, CollectBundles, CollectedBundle},
    command::{Archiving, NewRun, NewSession, NewSubSession},
    id::{ArchiveId, SessionId, SubSessionId},
    json::Json,
    model::{
        CompletionMode, Context, Entry, KeyedState, LedgerRow, NewSummary, ProjectConfig,
        Retention, RollUp, Run, RunOutcome, Session, SubSession, SubSessionStatus, Summary,
        SummaryOutcome, Tokens, Usage, assistant, edit,
    },
};

use crate::internal::{
    ClauseContext,
    archives::ARCHIVE,
    fault::{Call, InterruptedJournal},
    shorthand::{pages, says},
    workspaces::Lab,
};

/// A thread in a project that archives to where all stores of the suite do.
pub(super) struct Place {
    pub(super) lab: Lab,
    pub(super) handle: Handle,
    /// A session to spawn from.
    pub(super) parent: SessionId,
}

/// The configuration of its project.
pub(super) fn config() -> ProjectConfig {
    ProjectConfig::default().with_max_delegation_width(1000).with_retention(Retention::to(ARCHIVE))
}

impl Place {
    pub(super) async fn new(cx: &ClauseContext) -> Self {
        Self::with(cx, config()).await
    }

    pub(super) async fn with(cx: &ClauseContext, config: ProjectConfig) -> Self {
        let lab = Lab::with(cx, config).await;
        let handle = lab.handle();
        let parent = cx.session_in(&lab.store, &lab.caller, lab.thread).await;
        Self { lab, handle, parent }
    }

    pub(super) fn archive(&self) -> Arc<dyn ArchiveBackend> {
        self.lab.cx.archive()
    }

    /// A child that has not begun, with a log of some entries.
    pub(super) async fn spawned(&self, name: &str) -> (SessionId, SubSessionId) {
        let edge = NewSubSession {
            completion_mode: CompletionMode::MergeBack,
            ..NewSubSession::under(self.parent).for_purpose(name)
        };
        let session = NewSession::named(name)
            .with_label("role", "worker")
            .for_task("build")
            .with_state("step", Json::parse("1").expect("JSON"))
            .with_turn([says("go"), says("on")]);
        let made = self.handle.spawn(edge, session).await.expect("a child");
        (made.id, made.edge.expect("its edge"))
    }

    /// A child that did its work: a run with usage, an edit, a body in a blob, a summary.
    pub(super) async fn worked(&self, name: &str) -> (SessionId, SubSessionId) {
        let (session, edge) = self.spawned(name).await;
        self.work(session, RunOutcome::Succeeded).await;
        let summary = NewSummary::new(SummaryOutcome::Succeeded, "all of it");
        self.handle.seal_summary(session, summary).await.expect("a summary");
        (session, edge)
    }

    /// A child that did little, and is over.
    pub(super) async fn ended(&self, name: &str) -> (SessionId, SubSessionId) {
        let (session, edge) = self.spawned(name).await;
        let run = self.handle.start_run(session, NewRun::default()).await.expect("a run");
        self.handle.end_run(run, RunOutcome::Succeeded).await.expect("its end");
        (session, edge)
    }

    /// A run of a session, and what it says and costs.
    pub(super) async fn work(&self, session: SessionId, outcome: RunOutcome) {
        let handle = &self.handle;
        let run = handle.start_run(session, NewRun::default()).await.expect("a run");
        let said = handle.append(session, [assistant("long ".repeat(20_000))]).await;
        let said = said.expect("an entry").first;
        handle.append(session, [edit(said, assistant_message("shorter"))]).await.expect("an edit");
        let tokens = Tokens { input: 3, output: 5, cache_read: 0, cache_write: 0 };
        handle.book_usage(run, "call", Usage::new(tokens, 1)).await.expect("a booking");
        handle.end_run(run, outcome).await.expect("its end");
    }

    pub(super) async fn step(&self, edge: SubSessionId, to: SubSessionStatus) {
        let version = self.edge(edge).await.version;
        self.handle.step_merge(edge, version, to).await.expect("a step");
    }

    pub(super) async fn session(&self, session: SessionId) -> Session {
        self.handle.session(session).await.expect("an answer").expect("the session")
    }

    pub(super) async fn edge(&self, edge: SubSessionId) -> SubSession {
        self.handle.edge(edge).await.expect("an answer").expect("the edge")
    }

    pub(super) async fn archived(&self, session: SessionId) -> ArchiveId {
        let archived = self.handle.archive_session(session, Archiving::new()).await;
        archived.expect("it is archived")
    }

    /// All that can be read of a session and its edge.
    pub(super) async fn all_of(&self, session: SessionId) -> Everything {
        everything(&self.handle, session).await
    }

    /// A store of the place whose journal fails once, at the commit after so many.
    pub(super) async fn failing_after(&self, commits: usize) -> (Store, Arc<InterruptedJournal>) {
        let fails = async { Err(Error::failed("the engine fails for now")) };
        let below = self.lab.cx.journal().await;
        let broken = InterruptedJournal::after(below, Call::Commit, commits, fails);
        let clock = Arc::clone(&self.lab.clock);
        let store = self.lab.cx.store_over(Arc::clone(&broken) as _, clock, |options| options);
        (store, broken)
    }

    /// The names of the objects in the archive.
    pub(super) async fn objects(&self) -> Vec<String> {
        objects(&*self.archive(), "").await
    }

    pub(super) async fn collect(&self, collect: CollectBundles) -> Vec<CollectedBundle> {
        let collected = self.lab.store.collect_bundles(&self.lab.caller, collect).await;
        collected.expect("the collector ends")
    }

    /// Whoever still archives is late by now.
    pub(super) fn archivers_are_late(&self) {
        self.lab.clock.advance(Duration::from_secs(3600));
    }
}

fn assistant_message(text: &str) -> sessile_core::model::Message {
    assistant(text).message().expect("a message").clone()
}

/// All names that begin so, a few at a time.
pub(super) async fn objects(archive: &dyn ArchiveBackend, prefix: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    loop {
        let after = names.last().map(String::as_str);
        let page = archive.list(prefix, after, 3).await.expect("a list");
        if page.is_empty() {
            return names;
        }
        assert!(page.len() <= 3, "as many as were asked for");
        names.extend(page);
        assert!(names.is_sorted(), "in the order of their bytes: {names:?}");
    }
}

/// All that can be read of a session.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Everything {
    pub(super) session: Session,
    pub(super) edge: Option<SubSession>,
    pub(super) entries: Vec<Entry>,
    pub(super) context: Context,
    pub(super) runs: Vec<Run>,
    pub(super) ledger: Vec<LedgerRow>,
    pub(super) usage: RollUp,
    pub(super) summaries: Vec<Summary>,
    pub(super) state: KeyedState,
}

pub(super) async fn everything(handle: &Handle, id: SessionId) -> Everything {
    let session = handle.session(id).await.expect("an answer").expect("the session");
    let edge = match session.parent {
        Some(edge) => handle.edge(edge).await.expect("an answer"),
        None => None,
    };
    Everything {
        session,
        edge,
        entries: pages(2, |page| handle.entries(id).page(page)).await,
        context: handle.context(id).await.expect("a context"),
        runs: handle.runs(id).all().await.expect("a list"),
        ledger: handle.ledger(id).all().await.expect("a list"),
        usage: handle.usage(id).await.expect("a sum"),
        summaries: handle.summaries(id).all().await.expect("a list"),
        state: handle.state(id).await.expect("a state"),
    }
}

impl Everything {
    /// The same, but for what archiving and restoring change: the versions of the two, when they changed, and whether it is
    /// archived, where that is to be left out.
    pub(super) fn without_marks(mut self, of_archive: bool) -> Self {
        let nothing = sessile_core::Timestamp::from_millis(0);
        (self.session.version, self.session.updated_at) = (0, nothing);
        if let Some(edge) = &mut self.edge {
            (edge.version, edge.updated_at) = (0, nothing);
        }
        if of_archive {
            if let Some(archive) = self.session.archive.take() {
                self.session.status = archive.before;
            }
            if let Some(edge) = &mut self.edge
                && let Some(before) = edge.before_archive.take()
            {
                edge.status = before;
            }
        }
        // A context is as of a version of the thread.
        self.context.version = 0;
        self
    }
}
