//! What records of edges change.

use std::sync::Arc;

use super::{FOREIGN, NO_EDGE};
use crate::{
    id::Version,
    model::SubSessionStatus,
    record::{Body, EdgeBody, EdgeStep, Event, SummaryOf},
    rules::{
        event::{EventRecord, Evolved},
        thread::state::{Answered, EdgeState, ThreadState},
    },
};

/// What an intervention answers, as its record says.
pub(super) fn answered(summary: Option<SummaryOf>, body: Option<&EdgeBody>) -> Option<Answered> {
    let leaf = body.and_then(|body| body.leaf.as_deref());
    summary.map(Answered::Summary).or_else(|| Some(Answered::Leaf(Some(leaf?.into()))))
}

impl ThreadState {
    pub(super) fn with_edge(
        &mut self,
        version: Version,
        change: impl FnOnce(&mut EdgeState),
    ) -> Evolved {
        change(Arc::make_mut(self.edges.get_mut(&version).ok_or(NO_EDGE)?));
        Ok(())
    }

    pub(super) fn step_edge(&mut self, step: EdgeStep, version: Version) -> Evolved {
        let (now, mut was) = (self.last_at, SubSessionStatus::Pending);
        let (mut parent, mut child) = (0, 0);
        self.with_edge(step.edge, |e| {
            was = e.status;
            (parent, child) = (e.parent, e.child);
            e.status = step.to;
            e.before_archive = (step.to == SubSessionStatus::Archived).then_some(was);
            e.updated_at = now;
            e.version = version;
        })?;
        match (was.is_live(), step.to.is_live()) {
            (true, false) => {
                self.end_share(child);
                self.edit_session(parent, |s| s.live_children = s.live_children.saturating_sub(1))
            }
            (false, true) => self.edit_session(parent, |s| s.live_children += 1),
            _ => Ok(()),
        }
    }

    pub(super) fn create_edge(&mut self, event: &EventRecord<'_>) -> Evolved {
        let Event::EdgeCreated {
            parent,
            child,
            kind,
            status,
            failure_mode,
            completion_mode,
            spawned_by_run,
            broadcast,
            answers,
            share_of,
            ..
        } = event.event
        else {
            return Err(FOREIGN);
        };
        let version = event.version;
        let body = if let Some(Body::Edge(body)) = event.body { Some(body) } else { None };
        self.edges.insert_mut(
            version,
            Arc::new(EdgeState {
                parent: *parent,
                child: *child,
                kind: *kind,
                status: *status,
                spawned_by: body.map(|b| Arc::new(b.by.clone())),
                spawned_by_run: *spawned_by_run,
                failure_mode: *failure_mode,
                completion_mode: *completion_mode,
                purpose: body.and_then(|b| b.purpose.as_deref()).map(Arc::from),
                broadcast: *broadcast,
                answers: answered(*answers, body),
                summary: 0,
                before_archive: None,
                created_at: self.last_at,
                updated_at: self.last_at,
                version,
            }),
        );
        self.edit_session(*child, |s| s.parent = Some(version))?;
        self.edit_session(*parent, |s| {
            s.children.insert_mut(version);
            s.live_children += u32::from(status.is_live());
        })?;
        if let Some(of) = share_of {
            self.begin_share(*child, *of);
        }
        Ok(())
    }

    pub(super) fn delete_edge(&mut self, version: Version) -> Evolved {
        let edge = self.edges.get(&version).cloned().ok_or(NO_EDGE)?;
        self.edges.remove_mut(&version);
        self.end_share(edge.child);
        self.edit_session(edge.child, |s| s.parent = None)?;
        self.edit_session(edge.parent, |s| {
            s.children.remove_mut(&version);
            s.live_children = s.live_children.saturating_sub(u32::from(edge.status.is_live()));
        })
    }
}
