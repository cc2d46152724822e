//! Removing: never work without force, never twice, never anything else.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    time::SystemTime,
};

use sessile_core::{
    id::ThreadId,
    workspace::{Disposal, WorkspaceDriver},
};

use super::{Bench, STORE, at, name, name_in, write};
use crate::directory::Directory;

async fn dispose(bench: &Bench, label: &str, force: bool) -> Disposal {
    bench.driver.dispose(&name(label), force).await.unwrap()
}

#[tokio::test]
async fn work_goes_only_with_force() {
    let bench = Bench::templated(|template| fs::write(template.join("f"), "x").unwrap());
    let ours = name("a");
    bench.create(&ours).await;
    bench.change(&ours, &[write("g", "work")]).await;
    assert_eq!(dispose(&bench, "a", false).await, Disposal::Refused);
    assert_eq!(fs::read_to_string(bench.live(&ours).join("g")).unwrap(), "work");
    bench.snapshot(&ours).await;
    assert_eq!(dispose(&bench, "a", false).await, Disposal::Removed);
    assert_eq!(dispose(&bench, "a", false).await, Disposal::AlreadyGone);
    bench.create(&ours).await;
    bench.change(&ours, &[write("g", "work")]).await;
    assert_eq!(dispose(&bench, "a", true).await, Disposal::Removed);
    assert_eq!(dispose(&bench, "a", true).await, Disposal::AlreadyGone);
    assert_eq!(bench.leftovers(), 0);
}

#[tokio::test]
async fn any_change_of_content_is_work() {
    let bench = Bench::templated(|template| {
        fs::create_dir(template.join("d")).unwrap();
        fs::write(template.join("d/f"), "one").unwrap();
        symlink("x", template.join("l")).unwrap();
    });
    let ours = name("a");
    type Act = fn(&std::path::Path);
    let acts: [(&str, bool, Act); 12] = [
        ("nothing", false, |_| {}),
        ("as many bytes", true, |at| fs::write(at.join("d/f"), "two").unwrap()),
        ("the same again", false, |at| fs::write(at.join("d/f"), "one").unwrap()),
        ("other times", false, |at| {
            let file = fs::File::open(at.join("d/f")).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        }),
        ("old times", true, |at| {
            let before = fs::metadata(at.join("d/f")).unwrap().modified().unwrap();
            fs::write(at.join("d/f"), "two").unwrap();
            fs::File::open(at.join("d/f")).unwrap().set_modified(before).unwrap();
        }),
        ("added", true, |at| fs::write(at.join("g"), "").unwrap()),
        ("an empty folder", true, |at| fs::create_dir(at.join("e")).unwrap()),
        ("removed", true, |at| fs::remove_file(at.join("d/f")).unwrap()),
        ("may be run", true, |at| {
            fs::set_permissions(at.join("d/f"), fs::Permissions::from_mode(0o755)).unwrap();
        }),
        ("another target", true, |at| {
            fs::remove_file(at.join("l")).unwrap();
            symlink("y", at.join("l")).unwrap();
        }),
        ("a link for a file", true, |at| {
            // It may be another subvolume.
            fs::copy(at.join("d/f"), at.join("../../f")).unwrap();
            fs::remove_file(at.join("d/f")).unwrap();
            symlink("../../../f", at.join("d/f")).unwrap();
        }),
        ("moved aside and back", false, |at| {
            fs::rename(at.join("d"), at.join("e")).unwrap();
            fs::rename(at.join("e"), at.join("d")).unwrap();
        }),
    ];
    for (what, dirty, act) in acts {
        bench.create(&ours).await;
        act(&bench.live(&ours));
        assert_eq!(bench.is_dirty(&ours).await, dirty, "{what}");
        let expected = if dirty { Disposal::Refused } else { Disposal::Removed };
        assert_eq!(dispose(&bench, "a", false).await, expected, "{what}");
        assert_eq!(bench.live(&ours).exists(), dirty, "{what}");
    }
}

/// A file that is written twice within one tick of the clock has the same times both times.
#[tokio::test]
async fn a_change_in_the_same_moment_is_seen() {
    let bench = Bench::new();
    for round in 0..100 {
        let ours = name(&format!("w{round}"));
        bench.create(&ours).await;
        let file = bench.live(&ours).join("f");
        fs::write(&file, "one").unwrap();
        bench.snapshot(&ours).await;
        fs::write(&file, "two").unwrap();
        assert!(bench.is_dirty(&ours).await);
        assert_eq!(bench.driver.dispose(&ours, false).await.unwrap(), Disposal::Refused);
    }
}

#[tokio::test]
async fn without_an_index_everything_is_work() {
    let bench = Bench::templated(|template| fs::write(template.join("f"), "x").unwrap());
    let ours = name("a");
    for damage in ["", "{}", "missing"] {
        bench.create(&ours).await;
        let index = bench.root.join("index").join(ours.to_string()).join("index");
        if damage == "missing" {
            fs::remove_file(index).unwrap();
        } else {
            fs::write(index, damage).unwrap();
        }
        assert!(bench.is_dirty(&ours).await);
        assert_eq!(dispose(&bench, "a", false).await, Disposal::Refused);
        bench.snapshot(&ours).await;
        assert_eq!(dispose(&bench, "a", false).await, Disposal::Removed);
    }
}

#[tokio::test]
async fn what_kills_leave_is_listed_and_removed_without_force() {
    let bench = Bench::templated(|template| fs::write(template.join("f"), "x").unwrap());
    for (round, places) in
        [&["making"][..], &["making", "index"], &["trash"], &["trash", "index"], &["index"]]
            .iter()
            .enumerate()
    {
        let ours = name(&format!("w{round}"));
        for place in *places {
            bench.leave(place, &ours);
        }
        assert_eq!(bench.list().await, std::slice::from_ref(&ours), "{places:?}");
        assert!(bench.inspect(&ours).await.is_none());
        assert_eq!(bench.driver.dispose(&ours, false).await.unwrap(), Disposal::Removed);
        assert_eq!(bench.driver.dispose(&ours, false).await.unwrap(), Disposal::AlreadyGone);
        assert_eq!(bench.leftovers(), 0, "{places:?}");
    }
    // Killed just after it was put in its place; and while another of that name is being removed.
    let ours = name("a");
    bench.create(&ours).await;
    fs::create_dir(bench.root.join("making").join(ours.to_string())).unwrap();
    bench.leave("trash", &ours);
    assert!(!bench.is_dirty(&ours).await);
    bench.change(&ours, &[write("f", "work")]).await;
    assert_eq!(dispose(&bench, "a", false).await, Disposal::Refused);
    assert_eq!(bench.list().await.len(), 1);
    assert_eq!(dispose(&bench, "a", true).await, Disposal::Removed);
    assert_eq!(bench.leftovers(), 0);
}

#[tokio::test]
async fn a_folder_removed_by_hand_is_not_there() {
    let bench = Bench::new();
    let ours = name("a");
    bench.create(&ours).await;
    bench.change(&ours, &[write("f", "work")]).await;
    fs::remove_dir_all(bench.live(&ours)).unwrap();
    assert!(bench.inspect(&ours).await.is_none());
    let gone = bench.driver.list_files(&at(&ours), None).await;
    assert_eq!(super::kind(gone), sessile_core::ErrorKind::NotFound);
    assert_ne!(dispose(&bench, "a", false).await, Disposal::Refused);
    assert_eq!(bench.leftovers(), 0);
    assert_eq!(dispose(&bench, "a", false).await, Disposal::AlreadyGone);
}

#[tokio::test]
async fn nothing_else_is_touched() {
    let bench = Bench::new();
    let (ours, theirs) = (name("a"), name_in(STORE + 1, 1, "a"));
    let precious = bench.outer.path().join("precious");
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("file"), "x").unwrap();
    for place in ["workspaces", "making", "trash", "index"] {
        symlink(&precious, bench.root.join(place).join(ours.to_string())).unwrap();
        fs::create_dir(bench.root.join(place).join("not-a-name")).unwrap();
        fs::create_dir(bench.root.join(place).join(ours.to_string() + ".1")).unwrap();
    }
    symlink(&precious, bench.root.join("snapshots/x")).unwrap();
    bench.create(&theirs).await;
    assert_eq!(bench.list().await, std::slice::from_ref(&ours));
    assert_eq!(bench.driver.list(STORE + 1).await.unwrap(), std::slice::from_ref(&theirs));
    assert!(bench.inspect(&ours).await.is_none());
    assert_eq!(dispose(&bench, "a", false).await, Disposal::Removed);
    assert!(bench.list().await.is_empty());
    assert_eq!(fs::read_dir(&precious).unwrap().count(), 1);
    assert_eq!(bench.leftovers(), 8 + 2);
    assert!(bench.inspect(&theirs).await.is_some());
    // A file in the place of a workspace may be somebody's work.
    fs::write(bench.live(&ours), "x").unwrap();
    assert_eq!(dispose(&bench, "a", false).await, Disposal::Refused);
    assert_eq!(dispose(&bench, "a", true).await, Disposal::Removed);
    let snapshots = bench.driver.list_snapshots(STORE + 1).await.unwrap();
    assert_eq!(snapshots, [ThreadId::from_bits(1)]);
    assert!(bench.driver.list_snapshots(STORE).await.unwrap().is_empty());
    bench.driver.drop_snapshots(STORE, ThreadId::from_bits(1)).await.unwrap();
    assert_eq!(bench.driver.list_snapshots(STORE + 1).await.unwrap().len(), 1);
    bench.driver.drop_snapshots(STORE + 1, ThreadId::from_bits(1)).await.unwrap();
    bench.driver.drop_snapshots(STORE + 1, ThreadId::from_bits(1)).await.unwrap();
    assert!(bench.driver.list_snapshots(STORE + 1).await.unwrap().is_empty());
}

#[tokio::test]
async fn locked_and_linked_content_is_removed() {
    let bench = Bench::new();
    let ours = name("a");
    bench.create(&ours).await;
    let live = bench.live(&ours);
    fs::create_dir_all(live.join("locked/er")).unwrap();
    fs::write(live.join("locked/er/f"), "x").unwrap();
    symlink(bench.outer.path(), live.join("locked/link")).unwrap();
    for locked in ["locked/er/f", "locked/er", "locked", ""] {
        fs::set_permissions(live.join(locked), fs::Permissions::from_mode(0o000)).unwrap();
    }
    assert_eq!(dispose(&bench, "a", false).await, Disposal::Refused);
    assert_eq!(dispose(&bench, "a", true).await, Disposal::Removed);
    assert_eq!(bench.leftovers(), 0);
}

#[test]
fn many_may_remove_at_once() {
    let bench = Bench::templated(|template| {
        for file in 0..50 {
            fs::create_dir(template.join(file.to_string())).unwrap();
            fs::write(template.join(file.to_string()).join("f"), "x").unwrap();
        }
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for round in 0..30 {
        let ours = name(&format!("w{round}"));
        runtime.block_on(bench.create(&ours));
        let answers: Vec<Disposal> = std::thread::scope(|scope| {
            let dispose = |force| {
                let driver = Directory::new(&bench.root).unwrap();
                let ours = ours.clone();
                let handle = runtime.handle().clone();
                scope.spawn(move || handle.block_on(driver.dispose(&ours, force)).unwrap())
            };
            let threads: Vec<_> = (0..4).map(|n| dispose(n % 2 == 1)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(answers.contains(&Disposal::Removed), "{answers:?}");
        assert!(!answers.contains(&Disposal::Refused), "{answers:?}");
        assert_eq!(bench.leftovers(), 0);
    }
}
