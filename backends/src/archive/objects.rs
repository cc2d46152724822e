//! Bundles in a store of objects.

use std::{fmt, path::Path as FsPath, sync::Arc};

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt as _, path::Path};
use sessile_core::{
    archive::ArchiveBackend,
    error::{Error, Result, Subject},
};

/// Keeps bundles as objects below a prefix, by any processes of any hosts. It needs strongly consistent reads and lists of the
/// store, and nothing else: no object is created on a condition.
///
/// A page of a list asks for all names behind it.
#[derive(Clone)]
pub struct ArchiveObjects {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
}

impl ArchiveObjects {
    /// In a store, below a prefix; `""` for all of it. `Invalid` if that is no path.
    pub fn new(store: Arc<dyn ObjectStore>, prefix: &str) -> Result<Self> {
        let prefix = Path::parse(prefix).map_err(|e| Error::invalid("prefix", e.to_string()))?;
        Ok(Self { store, prefix })
    }

    /// In a folder of this host, which is made if it is missing, laid out as in a cloud's bucket. Every write is flushed.
    pub fn in_folder(folder: impl AsRef<FsPath>) -> Result<Self> {
        let folder = folder.as_ref();
        let invalid = |e: String| Error::invalid("path", format!("{}: {e}", folder.display()));
        std::fs::create_dir_all(folder).map_err(|e| invalid(e.to_string()))?;
        let store = object_store::local::LocalFileSystem::new_with_prefix(folder)
            .map_err(|e| invalid(e.to_string()))?
            .with_fsync(true);
        Self::new(Arc::new(store), "")
    }

    fn key(&self, name: &str) -> Result<Path> {
        let invalid = |e: object_store::path::Error| Error::invalid("name", e.to_string());
        let name = Path::parse(name).map_err(invalid)?;
        Ok(self.prefix.parts().chain(name.parts()).collect())
    }
}

impl fmt::Debug for ArchiveObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArchiveObjects").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

fn unavailable(what: &str, name: &str, error: StoreError) -> Error {
    Error::unavailable(format!("cannot {what} {name}: the object store fails"), error)
}

#[async_trait]
impl ArchiveBackend for ArchiveObjects {
    async fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let stored = self.store.put(&self.key(name)?, bytes.to_vec().into()).await;
        stored.map(drop).map_err(|e| unavailable("store", name, e))
    }

    async fn get(&self, name: &str) -> Result<Vec<u8>> {
        let bytes = match self.store.get(&self.key(name)?).await {
            Ok(got) => got.bytes().await,
            Err(error) => Err(error),
        };
        match bytes {
            Ok(bytes) => Ok(bytes.into()),
            Err(StoreError::NotFound { .. }) => Err(Error::not_found(Subject::file(name))),
            Err(error) => Err(unavailable("read", name, error)),
        }
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        let failed = |e| unavailable("list", prefix, e);
        let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        let folder = self.key(folder)?;
        let listed = match after {
            Some(after) => self.store.list_with_offset(Some(&folder), &self.key(after)?),
            None => self.store.list(Some(&folder)),
        };
        let own = if self.prefix.as_ref().is_empty() {
            String::new()
        } else {
            format!("{}/", self.prefix)
        };
        let names =
            listed.map_ok(|meta| meta.location.as_ref().strip_prefix(&own).map(str::to_owned));
        let names: Vec<Option<String>> = names.try_collect().await.map_err(failed)?;
        let mut names: Vec<String> = names
            .into_iter()
            .flatten()
            .filter(|name| {
                name.starts_with(prefix) && after.is_none_or(|after| name.as_str() > after)
            })
            .collect();
        names.sort_unstable();
        names.truncate(limit);
        Ok(names)
    }

    async fn remove(&self, name: &str) -> Result<()> {
        match self.store.delete(&self.key(name)?).await {
            Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(unavailable("remove", name, error)),
        }
    }
}
