//! The store, with the script applied to each request.

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream, stream::BoxStream};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, path::Path,
};

use super::{Faults, Held, Put, Reading, broken, exists, is_hit};
use sessile_driver::lock;

pub(super) async fn apply(store: &dyn ObjectStore, held: Vec<Held>) -> Vec<(Path, Result<()>)> {
    let mut landed = Vec::new();
    for Held { key, bytes, options } in held {
        let put = store.put_opts(&key, bytes, options).await;
        landed.push((key, put.map(|_| ())));
    }
    landed
}

#[async_trait]
impl ObjectStore for Faults {
    async fn put_opts(
        &self,
        key: &Path,
        bytes: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        tokio::task::yield_now().await;
        Self::request(&self.script, |counts| counts.puts += 1)?;
        match self.fault_of(key, options.mode == PutMode::Create) {
            Put::Apply => self.inner.put_opts(key, bytes, options).await,
            Put::Fail => Err(broken()),
            Put::LoseReply => {
                self.inner.put_opts(key, bytes, options).await?;
                Err(broken())
            }
            Put::SayExists => {
                self.inner.put_opts(key, bytes, options).await?;
                Err(exists(key))
            }
            Put::Hold => {
                lock(&self.script).held.push(Held { key: key.clone(), bytes, options });
                Err(broken())
            }
            Put::LandAtList => {
                lock(&self.script).at_list.push(Held { key: key.clone(), bytes, options });
                Err(broken())
            }
            Put::Late => {
                let released = self.late.listen();
                self.inner.put_opts(key, bytes, options).await?;
                released.await;
                Err(broken())
            }
            Put::Overwrite => self.inner.put_opts(key, bytes, PutOptions::default()).await,
            Put::Halt => self.halted.halt().await,
            Put::ApplyThenHalt => {
                self.inner.put_opts(key, bytes, options).await?;
                self.halted.halt().await
            }
        }
    }

    async fn put_multipart_opts(
        &self,
        key: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(key, options).await
    }

    async fn get_opts(&self, key: &Path, options: GetOptions) -> Result<GetResult> {
        let _reading = Reading::begin(&self.script);
        tokio::task::yield_now().await;
        Self::request(&self.script, |counts| counts.gets += 1)?;
        is_hit(lock(&self.script).unreadable.as_ref(), key)?;
        let released = {
            let mut script = lock(&self.script);
            let is_meant = is_hit(script.sleeping.as_ref(), key).is_err();
            is_meant.then(|| {
                script.sleeping = None;
                self.late.listen()
            })
        };
        if let Some(released) = released {
            self.halted.tell();
            released.await;
        }
        self.inner.get_opts(key, options).await
    }

    async fn get_ranges(&self, key: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        Self::request(&self.script, |counts| counts.gets += 1)?;
        self.inner.get_ranges(key, ranges).await
    }

    fn delete_stream(
        &self,
        keys: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let (inner, script, halted) =
            (self.inner.clone(), self.script.clone(), self.halted.clone());
        let delete = move |key: Result<Path>| {
            let (inner, script, halted) = (inner.clone(), script.clone(), halted.clone());
            async move {
                let key = key?;
                tokio::task::yield_now().await;
                Self::request(&script, |counts| counts.deletes += 1)?;
                is_hit(lock(&script).undeletable.as_ref(), &key)?;
                if is_hit(lock(&script).halting.as_ref(), &key).is_err() {
                    return halted.halt().await;
                }
                let mut one = inner.delete_stream(stream::once(async { Ok(key) }).boxed());
                one.next().await.unwrap_or_else(|| Err(broken()))
            }
        };
        keys.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (inner, script, prefix) = (self.inner.clone(), self.script.clone(), prefix.cloned());
        let begin = async move {
            tokio::task::yield_now().await;
            match Self::request(&script, |counts| counts.lists += 1) {
                Ok(()) => {
                    let (held, older) = {
                        let mut script = lock(&script);
                        (std::mem::take(&mut script.at_list), script.older)
                    };
                    let _ = apply(&*inner, held).await;
                    let listed = inner.list(prefix.as_ref());
                    let date_back = move |meta: ObjectMeta| {
                        let last_modified = meta.last_modified - older;
                        ObjectMeta { last_modified, ..meta }
                    };
                    listed.map_ok(date_back).boxed()
                }
                Err(error) => stream::once(async { Err(error) }).boxed(),
            }
        };
        stream::once(begin).flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        Self::request(&self.script, |counts| counts.lists += 1)?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        Self::request(&self.script, |counts| counts.puts += 1)?;
        self.inner.copy_opts(from, to, options).await
    }
}
