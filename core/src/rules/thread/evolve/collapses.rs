//! What records of collapses change.

use std::sync::Arc;

use super::{FOREIGN, NO_COLLAPSE};
use crate::{
    id::Version,
    model::CollapseStatus,
    record::Event,
    rules::{
        event::{EventRecord, Evolved},
        thread::state::{CollapseState, ThreadState},
    },
};

impl ThreadState {
    /// A draft; the one that was open for the same state of the child is stale.
    pub(super) fn open_collapse(&mut self, event: &EventRecord<'_>) -> Evolved {
        let Event::CollapseProposed { session, edge, parent, upto, parent_tail, previous, .. } =
            event.event
        else {
            return Err(FOREIGN);
        };
        let version = event.version;
        let mut replaced = None;
        self.edit_session(*session, |s| {
            replaced = s.open_collapses.iter().find(|(of, _)| of == upto).map(|(_, draft)| *draft);
            s.open_collapses.retain(|(of, _)| of != upto);
            s.open_collapses.push((*upto, version));
            s.last_collapse = version;
        })?;
        if let Some(replaced) = replaced.and_then(|draft| self.collapses.get_mut(&draft)) {
            Arc::make_mut(replaced).status = CollapseStatus::Stale;
        }
        let draft = CollapseState {
            child: *session,
            edge: *edge,
            parent: *parent,
            upto: *upto,
            parent_tail: *parent_tail,
            previous: previous.unwrap_or_default(),
            status: CollapseStatus::Open,
            entry: 0,
        };
        self.collapses.insert_mut(version, Arc::new(draft));
        Ok(())
    }

    pub(super) fn close_collapse(
        &mut self,
        draft: Version,
        status: CollapseStatus,
        entry: Version,
    ) -> Evolved {
        let it = Arc::make_mut(self.collapses.get_mut(&draft).ok_or(NO_COLLAPSE)?);
        (it.status, it.entry) = (status, entry);
        let child = it.child;
        self.edit_session(child, |s| s.open_collapses.retain(|(_, open)| *open != draft))
    }

    /// The drafts of a session that is deleted, from its newest on.
    pub(super) fn forget_collapses(&mut self, newest: Version) {
        let mut next = newest;
        while let Some(previous) = self.collapses.get(&next).map(|it| it.previous) {
            self.collapses.remove_mut(&next);
            next = previous;
        }
    }
}
