//! What records of archives change.

use std::sync::Arc;

use super::FOREIGN;
use crate::{
    id::Version,
    record::{Body, Event},
    rules::{
        event::{EventRecord, Evolved},
        thread::{
            evicted::{Evicted, Pack},
            state::{ArchiveReservation, ArchivedState, ThreadState},
        },
    },
};

impl ThreadState {
    /// Packs that hold nothing more that is needed.
    fn erase_packs(&mut self, packs: &[(Version, Version)], by: Version) {
        if !packs.is_empty() {
            self.erased.add(packs, by);
            let erased = self.erased.clone();
            self.returned.remove(|pack| erased.erased_by(pack.version).is_some());
        }
    }

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
                    let evicted = s.archived.as_ref().and_then(|it| it.evicted);
                    s.archived = Some(Arc::new(ArchivedState {
                        archive: *archive,
                        backend: backend.into(),
                        before,
                        records: *records,
                        entries: *entries,
                        digest: *digest,
                        evicted,
                    }));
                    s.archiving = None;
                    s.status = then.session;
                    // It had expired, or was the archiver's.
                    s.lease = None;
                    s.version = event.version;
                })?;
                then.edge.map_or(Ok(()), |step| self.step_edge(step, event.version))
            }
            Event::EntriesEvicted { session, after, upto, erased, .. } => {
                let evicted = Evicted { after: *after, upto: *upto };
                self.edit_session(*session, |s| {
                    s.version = event.version;
                    if let Some(archived) = &mut s.archived {
                        Arc::make_mut(archived).evicted = Some(evicted);
                    }
                })?;
                self.last_eviction = event.version;
                self.keys.evict(*session, |version| evicted.holds(version));
                self.erase_packs(erased, event.version);
                self.with_thread(|thread| {
                    if let Some(Body::Erasure(body)) = event.body {
                        thread.users.clone_from(&body.users);
                    }
                })
            }
            Event::EntriesReturned { session, after, upto, replaces, .. } => {
                let [session, after, upto] = [*session, *after, *upto];
                self.returned.insert(Pack { session, after, upto, version: event.version });
                if let Some(replaced) = *replaces {
                    self.erased.add(&[(replaced, replaced)], event.version);
                    return Ok(());
                }
                self.edit_session(session, |s| {
                    if let Some(archived) = &mut s.archived {
                        let left = archived.evicted.map(|it| Evicted { after: upto, ..it });
                        Arc::make_mut(archived).evicted = left.filter(|it| it.after < it.upto);
                    }
                })
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
