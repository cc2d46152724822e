//! A medium in memory that can be switched off, filled, write-protected, and made to fail at flushing.

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    path::{Component, Path},
    sync::{Arc, Mutex, MutexGuard, Weak},
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::sync::watch;

use super::tree::{Fate, Ino, Node, Op, ROOT, Tree};
use crate::TestClock;

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

/// What of a medium is there when the machine runs again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survives {
    /// All that was written: the process died, the machine did not. What was not flushed is still not.
    Written,
    /// Only what was flushed: power was lost.
    Flushed,
    /// What was flushed, and of the rest what chance decides, sector by sector and name by name: power was lost.
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

/// A medium as long as somebody else keeps it.
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

    /// A working machine, to look around.
    fn on(&self) -> io::Result<MutexGuard<'_, State>> {
        if self.is_off() { Err(off()) } else { Ok(self.state()) }
    }

    /// The medium, without keeping it.
    pub fn downgrade(&self) -> WeakDisk {
        WeakDisk(Arc::downgrade(&self.inner))
    }

    /// Keeps a value as long as the medium exists: what its adapter needs beside it.
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
            Some(Op::Put { name, bytes, .. }) => format!("put of {name}, {} bytes", bytes.len()),
            Some(other) => format!("{other:?}"),
        }
    }

    /// Does an operation, unless something is in its way.
    fn act(&self, op: Op) -> io::Result<()> {
        let mut state = self.on()?;
        if state.stop_after.is_some_and(|last| state.tree.count >= last) {
            if let Some(part) = state.tear.and_then(|seed| torn(&op, seed)) {
                state.tree.apply(&part);
            }
            drop(state);
            self.inner.off.send_replace(true);
            return Err(off());
        }
        let (op, done) = state.hindered(op);
        state.ticks += 1;
        state.flushes += u64::from(matches!(op, Op::Sync { .. } | Op::SyncDir { .. }));
        state.tree.apply(&op);
        state.log.push(op);
        done
    }

    /// Opens or makes a file.
    pub fn open(&self, path: &Path, open: Open) -> io::Result<SimFile> {
        let state = self.on()?;
        let (dir, name) = state.place(path)?;
        if state.read_only && open != Open::Read {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        let ino = match (state.lookup(dir, &name), open) {
            (Some(_), Open::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(ino), _) if state.tree.file(ino).is_some() => ino,
            (Some(_), _) => return Err(io::ErrorKind::IsADirectory.into()),
            (None, Open::Read | Open::Write) => return Err(io::ErrorKind::NotFound.into()),
            (None, Open::Create | Open::CreateNew) => {
                drop(state);
                self.make(dir, name, false)?
            }
        };
        let writable = open != Open::Read;
        Ok(SimFile { disk: self.clone(), ino, writable, lock: Arc::default() })
    }

    fn make(&self, dir: Ino, name: String, is_dir: bool) -> io::Result<Ino> {
        let ino = {
            let mut state = self.on()?;
            state.next += 1;
            state.next
        };
        self.act(Op::Make { dir, name, ino, is_dir })?;
        Ok(ino)
    }

    /// Gives a file another name; what had that name is gone.
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let state = self.on()?;
        let (from, to) = (state.place(from)?, state.place(to)?);
        let ino = state.lookup(from.0, &from.1).ok_or(io::ErrorKind::NotFound)?;
        drop(state);
        self.act(Op::Rename { from, to, ino })
    }

    /// Removes a file, or an empty folder.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        let state = self.on()?;
        let (dir, name) = state.place(path)?;
        let ino = state.lookup(dir, &name).ok_or(io::ErrorKind::NotFound)?;
        if state.tree.folder(ino).is_some_and(|folder| !folder.live.is_empty()) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        drop(state);
        self.act(Op::Remove { dir, name })
    }

    /// Makes a folder; the one it is in exists.
    pub fn create_dir(&self, path: &Path) -> io::Result<()> {
        let state = self.on()?;
        let (dir, name) = state.place(path)?;
        if state.lookup(dir, &name).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        drop(state);
        self.make(dir, name, true).map(drop)
    }

    /// Flushes the names in a folder.
    pub fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let ino = self.on()?.dir(path)?;
        self.act(Op::SyncDir { ino })
    }

    /// Names in a folder, and whether each is a folder.
    pub fn list(&self, path: &Path) -> io::Result<Vec<(String, bool)>> {
        let state = self.on()?;
        let dir = state.dir(path)?;
        let Some(folder) = state.tree.folder(dir) else { return Ok(Vec::new()) };
        let is_dir = |ino| state.tree.folder(ino).is_some();
        Ok(folder.live.iter().map(|(name, ino)| (name.clone(), is_dir(*ino))).collect())
    }

    /// What is at a path.
    pub fn stat(&self, path: &Path) -> io::Result<Stat> {
        let state = self.on()?;
        let (dir, name) = state.place(path)?;
        let ino = state.lookup(dir, &name).ok_or(io::ErrorKind::NotFound)?;
        Ok(state.stat(ino))
    }

    /// Puts a whole file in a folder, in one durable operation: what an object store does.
    pub fn put(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.on()?;
        let (dir, name) = state.place(path)?;
        state.next += 1;
        let ino = state.next;
        drop(state);
        self.act(Op::Put { dir, name, ino, bytes: bytes.to_vec() })
    }

    /// Takes a file away, in one durable operation.
    pub fn unput(&self, path: &Path) -> io::Result<()> {
        let (dir, name) = self.on()?.place(path)?;
        self.act(Op::Unput { dir, name })
    }

    /// The whole content of a file.
    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.on()?;
        let (dir, name) = state.place(path)?;
        let ino = state.lookup(dir, &name).ok_or(io::ErrorKind::NotFound)?;
        Ok(state.tree.file(ino).ok_or(io::ErrorKind::IsADirectory)?.live.clone())
    }
}

fn survivors(tree: &Tree, survives: Survives) -> Tree {
    match survives {
        Survives::Written => tree.kill(),
        Survives::Flushed => tree.lose_power(Fate::Lost),
        Survives::Some(seed) => {
            tree.lose_power(Fate::Chance(Box::new(StdRng::seed_from_u64(seed))))
        }
    }
}

/// The part of a write that lands when it is cut off.
fn torn(op: &Op, seed: u64) -> Option<Op> {
    let Op::Write { ino, at, bytes } = op else { return None };
    let some = StdRng::seed_from_u64(seed ^ at.rotate_left(17)).random_range(0..bytes.len().max(1));
    Some(Op::Write { ino: *ino, at: *at, bytes: bytes[..some].to_vec() })
}

impl State {
    /// The folder of a path's last part, and that part.
    fn place(&self, path: &Path) -> io::Result<(Ino, String)> {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        let dir = self.dir(path.parent().unwrap_or(Path::new("")))?;
        Ok((dir, name))
    }

    fn dir(&self, path: &Path) -> io::Result<Ino> {
        let mut at = ROOT;
        for part in path.components() {
            let name = match part {
                Component::Normal(name) => name.to_str().ok_or(io::ErrorKind::InvalidInput)?,
                Component::RootDir | Component::CurDir => continue,
                _ => return Err(io::ErrorKind::InvalidInput.into()),
            };
            at = self.lookup(at, name).ok_or(io::ErrorKind::NotFound)?;
            if self.tree.folder(at).is_none() {
                return Err(io::ErrorKind::NotADirectory.into());
            }
        }
        Ok(at)
    }

    fn lookup(&self, dir: Ino, name: &str) -> Option<Ino> {
        self.tree.folder(dir)?.live.get(name).copied()
    }

    fn stat(&self, ino: Ino) -> Stat {
        let start = TestClock::START.millis();
        let (len, touched, is_dir) = match self.tree.nodes.get(&ino) {
            Some(Node::File(file)) => (file.live.len() as u64, file.touched, false),
            _ => (0, 0, true),
        };
        Stat { len, is_dir, modified: Duration::from_millis(start + touched) }
    }

    /// What really happens of an operation, and what is said of it.
    fn hindered(&mut self, op: Op) -> (Op, io::Result<()>) {
        let flush = match &op {
            Op::Sync { ino } | Op::SyncDir { ino } => Some(*ino),
            _ => None,
        };
        if let Some(ino) = flush {
            if let Some(left) = &mut self.fail_flush {
                if *left == 0 {
                    self.fail_flush = None;
                    let error = io::Error::other("the flush failed");
                    return (Op::LoseSync { ino }, Err(error));
                }
                *left -= 1;
            }
            return (op, Ok(()));
        }
        if self.read_only {
            return (Op::Nothing, Err(io::ErrorKind::ReadOnlyFilesystem.into()));
        }
        let Some(room) = self.room.map(|room| room.saturating_sub(self.tree.bytes())) else {
            return (op, Ok(()));
        };
        let full = || Err(io::ErrorKind::StorageFull.into());
        match op {
            Op::Write { ino, at, mut bytes } => {
                let len = self.tree.file(ino).map_or(0, |file| file.live.len() as u64);
                let fits = (len + room).saturating_sub(at);
                if bytes.len() as u64 <= fits {
                    return (Op::Write { ino, at, bytes }, Ok(()));
                }
                bytes.truncate(fits as usize);
                (Op::Write { ino, at, bytes }, full())
            }
            Op::Put { ref bytes, .. } if bytes.len() as u64 > room => (Op::Nothing, full()),
            Op::SetLen { ino, len } => {
                let now = self.tree.file(ino).map_or(0, |file| file.live.len() as u64);
                if len <= now + room { (op, Ok(())) } else { (Op::Nothing, full()) }
            }
            Op::Make { .. } if room == 0 => (Op::Nothing, full()),
            op => (op, Ok(())),
        }
    }
}

/// An open file. It lives on when its name is given to another or removed.
#[derive(Clone)]
pub struct SimFile {
    disk: SimDisk,
    ino: Ino,
    writable: bool,
    lock: Arc<Mutex<Option<Held>>>,
}

impl fmt::Debug for SimFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SimFile").field(&self.ino).finish()
    }
}

/// A lock, until it is dropped.
struct Held(SimDisk, Ino);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.state().locked.remove(&self.1);
    }
}

impl SimFile {
    /// Reads at most so many bytes; fewer only at the end of the file.
    pub fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize> {
        let state = self.disk.on()?;
        let file = state.tree.file(self.ino).ok_or(io::ErrorKind::NotFound)?;
        let from = (at as usize).min(file.live.len());
        let len = bytes.len().min(file.live.len() - from);
        bytes[..len].copy_from_slice(&file.live[from..from + len]);
        Ok(len)
    }

    /// Writes all bytes; on an error, perhaps some.
    pub fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.is_writable()?;
        self.disk.act(Op::Write { ino: self.ino, at, bytes: bytes.to_vec() })
    }

    /// Writes all bytes at the end.
    pub fn append(&self, bytes: &[u8]) -> io::Result<()> {
        self.write_at(bytes, self.len()?)
    }

    /// Makes the file shorter, or longer by zeros.
    pub fn set_len(&self, len: u64) -> io::Result<()> {
        self.is_writable()?;
        self.disk.act(Op::SetLen { ino: self.ino, len })
    }

    fn is_writable(&self) -> io::Result<()> {
        if self.writable { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }

    /// Flushes contents and length.
    pub fn sync(&self) -> io::Result<()> {
        self.disk.act(Op::Sync { ino: self.ino })
    }

    /// Its length.
    #[allow(clippy::len_without_is_empty, reason = "nobody asks")]
    pub fn len(&self) -> io::Result<u64> {
        Ok(self.stat()?.len)
    }

    /// Length and time.
    pub fn stat(&self) -> io::Result<Stat> {
        Ok(self.disk.on()?.stat(self.ino))
    }

    /// Takes the exclusive lock; `false` if another open file has it. Clones of this handle hold it together.
    pub fn try_lock(&self) -> io::Result<bool> {
        let mut lock = self.lock.lock().expect("no panic inside");
        if lock.is_none() && self.disk.on()?.locked.insert(self.ino) {
            *lock = Some(Held(self.disk.clone(), self.ino));
            return Ok(true);
        }
        Ok(false)
    }

    /// Gives the lock up.
    pub fn unlock(&self) -> io::Result<()> {
        *self.lock.lock().expect("no panic inside") = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> &Path {
        Path::new(name)
    }

    #[test]
    fn keeps_after_power_loss_what_was_flushed() {
        let disk = SimDisk::default();
        let file = disk.open(path("a"), Open::CreateNew).unwrap();
        file.write_at(b"flushed", 0).unwrap();
        file.sync().unwrap();
        let nameless = disk.reboot(Survives::Flushed);
        assert!(nameless.read(path("a")).is_err(), "its name was not flushed");

        let disk = SimDisk::default();
        let file = disk.open(path("a"), Open::CreateNew).unwrap();
        disk.sync_dir(path("")).unwrap();
        file.write_at(b"flushed", 0).unwrap();
        file.sync().unwrap();
        file.append(b" and not").unwrap();
        disk.rename(path("a"), path("b")).unwrap();
        let killed = disk.stopped_at(disk.operations(), None, Survives::Written);
        assert_eq!(killed.read(path("b")).unwrap(), b"flushed and not");
        let lost = disk.reboot(Survives::Flushed);
        assert_eq!(lost.read(path("a")).unwrap(), b"flushed");
        assert!(file.append(b"more").is_err(), "the machine is off");
    }

    #[test]
    fn stops_after_so_many_operations_and_tears_the_next() {
        let disk = SimDisk::default();
        disk.stop_after(2, Some(7));
        let file = disk.open(path("a"), Open::Create).unwrap();
        file.append(b"one").unwrap();
        file.append(&[1; 100]).unwrap_err();
        assert!(disk.is_off());
        assert!(disk.stat(path("a")).is_err());
        let left = disk.reboot(Survives::Written).read(path("a")).unwrap().len();
        assert!((3..103).contains(&left), "{left}");
    }

    #[test]
    fn finds_every_stop_again_from_one_run() {
        let disk = SimDisk::default();
        let file = disk.open(path("a"), Open::Create).unwrap();
        for n in 0..10_u8 {
            file.append(&[n]).unwrap();
        }
        for k in 1..=10 {
            let then = disk.stopped_at(k, None, Survives::Written);
            assert_eq!(then.read(path("a")).unwrap().len() as u64, k - 1);
        }
    }

    #[test]
    fn is_full_and_read_only_and_passes() {
        let disk = SimDisk::default();
        let file = disk.open(path("a"), Open::Create).unwrap();
        disk.leave_room(Some(4));
        let error = file.append(b"too much").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(disk.read(path("a")).unwrap(), b"too ", "what fits has landed");
        disk.leave_room(None);
        disk.set_read_only(true);
        assert_eq!(file.append(b"x").unwrap_err().kind(), io::ErrorKind::ReadOnlyFilesystem);
        disk.set_read_only(false);
        file.append(b"x").unwrap();
    }

    #[test]
    fn a_failed_flush_is_not_made_good_by_the_next() {
        let disk = SimDisk::default();
        let file = disk.open(path("a"), Open::Create).unwrap();
        disk.sync_dir(path("")).unwrap();
        file.append(b"lost").unwrap();
        disk.fail_flush(0);
        file.sync().unwrap_err();
        file.append(b"kept").unwrap();
        file.sync().unwrap();
        let left = disk.reboot(Survives::Flushed).read(path("a")).unwrap();
        assert_eq!(left, b"\0\0\0\0kept");
    }

    #[test]
    fn a_lock_ends_with_its_file() {
        let disk = SimDisk::default();
        let one = disk.open(path("a"), Open::Create).unwrap();
        let two = disk.open(path("a"), Open::Create).unwrap();
        assert!(one.try_lock().unwrap());
        assert!(!two.try_lock().unwrap());
        drop(one);
        assert!(two.try_lock().unwrap());
    }
}
