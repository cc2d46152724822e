//! An object store that fails by script, as real ones do.
//!
//! Every call yields once, so that callers meet. Requests are counted by kind, pages of a listing as one.

mod store;

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use event_listener::Event;
use object_store::{Error, ObjectStore, PutOptions, PutPayload, Result, path::Path};

use self::store::apply;

use sessile_driver::lock;

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
    /// GETs under way, and the most there were.
    reading: u64,
    peak: u64,
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
    /// Part of a key whose next GET waits before it is applied.
    sleeping: Option<String>,
    /// How much older objects look in listings.
    older: Duration,
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

/// Whether a request was halted or put to sleep, and who waits for that.
#[derive(Default)]
struct Halted {
    is_so: AtomicBool,
    event: Event,
}

impl Halted {
    fn tell(&self) {
        self.is_so.store(true, Ordering::SeqCst);
        self.event.notify(usize::MAX);
    }

    /// Says so, and never ends.
    async fn halt<T>(&self) -> T {
        self.tell();
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

/// A GET under way.
struct Reading<'a>(&'a Mutex<Script>);

impl<'a> Reading<'a> {
    fn begin(script: &'a Mutex<Script>) -> Self {
        let mut inside = lock(script);
        inside.reading += 1;
        inside.peak = inside.peak.max(inside.reading);
        Self(script)
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        lock(self.0).reading -= 1;
    }
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

    /// The next GET of a key with this part is applied only after [`release`](Self::release).
    pub fn sleep_before_get(&self, part: &str) {
        lock(&self.script).sleeping = Some(part.to_owned());
    }

    /// Listings show objects as this much older than they are.
    pub fn date_back(&self, older: Duration) {
        lock(&self.script).older = older;
    }

    /// Applies what was held, in the order it was sent; the keys and what the store said to each.
    pub async fn land(&self) -> Vec<(Path, Result<()>)> {
        let held = std::mem::take(&mut lock(&self.script).held);
        apply(&*self.inner, held).await
    }

    /// Lets late replies come and sleeping requests go on.
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

    /// Ends once a request was halted, or put to sleep.
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

    /// The most GETs that were under way at once since the last call.
    pub fn take_peak(&self) -> u64 {
        std::mem::take(&mut lock(&self.script).peak)
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
