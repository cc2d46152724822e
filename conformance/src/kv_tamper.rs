//! Damage to a store over an ordered map: the hook `tamper` of every `KvJournal`.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use sessile_core::{
    Result,
    id::{Space, Version},
    journal::{Durability, RecordBody},
};
use sessile_driver::{
    clock,
    kv::{GuardedBatch, Key, Kv, KvJournal, Value, keys, values},
};

use crate::{BoxFuture, Damage, Dir, Tamper, internal::flip};

/// How long a write of the suite's own may wait.
const PATIENCE: Duration = Duration::from_secs(5);

type Open = dyn Fn(Dir) -> BoxFuture<'static, Result<Arc<dyn Kv>>> + Send + Sync;

/// The hook `tamper` of a [`KvJournal`](sessile_driver::kv::KvJournal), whatever its engine is: it damages records through the map
/// below the journal.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use sessile_conformance::{Dir, KvTamper};
/// # use sessile_driver::kv::{KvJournal, Map};
/// # struct MyEngine;
/// # impl MyEngine {
/// #     async fn open(_: &std::path::Path) -> sessile_core::Result<Map> { Ok(Map::default()) }
/// # }
/// sessile_conformance::suite! {
///     journal: mine,
///     open: |dir: Dir| async move {
///         let journal = Arc::new(KvJournal::open(Arc::new(MyEngine::open(dir.path()).await?)).await?);
///         dir.keep(Arc::clone(&journal));
///         sessile_core::Result::Ok(journal)
///     },
///     tamper: |dir: Dir| KvTamper::new(dir, |dir| async move {
///         Ok(Arc::new(MyEngine::open(dir.path()).await?) as _)
///     }),
/// }
/// ```
pub struct KvTamper {
    dir: Dir,
    open: Box<Open>,
}

impl KvTamper {
    /// The journal that was opened last is one that [`Dir::keep`] keeps; `open` opens its engine once more, where it is closed.
    pub fn new<F, Fut>(dir: Dir, open: F) -> Self
    where
        F: Fn(Dir) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Arc<dyn Kv>>> + Send + 'static,
    {
        Self { dir, open: Box::new(move |dir| Box::pin(open(dir))) }
    }

    fn engine(&self) -> Arc<dyn Kv> {
        let journal =
            self.dir.kept::<KvJournal>().expect("`open` keeps its `KvJournal` in the `Dir`");
        Arc::clone(journal.engine())
    }

    async fn opened(&self) -> Arc<dyn Kv> {
        (self.open)(self.dir.clone()).await.expect("a closed engine opens again")
    }
}

impl fmt::Debug for KvTamper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KvTamper").field("dir", &self.dir).finish_non_exhaustive()
    }
}

#[async_trait]
impl Tamper for KvTamper {
    async fn damage(&self, space: &Space, version: Version, damage: Damage) {
        let engine = self.engine();
        if engine.get(&[]).await.is_ok() {
            return Rows(&*engine).damage(space, version, damage).await;
        }
        let engine = self.opened().await;
        Rows(&*engine).damage(space, version, damage).await;
        engine.close().await.expect("it closes");
    }

    async fn newer_format(&self) -> bool {
        let engine = self.engine();
        if engine.info().durability == Durability::None {
            return false;
        }
        let _is_closed = engine.close().await;
        let engine = self.opened().await;
        let store = values::encode_store(values::FORMAT + 1000, 0);
        Rows(&*engine).put(keys::STORE.to_vec(), Some(store)).await;
        engine.close().await.expect("it closes");
        true
    }
}

/// The rows of a store.
struct Rows<'a>(&'a dyn Kv);

impl Rows<'_> {
    async fn get(&self, key: Key) -> Option<Value> {
        self.0.get(&[key]).await.expect("a row").remove(0)
    }

    async fn put(&self, key: Key, value: Option<Value>) {
        let batch = GuardedBatch { put: vec![(key, value)], ..GuardedBatch::default() };
        let applied = self.0.apply(&[batch], clock::deadline(PATIENCE)).await;
        assert_eq!(applied.expect("it is applied"), [true]);
    }

    async fn damage(&self, space: &Space, version: Version, damage: Damage) {
        let number = self.get(keys::living(space)).await.expect("a space to damage");
        let number = values::decode_number(&number).expect("the number of a space");
        let key = |version| keys::record(number, version);
        let value = self.get(key(version)).await.expect("a record to damage");
        match damage {
            Damage::FlipHeader => {
                let mut linked = values::decode_record(version, &value).expect("a record");
                linked.record.header = flip(&linked.record.header).into();
                let value = values::encode_record(&linked.record, linked.prev);
                self.put(key(version), Some(value)).await;
            }
            Damage::FlipBody => {
                let mut linked = values::decode_record(version, &value).expect("a record");
                match linked.record.body {
                    RecordBody::Inline(text) => {
                        linked.record.body = RecordBody::Inline(flip(&text).into());
                        let value = values::encode_record(&linked.record, linked.prev);
                        self.put(key(version), Some(value)).await;
                    }
                    RecordBody::Blob(name) => {
                        let key = keys::blob(number, &name);
                        let mut bytes = self.get(key.clone()).await.expect("the blob of a record");
                        let middle = bytes.len() / 2;
                        bytes[middle] ^= 1;
                        self.put(key, Some(bytes)).await;
                    }
                    RecordBody::None => panic!("a record without a body has none to damage"),
                }
            }
            Damage::Swap(with) => {
                let other = self.get(key(with)).await.expect("a record to change places with");
                self.put(key(with), Some(value)).await;
                self.put(key(version), Some(other)).await;
            }
            Damage::Drop => self.put(key(version), None).await,
            Damage::Insert => {
                let mut end = version;
                while self.get(key(end + 1)).await.is_some() {
                    end += 1;
                }
                for moved in (version..=end).rev() {
                    let value = self.get(key(moved)).await;
                    self.put(key(moved + 1), value).await;
                }
            }
        }
    }
}
