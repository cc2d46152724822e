//! The calls about blobs.

use std::{collections::HashSet, ops::Range, sync::Arc, time::Duration};

use async_trait::async_trait;
use sessile_core::{
    error::Result,
    id::Space,
    journal::{BlobName, Blobs},
};

use super::{Disk, Shared, cell::State, handle::PATIENCE, settle::Reach};
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
        self.look(&cell, Reach::Head).await?;
        let name = check::new_blob_name();
        if lock(&cell.seen).state == State::Dropped {
            // No record can ever name it.
            return Ok(name);
        }
        let (own, put, bytes) = (Arc::clone(&cell), name.clone(), Arc::<[u8]>::from(bytes));
        let work = move |shared: &Shared| {
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
        self.look(&cell, Reach::Head).await?;
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
        let work = move |shared: &Shared| {
            let collected = shared.collect(&own, &in_use, older_than);
            drop(pass);
            collected
        };
        self.write(&cell, until, work).await
    }
}
