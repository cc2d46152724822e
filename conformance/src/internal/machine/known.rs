//! The things that the numbers of a case stand for.

use sessile_core::{
    Caller,
    command::{SessionOutcome, ThreadOutcome},
    id::{CollapseId, EntryId, ProjectId, RunId, SessionId, SubSessionId, SummaryId, ThreadId},
    model::CollapseStatus,
};

use super::step::Pick;
use crate::internal::model::Model;

/// Every id a tenant was ever given, in the order they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    projects: Vec<ProjectId>,
    threads: Vec<ThreadId>,
    sessions: Vec<SessionId>,
    edges: Vec<SubSessionId>,
    runs: Vec<RunId>,
    entries: Vec<EntryId>,
    collapses: Vec<CollapseId>,
    summaries: Vec<SummaryId>,
}

impl Known {
    pub(super) fn learn_thread(&mut self, outcome: &ThreadOutcome) {
        match outcome {
            ThreadOutcome::ProjectCreated(made) => add(&mut self.projects, made.id),
            ThreadOutcome::ThreadCreated(made) => add(&mut self.threads, made.id),
            ThreadOutcome::ThreadBegun(begun) => {
                add(&mut self.threads, begun.thread.id);
                self.learn_session(&SessionOutcome::SessionCreated(begun.session));
            }
            _ => {}
        }
    }

    pub(super) fn learn_session(&mut self, outcome: &SessionOutcome) {
        match outcome {
            SessionOutcome::SessionCreated(made) => {
                add(&mut self.sessions, made.id);
                made.edge.iter().for_each(|edge| add(&mut self.edges, *edge));
                let said = made.appended.iter().flat_map(|said| said.entries());
                said.for_each(|entry| add(&mut self.entries, entry));
            }
            SessionOutcome::CollapseProposed(made) => {
                add(&mut self.collapses, made.id);
                made.entry.iter().for_each(|entry| add(&mut self.entries, *entry));
            }
            SessionOutcome::Summarised(summary) => add(&mut self.summaries, *summary),
            SessionOutcome::Linked(edge) => add(&mut self.edges, *edge),
            SessionOutcome::RunStarted(run) => add(&mut self.runs, *run),
            SessionOutcome::Appended(said) => {
                said.entries().for_each(|entry| add(&mut self.entries, entry));
            }
            _ => {}
        }
    }
}

fn add<T: PartialEq>(all: &mut Vec<T>, it: T) {
    if !all.contains(&it) {
        all.push(it);
    }
}

/// The things of the callers' tenants, as far as the model says they exist.
pub(super) struct Names<'a> {
    pub(super) caller: &'a Caller,
    pub(super) own: &'a Known,
    pub(super) foreign: &'a Known,
    pub(super) model: &'a Model,
}

/// One of some that exist; else one that once did; else one that never did.
fn choose<T: Copy>(
    pick: Pick,
    (own, foreign): (&[T], &[T]),
    exists: impl Fn(T) -> bool,
    near: impl Fn(T) -> bool,
    never: T,
) -> T {
    let among = |some: Vec<T>, n: u8| some.get(usize::from(n) % some.len().max(1)).copied();
    let of = |wanted: &dyn Fn(T) -> bool| {
        own.iter().copied().filter(|it| wanted(*it)).collect::<Vec<T>>()
    };
    match pick {
        Pick::Near(n) => {
            among(of(&|it| exists(it) && near(it)), n).or_else(|| among(of(&exists), n))
        }
        Pick::Own(n) => among(of(&exists), n),
        Pick::Gone(n) => among(of(&|it| !exists(it)), n),
        Pick::Foreign(n) => among(foreign.to_vec(), n),
    }
    .unwrap_or(never)
}

impl Names<'_> {
    fn tenant(&self) -> Option<&crate::internal::model::Tenant> {
        self.model.tenants.get(&self.caller.tenant)
    }

    fn in_thread<T>(
        &self,
        id: ThreadId,
        look: impl Fn(&crate::internal::model::Thread) -> Option<T>,
    ) -> Option<T> {
        self.tenant().and_then(|t| t.threads.get(&id)).and_then(look)
    }

    fn nowhere(&self) -> ThreadId {
        ThreadId::mint(&self.caller.tenant, 1, 1)
    }

    pub(super) fn project(&self, pick: Pick) -> ProjectId {
        let exists = |id| self.tenant().is_some_and(|t| t.projects.contains_key(&id));
        let never = ProjectId::mint(&self.caller.tenant, 1, 1);
        choose(pick, (&self.own.projects, &self.foreign.projects), exists, |_| true, never)
    }

    pub(super) fn thread(&self, pick: Pick) -> ThreadId {
        let exists = |id| self.tenant().is_some_and(|t| t.threads.contains_key(&id));
        choose(pick, (&self.own.threads, &self.foreign.threads), exists, |_| true, self.nowhere())
    }

    pub(super) fn session(&self, pick: Pick, near: Option<ThreadId>) -> SessionId {
        let exists = |id: SessionId| {
            self.in_thread(id.thread(), |t| t.sessions.get(&id.version()).map(|_| ())).is_some()
        };
        let never = SessionId::new(near.unwrap_or_else(|| self.nowhere()), 1 << 40);
        let close = |id: SessionId| near.is_none_or(|t| id.thread() == t);
        choose(pick, (&self.own.sessions, &self.foreign.sessions), exists, close, never)
    }

    pub(super) fn edge(&self, pick: Pick) -> SubSessionId {
        let exists = |id: SubSessionId| {
            self.in_thread(id.thread(), |t| t.edges.get(&id.version()).map(|_| ())).is_some()
        };
        let never = SubSessionId::new(self.nowhere(), 3);
        choose(pick, (&self.own.edges, &self.foreign.edges), exists, |_| true, never)
    }

    pub(super) fn collapse(&self, pick: Pick) -> CollapseId {
        let status = |id: CollapseId| {
            self.in_thread(id.thread(), |t| t.collapses.get(&id.version()).map(|it| it.status))
        };
        let is_open = |id: CollapseId| status(id) == Some(CollapseStatus::Open);
        let never = CollapseId::new(self.nowhere(), 3);
        let all = (&self.own.collapses[..], &self.foreign.collapses[..]);
        choose(pick, all, |id| status(id).is_some(), is_open, never)
    }

    /// A summary, near a thread: one of its own.
    pub(super) fn summary(&self, pick: Pick, near: ThreadId) -> SummaryId {
        let of = |id: SummaryId| {
            self.in_thread(id.thread(), |t| {
                t.sessions.contains_key(t.summaries.get(&id.version())?).then_some(())
            })
        };
        let never = SummaryId::new(near, 1 << 40);
        let all = (&self.own.summaries[..], &self.foreign.summaries[..]);
        choose(pick, all, |id| of(id).is_some(), |id| id.thread() == near, never)
    }

    /// An edge, near a session: one below it.
    pub(super) fn edge_below(&self, pick: Pick, session: SessionId) -> SubSessionId {
        let parent = |id: SubSessionId| {
            self.in_thread(id.thread(), |t| t.edges.get(&id.version()).map(|e| e.parent))
        };
        let close = |id: SubSessionId| {
            id.thread() == session.thread() && parent(id) == Some(session.version())
        };
        let never = SubSessionId::new(session.thread(), 1 << 40);
        let all = (&self.own.edges[..], &self.foreign.edges[..]);
        choose(pick, all, |id| parent(id).is_some(), close, never)
    }

    /// A run, near a session: one of its own.
    pub(super) fn run(&self, pick: Pick, near: Option<SessionId>) -> RunId {
        let of = |id: RunId| {
            self.in_thread(id.thread(), |t| {
                t.runs.get(&id.version()).filter(|r| !r.gone).map(|r| r.session)
            })
        };
        let close = |id: RunId| {
            near.is_none_or(|s| id.thread() == s.thread() && of(id) == Some(s.version()))
        };
        let never = RunId::new(near.map_or_else(|| self.nowhere(), SessionId::thread), 1 << 40);
        choose(pick, (&self.own.runs, &self.foreign.runs), |id| of(id).is_some(), close, never)
    }

    pub(super) fn entry(&self, pick: Pick, near: ThreadId) -> EntryId {
        let exists = |id: EntryId| {
            self.in_thread(id.thread(), |t| t.entries.get(&id.version()).map(|_| ())).is_some()
        };
        let close = |id: EntryId| id.thread() == near;
        let never = EntryId::new(near, 1 << 40);
        choose(pick, (&self.own.entries, &self.foreign.entries), exists, close, never)
    }

    /// The session whose lease a write needs.
    pub(super) fn token_of(&self, session: SessionId) -> Option<u64> {
        self.in_thread(session.thread(), |t| {
            t.sessions.get(&session.version()).and_then(|s| s.lease.as_ref()).map(|l| l.token)
        })
    }
}
