//! What the model answers, as JSON: the shape every answer of a store serialises to.

use serde::Serialize;
use serde_json::{Value, json};
use sessile_core::{
    id::{ArchiveId, EntryId, ProjectId, RunId, SummaryId, TenantId, ThreadId, Version},
    model::{Collapse, Entry, EntryKind, Totals},
};

use crate::internal::archives::ARCHIVE;

use super::{
    runs::of,
    state::{Call, Edge, Model, ModelRun, Thread, edge_id, session_id},
};

/// A value as JSON.
pub fn value(it: &impl Serialize) -> Value {
    serde_json::to_value(it).expect("answers serialise")
}

/// An entry as JSON; its message as text, so that spelling counts.
pub fn entry_value(entry: &Entry) -> Value {
    json!({
        "id": entry.id, "session": entry.session, "version": entry.version, "actor": entry.actor, "at": entry.at,
        "run": entry.run, "in_reply_to": entry.in_reply_to, "copied_from": entry.copied_from,
        "is_marker": entry.kind == EntryKind::Marker, "evicted": entry.evicted,
        "message": serde_json::to_string(&entry.message()).expect("a message serialises"),
    })
}

/// A collapse as JSON, but for what counts and clocks say.
pub fn collapse_value(it: &Collapse) -> Value {
    json!({
        "id": it.id, "edge": it.edge, "child": it.child, "upto": it.upto, "parent": it.parent, "autonomy": it.autonomy,
        "status": it.status, "entry": it.entry, "text": it.text, "created_by": it.created_by, "version": it.version,
    })
}

impl Model {
    /// A project as `project` shows it.
    pub fn project_value(&self, tenant: &TenantId, id: ProjectId) -> Option<Value> {
        let p = self.tenants.get(tenant)?.projects.get(&id)?;
        let mut value = json!({
            "id": id, "tenant": tenant, "external_id": p.external_id, "name": p.name, "status": p.status, "config": p.config,
            "created_at": p.created_at, "updated_at": p.updated_at, "version": p.version,
        });
        if let Some(budget) = p.budget_value() {
            value["budget"] = budget;
        }
        Some(value)
    }

    /// A thread as `thread` shows it.
    pub fn thread_value(&self, tenant: &TenantId, id: ThreadId) -> Option<Value> {
        let t = self.tenants.get(tenant)?.threads.get(&id)?;
        let mut value = json!({
            "id": id, "tenant": tenant, "project": t.project, "external_id": t.external_id, "title": t.title, "labels": t.labels, "status": t.status,
            "created_by": t.created_by, "created_at": t.created_at, "updated_at": t.updated_at,
            "version": t.version, "head": t.head, "sessions": t.sessions.len(),
        });
        if let Some(budget) = t.budget_value(0) {
            value["budget"] = budget;
        }
        Some(value)
    }

    /// A thread as `threads` lists it.
    pub fn thread_row(&self, tenant: &TenantId, id: ThreadId) -> Option<Value> {
        let t = self.tenants.get(tenant)?.threads.get(&id)?;
        Some(json!({
            "id": id, "project": t.project, "external_id": t.external_id, "title": t.title, "labels": t.labels, "status": t.status,
            "created_at": t.created_at, "updated_at": t.updated_at, "head": t.head,
            "sessions": t.sessions.len(), "totals": t.roll_up(|_| true).totals,
        }))
    }

    /// A session as `session` shows it.
    pub fn session_value(&self, tenant: &TenantId, id: ThreadId, v: Version) -> Option<Value> {
        let t = self.tenants.get(tenant)?.threads.get(&id)?;
        let s = t.sessions.get(&v)?;
        let log = t.entries.values().filter(|e| e.session == v).count();
        let mut value = json!({
            "id": session_id(id, v), "tenant": tenant, "project": t.project, "thread": id, "external_id": s.external_id, "name": s.name,
            "labels": s.labels, "task": s.task, "status": s.status, "current_actor": s.actor,
            "previous_actors": s.previous_actors, "owner_version": s.owner_version, "parent": t.above(v).map(|(e, _)| edge_id(id, e)),
            "depth": t.ancestry(v).len() - 1, "entries": log, "tail": t.tail(v), "ended": s.ended,
            "created_at": s.created_at, "updated_at": s.updated_at, "version": s.version,
        });
        for (field, other) in [("continues", s.continues), ("continued_as", s.continued_as)] {
            if let Some(other) = other {
                value[field] = json!(session_id(id, other));
            }
        }
        if let Some((of, upto)) = t.bases.get(&v) {
            value["base"] = json!({ "session": session_id(id, *of), "version": upto });
        }
        if let Some(budget) = t.budget_value(v) {
            value["budget"] = budget;
        }
        if s.summary > 0 {
            value["summary"] = json!(SummaryId::new(id, s.summary));
        }
        if let Some((archive, before)) = s.archived {
            let (archive, entries) = (ArchiveId::new(id, archive), log);
            value["archive"] =
                json!({ "id": archive, "backend": ARCHIVE, "before": before, "entries": entries });
            if s.evicted.is_some() {
                value["archive"]["evicted"] = json!(true);
            }
        }
        Some(value)
    }
}

impl Thread {
    /// A session as `sessions` lists it.
    pub fn session_row(&self, id: ThreadId, v: Version) -> Value {
        let s = &self.sessions[&v];
        let log = self.entries.values().filter(|e| e.session == v).count();
        let last = self.entries.iter().rev().find(|(_, e)| e.session == v).map(|(v, _)| *v);
        let open_run = self.live_runs(v).map(|(v, _)| RunId::new(id, v)).last();
        json!({
            "id": session_id(id, v), "external_id": s.external_id, "name": s.name, "labels": s.labels, "task": s.task, "status": s.status,
            "actor": s.actor, "parent": self.above(v).map(|(_, e)| session_id(id, e.parent)),
            "depth": self.ancestry(v).len() - 1, "entries": log,
            "last_entry": last.map(|last| EntryId::new(id, last)), "open_run": open_run,
            "updated_at": s.updated_at, "version": s.version,
        })
    }

    /// An edge as `edge` shows it.
    pub fn edge_value(&self, id: ThreadId, v: Version) -> Option<Value> {
        let e: &Edge = self.edges.get(&v)?;
        let mut value = json!({
            "id": edge_id(id, v), "parent": session_id(id, e.parent), "child": session_id(id, e.child),
            "kind": e.kind, "status": e.status, "spawned_by": e.spawned_by, "spawned_by_run": e.spawned_by_run,
            "failure_mode": e.failure_mode, "completion_mode": e.completion_mode, "purpose": e.purpose,
            "created_at": e.created_at, "updated_at": e.updated_at, "version": e.version,
        });
        if let Some(before) = e.before_archive {
            value["before_archive"] = json!(before);
        }
        if let Some(answers) = &e.answers {
            value["prev_artifact"] = json!(answers);
        }
        if let Some(broadcast) = e.broadcast {
            value["broadcast"] = json!(broadcast);
        }
        if e.summary > 0 {
            value["summary"] = json!(SummaryId::new(id, e.summary));
        }
        Some(value)
    }

    /// The edges below a session as `children` lists them.
    pub fn children_values(&self, id: ThreadId, v: Version) -> Vec<Value> {
        self.below(v).filter_map(|(e, _)| self.edge_value(id, e)).collect()
    }

    /// A session's log, forward.
    pub fn log(&self, id: ThreadId, session: Version) -> Vec<Value> {
        self.entries
            .iter()
            .filter(|(v, e)| self.shows(session, **v, e.session))
            .filter_map(|(v, _)| self.entry_value(id, *v))
            .collect()
    }

    /// One entry.
    pub fn entry_value(&self, id: ThreadId, v: Version) -> Option<Value> {
        let e = self.entries.get(&v)?;
        let is_evicted = self.is_evicted(e.session, v) && !self.erased.contains_key(&v);
        let is_left = !is_evicted && !self.erased.contains_key(&v);
        let (actor, message) =
            (is_left.then_some(&e.actor), e.message.as_ref().filter(|_| is_left));
        Some(json!({
            "id": EntryId::new(id, v), "session": session_id(id, e.session), "version": v, "actor": actor,
            "at": e.at, "run": e.run, "in_reply_to": e.in_reply_to, "copied_from": e.copied_from,
            "is_marker": e.message.is_none(), "evicted": is_evicted,
            "message": serde_json::to_string(&message).expect("a message serialises"),
        }))
    }

    /// One run, as long as its session exists.
    pub fn run_value(&self, id: ThreadId, v: Version) -> Option<Value> {
        let r: &ModelRun = self.runs.get(&v).filter(|r| !r.gone)?;
        let run = RunId::new(id, v);
        let mut value = json!({
            "id": run, "session": session_id(id, r.session), "iteration": r.iteration, "retry_of": r.retry_of,
            "task": r.task, "labels": r.labels, "external_id": r.external_id,
            "model": r.model, "provider": r.provider, "status": r.status,
            "outcome": r.outcome, "started_at": r.started_at, "ended_at": r.ended_at, "usage": r.totals(),
            "version": r.version,
        });
        if !r.awaits.is_empty() {
            value["awaits"] = r.awaits.iter().map(|edge| json!(edge_id(id, *edge))).collect();
        }
        Some(value)
    }

    /// The runs of a session: ended ones as they ended, then live ones.
    pub fn runs_of(&self, id: ThreadId, session: Version) -> Vec<Value> {
        let mut runs: Vec<(Version, Version)> = self
            .runs
            .iter()
            .filter(|(_, r)| r.session == session && !r.gone)
            .map(|(v, r)| (if r.status.is_terminal() { r.ended } else { Version::MAX }, *v))
            .collect();
        runs.sort_unstable();
        runs.into_iter().filter_map(|(_, v)| self.run_value(id, v)).collect()
    }

    /// The runs of a task, session by session.
    pub fn runs_of_task(&self, id: ThreadId, task: &str) -> Vec<Value> {
        let runs = self.sessions.keys().flat_map(|session| self.runs_of(id, *session));
        runs.filter(|run| run["task"] == task).collect()
    }

    /// A session's ledger.
    pub fn ledger(&self, id: ThreadId, session: Version) -> Vec<Value> {
        let mut calls: Vec<(Version, &Call)> = self
            .runs
            .iter()
            .filter(|(_, r)| r.session == session && !r.gone)
            .flat_map(|(v, r)| r.calls.iter().map(|c| (*v, c)))
            .collect();
        calls.sort_by_key(|(_, c)| c.version);
        let mut running = Totals::default();
        calls
            .into_iter()
            .map(|(run, c)| {
                running.add(&of(&c.usage));
                json!({
                    "version": c.version, "at": c.at, "run": RunId::new(id, run), "call": c.call, "usage": c.usage,
                    "running": running,
                })
            })
            .collect()
    }

    /// The current lease of a session.
    pub fn lease_value(&self, id: ThreadId, session: Version) -> Option<Value> {
        let lease = self.sessions.get(&session)?.lease.as_ref()?;
        Some(json!({
            "session": session_id(id, session), "holder": lease.holder, "token": lease.token,
            "ttl_millis": u64::try_from(lease.ttl.as_millis()).expect("at most a day"),
            "expires_at": lease.expires_at(),
        }))
    }
}
