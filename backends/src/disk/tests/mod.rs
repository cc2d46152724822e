mod damage;
mod failing_medium;
mod readers;
mod tears;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use sessile_core::{
    error::ErrorKind,
    id::{Space, SpaceKind, TenantId},
    journal::{
        BlobName, Blobs, Commit, Head, Journal, ListOrder, ListQuery, Position, Record, RecordBody,
        Scrub, Snapshot,
    },
};
use tempfile::TempDir;

use super::{Disk, Options};
use sessile_testkit::journals::{
    self, all, append, batch, block_on, carded, kind, pages, query, record, space,
};

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn root(folder: &TempDir) -> PathBuf {
    folder.path().join("store")
}

async fn open_in(folder: &TempDir) -> Disk {
    Disk::open(root(folder), Options::default()).await.unwrap()
}

fn is_done(commit: &Commit) -> bool {
    matches!(commit, Commit::Done)
}

/// The file of a space's records.
fn file(folder: &TempDir, space: &Space) -> PathBuf {
    super::path::Place::new(&root(folder), space).records()
}

/// Every file below, with its path.
fn files_below(path: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

async fn head(journal: &Disk, space: &Space) -> Option<Head> {
    journal.head(space).await.unwrap()
}

async fn bodies(journal: &Disk, space: &Space) -> Vec<String> {
    let records = journal.read(space, &all()).await.unwrap();
    let body = |record: &Record| match &record.body {
        RecordBody::Inline(text) => text.to_string(),
        other => format!("{other:?}"),
    };
    records.iter().map(body).collect()
}

#[test]
fn what_every_journal_does() {
    let folder = folder();
    for at in 0..4 {
        block_on(async {
            let path = folder.path().join(format!("{at}"));
            let journal = Disk::open(path, Options::default()).await.unwrap();
            match at {
                0 => journals::a_stale_writer_gets_what_it_missed(&journal).await,
                1 => journals::ranges_of_streams_from_either_end(&journal).await,
                2 => journals::lists_page_in_both_orders(&journal).await,
                _ => journals::a_dropped_space_stays_dropped(&journal).await,
            }
            journal.close().await.unwrap();
        });
    }
}

#[test]
fn everything_comes_back_equal_and_a_person_can_read_it() {
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
        let first = carded(records.clone(), u64::MAX, Some(u128::MAX));
        assert!(is_done(&journal.commit(&space(9), None, &first).await.unwrap()));
        let next = batch(vec![record(5, 4, "{\"say\":\"hello\"}")]);
        assert!(is_done(&journal.commit(&space(9), first.end(), &next).await.unwrap()));
        journal.close().await.unwrap();
        let journal = open_in(&folder).await;
        records.extend(next.records.clone());
        assert_eq!(journal.read(&space(9), &all()).await.unwrap(), records);
        let head = head(&journal, &space(9)).await.unwrap();
        assert_eq!((Some(head.position), head.card), (next.end(), first.card));
        assert_eq!(journal.get_blob(&space(9), &name, Some(3..5)).await.unwrap(), b"34");
        let text = fs::read_to_string(file(&folder, &space(9))).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[1]["records"][0]["body"]["say"], "hello");
        assert_eq!(lines[2]["seal"]["version"], 5);
        let blob = file(&folder, &space(9)).with_extension("").join("blobs").join(&*name.0);
        assert_eq!(fs::read(blob).unwrap(), b"0123456789");
        let project = sessile_core::id::ProjectId::from_bits(u128::MAX);
        let thread = sessile_core::id::ThreadId::from_bits(9);
        let marker = root(&folder).join(format!("t/projects/{project}/threads/{thread}"));
        assert!(marker.is_file(), "a project's folder shows its threads");
    });
}

#[test]
fn hostile_tenants_never_meet() {
    let folder = folder();
    let tenants = [
        "a", "a.", "a..", "a.b", "a_", "a-", "con", "con.a", "nul", "com1", "lpt9.x", "aux", "0",
        "threads", "projects", "a%2fb",
    ];
    let long = "x".repeat(128);
    let tenants: Vec<_> =
        tenants.iter().chain([&long.as_str()]).filter_map(|t| TenantId::new(t).ok()).collect();
    assert_eq!(tenants.len(), 16, "one of them is no tenant");
    let of = |tenant: &TenantId, kind| Space::new(tenant.clone(), kind, 1);
    block_on(async {
        let journal = open_in(&folder).await;
        for tenant in &tenants {
            for kind in SpaceKind::ALL {
                let space = of(tenant, kind);
                assert_eq!(head(&journal, &space).await, None);
                append(&journal, &space, None, &space.to_string()).await;
            }
        }
        journal.close().await.unwrap();
        let journal = open_in(&folder).await;
        for tenant in &tenants {
            for kind in SpaceKind::ALL {
                let space = of(tenant, kind);
                assert_eq!(bodies(&journal, &space).await, [space.to_string()]);
                let query =
                    ListQuery { tenant: tenant.clone(), kind, ..query(ListOrder::Id, None, 9) };
                assert_eq!(journal.list(&query).await.unwrap().len(), 1);
            }
        }
    });
    let outside: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(outside.len(), 1, "nothing lies outside the root");
}

#[test]
fn another_opening_is_refused_and_told_who_has_it() {
    let folder = folder();
    block_on(async {
        let journal = open_in(&folder).await;
        let error = Disk::open(root(&folder), Options::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let says = error.to_string();
        assert!(says.contains(&format!("process {}", std::process::id())), "{says}");
        append(&journal, &space(1), None, "still writes").await;
        journal.close().await.unwrap();
        let next = open_in(&folder).await;
        assert_eq!(next.info().store, journal.info().store);
        drop(next);
        open_in(&folder).await;
    });
}

#[test]
fn a_folder_that_is_no_store_is_refused() {
    let folder = folder();
    block_on(async {
        let open = |path: PathBuf| Disk::open(path, Options::default());
        let foreign = folder.path().join("foreign");
        fs::create_dir(&foreign).unwrap();
        fs::write(foreign.join("letter.txt"), "dear").unwrap();
        assert_eq!(kind(open(foreign.clone()).await), ErrorKind::Corrupt);
        assert_eq!(kind(open(foreign.join("letter.txt")).await), ErrorKind::Invalid);
        assert_eq!(kind(open(folder.path().join("no/store")).await), ErrorKind::Invalid);
        let reader = Disk::open(folder.path().join("none"), Options::default().read_only()).await;
        assert_eq!(kind(reader), ErrorKind::Invalid);
        assert!(!folder.path().join("none").exists());
        open_in(&folder).await.close().await.unwrap();
        let meta = fs::read(root(&folder).join("_sessile.json")).unwrap();
        sessile_testkit::disk::set_format(&root(&folder), 2);
        for options in [Options::default(), Options::default().read_only()] {
            assert_eq!(kind(Disk::open(root(&folder), options).await), ErrorKind::NewerFormat);
        }
        fs::write(root(&folder).join("_sessile.json"), meta).unwrap();
        open_in(&folder).await;
    });
}

#[test]
fn descriptors_and_memory_are_bounded() {
    let folder = folder();
    block_on(async {
        let options = Options::default().with_files(4).with_memory(32 << 10);
        let journal = Disk::open(root(&folder), options).await.unwrap();
        let mut ends = Vec::new();
        for bits in 0..200 {
            ends.push(append(&journal, &space(bits), None, "one").await);
        }
        for (bits, end) in ends.iter().enumerate() {
            let end = append(&journal, &space(bits as u128), Some(*end), "two").await;
            assert_eq!(head(&journal, &space(bits as u128)).await.unwrap().position, end);
            assert_eq!(bodies(&journal, &space(bits as u128)).await, ["one", "two"]);
        }
        assert!(journal.shared.files.len() <= 4);
        assert!(journal.shared.cells.len() <= 128, "{}", journal.shared.cells.len());
        assert_eq!(pages(&journal, query(ListOrder::Id, None, 7)).await.len(), 200);
        journal.close().await.unwrap();
        let journal = open_in(&folder).await;
        assert_eq!(pages(&journal, query(ListOrder::Updated, None, 7)).await.len(), 200);
        assert_eq!(journal.repairs(), []);
    });
}

#[test]
fn cards_are_shown_whether_memory_holds_them_or_not() {
    let folder = folder();
    block_on(async {
        for options in [Options::default(), Options::default().with_memory(0)] {
            let journal = Disk::open(root(&folder), options).await.unwrap();
            let base = head(&journal, &space(0)).await.map(|head| head.position);
            for bits in 0..10_u128 {
                let at = head(&journal, &space(bits)).await.map(|head| head.position);
                let version = at.map_or(1, |at| at.version + 1);
                let batch = carded(vec![record(version, 3, "x")], 100 + bits as u64, Some(1));
                assert!(is_done(&journal.commit(&space(bits), at, &batch).await.unwrap()));
                if bits == 4 {
                    pages(&journal, query(ListOrder::Id, None, 3)).await;
                }
            }
            let rows = journal.list(&query(ListOrder::Updated, Some(1), 20)).await.unwrap();
            let shown: Vec<_> =
                rows.iter().map(|row| row.head.card.clone().unwrap().json).collect();
            let right: Vec<_> = (0..10).rev().map(|bits| format!("[{}]", 100 + bits)).collect();
            assert_eq!(shown, right);
            assert!(
                rows.iter().all(|row| row.head.position.version > base.map_or(0, |p| p.version))
            );
            journal.close().await.unwrap();
        }
    });
}

#[test]
fn erasing_moves_lines_and_cards_along() {
    let folder = folder();
    block_on(async {
        let journal = open_in(&folder).await;
        let mut at: Option<Position> = None;
        for version in 1..=6 {
            let secret = format!("secret {version} {}", "s".repeat(300));
            let records = vec![record(version, 4, &secret)];
            let batch = if version == 4 { carded(records, 7, None) } else { batch(records) };
            assert!(is_done(&journal.commit(&space(1), at, &batch).await.unwrap()));
            at = batch.end();
        }
        journal.close().await.unwrap();
        let journal = open_in(&folder).await;
        journal.erase(&space(1), &[2, 3, 5]).await.unwrap();
        let at = append(&journal, &space(1), at, "after").await;
        let text = fs::read_to_string(file(&folder, &space(1))).unwrap();
        for version in 1..=6 {
            let there = text.contains(&format!("secret {version} "));
            assert_eq!(there, ![2, 3, 5].contains(&version), "{version}");
        }
        journal.close().await.unwrap();
        let journal = open_in(&folder).await;
        let head = head(&journal, &space(1)).await.unwrap();
        assert_eq!((head.position, head.card.unwrap().json), (at, "[7]".to_owned()));
        let records = journal.read(&space(1), &all()).await.unwrap();
        assert_eq!(records.len(), 7);
        assert_eq!((&records[2].body, records[2].salt), (&RecordBody::None, [0; 16]));
        assert_eq!(records[3], record(4, 4, &format!("secret 4 {}", "s".repeat(300))));
    });
}

#[test]
fn what_a_crash_left_beside_is_swept() {
    let folder = folder();
    block_on(async {
        let journal = open_in(&folder).await;
        append(&journal, &space(1), None, "lives").await;
        append(&journal, &space(2), None, "is dropped").await;
        let name = journal.put_blob(&space(2), b"bytes").await.unwrap();
        drop(journal);
        let place = |bits| crate::disk::path::Place::new(&root(&folder), &space(bits));
        fs::create_dir(place(1).folder()).unwrap();
        fs::write(place(1).folder().join("_tmp-0"), "left").unwrap();
        fs::write(place(1).temporary(), "left").unwrap();
        fs::write(root(&folder).join("_tmp-1"), "left").unwrap();
        // The tombstone lasted, the rest of the drop did not.
        fs::write(place(2).dropped(), "").unwrap();
        fs::write(place(2).folder().join("_tmp-2"), "left").unwrap();
        fs::write(place(2).temporary(), "left").unwrap();
        let journal = open_in(&folder).await;
        assert_eq!(journal.scrub().await.unwrap(), Scrub::Done);
        let left: Vec<_> = files_below(&root(&folder));
        let name_of = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(!left.iter().any(|path| name_of(path).starts_with("_tmp-")), "{left:?}");
        assert!(place(2).dropped().exists());
        assert!(!place(2).folder().exists() && !place(2).records().exists());
        assert_eq!(head(&journal, &space(2)).await, None);
        assert_eq!(kind(journal.get_blob(&space(2), &name, None).await), ErrorKind::NotFound);
        assert_eq!(pages(&journal, query(ListOrder::Id, None, 9)).await, [1]);
    });
}

#[test]
fn a_blob_is_found_by_no_name_but_its_own() {
    let folder = folder();
    block_on(async {
        let journal = open_in(&folder).await;
        append(&journal, &space(1), None, "x").await;
        journal.put_blob(&space(1), b"x").await.unwrap();
        for name in ["../snapshot", "..", ".", "", "/etc/hostname", "a/b", "A", "\0"] {
            let name = BlobName(name.into());
            assert_eq!(kind(journal.get_blob(&space(1), &name, None).await), ErrorKind::NotFound);
        }
    });
}

#[test]
fn a_snapshot_is_whole_or_none() {
    let folder = folder();
    block_on(async {
        let journal = open_in(&folder).await;
        let position = append(&journal, &space(1), None, "x").await;
        let snapshot = Snapshot { position, bytes: vec![7; 3000] };
        journal.save_snapshot(&space(1), &snapshot).await.unwrap();
        assert_eq!(journal.load_snapshot(&space(1)).await.unwrap(), Some(snapshot.clone()));
        let path = file(&folder, &space(1)).with_extension("").join("snapshot");
        let whole = fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(7) {
            let mut bent = whole.clone();
            bent[at] ^= 0x10;
            fs::write(&path, &bent).unwrap();
            assert_eq!(journal.load_snapshot(&space(1)).await.unwrap(), None, "byte {at}");
            fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(journal.load_snapshot(&space(1)).await.unwrap(), None, "cut at {at}");
        }
        journal.save_snapshot(&space(1), &snapshot).await.unwrap();
        assert_eq!(journal.load_snapshot(&space(1)).await.unwrap(), Some(snapshot));
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writers_of_many_spaces() {
    let folder = folder();
    let journal = Arc::new(open_in(&folder).await);
    let mut writers = Vec::new();
    for bits in 0..16 {
        let journal = Arc::clone(&journal);
        writers.push(tokio::spawn(async move {
            let mut at = None;
            for i in 0..10 {
                at = Some(
                    append(&*journal, &space(bits % 4 + 100 * bits), at, &i.to_string()).await,
                );
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    for bits in 0..16 {
        assert_eq!(bodies(&journal, &space(bits % 4 + 100 * bits)).await.len(), 10);
    }
    journal.close().await.unwrap();
    assert_eq!(kind(journal.head(&space(1)).await), ErrorKind::Closed);
    journal.close().await.unwrap();
}

#[test]
fn a_copied_folder_goes_on_elsewhere() {
    let (one, two) = (folder(), folder());
    block_on(async {
        let journal = open_in(&one).await;
        let at = append(&journal, &space(1), None, "x").await;
        journal.close().await.unwrap();
        for path in files_below(&root(&one)) {
            let to = root(&two).join(path.strip_prefix(root(&one)).unwrap());
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(&path, &to).unwrap();
        }
        let journal = open_in(&two).await;
        append(&journal, &space(1), Some(at), "y").await;
        assert_eq!(bodies(&journal, &space(1)).await, ["x", "y"]);
        // A space's file is no other's.
        let place = file(&two, &space(2));
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::copy(file(&one, &space(1)), &place).unwrap();
        assert_eq!(kind(journal.read(&space(2), &all()).await), ErrorKind::Corrupt);
    });
}
