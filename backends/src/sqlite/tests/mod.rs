mod views;
mod writers;

use std::{
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use sessile_core::{
    error::{Error, ErrorKind},
    hash::Hash,
    id::Space,
    journal::{Batch, Blobs, Commit, Direction, Journal, ReadRange, Record, RecordBody, Stream},
};
use tempfile::TempDir;

use super::{Options, Sqlite, Synchronous, open};
use sessile_conformance::Damage;
use sessile_driver::clock;
use sessile_testkit::journals::{self, all, append, batch, block_on, carded, kind, record, space};
use sessile_testkit::sqlite::{damage, need_reader, set_format};

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

async fn open_in(folder: &TempDir) -> Sqlite {
    let options = Options::default().with_synchronous(Synchronous::Normal);
    Sqlite::open(folder.path().join("a.db"), options).await.unwrap()
}

fn plain(folder: &TempDir) -> rusqlite::Connection {
    rusqlite::Connection::open(folder.path().join("a.db")).unwrap()
}

fn one(version: u64, body: &str, patience: Duration) -> Batch {
    Batch { patience, ..batch(vec![record(version, 4, body)]) }
}

fn is_done(commit: &Commit) -> bool {
    matches!(commit, Commit::Done)
}

#[test]
fn what_every_journal_does() {
    let folder = folder();
    for (name, at) in [("stale", 0), ("ranges", 1), ("lists", 2), ("drops", 3)] {
        block_on(async {
            let path = folder.path().join(name);
            let journal = Sqlite::open(path, Options::default()).await.unwrap();
            match at {
                0 => journals::a_stale_writer_gets_what_it_missed(&journal).await,
                1 => journals::ranges_of_streams_from_either_end(&journal).await,
                2 => journals::lists_page_in_both_orders(&journal).await,
                _ => journals::a_dropped_space_stays_dropped(&journal).await,
            }
        });
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
        assert!(is_done(&journal.commit(&space(9), None, &batch).await.unwrap()));
        drop(journal);
        let journal = open_in(&folder).await;
        assert_eq!(journal.read(&space(9), &all()).await.unwrap(), records);
        let head = journal.head(&space(9)).await.unwrap().unwrap();
        assert_eq!((Some(head.position), head.card), (batch.end(), batch.card));
        assert_eq!(journal.get_blob(&space(9), &name, Some(3..5)).await.unwrap(), b"34");
        assert_eq!(journal.get_blob(&space(9), &name, Some(8..u64::MAX)).await.unwrap(), b"89");
        assert_eq!(kind(journal.get_blob(&space(8), &name, None).await), ErrorKind::NotFound);
    });
}

#[test]
fn what_is_no_store_is_refused() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    block_on(async {
        let refused = async |name: &str| kind(Sqlite::open(path(name), Options::default()).await);
        assert_eq!(refused("").await, ErrorKind::Invalid);
        assert_eq!(refused("none/a.db").await, ErrorKind::Invalid);
        std::fs::write(path("text"), "hello, I am a text file. ".repeat(200)).unwrap();
        assert_eq!(refused("text").await, ErrorKind::Corrupt);
        std::fs::write(path("short"), "hello").unwrap();
        assert_eq!(refused("short").await, ErrorKind::Corrupt);
        let other = rusqlite::Connection::open(path("other")).unwrap();
        other.execute_batch("CREATE TABLE t(x)").unwrap();
        assert_eq!(refused("other").await, ErrorKind::Corrupt);
        let mode: String = other.query_row("PRAGMA journal_mode", [], |r| r.get(0)).unwrap();
        assert_eq!(mode, "delete", "a foreign file is left as it is");
        std::fs::write(path("empty"), "").unwrap();
        Sqlite::open(path("empty"), Options::default()).await.unwrap();
        set_format(&path("empty"), 7);
        match Sqlite::open(path("empty"), Options::default()).await.unwrap_err() {
            Error::NewerFormat { needs: 7, has: 1, .. } => {}
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn opening_at_once_succeeds_for_all() {
    let folder = folder();
    let threads: Vec<_> = (0..12)
        .map(|_| {
            let path = folder.path().join("a.db");
            std::thread::spawn(move || {
                block_on(Sqlite::open(path, Options::default())).unwrap().info().store
            })
        })
        .collect();
    let mut stores: Vec<u128> = threads.into_iter().map(|t| t.join().unwrap()).collect();
    stores.dedup();
    assert_eq!(stores.len(), 1);
}

#[test]
fn a_full_disk_is_no_end() {
    let folder = folder();
    let path = sessile_driver::check::absolute_file(&folder.path().join("a.db")).unwrap();
    let options = Options::default();
    let (conn, store) = open::open(&path, &options).unwrap();
    let pages: i64 = conn.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    conn.pragma_update(None, "max_page_count", pages + 20).unwrap();
    let journal = Sqlite::over(path, options, conn, store);
    block_on(async {
        let first = append(&journal, &space(1), None, "small").await;
        let large = one(2, &"x".repeat(1 << 20), Duration::from_secs(1));
        match journal.commit(&space(1), Some(first), &large).await.unwrap_err() {
            Error::Unavailable { reason, .. } => assert!(reason.contains("no space"), "{reason}"),
            other => panic!("{other:?}"),
        }
        append(&journal, &space(1), Some(first), "small").await;
        assert_eq!(journal.read(&space(1), &all()).await.unwrap().len(), 2);
    });
}

#[test]
fn a_gap_is_found_from_every_side() {
    let folder = folder();
    block_on(async {
        let journal = open_in(&folder).await;
        let records = (1..=9).map(|v| record(v, 4 * (v % 3), "x")).collect();
        assert!(is_done(&journal.commit(&space(1), None, &batch(records)).await.unwrap()));
        let path = folder.path().join("a.db");
        assert!(damage(&path, &space(1), 5, Damage::Drop));
        let stream = ReadRange { stream: Some(Stream(8)), ..all() };
        let back = ReadRange { direction: Direction::Backward, ..all() };
        let stream_back = ReadRange { direction: Direction::Backward, ..stream };
        for range in [
            all(),
            back,
            stream,
            stream_back,
            ReadRange { after: 2, upto: 6, ..stream },
            ReadRange { after: 2, upto: 5, ..stream_back },
            ReadRange { after: 4, upto: 5, ..stream },
            ReadRange { after: 4, upto: 5, ..all() },
        ] {
            match journal.read(&space(1), &range).await {
                Err(Error::Corrupt { version: 5, .. }) => {}
                other => panic!("{range:?}: {other:?}"),
            }
        }
        let beside = ReadRange { after: 5, ..all() };
        assert_eq!(journal.read(&space(1), &beside).await.unwrap().len(), 4);
        let other = ReadRange { stream: Some(Stream(4)), ..all() };
        assert_eq!(journal.read(&space(1), &other).await.unwrap().len(), 3);
        // The end is known from the head.
        assert!(damage(&path, &space(1), 9, Damage::Drop));
        let end = ReadRange { after: 6, ..all() };
        assert!(matches!(
            journal.read(&space(1), &end).await,
            Err(Error::Corrupt { version: 9, .. })
        ));
    });
}

/// Dense and sparse streams, looked at from everywhere.
#[test]
fn a_stream_is_what_a_filter_of_all_would_be() {
    let folder = folder();
    block_on(async {
        let journal = open_in(&folder).await;
        // One stream has most, one comes in spells, one every 40th, one only at both ends.
        let stream = |v: u64| match v {
            1 | 400 => 12,
            v if v % 40 == 7 => 8,
            v if v % 100 < 30 => 4,
            _ => 0,
        };
        let mut at = None;
        for begin in (1..=400).step_by(25) {
            let records = (begin..begin + 25).map(|v| record(v, stream(v), "x")).collect();
            let batch = batch(records);
            assert!(is_done(&journal.commit(&space(1), at, &batch).await.unwrap()));
            at = batch.end();
        }
        for of in [0, 4, 8, 12, 16] {
            let whole: Vec<u64> = (1..=400).filter(|v| of == stream(*v)).collect();
            for (after, upto) in (0..400).step_by(13).flat_map(|after| {
                (after..=401).step_by(17).chain([400]).map(move |upto| (after, upto))
            }) {
                for (direction, limit) in [
                    (Direction::Forward, 3),
                    (Direction::Forward, 500),
                    (Direction::Backward, 3),
                    (Direction::Backward, 500),
                ] {
                    let range =
                        ReadRange { stream: Some(Stream(of)), after, upto, direction, limit };
                    let read = journal.read(&space(1), &range).await.unwrap();
                    let read: Vec<u64> = read.iter().map(|r| r.version).collect();
                    let mut right: Vec<u64> =
                        whole.iter().copied().filter(|v| *v > after && *v <= upto).collect();
                    if direction == Direction::Backward {
                        right.reverse();
                    }
                    right.truncate(limit);
                    assert_eq!(read, right, "{range:?}");
                }
            }
        }
    });
}

#[test]
fn damage_is_as_described() {
    let folder = folder();
    block_on(async {
        let journal = open_in(&folder).await;
        let path = folder.path().join("a.db");
        let read = async |space: &Space| -> Vec<(u64, Arc<str>, RecordBody)> {
            let records = journal.read(space, &all()).await.unwrap();
            records.into_iter().map(|r| (r.version, r.header, r.body)).collect()
        };
        for bits in 0..5 {
            let one = append(&journal, &space(bits), None, "one").await;
            append(&journal, &space(bits), Some(one), "two").await;
        }
        let whole = read(&space(0)).await;
        for (bits, at, what) in [
            (0, 2, Damage::FlipHeader),
            (1, 2, Damage::FlipBody),
            (2, 2, Damage::Swap(1)),
            (3, 1, Damage::Insert),
        ] {
            assert!(damage(&path, &space(bits), at, what));
            assert_ne!(read(&space(bits)).await[1], whole[1], "{what:?}");
        }
        assert!(need_reader(&path, &space(4), 2, 9));
        assert!(!damage(&path, &space(0), 3, Damage::Drop));
        let newer = &journal.read(&space(4), &all()).await.unwrap()[1];
        assert!(newer.header.contains("\"r\":9"));
        assert_eq!(newer.sum, newer.fitting_sum());
    });
}

#[tokio::test]
async fn closing_ends_everything_and_empties_the_log() {
    let folder = folder();
    let journal = Arc::new(open_in(&folder).await);
    append(&*journal, &space(1), None, "x").await;
    let waiter = tokio::spawn({
        let journal = journal.clone();
        async move { journal.wait(&space(1), 1, Duration::from_secs(60)).await }
    });
    tokio::task::yield_now().await;
    journal.close().await.unwrap();
    assert_eq!(kind(waiter.await.unwrap()), ErrorKind::Closed);
    let late = one(1, "x", Duration::from_secs(1));
    assert_eq!(kind(journal.commit(&space(1), None, &late).await), ErrorKind::Closed);
    assert_eq!(kind(journal.head(&space(1)).await), ErrorKind::Closed);
    journal.close().await.unwrap();
    assert!(!folder.path().join("a.db-wal").exists());
}

#[test]
fn snapshots_are_replaced_and_go_with_their_space() {
    use sessile_core::journal::{Position, Snapshot};
    let folder = folder();
    block_on(async {
        let journal = open_in(&folder).await;
        let at = |version| Snapshot {
            position: Position { version, hash: Hash::ZERO },
            bytes: vec![version as u8],
        };
        journal.save_snapshot(&space(1), &at(1)).await.unwrap();
        assert_eq!(journal.load_snapshot(&space(1)).await.unwrap(), None);
        let head = append(&journal, &space(1), None, "x").await;
        let head = append(&journal, &space(1), Some(head), "x").await;
        // A snapshot of what never was does not stay in the way.
        for (save, load) in [(99, 99), (2, 2), (1, 2)] {
            journal.save_snapshot(&space(1), &at(save)).await.unwrap();
            assert_eq!(journal.load_snapshot(&space(1)).await.unwrap(), Some(at(load)));
        }
        assert!(is_done(&journal.drop_space(&space(1), Some(head)).await.unwrap()));
        assert_eq!(journal.load_snapshot(&space(1)).await.unwrap(), None);
        assert_eq!(
            plain(&folder).query_row("SELECT count(*) FROM record", [], |r| r.get(0)),
            Ok(0)
        );
    });
}
