//! Several at once: groups, turns, handles, waits.

use super::*;

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
    let mut reservation = None;
    loop {
        tries += 1;
        let next = one(head.map_or(1, |p| p.version + 1), "x", Duration::from_secs(10));
        let commit = journal.commit(space, *head, &next).await.unwrap();
        drop(reservation.take());
        match commit {
            Commit::Done => {
                *head = next.end();
                return tries;
            }
            Commit::HeadMoved { head: moved, reservation: mine, .. } => {
                *head = moved.map(|head| head.position);
                reservation = mine;
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
            Commit::HeadMoved { head: Some(head), since, reservation: Some(reservation) } => {
                assert_eq!((head.position, since.len()), (first, 1));
                reservation
            }
            moved => panic!("{moved:?}"),
        };
        // While it lives, others wait.
        let reservation = lose().await;
        let refused = other.commit(&space(2), None, &one(1, "x", brief)).await;
        assert_eq!(kind(refused), ErrorKind::Contended);
        // Dropped, it is over at once.
        drop(reservation);
        assert!(is_done(
            &other.commit(&space(3), None, &one(1, "x", Duration::ZERO)).await.unwrap()
        ));
        // Forgotten, it is over soon.
        let reservation = lose().await;
        let begun = clock::instant();
        append(&other, &space(4), None, "x").await;
        append(&loser, &space(5), None, "x").await;
        assert!(clock::instant() - begun < Duration::from_millis(500));
        drop(reservation);
        // Used, it wins.
        let reservation = lose().await;
        append(&loser, &space(1), Some(first), "second").await;
        drop(reservation);
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
fn what_is_remembered_of_a_space_is_used_only_while_it_is_true() {
    let folder = folder();
    block_on(async {
        let (one, other) = (open_in(&folder).await, open_in(&folder).await);
        let range = ReadRange { stream: Some(Stream(4)), ..all() };
        let mut head = None;
        for version in 1..=60 {
            // Each writes some in a row, and comes back to what the other has changed.
            let (mine, stale) = if version / 3 % 2 == 0 { (&one, &other) } else { (&other, &one) };
            let next = super::one(version, "x", Duration::from_secs(1));
            assert!(is_done(&mine.commit(&space(1), head, &next).await.unwrap()));
            let again = stale.commit(&space(1), head, &next).await.unwrap();
            assert!(matches!(again, Commit::HeadMoved { .. }), "{again:?}");
            head = next.end();
            let read = stale.read(&space(1), &range).await.unwrap();
            let versions: Vec<u64> = read.iter().map(|record| record.version).collect();
            assert_eq!(versions, (1..=version).collect::<Vec<_>>());
        }
        // A space that is dropped is not what it was.
        assert!(is_done(&one.drop_space(&space(1), head).await.unwrap()));
        let next = super::one(61, "x", Duration::from_secs(1));
        let late = other.commit(&space(1), head, &next).await.unwrap();
        assert!(matches!(late, Commit::HeadMoved { head: None, .. }), "{late:?}");
    });
}
