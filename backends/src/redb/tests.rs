use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use ::redb::{Database, StorageBackend, TableDefinition, backends::InMemoryBackend};
use sessile_core::{
    error::{Error, ErrorKind},
    journal::{BlobName, Blobs, Commit, Journal, Position, Record, RecordBody, Scrub},
};
use tempfile::TempDir;

use super::{Options, open_on};
use sessile_driver::{
    clock,
    kv::{GuardedBatch, KvJournal, keys, values},
};
use sessile_testkit::journals::{self, all, append, batch, block_on, carded, kind, record, space};

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

async fn open_in(folder: &TempDir) -> KvJournal {
    super::open(folder.path().join("a.redb"), Options::default()).await.unwrap()
}

/// What a medium may fail at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Write,
    Flush,
}

/// Fails at one step, once or until it is put right.
#[derive(Debug, Default)]
struct Fault {
    step: Mutex<Option<Step>>,
    stays: AtomicBool,
    /// How often the step succeeds before; below zero: it has failed.
    after: AtomicI64,
}

impl Fault {
    fn plan(&self, step: Step, after: i64) {
        *self.step.lock().unwrap() = Some(step);
        self.after.store(after, Ordering::SeqCst);
    }

    fn put_right(&self) {
        *self.step.lock().unwrap() = None;
    }

    fn has_struck(&self) -> bool {
        self.after.load(Ordering::SeqCst) < 0
    }

    fn meet(&self, step: Step) -> io::Result<()> {
        let is_planned = *self.step.lock().unwrap() == Some(step);
        if is_planned && self.after.fetch_sub(1, Ordering::SeqCst) <= 0 {
            if !self.stays.load(Ordering::SeqCst) {
                self.put_right();
            }
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

/// Bytes in memory that outlive their engine.
#[derive(Clone, Debug)]
struct Bytes {
    bytes: Arc<InMemoryBackend>,
    fault: Arc<Fault>,
}

impl Bytes {
    fn new() -> Self {
        Self { bytes: Arc::new(InMemoryBackend::new()), fault: Arc::default() }
    }
}

impl StorageBackend for Bytes {
    fn len(&self) -> io::Result<u64> {
        self.bytes.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.bytes.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.fault.meet(Step::Write)?;
        self.bytes.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.fault.meet(Step::Flush)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.fault.meet(Step::Write)?;
        self.bytes.write(offset, data)
    }
}

#[test]
fn what_every_journal_does() {
    for quick_repair in [false, true] {
        let options = Options::default().with_quick_repair(quick_repair);
        for at in 0..4 {
            let journal = block_on(open_on(Bytes::new(), options.clone())).unwrap();
            block_on(async {
                match at {
                    0 => journals::a_stale_writer_gets_what_it_missed(&journal).await,
                    1 => journals::ranges_of_streams_from_either_end(&journal).await,
                    2 => journals::lists_page_in_both_orders(&journal).await,
                    _ => journals::a_dropped_space_stays_dropped(&journal).await,
                }
            });
        }
    }
}

#[test]
fn everything_comes_back_equal() {
    let folder = folder();
    block_on(async {
        let journal = open_in(&folder).await;
        let name = journal.put_blob(&space(9), b"0123456789").await.unwrap();
        let mut records = vec![
            record(1, u64::MAX, "nul \0 in \u{10ffff}"),
            record(2, u64::MAX - 1, ""),
            Record { body: RecordBody::None, sum: u64::MAX, ..record(3, 0, "") },
            Record { body: RecordBody::Blob(name.clone()), ..record(4, 1 << 63, "") },
        ];
        records[0].kind = "".into();
        let batch = carded(records.clone(), u64::MAX, Some(u128::MAX));
        assert!(matches!(journal.commit(&space(9), None, &batch).await.unwrap(), Commit::Done));
        drop(journal);
        let journal = open_in(&folder).await;
        assert_eq!(journal.read(&space(9), &all()).await.unwrap(), records);
        let head = journal.head(&space(9)).await.unwrap().unwrap();
        assert_eq!((Some(head.position), head.card), (batch.end(), batch.card));
        assert_eq!(journal.get_blob(&space(9), &name, Some(3..5)).await.unwrap(), b"34");
        let other = BlobName("other".into());
        assert_eq!(kind(journal.get_blob(&space(9), &other, None).await), ErrorKind::NotFound);
    });
}

/// A write that fails while a transaction ends: in doubt, done or not, never both, and the handle goes on.
#[test]
fn a_failed_write_is_in_doubt_and_survived() {
    let (mut refused, mut struck) = (0, true);
    for after in 0.. {
        if !struck {
            assert!(after > 3, "a commit writes");
            break;
        }
        let medium = Bytes::new();
        let journal = block_on(open_on(medium.clone(), Options::default())).unwrap();
        struck = block_on(async {
            let one = append(&journal, &space(1), None, "one").await;
            medium.fault.plan(Step::Write, after);
            let two = batch(vec![record(2, 4, "two")]);
            let answer = journal.commit(&space(1), Some(one), &two).await;
            let struck = medium.fault.has_struck();
            medium.fault.put_right();
            let records = journal.read(&space(1), &all()).await.unwrap().len();
            match answer {
                Ok(Commit::Done) => assert_eq!(records, 2, "after {after}"),
                Ok(Commit::Indeterminate { .. }) if records == 2 => {}
                Ok(Commit::Indeterminate { .. }) | Err(Error::Unavailable { .. }) => {
                    assert_eq!(records, 1, "after {after}");
                    refused += 1;
                    let again = journal.commit(&space(1), Some(one), &two).await.unwrap();
                    assert!(matches!(again, Commit::Done), "after {after}: {again:?}");
                }
                Err(other) => panic!("after {after}: {other:?}"),
                Ok(other) => panic!("after {after}: {other:?}"),
            }
            append(&journal, &space(1), two.end(), "three").await;
            journal.close().await.unwrap();
            struck
        });
        let journal = block_on(open_on(medium, Options::default())).unwrap();
        assert_eq!(block_on(journal.read(&space(1), &all())).unwrap().len(), 3);
    }
    assert!(refused > 0, "no write of a transaction was hit");
}

/// A medium that stays full for a while: refused or in doubt, and usable afterwards.
#[test]
fn a_full_medium_is_no_end() {
    for after in 0..12 {
        let medium = Bytes::new();
        let journal = block_on(open_on(medium.clone(), Options::default())).unwrap();
        block_on(async {
            let one = append(&journal, &space(1), None, "one").await;
            medium.fault.stays.store(true, Ordering::SeqCst);
            medium.fault.plan(Step::Write, after);
            let two = batch(vec![record(2, 4, "two")]);
            let answer = journal.commit(&space(1), Some(one), &two).await;
            let is_full = medium.fault.has_struck();
            if is_full && let Err(error) = journal.put_blob(&space(2), b"more").await {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "after {after}: {error}");
            }
            if let Err(error) = journal.head(&space(1)).await {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "after {after}: {error}");
            }
            medium.fault.put_right();
            let records = journal.read(&space(1), &all()).await.unwrap().len();
            match answer {
                Ok(Commit::Done) => assert_eq!(records, 2, "after {after}"),
                Ok(Commit::Indeterminate { .. }) => assert!((1..=2).contains(&records)),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Unavailable, "after {after}: {error}");
                    assert_eq!(records, 1, "after {after}");
                }
                Ok(other) => panic!("after {after}: {other:?}"),
            }
            let head = journal.head(&space(1)).await.unwrap().unwrap().position;
            append(&journal, &space(1), Some(head), "again").await;
            journal.close().await.unwrap();
        });
    }
}

#[test]
fn a_failed_flush_is_in_doubt_and_the_end() {
    for (quick_repair, flushes) in [(false, 1), (true, 2)] {
        for after in 0..flushes {
            let options = Options::default().with_quick_repair(quick_repair);
            let medium = Bytes::new();
            let journal = block_on(open_on(medium.clone(), options.clone())).unwrap();
            let two = batch(vec![record(2, 4, "two")]);
            block_on(async {
                let one = append(&journal, &space(1), None, "one").await;
                medium.fault.plan(Step::Flush, after);
                let answer = journal.commit(&space(1), Some(one), &two).await.unwrap();
                assert!(matches!(answer, Commit::Indeterminate { .. }), "{answer:?}");
                let next = journal.commit(&space(1), Some(one), &two).await;
                assert_eq!(kind(next), ErrorKind::Unavailable);
                let error = journal.head(&space(1)).await.unwrap_err();
                assert!(error.to_string().contains("open it again"), "{error}");
            });
            drop(journal);
            let journal = block_on(open_on(medium, options)).unwrap();
            let records = block_on(journal.read(&space(1), &all())).unwrap();
            assert!((1..=2).contains(&records.len()), "whole or not at all");
        }
    }
}

#[test]
fn a_second_open_is_refused_by_name() {
    let folder = folder();
    block_on(async {
        let journal = open_in(&folder).await;
        let error =
            super::open(folder.path().join("a.redb"), Options::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("a.redb is in use by"), "{error}");
        if cfg!(target_os = "linux") {
            assert!(error.to_string().contains("this process"), "{error}");
        }
        append(&journal, &space(1), None, "the first goes on").await;
        journal.close().await.unwrap();
        open_in(&folder).await;
    });
}

#[test]
fn what_is_no_store_is_refused() {
    let folder = folder();
    let path = folder.path().join("a.redb");
    let opened = || block_on(super::open(&path, Options::default()));
    std::fs::write(&path, "no database, only words").unwrap();
    assert!(matches!(opened(), Err(Error::CorruptFile { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), b"no database, only words");
    std::fs::remove_file(&path).unwrap();
    let foreign = Database::create(&path).unwrap();
    let txn = foreign.begin_write().unwrap();
    txn.open_table(TableDefinition::<u64, u64>::new("theirs")).unwrap();
    txn.commit().unwrap();
    drop(foreign);
    let error = opened().unwrap_err();
    assert!(error.to_string().contains("another application"), "{error}");
    std::fs::remove_file(&path).unwrap();
    drop(opened().unwrap());
    let journal = opened().unwrap();
    let newer = GuardedBatch {
        put: vec![(keys::STORE.to_vec(), Some(values::encode_store(7, 0)))],
        ..GuardedBatch::default()
    };
    let applied = block_on(journal.engine().apply(&[newer], clock::instant()));
    assert_eq!(applied.unwrap(), [true]);
    drop(journal);
    assert!(matches!(opened(), Err(Error::NewerFormat { needs: 7, has: 1, .. })));
    assert_eq!(
        block_on(super::open(folder.path(), Options::default())).unwrap_err().kind(),
        ErrorKind::Invalid
    );
}

/// The engine writes its first page before the number that makes it one.
#[test]
fn a_file_that_was_never_born_is_made_again() {
    let folder = folder();
    let path = folder.path().join("a.redb");
    drop(Database::create(&path).unwrap());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[..9].fill(0);
    bytes[4096..].fill(0);
    std::fs::write(&path, &bytes).unwrap();
    block_on(async { append(&open_in(&folder).await, &space(1), None, "one").await });
    // With anything behind the first page it is somebody's.
    bytes[5000] = 1;
    std::fs::write(&path, &bytes).unwrap();
    let opened = block_on(super::open(&path, Options::default()));
    assert_eq!(opened.unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn a_scrub_leaves_everything_but_what_was_erased() {
    let folder = folder();
    let path = folder.path().join("a.redb");
    let secret = "a secret that has to go".repeat(100);
    block_on(async {
        let journal = open_in(&folder).await;
        let mut at: Option<Position> = None;
        for _ in 0..20 {
            at = Some(append(&journal, &space(1), at, &secret).await);
        }
        let kept = append(&journal, &space(2), None, "kept").await;
        std::fs::write(super::open::beside(&path), format!("left by a kill: {secret}")).unwrap();
        journal.erase(&space(1), &(1..=20).collect::<Vec<_>>()).await.unwrap();
        let before = journal.read(&space(1), &all()).await.unwrap();
        assert_eq!(journal.scrub().await.unwrap(), Scrub::Done);
        assert_eq!(journal.read(&space(1), &all()).await.unwrap(), before);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let bytes = std::fs::read(&path).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("a secret that has to go"));
        append(&journal, &space(2), Some(kept), "after it").await;
        let second = super::open(&path, Options::default()).await;
        assert_eq!(kind(second), ErrorKind::Unavailable, "the new file is locked too");
        journal.close().await.unwrap();
        let journal = open_in(&folder).await;
        assert_eq!(journal.read(&space(2), &all()).await.unwrap().len(), 2);
        let store = journal.info().store;
        journal.close().await.unwrap();
        std::fs::write(super::open::beside(&path), "left by a kill").unwrap();
        assert_eq!(open_in(&folder).await.info().store, store);
        assert!(!super::open::beside(&path).exists(), "an open tidies up");
        let journal = open_on(Bytes::new(), Options::default()).await.unwrap();
        assert_eq!(kind(journal.scrub().await), ErrorKind::Unsupported);
    });
}

/// Damage below the records is an error, or is not met: never a panic, never another's record.
#[test]
fn damaged_pages_reach_nobody() {
    let folder = folder();
    let path = folder.path().join("a.redb");
    block_on(async {
        let journal = open_in(&folder).await;
        for bits in 0..20 {
            append(&journal, &space(bits), None, &format!("of {bits}")).await;
        }
        journal.close().await.unwrap();
        let whole = std::fs::read(&path).unwrap();
        let used: Vec<usize> =
            (4096..whole.len()).step_by(509).filter(|at| whole[*at] != 0).collect();
        let mut found = 0;
        for at in used.into_iter().take(200) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x55;
            std::fs::write(&path, &bytes).unwrap();
            let journal = match super::open(&path, Options::default()).await {
                Ok(journal) => journal,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
                    found += 1;
                    continue;
                }
            };
            for bits in 0..20 {
                match journal.read(&space(bits), &all()).await {
                    Ok(records) => assert!(records.len() <= 1),
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Corrupt, "at {at}: {error}");
                        found += 1;
                    }
                }
            }
        }
        assert!(found > 0, "no damage was met");
    });
}
