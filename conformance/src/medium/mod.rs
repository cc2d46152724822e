//! A simulated medium in memory, for the `crash` hook of [`suite!`](crate::suite).
//!
//! A [`SimDisk`] can be switched off after any operation, filled, write-protected, and made to fail at flushing. It knows
//! what of it is written and what is flushed, so that the suite can look at it as it would be after a stop of the machine.

mod file;
mod paths;
mod state;
mod tree;

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, Weak},
    time::Duration,
};

use tokio::sync::watch;

pub use file::SimFile;

use self::state::{survivors, torn};
use self::tree::{Ino, Op, Tree};

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// It exists, and is read.
    Read,
    /// It exists, and is written.
    Write,
    /// Made empty if there is none.
    Create,
    /// Made empty; there is none.
    CreateNew,
}

/// What is on a medium when the machine runs again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survives {
    /// All that was written: the process died, the machine ran on. What was not flushed is still not flushed.
    Written,
    /// Only what was flushed: power was lost.
    Flushed,
    /// What was flushed, and a random part of the rest, sector by sector and name by name: power was lost.
    Some(u64),
}

/// A file or folder from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Bytes; 0 for a folder.
    pub len: u64,
    /// Whether it is a folder.
    pub is_dir: bool,
    /// When it was last written, since 1970: each operation on the medium takes a millisecond.
    pub modified: Duration,
}

#[derive(Debug, Default)]
struct State {
    tree: Tree,
    /// The tree before the first operation of `log`.
    start: Tree,
    log: Vec<Op>,
    next: Ino,
    /// How long the clock has run, in milliseconds.
    ticks: u64,
    locked: BTreeSet<Ino>,
    stop_after: Option<u64>,
    /// Decides how much of the write that is cut off lands.
    tear: Option<u64>,
    room: Option<u64>,
    read_only: bool,
    /// Flushes until one fails.
    fail_flush: Option<u64>,
    flushes: u64,
}

struct Inner {
    state: Mutex<State>,
    off: watch::Sender<bool>,
    kept: Mutex<BTreeMap<&'static str, Arc<dyn Any + Send + Sync>>>,
}

/// A reference to a medium that does not keep it.
#[derive(Clone)]
pub struct WeakDisk(Weak<Inner>);

impl fmt::Debug for WeakDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakDisk")
    }
}

impl WeakDisk {
    /// The medium, if it is still kept.
    pub fn upgrade(&self) -> Option<SimDisk> {
        self.0.upgrade().map(|inner| SimDisk { inner })
    }
}

/// A medium. Clones are the same one.
///
/// An operation is what changes something or flushes: they are counted, and the machine can be stopped after any of them.
/// Names are flushed by [`sync_dir`](Self::sync_dir), contents by [`SimFile::sync`], and neither flushes the other.
#[derive(Clone)]
pub struct SimDisk {
    inner: Arc<Inner>,
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimDisk").field("operations", &self.operations()).finish_non_exhaustive()
    }
}

impl Default for SimDisk {
    fn default() -> Self {
        Self::with(Tree::default(), 1, 0)
    }
}

fn off() -> io::Error {
    io::Error::other("the machine is off")
}

impl SimDisk {
    fn with(tree: Tree, next: Ino, ticks: u64) -> Self {
        let start = tree.clone();
        let state = State { tree, start, next, ticks, ..State::default() };
        let inner = Inner {
            state: Mutex::new(state),
            off: watch::Sender::new(false),
            kept: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().expect("no panic inside")
    }

    /// The state, if the machine runs.
    fn running(&self) -> io::Result<MutexGuard<'_, State>> {
        if self.is_off() { Err(off()) } else { Ok(self.state()) }
    }

    /// The medium, without keeping it.
    pub fn downgrade(&self) -> WeakDisk {
        WeakDisk(Arc::downgrade(&self.inner))
    }

    /// Keeps a value for as long as the medium exists: what an adapter needs beside it.
    pub fn keep<T: Any + Send + Sync>(&self, value: Arc<T>) {
        let mut kept = self.inner.kept.lock().expect("no panic inside");
        kept.insert(std::any::type_name::<T>(), value);
    }

    /// The value of this type that was kept last.
    pub fn kept<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let kept = self.inner.kept.lock().expect("no panic inside");
        Arc::clone(kept.get(std::any::type_name::<T>())?).downcast().ok()
    }

    /// Operations so far, since the medium was made or came back.
    pub fn operations(&self) -> u64 {
        self.state().tree.count
    }

    /// Flushes so far, of files and folders.
    pub fn flushes(&self) -> u64 {
        self.state().flushes
    }

    /// Lets so many operations happen, counted like [`operations`](Self::operations); the next fails and switches the
    /// machine off. With a seed, and if it is a write, a part of it lands.
    pub fn stop_after(&self, operations: u64, tear: Option<u64>) {
        let mut state = self.state();
        (state.stop_after, state.tear) = (Some(operations), tear);
    }

    /// Whether the machine is off: every call fails.
    pub fn is_off(&self) -> bool {
        *self.inner.off.borrow()
    }

    /// Returns once the machine is off.
    pub async fn off(&self) {
        let mut off = self.inner.off.subscribe();
        let _stays = off.wait_for(|off| *off).await;
    }

    /// Leaves room for so many more bytes; `None`: for any number.
    pub fn leave_room(&self, room: Option<u64>) {
        let mut state = self.state();
        state.room = room.map(|room| state.tree.bytes() + room);
    }

    /// Makes every change fail, or no longer.
    pub fn set_read_only(&self, read_only: bool) {
        self.state().read_only = read_only;
    }

    /// Makes the flush after so many others fail. What it was to flush is not flushed by a later one either.
    pub fn fail_flush(&self, after: u64) {
        self.state().fail_flush = Some(after);
    }

    /// The medium as the next run of the machine finds it. This one is off.
    #[must_use]
    pub fn reboot(&self, survives: Survives) -> Self {
        self.inner.off.send_replace(true);
        let state = self.state();
        Self::with(survivors(&state.tree, survives), state.next, state.ticks)
    }

    /// The medium as it would be found if the machine had stopped after so many operations. With a seed, and if the next
    /// operation is a write, a part of that landed too.
    ///
    /// # Panics
    /// If there were not so many.
    #[must_use]
    pub fn stopped_at(&self, operations: u64, tear: Option<u64>, survives: Survives) -> Self {
        let state = self.state();
        let mut tree = state.start.clone();
        let upto = operations as usize;
        state.log[..upto].iter().for_each(|op| tree.apply(op));
        if let (Some(seed), Some(op)) = (tear, state.log.get(upto))
            && let Some(part) = torn(op, seed)
        {
            tree.apply(&part);
        }
        Self::with(survivors(&tree, survives), state.next, state.ticks)
    }

    /// Whether the operation after so many others was a write, which can be torn.
    pub fn is_write(&self, operations: u64) -> bool {
        matches!(self.state().log.get(operations as usize), Some(Op::Write { .. }))
    }

    /// What the operation after so many others was, in a few words.
    pub fn describe(&self, operations: u64) -> String {
        let state = self.state();
        match state.log.get(operations as usize) {
            None => "nothing".to_owned(),
            Some(Op::Write { ino, at, bytes }) => {
                format!("write of {} bytes at {at} of file {ino}", bytes.len())
            }
            Some(Op::PutObject { name, bytes, .. }) => {
                format!("put of {name}, {} bytes", bytes.len())
            }
            Some(other) => format!("{other:?}"),
        }
    }

    /// Performs an operation, or fails as the medium is set to.
    fn perform(&self, op: Op) -> io::Result<()> {
        let mut state = self.running()?;
        if state.stop_after.is_some_and(|last| state.tree.count >= last) {
            if let Some(part) = state.tear.and_then(|seed| torn(&op, seed)) {
                state.tree.apply(&part);
            }
            drop(state);
            self.inner.off.send_replace(true);
            return Err(off());
        }
        let (op, done) = state.restricted(op);
        state.ticks += 1;
        state.flushes += u64::from(matches!(op, Op::Sync { .. } | Op::SyncDir { .. }));
        state.tree.apply(&op);
        state.log.push(op);
        done
    }
}
