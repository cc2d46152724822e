//! Blobs: one file each, in a folder of the space.

use std::{collections::HashSet, io, ops::Range, sync::Arc, time::Duration};

use async_trait::async_trait;
use sessile_core::{
    error::{Error, Result, Subject},
    id::Space,
    journal::{BlobName, Blobs},
};

use super::{
    Disk, DiskShared,
    cell::{SpaceCell, SpaceState},
    commit::make,
    failed,
    handle::PATIENCE,
    lookup::{LookupDepth, is_absent, list, remove},
    medium::Mode,
    path::{self, TEMPORARY},
    read::unreadable,
};
use sessile_driver::{blocking, check, clock, coop, lock};

#[async_trait]
impl Blobs for Disk {
    async fn put_blob(&self, space: &Space, bytes: &[u8]) -> Result<BlobName> {
        self.shared.writer()?;
        check::require_within(
            space,
            "bytes of one blob",
            self.shared.info.limits.blob_bytes,
            bytes.len(),
        )?;
        let pass = self.enter()?;
        let cell = self.cell(space);
        self.look(&cell, LookupDepth::Head).await?;
        let name = check::new_blob_name();
        if lock(&cell.seen).state == SpaceState::Dropped {
            // A dropped space gets no more records, so none can name the blob.
            return Ok(name);
        }
        let (own, put, bytes) = (Arc::clone(&cell), name.clone(), Arc::<[u8]>::from(bytes));
        let work = move |shared: &DiskShared| {
            let done = shared.put_blob(&own, &put, &bytes);
            drop(pass);
            done
        };
        self.write(&cell, clock::deadline(PATIENCE), work).await?;
        Ok(name)
    }

    async fn get_blob(
        &self,
        space: &Space,
        name: &BlobName,
        range: Option<Range<u64>>,
    ) -> Result<Vec<u8>> {
        coop::yield_budget().await;
        self.shared.check()?;
        let cell = self.cell(space);
        self.look(&cell, LookupDepth::Head).await?;
        let (shared, name) = (Arc::clone(&self.shared), name.clone());
        blocking::run(move || shared.get_blob(&cell, &name, range)).await?
    }

    async fn collect_blobs(
        &self,
        space: &Space,
        in_use: &HashSet<BlobName>,
        older_than: Duration,
    ) -> Result<u64> {
        self.shared.writer()?;
        let pass = self.enter()?;
        let (cell, until) = (self.cell(space), clock::deadline(PATIENCE));
        let (own, in_use) = (Arc::clone(&cell), in_use.clone());
        let work = move |shared: &DiskShared| {
            let collected = shared.collect(&own, &in_use, older_than);
            drop(pass);
            collected
        };
        self.write(&cell, until, work).await
    }
}

impl DiskShared {
    /// Keeps a blob under a new name. The space need not have a record yet.
    pub(super) fn put_blob(&self, cell: &SpaceCell, name: &BlobName, bytes: &[u8]) -> Result<()> {
        let folder = cell.place.blobs();
        let path = folder.join(&*name.0);
        let write = || {
            let flush = self.make_folders(cell)?;
            make(self, &cell.place.folder())?;
            make(self, &folder)?;
            let file = self.medium.open(&path, Mode::CreateNew)?;
            file.write_at(bytes, 0)?;
            file.sync()?;
            self.medium.sync_dir(&folder)?;
            self.medium.sync_dir(&cell.place.folder())?;
            self.flush_folders(cell, flush)
        };
        let written = write();
        let is_gone = lock(&cell.seen).state == SpaceState::Dropped;
        if is_gone || written.is_err() {
            // The name is not returned: a blob that cannot be removed now is removed by a collection or a scrub.
            let _later = remove(self, &path);
        }
        match written {
            Err(e) if !is_gone => Err(failed("write", &path, e)),
            _ => Ok(()),
        }
    }

    pub(super) fn get_blob(
        &self,
        cell: &SpaceCell,
        name: &BlobName,
        range: Option<Range<u64>>,
    ) -> Result<Vec<u8>> {
        let missing = || Error::not_found(Subject::blob(&cell.space, name));
        if !check::is_blob_name(name) || lock(&cell.seen).state == SpaceState::Dropped {
            return Err(missing());
        }
        let path = cell.place.blobs().join(&*name.0);
        let file = match self.medium.open(&path, Mode::Read) {
            Ok(file) => file,
            Err(e) if is_absent(&e) => return Err(missing()),
            Err(e) => return Err(unreadable(&path, e)),
        };
        let size = file.stat().map_err(|e| unreadable(&path, e))?.len;
        let (start, length) = check::clamp_range(size, range);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        let read = file.read_at(&mut bytes, start).map_err(|e| unreadable(&path, e))?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// Removes blobs that are not in use and older than that, by the clock that dates files here.
    pub(super) fn collect(
        &self,
        cell: &SpaceCell,
        in_use: &HashSet<BlobName>,
        older_than: Duration,
    ) -> Result<u64> {
        let folder = cell.place.blobs();
        let work = || {
            let blobs = list(self, &folder)?;
            if blobs.is_empty() {
                return Ok(0);
            }
            let now = self.now()?;
            let mut collected = 0;
            for blob in blobs {
                let path = folder.join(&blob.name);
                if blob.is_dir || in_use.contains(&BlobName(blob.name.into())) {
                    continue;
                }
                match self.medium.stat(&path) {
                    Ok(stat) if now.saturating_sub(stat.modified) >= older_than => {
                        remove(self, &path)?;
                        collected += 1;
                    }
                    Err(e) if !is_absent(&e) => return Err(e),
                    _ => {}
                }
            }
            if collected > 0 {
                self.medium.sync_dir(&folder)?;
            }
            Ok(collected)
        };
        work().map_err(|e: io::Error| failed("collect in", &folder, e))
    }

    /// The time of the medium, which dates files: that of a new temporary file.
    fn now(&self) -> io::Result<Duration> {
        let path = path::temporary(&self.root);
        let file = self.medium.open(&path, Mode::CreateNew)?;
        let now = file.write_at(TEMPORARY.as_bytes(), 0).and_then(|()| file.stat());
        self.medium.remove_file(&path)?;
        Ok(now?.modified)
    }
}
