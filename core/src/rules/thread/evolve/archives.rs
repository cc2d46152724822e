//! What records of archives change.

use std::sync::Arc;

use super::FOREIGN;
use crate::{
    record::{Body, Event},
    rules::{
        event::{EventRecord, Evolved},
        thread::state::{ArchiveReservation, ArchivedState, ThreadState},
    },
};

impl ThreadState {
    pub(super) fn apply_archive(&mut self, event: &EventRecord<'_>) -> Evolved {
        let erasures = self.erased.count();
        match event.event {
            Event::ArchiveReserved { session, ttl_millis } => self.edit_session(*session, |s| {
                s.archiving = Some(Arc::new(ArchiveReservation {
                    archive: event.version,
                    after: s.last_record,
                    erasures,
                    ttl_millis: *ttl_millis,
                    at: event.at,
                }));
            }),
            Event::ArchiveAbandoned { session, .. } => {
                self.edit_session(*session, |s| s.archiving = None)
            }
            Event::SessionArchived { session, archive, records, entries, digest, then } => {
                let backend = match event.body {
                    Some(Body::Archive(body)) => body.backend.as_str(),
                    _ => "",
                };
                self.edit_session(*session, |s| {
                    // One that is archived already gets another bundle.
                    let before = s.archived.as_ref().map_or(s.status, |it| it.before);
                    s.archived = Some(Arc::new(ArchivedState {
                        archive: *archive,
                        backend: backend.into(),
                        before,
                        records: *records,
                        entries: *entries,
                        digest: *digest,
                    }));
                    s.archiving = None;
                    s.status = then.session;
                    // It had expired, or was the archiver's.
                    s.lease = None;
                    s.version = event.version;
                })?;
                then.edge.map_or(Ok(()), |step| self.step_edge(step, event.version))
            }
            Event::SessionRestored { session, then, .. } => {
                self.edit_session(*session, |s| {
                    s.archived = None;
                    s.archiving = None;
                    s.status = then.session;
                    s.version = event.version;
                })?;
                then.edge.map_or(Ok(()), |step| self.step_edge(step, event.version))
            }
            _ => Err(FOREIGN),
        }
    }
}
