//! Reading a bundle, and checking all of it.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use crate::{
    archive::{ArchiveBackend, BundleName, BundleWriter, Kept, Manifest},
    command::Caller,
    error::{BundleFault, Error, Result},
    id::{ArchiveId, SessionId, Version},
    record::RecordHeader,
    rules::thread::{ArchivedState, Erased, wrong_journal},
    store::{answers::ThreadAtHead, inner::StoreInner},
};

/// The bundle of an archived session.
pub(super) struct Bundle<'a> {
    backend: &'a dyn ArchiveBackend,
    name: BundleName,
    archive: ArchiveId,
    manifest: Manifest,
    parts_read: usize,
    read: BundleWriter,
}

impl<'a> Bundle<'a> {
    /// Its manifest, which must be the one that the journal knows.
    pub(super) async fn open(
        backend: &'a dyn ArchiveBackend,
        name: BundleName,
        session: SessionId,
        archived: &ArchivedState,
    ) -> Result<Self> {
        let archive = ArchiveId::new(session.thread(), archived.archive);
        let bytes = match backend.get(&name.manifest()).await {
            Err(Error::NotFound { .. }) => Err(broken(archive, BundleFault::NoManifest)),
            bytes => bytes,
        }?;
        let manifest = Manifest::decode(archive, &bytes, &archived.digest)?;
        if manifest.body.session != session || manifest.body.records != archived.records {
            return Err(broken(archive, BundleFault::Altered));
        }
        Ok(Self { backend, name, archive, manifest, parts_read: 0, read: BundleWriter::default() })
    }

    pub(super) const fn archive(&self) -> ArchiveId {
        self.archive
    }

    /// That it is not what it was.
    pub(super) const fn altered(&self) -> Error {
        broken(self.archive, BundleFault::Altered)
    }

    /// The records of the next part, each with its header. After the last one: they are all that was archived.
    pub(super) async fn next_part(&mut self) -> Result<Option<Vec<(RecordHeader, Kept)>>> {
        let Some(part) = self.manifest.parts.get(self.parts_read) else {
            let is_whole = self.read.chain() == self.manifest.chain
                && self.read.records == self.manifest.body.records;
            return if is_whole { Ok(None) } else { Err(self.altered()) };
        };
        self.parts_read += 1;
        let bytes = match self.backend.get(&self.name.part(&part.name)).await {
            Err(Error::NotFound { .. }) => Err(broken(self.archive, BundleFault::MissingPart)),
            bytes => bytes,
        }?;
        self.read.read(self.archive, part, &bytes).map(Some)
    }

    /// Reads and checks all of it: no body may be missing but one that was erased.
    pub(super) async fn check(mut self, erased: &Erased) -> Result<()> {
        while let Some(records) = self.next_part().await? {
            for (header, kept) in records {
                if kept.body.is_none() && erased.erased_by(header.version).is_none() {
                    return Err(self.altered());
                }
            }
        }
        Ok(())
    }
}

/// The records of a bundle, which are taken in its order.
pub(super) struct Bodies<'a> {
    bundle: Bundle<'a>,
    read: HashMap<Version, Kept>,
}

impl<'a> From<Bundle<'a>> for Bodies<'a> {
    fn from(bundle: Bundle<'a>) -> Self {
        Self { bundle, read: HashMap::new() }
    }
}

impl Bodies<'_> {
    pub(super) async fn take(&mut self, version: Version) -> Result<Kept> {
        loop {
            if let Some(kept) = self.read.remove(&version) {
                return Ok(kept);
            }
            let next = self.bundle.next_part().await?;
            let records = next.ok_or_else(|| self.bundle.altered())?.into_iter();
            self.read = records.map(|(header, kept)| (header.version, kept)).collect();
        }
    }
}

/// Bundles of sessions whose entries were evicted, opened when the first of these is wanted; a session's are taken in their order.
pub(in crate::store::commands) struct EvictedBodies<'a> {
    backends: &'a ArchivesOfEvicted,
    open: HashMap<Version, Bodies<'a>>,
}

/// The archives of sessions whose entries were evicted.
pub(in crate::store::commands) type ArchivesOfEvicted = HashMap<Version, Arc<dyn ArchiveBackend>>;

impl<'a> EvictedBodies<'a> {
    pub(in crate::store::commands) fn new(backends: &'a ArchivesOfEvicted) -> Self {
        Self { backends, open: HashMap::new() }
    }
}

impl StoreInner {
    /// `ArchiveNotConfigured` if this store does not have one of them.
    pub(in crate::store::commands) fn archives_of_evicted(
        &self,
        at: &ThreadAtHead,
    ) -> Result<ArchivesOfEvicted> {
        let state = at.state()?;
        let project = state.thread.as_deref().ok_or_else(wrong_journal)?.project;
        let mut backends = HashMap::new();
        for (session, it) in &state.sessions {
            let archived = it.archived.as_deref().filter(|it| it.evicted.is_some());
            if let Some(archived) = archived {
                backends.insert(*session, self.archive_named(project, &archived.backend)?);
            }
        }
        Ok(backends)
    }

    /// What an entry says that was evicted; `None` if it was erased.
    pub(in crate::store::commands) async fn evicted_body(
        &self,
        caller: &Caller,
        at: &ThreadAtHead,
        (session, version): (Version, Version),
        bundles: &mut EvictedBodies<'_>,
    ) -> Result<Option<String>> {
        let read = async {
            let bodies = match bundles.open.entry(session) {
                Entry::Occupied(open) => open.into_mut(),
                Entry::Vacant(not_yet) => {
                    let backend = bundles.backends.get(&session);
                    let id = SessionId::new(at.id(), session);
                    let opened = match backend {
                        Some(backend) => self.evicted_bodies(caller, at, id, &**backend).await?,
                        None => None,
                    };
                    // It was evicted since.
                    let space = at.id().space(&caller.tenant);
                    not_yet.insert(opened.ok_or_else(|| Error::contended(&space))?)
                }
            };
            Ok(bodies.take(version).await?.body)
        };
        self.in_archive_time(caller, read).await
    }
}

const fn broken(archive: ArchiveId, fault: BundleFault) -> Error {
    Error::BrokenBundle { archive, fault }
}
