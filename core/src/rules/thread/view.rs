//! From state to what callers see.

use std::sync::Arc;

use super::{
    keyed::KeyedValues,
    state::{Answered, EdgeState, RunState, SessionState, ThreadState},
};
use crate::{
    command::{Drill, SessionFilter, StateScope},
    id::{
        ArchiveId, EntryId, RunId, SessionId, SubSessionId, SummaryId, TenantId, ThreadId, Version,
        WorkspaceId,
    },
    model::{
        Archive, ForkBase, KeyedState, Labels, Lease, PrevArtifact, Run, Session, SessionRow,
        SubSession, Thread, Workspace,
    },
    workspace::WorkspaceName,
};

/// Children a drill shows at most.
const DRILL_CHILDREN: usize = 1000;

/// A thread's state with the names that are not in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) id: ThreadId,
    pub(crate) state: &'a ThreadState,
}

fn owned(text: &Option<Arc<str>>) -> Option<String> {
    text.as_deref().map(str::to_owned)
}

fn labels(labels: &Option<Arc<Labels>>) -> Labels {
    labels.as_deref().cloned().unwrap_or_default()
}

fn keyed_view(keyed: Option<&KeyedValues>) -> KeyedState {
    keyed.map(KeyedValues::view).unwrap_or_default()
}

impl Reading<'_> {
    pub(crate) fn thread(&self) -> Option<Thread> {
        let fields = self.state.thread.as_deref()?;
        Some(Thread {
            id: self.id,
            tenant: self.tenant.clone(),
            project: fields.project,
            external_id: owned(&fields.external_id),
            title: fields.title.clone(),
            labels: fields.labels.clone(),
            status: fields.status,
            created_by: fields.created_by.clone(),
            created_at: fields.created_at,
            updated_at: self.state.last_at,
            version: fields.version,
            head: self.state.version(),
            sessions: self.state.sessions.size() as u64,
            budget: self.state.budget_use(0),
        })
    }

    pub(crate) fn session(&self, version: Version) -> Option<Session> {
        let session = self.state.session(version)?;
        Some(Session {
            id: SessionId::new(self.id, version),
            tenant: self.tenant.clone(),
            project: self.state.thread.as_deref()?.project,
            thread: self.id,
            external_id: owned(&session.external_id),
            name: owned(&session.name),
            labels: labels(&session.labels),
            task: owned(&session.task),
            status: session.status,
            current_actor: session.actor.as_deref().cloned(),
            previous_actors: session.previous_actors.iter().map(|it| (**it).clone()).collect(),
            owner_version: session.owner_version,
            parent: session.parent.map(|e| SubSessionId::new(self.id, e)),
            depth: self.state.depth(version),
            base: session.base.map(|base| ForkBase {
                session: SessionId::new(self.id, base.session),
                version: base.upto,
            }),
            continues: self.session_id(session.continues),
            continued_as: self.session_id(session.continued_as),
            workspace: self.workspace_of(version),
            archive: session.archived.as_deref().map(|it| Archive {
                id: ArchiveId::new(self.id, it.archive),
                backend: it.backend.as_ref().to_owned(),
                before: it.before,
                records: it.records,
                entries: it.entries,
                digest: it.digest,
                evicted: it.evicted.is_some(),
            }),
            summary: self.summary_id(session.activity.summary),
            ended: session.activity.ended,
            budget: self.state.budget_use(version),
            entries: session.entries,
            tail: session.tail,
            created_at: session.created_at,
            updated_at: session.updated_at,
            version: session.version,
        })
    }

    fn session_id(&self, version: Version) -> Option<SessionId> {
        (version != 0).then(|| SessionId::new(self.id, version))
    }

    fn summary_id(&self, version: Version) -> Option<SummaryId> {
        (version != 0).then(|| SummaryId::new(self.id, version))
    }

    /// The workspace of a session.
    pub(crate) fn workspace_of(&self, session: Version) -> Option<WorkspaceId> {
        let workspace = self.state.workspace_of.get(&session);
        workspace.map(|version| WorkspaceId::new(self.id, *version))
    }

    /// A workspace that is not gone; `store` says whose names these are.
    pub(crate) fn workspace(&self, version: Version, store: u128) -> Option<Workspace> {
        let it = self.state.workspaces.get(&version)?;
        let id = WorkspaceId::new(self.id, version);
        let is_owned = self.state.session(it.session).is_some();
        Some(Workspace {
            id,
            kind: it.kind.as_ref().to_owned(),
            label: it.label.clone(),
            name: WorkspaceName::new(it.label.clone(), store, id).to_string(),
            status: it.status,
            session: is_owned.then(|| SessionId::new(self.id, it.session)),
            reference: owned(&it.reference),
            saved: it.saved.clone(),
            created_by: it.created_by.clone(),
            created_at: it.created_at,
            version: it.version,
        })
    }

    pub(crate) fn row(
        &self,
        version: Version,
        session: &SessionState,
        with_state: bool,
    ) -> SessionRow {
        let parent = session.parent.and_then(|edge| self.state.edge(edge)).map(|edge| edge.parent);
        SessionRow {
            id: SessionId::new(self.id, version),
            external_id: owned(&session.external_id),
            name: owned(&session.name),
            labels: labels(&session.labels),
            task: owned(&session.task),
            status: session.status,
            actor: session.actor.as_deref().cloned(),
            parent: parent.map(|p| SessionId::new(self.id, p)),
            depth: parent.map_or(0, |p| self.state.depth(p).saturating_add(1)),
            entries: session.entries,
            last_entry: (session.last_entry != 0)
                .then(|| EntryId::new(self.id, session.last_entry)),
            open_run: session.live_runs.last().map(|r| RunId::new(self.id, *r)),
            updated_at: session.updated_at,
            version: session.version,
            state: with_state.then(|| keyed_view(session.keyed.as_deref())),
        }
    }

    /// The keyed state at the head; `None` for a session that does not exist.
    pub(crate) fn keyed_state(&self, of: StateScope) -> Option<KeyedState> {
        let keyed = match of {
            StateScope::Session(session) => &self.state.session(session.version())?.keyed,
            StateScope::Thread(_) => &self.state.keyed,
        };
        Some(keyed_view(keyed.as_deref()))
    }

    pub(crate) fn edge(&self, version: Version) -> Option<SubSession> {
        self.state.edge(version).map(|edge| self.edge_of(version, edge))
    }

    fn edge_of(&self, version: Version, edge: &EdgeState) -> SubSession {
        SubSession {
            id: SubSessionId::new(self.id, version),
            parent: SessionId::new(self.id, edge.parent),
            child: SessionId::new(self.id, edge.child),
            kind: edge.kind,
            status: edge.status,
            spawned_by: edge.spawned_by.as_deref().cloned(),
            spawned_by_run: edge.spawned_by_run.map(|r| RunId::new(self.id, r)),
            failure_mode: edge.failure_mode,
            completion_mode: edge.completion_mode,
            broadcast: edge.broadcast,
            prev_artifact: edge.answers.as_ref().and_then(|answers| match answers {
                Answered::Summary(it) => self.summary_id(it.summary).map(PrevArtifact::Summary),
                Answered::Leaf(leaf) => Some(PrevArtifact::Leaf(leaf.as_deref()?.to_owned())),
            }),
            purpose: owned(&edge.purpose),
            summary: self.summary_id(edge.summary),
            before_archive: edge.before_archive,
            created_at: edge.created_at,
            updated_at: edge.updated_at,
            version: edge.version,
        }
    }

    /// Edges below a session after a version, in creation order.
    pub(crate) fn children(
        &self,
        session: &SessionState,
        after: Version,
        limit: usize,
    ) -> Vec<SubSession> {
        let later =
            session.children.range((std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded));
        later.take(limit).filter_map(|e| self.edge(*e)).collect()
    }

    pub(crate) fn drill(&self, version: Version) -> Option<Drill> {
        let state = self.state.session(version)?;
        let mut ancestry: Vec<_> =
            self.state.upwards(version).map(|s| SessionId::new(self.id, s)).collect();
        ancestry.reverse();
        Some(Drill {
            session: self.session(version)?,
            ancestry,
            children: self.children(state, 0, DRILL_CHILDREN),
            head: self.state.version(),
        })
    }

    pub(crate) fn live_run(&self, version: Version) -> Option<Run> {
        self.state.run(version).map(|run| self.live_run_of(version, run))
    }

    fn live_run_of(&self, version: Version, run: &RunState) -> Run {
        let id = RunId::new(self.id, version);
        Run {
            id,
            session: SessionId::new(self.id, run.session),
            iteration: run.iteration,
            retry_of: run.retry_of.map(|r| RunId::new(self.id, r)),
            task: owned(&run.task),
            labels: labels(&run.labels),
            external_id: run.external_id(id),
            model: owned(&run.model),
            provider: owned(&run.provider),
            status: run.status,
            awaits: run.awaits.iter().map(|edge| SubSessionId::new(self.id, *edge)).collect(),
            outcome: None,
            started_at: run.started_at,
            ended_at: None,
            usage: run.totals.clone(),
            version: run.version,
        }
    }

    pub(crate) fn lease(&self, version: Version) -> Option<Lease> {
        let lease = self.state.session(version)?.lease.as_ref()?;
        Some(Lease {
            session: SessionId::new(self.id, version),
            holder: lease.holder.clone(),
            token: lease.token,
            ttl_millis: lease.ttl_millis,
            expires_at: lease.expires_at(),
        })
    }

    /// Whether a session passes a filter of SES8.
    pub(crate) fn passes(session: &SessionState, filter: &SessionFilter) -> bool {
        filter.status.is_none_or(|status| session.status == status)
            && filter.task.as_deref().is_none_or(|task| session.task.as_deref() == Some(task))
            && filter.actor.as_ref().is_none_or(|actor| session.actor.as_deref() == Some(actor))
            && filter.label.as_ref().is_none_or(|(key, value)| {
                session.labels.as_ref().is_some_and(|l| l.matches(key, value))
            })
    }
}
