//! What records of sessions and of keyed state change.

use std::sync::Arc;

use super::{NO_CHANGES, NO_SESSION};
use crate::{
    clock::Timestamp,
    id::Version,
    model::SessionStatus,
    record::Body,
    rules::{
        event::{EventRecord, Evolved},
        thread::{
            keyed::KeyedValues,
            state::{HandoffLock, SessionState, ThreadState},
        },
    },
};

impl SessionState {
    pub(super) fn born(version: Version, now: Timestamp) -> Self {
        Self {
            external_id: None,
            name: None,
            labels: None,
            task: None,
            actor: None,
            previous_actors: Vec::new(),
            owner_version: 0,
            continues: 0,
            continued_as: 0,
            lock: None,
            broadcast: 0,
            last_collapse: 0,
            open_collapses: Vec::new(),
            status: SessionStatus::Idle,
            parent: None,
            children: Default::default(),
            live_children: 0,
            base: None,
            merged: 0,
            entries: 0,
            first_entry: 0,
            last_entry: 0,
            tail: 0,
            iterations: 0,
            live_runs: Vec::new(),
            ended_runs: 0,
            failed_runs: 0,
            activity: Default::default(),
            lease: None,
            roll_up: None,
            keyed: None,
            context: None,
            budget: None,
            archived: None,
            archiving: None,
            created_at: now,
            updated_at: now,
            version,
            last_record: version,
        }
    }
}

impl ThreadState {
    /// Takes over what the body of `session_created` or `session_updated` says.
    pub(super) fn describe(&mut self, session: &mut SessionState, body: Option<&Body>) {
        let Some(Body::Session(body)) = body else { return };
        session.name = body.name.as_deref().map(Arc::from);
        session.labels = (!body.labels.is_empty()).then(|| Arc::new(body.labels.clone()));
        session.actor = body.actor.clone().map(Arc::new);
        session.task = body.task.as_deref().map(|task| self.task(task));
    }

    /// One copy of each task's name; naming a task makes it known.
    pub(super) fn task(&mut self, task: &str) -> Arc<str> {
        if let Some((known, _)) = self.tasks.get_key_value(task) {
            return Arc::clone(known);
        }
        let name: Arc<str> = task.into();
        self.tasks.insert_mut(Arc::clone(&name), Arc::default());
        name
    }

    pub(super) fn set_state(
        &mut self,
        session: Option<Version>,
        event: &EventRecord<'_>,
    ) -> Evolved {
        let Some(Body::State(body)) = event.body else { return Err(NO_CHANGES) };
        let (mut before, mut after) = (0, 0);
        let mut apply = |keyed: &mut Option<Arc<KeyedValues>>| {
            before = keyed.as_ref().map_or(0, |k| k.weight());
            let keyed = Arc::make_mut(keyed.get_or_insert_default());
            keyed.apply(body, event.version);
            after = keyed.weight();
        };
        match session {
            Some(session) => self.edit_session(session, |s| apply(&mut s.keyed))?,
            None => apply(&mut self.keyed),
        }
        self.keyed_weight = (self.keyed_weight + after).saturating_sub(before);
        Ok(())
    }

    /// Lease, workspace, budget and the edge above move on to the successor; the lease begins anew by a record of its own.
    pub(super) fn continue_as(&mut self, old: Version, new: Version, version: Version) -> Evolved {
        let now = self.last_at;
        let edge = self.session(old).ok_or(NO_SESSION)?.parent;
        self.edit_session(old, |s| {
            if matches!(s.status, SessionStatus::Active | SessionStatus::AwaitingHitl) {
                s.status = SessionStatus::Idle;
            }
            s.activity.ended = true;
            s.continued_as = new;
            s.parent = None;
            s.lease = None;
            s.version = version;
        })?;
        self.edit_session(new, |s| {
            s.continues = old;
            s.parent = edge;
        })?;
        if let Some(edge) = edge {
            self.with_edge(edge, |e| {
                e.child = new;
                e.updated_at = now;
                e.version = version;
            })?;
        }
        self.move_workspace(old, new);
        self.move_budget(old, new);
        Ok(())
    }

    pub(super) fn delete_session(&mut self, version: Version) -> Evolved {
        let session = self.sessions.get(&version).cloned().ok_or(NO_SESSION)?;
        for run in &session.live_runs {
            let task = self.run(*run).and_then(|r| r.task.clone());
            self.count(version, task.as_ref(), |r| {
                r.live = r.live.saturating_sub(1);
                r.cancelled += 1;
            })?;
            self.runs.remove_mut(run);
        }
        self.drop_budget(version);
        if let Some(external_id) = &session.external_id {
            self.named_sessions.remove_mut(external_id);
        }
        self.forget_collapses(session.last_collapse);
        self.sessions.remove_mut(&version);
        self.locked.remove_mut(&version);
        self.forks.delete(version);
        self.orphan_workspace(version);
        let weight = session.keyed.as_ref().map_or(0, |keyed| keyed.weight());
        self.keyed_weight = self.keyed_weight.saturating_sub(weight);
        Ok(())
    }

    /// It is being handed over, or no more.
    pub(super) fn set_lock(&mut self, session: Version, lock: Option<HandoffLock>) -> Evolved {
        self.edit_session(session, |s| s.lock = lock)?;
        if lock.is_some() {
            self.locked.insert_mut(session);
        } else {
            self.locked.remove_mut(&session);
        }
        Ok(())
    }
}
