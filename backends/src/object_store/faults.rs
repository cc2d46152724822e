//! An object store that fails as real ones do, by script: for tests.
//!
//! Every call yields once, so that callers meet. Requests are counted by kind, pages of a listing as one.

use std::{
    collections::VecDeque,
    fmt,
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use event_listener::Event;
use futures_util::{StreamExt as _, stream, stream::BoxStream};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    path::Path,
};

use crate::lock::lock;

/// What becomes of one PUT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// As asked.
    Apply,
    /// Not applied; the reply is an error.
    Fail,
    /// Applied; the reply is an error.
    LoseReply,
    /// Applied; the reply is `AlreadyExists`, as after a repeated request.
    SayExists,
    /// Not applied yet: [`Faults::land`] applies it. The reply is an error.
    Hold,
    /// Not applied yet: the next LIST applies it first. The reply is an error.
    LandAtList,
    /// Applied at once; the reply is lost, and its error comes only after [`Faults::release`].
    Late,
    /// Applied, whatever is there already: a store that lies.
    Overwrite,
    /// Not applied; there is no reply, ever. [`Faults::halted`] tells.
    Halt,
    /// As asked; if it is applied, there is no reply, ever. [`Faults::halted`] tells.
    ApplyThenHalt,
}

/// Requests, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// PUT.
    pub puts: u64,
    /// GET and HEAD.
    pub gets: u64,
    /// LIST.
    pub lists: u64,
    /// DELETE, one for each key.
    pub deletes: u64,
}

impl Counts {
    /// All of them.
    pub const fn all(&self) -> u64 {
        self.puts + self.gets + self.lists + self.deletes
    }
}

struct Held {
    key: Path,
    bytes: PutPayload,
    options: PutOptions,
}

#[derive(Default)]
struct Script {
    counts: Counts,
    /// Part of a key, and what becomes of the next PUT whose key has it.
    puts: VecDeque<(String, Put)>,
    /// A seed; half of the replies to conditional PUTs are lost.
    storm: Option<u64>,
    held: Vec<Held>,
    at_list: Vec<Held>,
    /// Parts of keys whose GETs and DELETEs fail.
    unreadable: Option<String>,
    undeletable: Option<String>,
    /// Part of a key whose DELETE is never answered, nor applied.
    halting: Option<String>,
    /// Changes that are let through still; then every request fails, as of a killed process.
    left: Option<u64>,
}

/// Wraps a store.
#[derive(Clone)]
pub struct Faults {
    inner: Arc<dyn ObjectStore>,
    script: Arc<Mutex<Script>>,
    late: Arc<Event>,
    halted: Arc<Halted>,
}

/// Whether a request was halted, and who waits for that.
#[derive(Default)]
struct Halted {
    is_so: AtomicBool,
    event: Event,
}

impl Halted {
    /// Says so, and never ends.
    async fn halt<T>(&self) -> T {
        self.is_so.store(true, Ordering::SeqCst);
        self.event.notify(usize::MAX);
        std::future::pending().await
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Faults({})", self.inner)
    }
}

fn broken() -> Error {
    Error::Generic { store: "Faults", source: "by script".into() }
}

fn exists(key: &Path) -> Error {
    Error::AlreadyExists { path: key.to_string(), source: "by script".into() }
}

async fn apply(store: &dyn ObjectStore, held: Vec<Held>) -> Vec<(Path, Result<()>)> {
    let mut landed = Vec::new();
    for Held { key, bytes, options } in held {
        let put = store.put_opts(&key, bytes, options).await;
        landed.push((key, put.map(|_| ())));
    }
    landed
}

fn is_hit(part: Option<&String>, key: &Path) -> Result<()> {
    match part {
        Some(part) if key.as_ref().contains(part.as_str()) => Err(broken()),
        _ => Ok(()),
    }
}

impl Faults {
    /// No fault yet.
    pub fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner, script: Arc::default(), late: Arc::new(Event::new()), halted: Arc::default() }
    }

    /// Another process's way to the same objects, with counts and a script of its own.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self::new(self.inner.clone())
    }

    /// The next PUT whose key has this part. Several for one part follow each other.
    pub fn next_put(&self, part: &str, fault: Put) {
        lock(&self.script).puts.push_back((part.to_owned(), fault));
    }

    /// Loses the replies to about half of the conditional PUTs; `None` ends it.
    pub fn storm(&self, seed: Option<u64>) {
        lock(&self.script).storm = seed.map(|seed| seed | 1);
    }

    /// After this many more requests every one fails and changes nothing; `None` ends it.
    pub fn die_after(&self, requests: Option<u64>) {
        lock(&self.script).left = requests;
    }

    /// Applies what was held, in the order it was sent; the keys and what the store said to each.
    pub async fn land(&self) -> Vec<(Path, Result<()>)> {
        let held = std::mem::take(&mut lock(&self.script).held);
        apply(&*self.inner, held).await
    }

    /// Lets the late replies come.
    pub fn release(&self) {
        self.late.notify(usize::MAX);
    }

    /// Every GET of a key with this part fails; `None` ends it.
    pub fn fail_gets(&self, part: Option<&str>) {
        lock(&self.script).unreadable = part.map(str::to_owned);
    }

    /// Every DELETE of a key with this part fails; `None` ends it.
    pub fn fail_deletes(&self, part: Option<&str>) {
        lock(&self.script).undeletable = part.map(str::to_owned);
    }

    /// The next DELETE of a key with this part is neither applied nor answered, ever.
    pub fn halt_delete(&self, part: &str) {
        lock(&self.script).halting = Some(part.to_owned());
    }

    /// Ends once a request was halted.
    pub async fn halted(&self) {
        let event = self.halted.event.listen();
        if !self.halted.is_so.load(Ordering::SeqCst) {
            event.await;
        }
    }

    /// Requests since the last call.
    pub fn take_counts(&self) -> Counts {
        std::mem::take(&mut lock(&self.script).counts)
    }

    /// Counts one request, and says whether the process lives.
    fn request(script: &Mutex<Script>, count: impl FnOnce(&mut Counts)) -> Result<()> {
        let mut script = lock(script);
        if let Some(left) = &mut script.left {
            *left = left.checked_sub(1).ok_or_else(broken)?;
        }
        count(&mut script.counts);
        Ok(())
    }

    fn fault_of(&self, key: &Path, is_create: bool) -> Put {
        let mut script = lock(&self.script);
        let at = script.puts.iter().position(|(part, _)| key.as_ref().contains(part.as_str()));
        if let Some((_, fault)) = at.and_then(|at| script.puts.remove(at)) {
            return fault;
        }
        match &mut script.storm {
            Some(seed) if is_create => {
                *seed ^= *seed << 13;
                *seed ^= *seed >> 7;
                *seed ^= *seed << 17;
                match *seed >> 61 {
                    0 | 1 => Put::LoseReply,
                    2 => Put::SayExists,
                    3 => Put::Fail,
                    _ => Put::Apply,
                }
            }
            _ => Put::Apply,
        }
    }
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
        tokio::task::yield_now().await;
        Self::request(&self.script, |counts| counts.gets += 1)?;
        is_hit(lock(&self.script).unreadable.as_ref(), key)?;
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
                    let held = std::mem::take(&mut lock(&script).at_list);
                    let _ = apply(&*inner, held).await;
                    inner.list(prefix.as_ref())
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
