//! Reading a bundle, and checking all of it.

use crate::{
    archive::{ArchiveBackend, BundleName, BundleWriter, Kept, Manifest, Part},
    error::{BundleFault, Error, Result},
    id::{ArchiveId, SessionId, Version},
    rules::thread::{ArchivedState, Erased},
};

/// The bundle of an archived session.
pub(super) struct Bundle<'a> {
    backend: &'a dyn ArchiveBackend,
    name: BundleName,
    archive: ArchiveId,
    manifest: Manifest,
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
        Ok(Self { backend, name, archive, manifest, read: BundleWriter::default() })
    }

    /// The records of a part, each with its version. Parts are read in their order.
    async fn part(&mut self, part: &Part) -> Result<Vec<(Version, Kept)>> {
        let bytes = match self.backend.get(&self.name.part(&part.name)).await {
            Err(Error::NotFound { .. }) => Err(broken(self.archive, BundleFault::MissingPart)),
            bytes => bytes,
        }?;
        self.read.read(self.archive, part, &bytes)
    }

    /// After all parts were read: they are all that was archived.
    fn require_whole(&self) -> Result<()> {
        let is_whole = self.read.chain() == self.manifest.chain
            && self.read.records == self.manifest.body.records;
        if is_whole { Ok(()) } else { Err(broken(self.archive, BundleFault::Altered)) }
    }

    /// Reads and checks all of it: no body may be missing but one that was erased.
    pub(super) async fn check(mut self, erased: &Erased) -> Result<()> {
        for part in self.manifest.parts.clone() {
            for (version, kept) in self.part(&part).await? {
                if kept.body.is_none() && erased.erased_by(version).is_none() {
                    return Err(broken(self.archive, BundleFault::Altered));
                }
            }
        }
        self.require_whole()
    }
}

const fn broken(archive: ArchiveId, fault: BundleFault) -> Error {
    Error::BrokenBundle { archive, fault }
}
