//! The disk journal on a medium that fails when told to.

use std::{
    io,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use sessile_core::journal::{Direction, ReadRange, Stream};

use super::*;
use crate::disk::medium::{Entry, File, Medium, Mode, Os, Stat};

/// What fails from now on, by name; a write that fails has written half. How often something failed, and bytes read.
#[derive(Debug, Default)]
struct FailurePlan(Mutex<Vec<&'static str>>, AtomicUsize, AtomicUsize);

impl FailurePlan {
    fn set(&self, failing: &[&'static str]) {
        *self.0.lock().unwrap() = failing.to_vec();
    }

    fn check(&self, what: &str) -> io::Result<()> {
        if self.0.lock().unwrap().contains(&what) {
            self.1.fetch_add(1, Ordering::Relaxed);
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Failing(Arc<FailurePlan>);

#[derive(Debug)]
struct FailingFile(Arc<dyn File>, Arc<FailurePlan>);

impl Medium for Failing {
    fn open(&self, path: &Path, mode: Mode) -> io::Result<Arc<dyn File>> {
        if mode == Mode::Create || mode == Mode::CreateNew {
            self.0.check("create")?;
        }
        Ok(Arc::new(FailingFile(Os.open(path, mode)?, Arc::clone(&self.0))))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.check("rename")?;
        Os.rename(from, to)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.0.check("remove")?;
        Os.remove_file(path)
    }
    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        Os.remove_dir(path)
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        Os.create_dir(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.0.check("sync_dir")?;
        Os.sync_dir(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        Os.list(path)
    }
    fn stat(&self, path: &Path) -> io::Result<Stat> {
        Os.stat(path)
    }
}

impl File for FailingFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.1.check("read")?;
        self.1.2.fetch_add(bytes.len(), Ordering::Relaxed);
        self.0.read_at(bytes, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if let Err(e) = self.1.check("write") {
            self.0.write_at(&bytes[..bytes.len() / 2], offset)?;
            return Err(e);
        }
        self.0.write_at(bytes, offset)
    }
    fn truncate(&self, len: u64) -> io::Result<()> {
        self.1.check("truncate")?;
        self.0.truncate(len)
    }
    fn sync(&self) -> io::Result<()> {
        self.1.check("sync")?;
        self.0.sync()
    }
    fn stat(&self) -> io::Result<Stat> {
        self.0.stat()
    }
    fn try_lock(&self) -> io::Result<bool> {
        self.0.try_lock()
    }
    fn unlock(&self) -> io::Result<()> {
        self.0.unlock()
    }
}

async fn failing(folder: &TempDir) -> (Disk, Arc<FailurePlan>) {
    let plan = Arc::new(FailurePlan::default());
    let medium = Arc::new(Failing(Arc::clone(&plan)));
    (Disk::open_on(medium, root(folder), Options::default()).await.unwrap(), plan)
}

fn next(at: Option<Position>) -> sessile_core::journal::Batch {
    batch(vec![record(at.map_or(1, |at| at.version + 1), 4, "next")])
}

#[test]
fn a_failed_write_leaves_nothing_and_the_next_succeeds() {
    for written in [0, 1] {
        let folder = folder();
        block_on(async {
            let (journal, plan) = failing(&folder).await;
            let at = match written {
                0 => None,
                _ => Some(append(&journal, &space(1), None, "one").await),
            };
            for _ in 0..2 {
                plan.set(&["write"]);
                let answer = journal.commit(&space(1), at, &next(at)).await;
                assert_eq!(kind(answer), ErrorKind::Unavailable);
                plan.set(&[]);
                assert_eq!(head(&journal, &space(1)).await.map(|head| head.position), at);
            }
            append(&journal, &space(1), at, "after").await;
            journal.close().await.unwrap();
            let journal = open_in(&folder).await;
            assert_eq!(bodies(&journal, &space(1)).await.len(), written + 1);
            assert_eq!(journal.repairs(), []);
        });
    }
}

#[test]
fn a_failed_flush_ends_the_space_until_it_is_opened_again() {
    for (failing_now, written) in [
        (&["sync"][..], 1),
        (&["sync"], 0),
        (&["write", "truncate"], 1),
        (&["write", "sync"], 1),
        (&["sync_dir"], 0),
    ] {
        let folder = folder();
        block_on(async {
            let (journal, plan) = failing(&folder).await;
            let at = match written {
                0 => None,
                _ => Some(append(&journal, &space(1), None, "one").await),
            };
            append(&journal, &space(2), None, "other").await;
            plan.set(failing_now);
            let answer = journal.commit(&space(1), at, &next(at)).await.unwrap();
            assert!(matches!(answer, Commit::Indeterminate { source: Some(_) }), "{answer:?}");
            plan.set(&[]);
            for _ in 0..2 {
                let answer = journal.commit(&space(1), at, &next(at)).await;
                assert_eq!(kind(answer), ErrorKind::Unavailable, "{failing_now:?}");
            }
            assert_eq!(head(&journal, &space(1)).await.map(|head| head.position), at);
            let other = head(&journal, &space(2)).await.unwrap().position;
            append(&journal, &space(2), Some(other), "goes on").await;
            journal.close().await.unwrap();
            let journal = open_in(&folder).await;
            let at = head(&journal, &space(1)).await.map(|head| head.position);
            append(&journal, &space(1), at, "opened again").await;
            assert_eq!(bodies(&journal, &space(2)).await, ["other", "goes on"]);
        });
    }
}

#[test]
fn what_fails_beside_the_records_leaves_them_alone() {
    let folder = folder();
    block_on(async {
        let (journal, plan) = failing(&folder).await;
        let at = append(&journal, &space(1), None, "one").await;
        let two = append(&journal, &space(1), Some(at), "two").await;
        let snapshot = Snapshot { position: at, bytes: vec![1; 100] };
        for failing_now in ["create", "write", "sync", "rename"] {
            plan.set(&[failing_now]);
            let unavailable = ErrorKind::Unavailable;
            assert_eq!(kind(journal.save_snapshot(&space(1), &snapshot).await), unavailable);
            assert_eq!(kind(journal.erase(&space(1), &[1]).await), unavailable, "{failing_now}");
            if failing_now != "rename" {
                assert_eq!(kind(journal.put_blob(&space(1), b"x").await), unavailable);
            }
            plan.set(&[]);
            assert_eq!(bodies(&journal, &space(1)).await, ["one", "two"]);
        }
        plan.set(&["create"]);
        let dropped = journal.drop_space(&space(1), Some(two)).await;
        assert_eq!(kind(dropped), ErrorKind::Unavailable);
        plan.set(&[]);
        assert_eq!(bodies(&journal, &space(1)).await, ["one", "two"]);
        // What cannot be removed yet is removed by scrub.
        plan.set(&["remove"]);
        assert!(is_done(&journal.drop_space(&space(1), Some(two)).await.unwrap()));
        plan.set(&[]);
        assert!(file(&folder, &space(1)).exists());
        assert_eq!(head(&journal, &space(1)).await, None);
        assert_eq!(journal.scrub().await.unwrap(), Scrub::Done);
        assert!(!file(&folder, &space(1)).exists());
    });
}

#[test]
fn a_cold_read_of_the_end_costs_what_it_reads() {
    let folder = folder();
    block_on(async {
        let body = "x".repeat(1000);
        let journal = open_in(&folder).await;
        let (mut at, mut version) = (None, 0);
        for many in [[100; 20].as_slice(), &[1; 60]].concat() {
            let records = (version + 1..=version + many).map(|v| record(v, 4, &body)).collect();
            let batch = batch(records);
            assert!(is_done(&journal.commit(&space(1), at, &batch).await.unwrap()));
            (at, version) = (batch.end(), version + many);
        }
        // Once as a crash leaves it, once closed.
        drop(journal);
        let len = fs::read(file(&folder, &space(1))).unwrap().len();
        assert!(len > 2 << 20);
        for _ in 0..2 {
            let (journal, plan) = failing(&folder).await;
            let bytes = || plan.2.swap(0, Ordering::Relaxed);
            let last = ReadRange {
                stream: Some(Stream(4)),
                direction: Direction::Backward,
                limit: 50,
                ..all()
            };
            bytes();
            let records = journal.read(&space(1), &last).await.unwrap();
            assert!(records.iter().map(|r| r.version).eq((2011..=2060).rev()));
            let cold = bytes();
            assert!(cold < len / 4, "{cold} of {len}");
            assert_eq!(journal.read(&space(1), &last).await.unwrap(), records);
            let warm = bytes();
            assert!(warm < 100 << 10, "{warm}");
            // One record of a line of a hundred.
            let one = ReadRange { after: 1950, upto: 1951, ..all() };
            journal.read(&space(1), &one).await.unwrap();
            bytes();
            assert_eq!(journal.read(&space(1), &one).await.unwrap()[0].version, 1951);
            let warm = bytes();
            assert!(warm < 4 << 10, "{warm}");
            assert_eq!(bodies(&journal, &space(1)).await.len(), 1000);
            assert_eq!(journal.repairs(), []);
            journal.close().await.unwrap();
        }
    });
}
