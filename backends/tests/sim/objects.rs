//! Objects on the simulated medium: a key is a file of one folder, and a PUT is one durable operation.

use std::{fmt, io, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream, stream::BoxStream};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result, path::Path,
};
use sessile::object_store::{Objects, Options};
use sessile_conformance::medium::SimDisk;

/// Stands for the slash, which no name of a file has; no key has it.
const SLASH: &str = "\u{1}";

#[derive(Debug)]
struct SimObjects(SimDisk);

impl fmt::Display for SimObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("simulated")
    }
}

/// The journal of objects on a medium.
pub(crate) async fn objects(disk: SimDisk) -> sessile::Result<Objects> {
    Objects::open(Arc::new(SimObjects(disk)), "", Options::default()).await
}

fn file(key: &Path) -> PathBuf {
    key.as_ref().replace('/', SLASH).into()
}

fn failed(error: io::Error) -> Error {
    Error::Generic { store: "simulated", source: Box::new(error) }
}

fn missing(key: &Path) -> Error {
    Error::NotFound { path: key.to_string(), source: "no object".into() }
}

impl SimObjects {
    fn read(&self, key: &Path) -> Result<Vec<u8>> {
        self.0.read(&file(key)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => missing(key),
            _ => failed(error),
        })
    }

    fn meta(key: Path, size: u64) -> ObjectMeta {
        ObjectMeta {
            location: key,
            last_modified: std::time::SystemTime::UNIX_EPOCH.into(),
            size,
            e_tag: None,
            version: None,
        }
    }

    fn all(&self, prefix: Option<&Path>) -> Result<Vec<ObjectMeta>> {
        let mut found = Vec::new();
        for (name, _) in self.0.list(std::path::Path::new("")).map_err(failed)? {
            let key = Path::from(name.replace(SLASH, "/"));
            let is_below = |prefix: &Path| {
                key.as_ref()
                    .strip_prefix(prefix.as_ref())
                    .is_some_and(|rest| prefix.as_ref().is_empty() || rest.starts_with('/'))
            };
            if prefix.is_none_or(is_below) {
                let size = self.read(&key)?.len() as u64;
                found.push(Self::meta(key, size));
            }
        }
        Ok(found)
    }
}

#[async_trait]
impl ObjectStore for SimObjects {
    async fn put_opts(
        &self,
        key: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        tokio::task::yield_now().await;
        if opts.mode == PutMode::Create && self.0.stat(&file(key)).is_ok() {
            let path = key.to_string();
            return Err(Error::AlreadyExists { path, source: "there is one".into() });
        }
        let bytes: Vec<u8> = payload.iter().flat_map(|part| part.iter().copied()).collect();
        self.0.put_object(&file(key), &bytes).map_err(|error| match error.kind() {
            // As a service says no to who has used up a quota, or may not write.
            io::ErrorKind::StorageFull | io::ErrorKind::ReadOnlyFilesystem => {
                Error::PermissionDenied { path: key.to_string(), source: Box::new(error) }
            }
            _ => failed(error),
        })?;
        Ok(PutResult { e_tag: None, version: None, extensions: Default::default() })
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(failed(io::ErrorKind::Unsupported.into()))
    }

    async fn get_opts(&self, key: &Path, options: GetOptions) -> Result<GetResult> {
        let bytes = self.read(key)?;
        let size = bytes.len() as u64;
        let range = match options.range {
            Some(range) => range
                .as_range(size)
                .map_err(|e| Error::Generic { store: "simulated", source: Box::new(e) })?,
            None => 0..size,
        };
        let part = bytes.get(range.start as usize..range.end as usize).unwrap_or_default().to_vec();
        let payload = stream::once(async move { Ok(part.into()) }).boxed();
        Ok(GetResult {
            payload: GetResultPayload::Stream(payload),
            meta: Self::meta(key.clone(), size),
            range,
            attributes: Default::default(),
            extensions: Default::default(),
        })
    }

    fn delete_stream(
        &self,
        keys: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let disk = self.0.clone();
        keys.map(move |key| {
            let key = key?;
            match disk.delete_object(&file(&key)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Err(missing(&key)),
                Err(error) => Err(failed(error)),
                Ok(()) => Ok(key),
            }
        })
        .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let all = match self.all(prefix) {
            Ok(all) => all.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        };
        stream::iter(all).boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        Err(failed(io::ErrorKind::Unsupported.into()))
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(failed(io::ErrorKind::Unsupported.into()))
    }
}
