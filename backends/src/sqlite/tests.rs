use std::{
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use sessile_core::{
    error::{Error, ErrorKind},
    id::Space,
    journal::{Batch, Blobs, Commit, Direction, Journal, ReadRange, Record, RecordBody, Stream},
    record::Hash,
};
use tempfile::TempDir;

use super::{Options, Sqlite, Synchronous, open, set_format, tamper};
use crate::{
    clock,
    tamper::Damage,
    testing::{self, all, append, batch, block_on, carded, kind, record, space},
};

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
                0 => testing::a_stale_writer_gets_what_it_missed(&journal).await,
                1 => testing::ranges_of_streams_from_either_end(&journal).await,
                2 => testing::lists_page_in_both_orders(&journal).await,
                _ => testing::a_dropped_space_stays_dropped(&journal).await,
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
        set_format(path("empty"), 7).unwrap();
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

/// Many callers at once, from tasks; one of them brings what the engine refuses.
async fn one_of_many_fails(folder: &TempDir) {
    let journal = Arc::new(open_in(folder).await);
    plain(folder)
        .execute_batch(
            "CREATE TRIGGER boom BEFORE INSERT ON record WHEN NEW.kind = 'boom' \
             BEGIN SELECT RAISE(ABORT, 'boom'); END",
        )
        .unwrap();
    let tasks: Vec<_> = (0..40_u128)
        .map(|bits| {
            let journal = journal.clone();
            tokio::spawn(async move {
                let mut batch = batch(vec![record(1, 4, "x"), record(2, 4, "x")]);
                if bits == 17 {
                    batch.records[1].kind = "boom".into();
                }
                journal.commit(&space(bits), None, &batch).await
            })
        })
        .collect();
    for (bits, task) in (0..).zip(tasks) {
        let commit = task.await.unwrap();
        let records = journal.read(&space(bits), &all()).await.unwrap();
        if bits == 17 {
            assert!(commit.is_err(), "{commit:?}");
            assert_eq!(records.len(), 0);
        } else {
            assert!(is_done(&commit.unwrap()));
            assert_eq!(records.len(), 2);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_error_reaches_its_batch_only_in_place() {
    one_of_many_fails(&folder()).await;
}

#[tokio::test]
async fn an_error_reaches_its_batch_only_on_a_thread() {
    one_of_many_fails(&folder()).await;
}

#[test]
fn writers_of_one_space_never_lose_a_commit() {
    let folder = folder();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let path = folder.path().join("a.db");
                tokio::spawn(async move {
                    let journal = Sqlite::open(path, Options::default()).await.unwrap();
                    let mut head = None;
                    let mut tries = 0;
                    for _ in 0..50 {
                        tries += push(&journal, &space(1), &mut head).await;
                    }
                    tries
                })
            })
            .collect();
        let mut tries = 0;
        for task in tasks {
            tries += task.await.unwrap();
        }
        let journal = open_in(&folder).await;
        assert_eq!(journal.read(&space(1), &all()).await.unwrap().len(), 200);
        assert!(tries <= 410, "with a turn the second try wins: {tries}");
    });
}

/// Appends one record after whatever is there; answers how many tries it took.
async fn push(
    journal: &Sqlite,
    space: &Space,
    head: &mut Option<sessile_core::journal::Position>,
) -> u32 {
    let mut tries = 0;
    let mut turn = None;
    loop {
        tries += 1;
        let next = one(head.map_or(1, |p| p.version + 1), "x", Duration::from_secs(10));
        let commit = journal.commit(space, *head, &next).await.unwrap();
        drop(turn.take());
        match commit {
            Commit::Done => {
                *head = next.end();
                return tries;
            }
            Commit::HeadMoved { head: moved, turn: mine, .. } => {
                *head = moved.map(|head| head.position);
                turn = mine;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_turn_keeps_others_out_and_ends() {
    let folder = folder();
    block_on(async {
        let (loser, other) = (open_in(&folder).await, open_in(&folder).await);
        let brief = Duration::from_millis(2);
        let first = append(&other, &space(1), None, "first").await;
        let stale = one(1, "late", Duration::from_secs(1));
        let lose = async || match loser.commit(&space(1), None, &stale).await.unwrap() {
            Commit::HeadMoved { head: Some(head), since, turn: Some(turn) } => {
                assert_eq!((head.position, since.len()), (first, 1));
                turn
            }
            moved => panic!("{moved:?}"),
        };
        // While it lives, others wait.
        let turn = lose().await;
        let refused = other.commit(&space(2), None, &one(1, "x", brief)).await;
        assert_eq!(kind(refused), ErrorKind::Contended);
        // Dropped, it is over at once.
        drop(turn);
        assert!(is_done(
            &other.commit(&space(3), None, &one(1, "x", Duration::ZERO)).await.unwrap()
        ));
        // Forgotten, it is over soon.
        let turn = lose().await;
        let begun = clock::instant();
        append(&other, &space(4), None, "x").await;
        append(&loser, &space(5), None, "x").await;
        assert!(clock::instant() - begun < Duration::from_millis(500));
        drop(turn);
        // Used, it wins.
        let turn = lose().await;
        append(&loser, &space(1), Some(first), "second").await;
        drop(turn);
        append(&other, &space(6), None, "x").await;
    });
}

#[tokio::test]
async fn dropped_callers_hold_up_nobody() {
    let folder = folder();
    let journal = Arc::new(open_in(&folder).await);
    let mut context = Context::from_waker(Waker::noop());
    for polls in 0..4 {
        let mut futures: Vec<_> = (0..8_u128)
            .map(|bits| {
                let (journal, space) = (journal.clone(), space(100 * polls + bits));
                Box::pin(async move {
                    let batch = one(1, "x", Duration::from_secs(5));
                    journal.commit(&space, None, &batch).await
                })
            })
            .collect();
        // One caller stays, whose leader and neighbours are all gone.
        let mut stays = Some(futures.swap_remove(3));
        for _ in 0..polls {
            futures.retain_mut(|future| future.as_mut().poll(&mut context).is_pending());
            stays = stays.take_if(|it| it.as_mut().poll(&mut context).is_pending());
        }
        if polls % 2 == 0 {
            drop(futures);
        } else {
            std::mem::forget(futures);
        }
        if let Some(stays) = stays {
            assert!(is_done(&stays.await.unwrap()));
        }
        append(&*journal, &space(100 * polls + 50), None, "after").await;
    }
}

#[test]
fn a_full_disk_is_no_end() {
    let folder = folder();
    let path = crate::check::file_place(&folder.path().join("a.db")).unwrap();
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
        tamper(&path, &space(1), 5, Damage::Drop).unwrap();
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
        tamper(&path, &space(1), 9, Damage::Drop).unwrap();
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
            records.into_iter().map(|r| (r.version, r.head, r.body)).collect()
        };
        for bits in 0..5 {
            let one = append(&journal, &space(bits), None, "one").await;
            append(&journal, &space(bits), Some(one), "two").await;
        }
        let whole = read(&space(0)).await;
        for (bits, damage) in [
            (0, Damage::FlipHead),
            (1, Damage::FlipBody),
            (2, Damage::Swap(1)),
            (3, Damage::Insert),
            (4, Damage::Reader(9)),
        ] {
            tamper(&path, &space(bits), 2, damage).unwrap();
            assert_ne!(read(&space(bits)).await[1], whole[1], "{damage:?}");
        }
        assert_eq!(kind(tamper(&path, &space(0), 3, Damage::Drop)), ErrorKind::NotFound);
        let newer = &journal.read(&space(4), &all()).await.unwrap()[1];
        assert!(newer.head.contains("\"r\":9"));
        assert_eq!(newer.sum, newer.fitting_sum());
    });
}

#[tokio::test]
async fn a_commit_of_another_handle_ends_the_wait() {
    let folder = folder();
    let (journal, other) = (open_in(&folder).await, open_in(&folder).await);
    let waiter = tokio::spawn(async move {
        let early = journal.wait(&space(1), 0, Duration::from_millis(5)).await.unwrap();
        (early, journal.wait(&space(1), 0, Duration::from_secs(60)).await.unwrap())
    });
    tokio::time::sleep(Duration::from_millis(30)).await;
    append(&other, &space(1), None, "x").await;
    assert_eq!(waiter.await.unwrap(), (false, true));
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
    assert_eq!(kind(journal.close().await), ErrorKind::Closed);
    assert!(!folder.path().join("a.db-wal").exists());
}

#[test]
fn a_space_can_wait_for_the_lock_and_give_up() {
    let folder = folder();
    block_on(async {
        let journal = open_in(&folder).await;
        let other = plain(&folder);
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let late = one(1, "x", Duration::from_millis(3));
        assert_eq!(kind(journal.commit(&space(1), None, &late).await), ErrorKind::Contended);
        assert!(journal.head(&space(1)).await.unwrap().is_none());
        let patient = std::thread::spawn(move || {
            std::thread::park_timeout(Duration::from_millis(20));
            other.execute_batch("COMMIT").unwrap();
        });
        append(&journal, &space(1), None, "x").await;
        patient.join().unwrap();
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timeout_beside_a_waiting_commit_fires() {
    let folder = folder();
    let journal = open_in(&folder).await;
    let other = plain(&folder);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let begun = clock::instant();
    let (busy, late) = (space(1), one(1, "x", Duration::from_secs(30)));
    let commit =
        tokio::time::timeout(Duration::from_millis(10), journal.commit(&busy, None, &late));
    assert!(commit.await.is_err());
    assert!(clock::instant() - begun < Duration::from_secs(2));
    other.execute_batch("COMMIT").unwrap();
    append(&journal, &space(1), None, "x").await;
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

#[test]
fn lists_and_heads_use_their_indexes() {
    let folder = folder();
    block_on(open_in(&folder));
    let conn = plain(&folder);
    for (sql, index) in [
        ("kind = 'x' AND live = 1 AND name > 'x' ORDER BY name", "space_name"),
        (
            "kind = 'x' AND live = 1 AND (updated, name) < (1, 'x') ORDER BY updated DESC, name DESC",
            "space_updated",
        ),
        (
            "kind = 'x' AND live = 1 AND project = 'x' AND (updated, name) < (1, 'x') \
             ORDER BY updated DESC, name DESC",
            "space_project_updated",
        ),
        (
            "kind = 'x' AND live = 1 AND project = 'x' AND name > 'x' ORDER BY name",
            "space_project ",
        ),
    ] {
        let sql =
            format!("EXPLAIN QUERY PLAN SELECT * FROM space WHERE tenant = 'x' AND {sql} LIMIT 9");
        let plan: Vec<String> = conn
            .prepare(&sql)
            .unwrap()
            .query_map([], |row| row.get(3))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert!(plan.len() == 1 && plan[0].contains(&format!("INDEX {index}")), "{plan:?}");
    }
}

/// The heads and bodies of a thread as the core writes them: two sessions, one of them deleted.
#[test]
fn people_read_the_views() {
    use sessile_core::{
        clock::Timestamp,
        id::{EntryId, SessionId, ThreadId},
        record::{Kind, RecordHead},
    };
    let folder = folder();
    let text = |text: &str| {
        format!(
            "{{\"message\":{{\"role\":\"user\",\"parts\":[{{\"text\":{{\"text\":\"{text}\"}}}}]}}}}"
        )
    };
    let entry = |session| Kind::Entry { session, run: None, in_reply_to: None };
    let kinds = [
        (3, Kind::ThreadUpdated {}, "{\"title\":\"A title\"}".to_owned()),
        (11, Kind::SessionCreated {}, "{\"name\":\"First\"}".to_owned()),
        (15, Kind::SessionCreated {}, "{}".to_owned()),
        (8, entry(2), text("hello")),
        (12, entry(3), text("gone")),
        (15, Kind::SessionDeleted { session: 3 }, "{}".to_owned()),
        (3, Kind::ThreadArchived {}, "{}".to_owned()),
    ];
    block_on(async {
        let journal = open_in(&folder).await;
        let blob = journal.put_blob(&space(5), text("large").as_bytes()).await.unwrap();
        let mut records = Vec::new();
        for (version, (stream, kind, body)) in (1..).zip(kinds) {
            let head = RecordHead {
                version,
                stream: Stream(stream),
                reader: 1,
                at: Timestamp::from_millis(1_700_000_000_123),
                nonce: 1,
                index: 0,
                of: 1,
                digest: Hash::ZERO,
                key: None,
                count: None,
                lease: None,
                is: kind,
            };
            let kind = head.is.name().into();
            let head = serde_json::to_string(&head).unwrap().into();
            records.push(Record { kind, head, ..record(version, stream, &body) });
        }
        let head = records[3].head.clone();
        records.push(Record {
            kind: "entry".into(),
            head,
            body: RecordBody::Blob(blob),
            ..record(8, 8, "")
        });
        let commit = carded(records, 1_700_000_000_123, Some(7));
        assert!(is_done(&journal.commit(&space(5), None, &commit).await.unwrap()));
    });
    let conn = plain(&folder);
    let rows = |sql: &str| -> Vec<String> {
        let mut statement = conn.prepare(sql).unwrap();
        let columns = statement.column_count();
        let row = |row: &rusqlite::Row<'_>| {
            let value = |at| row.get::<_, Option<String>>(at).map(Option::unwrap_or_default);
            (0..columns).map(value).collect::<Result<Vec<_>, _>>()
        };
        statement.query_map([], row).unwrap().map(|row| row.unwrap().join("|")).collect()
    };
    let thread = ThreadId::from_bits(5);
    let session = SessionId::new(thread, 2);
    let at = "2023-11-14T22:13:20.123Z";
    assert_eq!(
        rows("SELECT id, title, status, updated_at FROM thread"),
        [format!("{thread}|A title|archived|{at}")]
    );
    assert_eq!(
        rows("SELECT id, name, status, created_at, CAST(entries AS TEXT) FROM session"),
        [format!("{session}|First|idle|{at}|2")]
    );
    let message = |version| EntryId::new(thread, version);
    assert_eq!(
        rows("SELECT id, session, at, role, text FROM message ORDER BY version"),
        [
            format!("{}|{session}|{at}|user|hello", message(4)),
            format!("{}|{session}|{at}|user|large", message(8)),
        ]
    );
}

#[test]
fn ids_in_views_are_the_real_ones() {
    use sessile_core::id::{SessionId, ThreadId};
    let conn = rusqlite::Connection::open_in_memory().unwrap();
    let thread = ThreadId::from_bits(5);
    for version in
        [1_i64, 31, 32, 1023, 1024, 1 << 30, (1 << 45) - 1, 1 << 45, 1 << 50, (1 << 60) - 1]
    {
        let sql = super::schema::derived_id("ses", "?1", "?2");
        let id: String = conn
            .query_row(&format!("SELECT {sql}"), (space(5).characters(), version), |row| row.get(0))
            .unwrap();
        assert_eq!(id, SessionId::new(thread, version.cast_unsigned()).to_string());
    }
}
