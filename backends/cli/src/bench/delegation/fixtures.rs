//! A store with what is handed on in it.

use sessile::{
    command::{NewProject, NewRun, NewSession, NewSubSession, NewThread, Paging, UsageScope},
    handle::Handle,
    id::{ProjectId, SessionId, ThreadId},
    model::{
        Actor, NewEntry, NewSummary, ProjectConfig, Role, RunOutcome, SummaryOutcome, Tokens, Usage,
    },
    store::Store,
};

use super::{
    super::{
        ours::{expect, together},
        sizes::{SESSIONS, WRITERS},
    },
    Amounts,
};
use crate::fail::Result;

/// Children of one session, and handoffs of one.
const EACH: u64 = 100;

/// The task of all runs.
const TASK: &str = "build";

pub(super) struct Delegation {
    store: Store,
    bench: Handle,
    project: ProjectId,
    /// Of 100 sessions that can be taken up again.
    crowd: ThreadId,
    /// With many runs.
    busy: SessionId,
    runs: usize,
    /// Of many threads with one run each.
    many: ProjectId,
    threads: usize,
}

impl Delegation {
    /// With so many more sessions beside what is measured.
    pub(super) async fn fill(store: Store, amounts: &Amounts, more: usize) -> Result<Self> {
        let bench = store.caller("bench", Actor::system("bench"))?;
        let config = ProjectConfig::default().with_max_delegation_width(1000);
        let project = NewProject::named("bench").with_config(config);
        let project = bench.create_project(project).await?;
        let others = bench.create_project("others").await?;
        let each = more.div_ceil(SESSIONS).div_ceil(WRITERS);
        let makers = (0..more.div_ceil(SESSIONS).div_ceil(each.max(1))).map(|_| {
            let bench = bench.clone();
            async move {
                for _ in 0..each {
                    crowd(&bench, others).await?;
                }
                Ok(())
            }
        });
        together(makers).await?;
        let crowd = crowd(&bench, project).await?;
        let busy = bench.create_thread(project, "busy").await?;
        let busy = bench.create_session(busy, NewSession::named("busy").for_task(TASK)).await?;
        for _ in 0..amounts.runs {
            work(&bench, busy).await?;
        }
        let many = bench.create_project("many").await?;
        let share = amounts.threads.div_ceil(WRITERS);
        let makers = (0..amounts.threads.div_ceil(share)).map(|i| {
            let bench = bench.clone();
            let mine = share.min(amounts.threads - i * share);
            async move {
                for _ in 0..mine {
                    let begun = bench.begin_thread(many, "one of many", "session").await?;
                    work(&bench, begun.session.id).await?;
                }
                Ok(())
            }
        });
        together(makers).await?;
        let (runs, threads) = (amounts.runs, amounts.threads);
        Ok(Self { store, bench, project, crowd, busy, runs, many, threads })
    }

    pub(super) async fn close(&self) -> Result<()> {
        Ok(self.store.close().await?)
    }

    /// Sessions for so many operations, in threads of their own; none for what only reads.
    pub(super) async fn prepare(&self, what: &str, n: u64) -> Result<Vec<SessionId>> {
        let mut sessions = Vec::new();
        if matches!(what, "spawn" | "hand_off" | "summary") {
            for _ in 0..n.div_ceil(EACH) {
                let owned = NewSession::named("one").owned_by(self.bench.caller().actor.clone());
                let begun = self.bench.begin_thread(self.project, NewThread::default(), owned);
                sessions.push(begun.await?.session.id);
            }
        }
        Ok(sessions)
    }

    pub(super) async fn spawn(&self, parents: &[SessionId], n: u64) -> Result<()> {
        for (parent, _) in shared(parents, n) {
            self.bench.spawn(NewSubSession::under(parent), "child").await?;
        }
        Ok(())
    }

    pub(super) async fn hand_off(&self, sources: &[SessionId], n: u64) -> Result<()> {
        for (source, nth) in shared(sources, n) {
            let next = NewSession::named("next").owned_by(self.bench.caller().actor.clone());
            self.bench.hand_off(source, nth, next).await?;
        }
        Ok(())
    }

    pub(super) async fn summary(&self, sessions: &[SessionId], n: u64) -> Result<()> {
        for (session, _) in shared(sessions, n) {
            self.bench.append(session, NewEntry::text(Role::User, "go on")).await?;
            let summary = NewSummary::new(SummaryOutcome::Succeeded, "x".repeat(200));
            self.bench.seal_summary(session, summary).await?;
        }
        Ok(())
    }

    pub(super) async fn resume(&self, _: &[SessionId], n: u64) -> Result<()> {
        for _ in 0..n {
            let page = Paging::first(SESSIONS);
            let found = self.bench.resumable(self.crowd).page(page).await?;
            expect(found.items.len(), SESSIONS)?;
        }
        Ok(())
    }

    pub(super) async fn session_totals(&self, _: &[SessionId], n: u64) -> Result<()> {
        self.totals(UsageScope::Session(self.busy), n).await
    }

    pub(super) async fn task_totals(&self, _: &[SessionId], n: u64) -> Result<()> {
        self.totals(UsageScope::Task(self.busy.thread(), TASK.into()), n).await
    }

    async fn totals(&self, of: UsageScope, n: u64) -> Result<()> {
        for _ in 0..n {
            let found = self.bench.usage(of.clone()).await?;
            expect(found.totals.map_or(0, |totals| totals.calls) as usize, self.runs)?;
        }
        Ok(())
    }

    pub(super) async fn project_totals(&self, _: &[SessionId], n: u64) -> Result<()> {
        for _ in 0..n {
            let found = self.bench.project_usage(self.many).await?;
            let calls = found.roll_up.totals.map_or(0, |totals| totals.calls);
            expect(calls as usize, self.threads)?;
        }
        Ok(())
    }
}

/// Which session each of so many operations is of, and its number there.
fn shared(sessions: &[SessionId], n: u64) -> impl Iterator<Item = (SessionId, u64)> {
    let each = sessions.iter().flat_map(|session| (0..EACH).map(move |nth| (*session, nth)));
    each.take(n as usize)
}

/// A thread of 100 sessions in each of which something was said.
async fn crowd(bench: &Handle, project: ProjectId) -> sessile::Result<ThreadId> {
    let thread = bench.create_thread(project, "many sessions").await?;
    for i in 0..SESSIONS {
        let new = NewSession::named(format!("session {i}"));
        bench.create_session(thread, new.with_turn([NewEntry::text(Role::User, "go")])).await?;
    }
    Ok(thread)
}

/// A run that makes one call.
async fn work(bench: &Handle, session: SessionId) -> sessile::Result<()> {
    let run = bench.start_run(session, NewRun::default()).await?;
    bench.book_usage(run, "call", Usage::new(Tokens::new(100, 10), 1)).await?;
    bench.end_run(run, RunOutcome::Succeeded).await?;
    Ok(())
}
