//! Snapshots: what they keep, what they cost, and what they become again.

use std::fs;

use sessile_core::{
    error::{Error, ErrorKind},
    workspace::{Change, FileChange, TreeId, WorkspaceDriver},
};

use super::{Bench, at, kind, name, write};
use crate::folder::model::path;

#[tokio::test]
async fn only_what_changed_is_written() {
    let bench = Bench::templated(|template| {
        for file in 0..300 {
            let folder = template.join((file % 10).to_string());
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(file.to_string()), file.to_string()).unwrap();
        }
    });
    let ours = name("a");
    let begun = bench.create(&ours).await;
    let before = bench.objects();
    assert_eq!(before, 300 + 10 + 1);
    assert_eq!(bench.snapshot(&ours).await, begun);
    assert_eq!(bench.objects(), before);
    bench.change(&ours, &[write("3/13", "new"), write("3/23", "also")]).await;
    let changed = bench.snapshot(&ours).await;
    assert_ne!(changed, begun);
    // Two files, their folder, and the one above.
    assert_eq!(bench.objects(), before + 4);
    // Another workspace of the thread shares them.
    bench.create(&name("b")).await;
    bench.driver.restore(&at(&name("b")), &changed).await.unwrap();
    assert_eq!(bench.snapshot(&name("b")).await, changed);
    assert_eq!(bench.objects(), before + 4);
    assert_eq!(changed.place(), None);
    assert_eq!(bench.inspect(&ours).await.unwrap().reference, changed.as_str());
}

/// A file that is known by its times is not opened: it is one here that cannot be read.
#[tokio::test]
async fn what_did_not_change_is_not_read() {
    let bench = Bench::templated(|template| fs::write(template.join("f"), "x").unwrap());
    let ours = name("a");
    let begun = bench.create(&ours).await;
    let file = bench.live(&ours).join("f");
    // Old enough not to be in doubt.
    std::thread::sleep(std::time::Duration::from_millis(30));
    bench.change(&ours, &[write("g", "x")]).await;
    bench.snapshot(&ours).await;
    let index = bench.root.join("index").join(ours.to_string()).join("index");
    let text = fs::read_to_string(&index).unwrap();
    // The digest stands in the index only: whoever reads the file finds another.
    let (known, other) = (blake3::hash(b"x").to_string(), blake3::hash(b"y").to_string());
    fs::write(&index, text.replacen(&known, &other, 1)).unwrap();
    assert!(!bench.is_dirty(&ours).await);
    fs::write(&file, "x").unwrap();
    assert!(bench.is_dirty(&ours).await);
    bench.driver.restore(&at(&ours), &begun).await.unwrap();
    assert_eq!(bench.holds(&ours).len(), 1);
}

#[tokio::test]
async fn a_tree_can_be_read_restored_and_compared() {
    let bench = Bench::new();
    let ours = name("a");
    let empty = bench.create(&ours).await;
    let run = FileChange::Write { path: path("run"), content: b"x".to_vec(), executable: true };
    let link = FileChange::Link { path: path("d/l"), target: b"/\xff".to_vec() };
    let folder = FileChange::MakeDirectory { path: path("e/f") };
    bench.change(&ours, &[run, link, folder, write("d/g", "1"), write("h", "h")]).await;
    let full = bench.snapshot(&ours).await;
    let holds = bench.holds(&ours);
    bench
        .change(
            &ours,
            &[
                FileChange::Remove { path: path("d") },
                write("d", "a file now"),
                FileChange::Remove { path: path("h") },
                write("h/i", "a folder now"),
                write("run", "x"),
                write("new", "x"),
            ],
        )
        .await;
    let of = at(&ours);
    let diff = async |from: TreeId, to: Option<TreeId>| {
        let changes = bench.driver.diff(&of, &from, to.as_ref()).await.unwrap();
        changes.into_iter().map(|c| (c.path.to_string(), c.change)).collect::<Vec<_>>()
    };
    let row = |path: &str, change| (path.to_owned(), change);
    let expected = [
        row("d", Change::Added),
        row("d/g", Change::Removed),
        row("d/l", Change::Removed),
        row("h", Change::Removed),
        row("h/i", Change::Added),
        row("new", Change::Added),
        row("run", Change::Modified),
    ];
    let objects = bench.objects();
    assert_eq!(diff(full.clone(), None).await, expected);
    assert_eq!(bench.objects(), objects, "comparing writes nothing");
    let read = async |text| bench.driver.read_file(&of, &path(text), Some(&full)).await;
    assert_eq!(read("d/g").await.unwrap(), b"1");
    assert_eq!(kind(read("d/l").await), ErrorKind::Precondition);
    assert_eq!(kind(read("e").await), ErrorKind::Precondition);
    assert_eq!(kind(read("h/i").await), ErrorKind::Precondition);
    assert_eq!(kind(read("new").await), ErrorKind::NotFound);
    let reference = bench.driver.restore(&of, &full).await.unwrap();
    assert_eq!(reference, full.as_str());
    assert_eq!(bench.holds(&ours), holds);
    assert!(!bench.is_dirty(&ours).await);
    assert!(diff(full.clone(), None).await.is_empty());
    bench.driver.restore(&of, &empty).await.unwrap();
    assert!(bench.holds(&ours).is_empty());
    assert_eq!(diff(full, Some(empty)).await.len(), 5);
    assert_eq!(bench.leftovers(), 2);
}

#[tokio::test]
async fn a_tree_that_is_none_is_told() {
    let bench = Bench::new();
    let ours = name("a");
    let tree = bench.create(&ours).await;
    let of = at(&ours);
    for text in
        ["HEAD", "..", "0", &"0".repeat(64), &format!("{tree}@1"), &tree.as_str().to_uppercase()]
    {
        let Ok(none) = TreeId::new(text) else { continue };
        let none = &none;
        assert_eq!(kind(bench.driver.restore(&of, none).await), ErrorKind::NotFound, "{text}");
        assert_eq!(kind(bench.driver.diff(&of, none, None).await), ErrorKind::NotFound);
        assert_eq!(kind(bench.driver.diff(&of, &tree, Some(none)).await), ErrorKind::NotFound);
        assert_eq!(
            kind(bench.driver.branch(&name("b"), &of, Some(none)).await),
            ErrorKind::NotFound
        );
        let read = bench.driver.read_file(&of, &path("f"), Some(none)).await;
        assert_eq!(kind(read), ErrorKind::NotFound);
    }
    assert_eq!(bench.list().await.len(), 1);
}

#[tokio::test]
async fn damage_is_told_and_nothing_is_changed() {
    let bench = Bench::new();
    let ours = name("a");
    bench.create(&ours).await;
    bench.change(&ours, &[write("f", "good"), write("d/g", "good too")]).await;
    let tree = bench.snapshot(&ours).await;
    let digest = blake3::hash(b"good").to_string();
    let thread =
        fs::read_dir(bench.root.join("snapshots")).unwrap().next().unwrap().unwrap().path();
    let object = thread.join("objects").join(&digest[..2]).join(&digest[2..]);
    assert!(fs::metadata(&object).unwrap().permissions().readonly());
    fs::remove_file(&object).unwrap();
    fs::write(&object, "evil").unwrap();
    bench.change(&ours, &[write("f", "later"), write("x", "later")]).await;
    let later = bench.holds(&ours);
    let of = at(&ours);
    let restored = bench.driver.restore(&of, &tree).await;
    assert!(matches!(restored, Err(Error::CorruptFile { .. })), "{restored:?}");
    assert_eq!(bench.holds(&ours), later);
    let read = bench.driver.read_file(&of, &path("f"), Some(&tree)).await;
    assert_eq!(kind(read), ErrorKind::Corrupt);
    assert_eq!(kind(bench.driver.branch(&name("b"), &of, Some(&tree)).await), ErrorKind::Corrupt);
    assert_eq!(bench.list().await.len(), 1);
    // One that a loss of power cut is written again.
    fs::write(&object, "").unwrap();
    bench.change(&ours, &[write("f", "good")]).await;
    bench.snapshot(&ours).await;
    bench.driver.restore(&of, &tree).await.unwrap();
}

/// Without the thread's snapshots an index proves nothing.
#[tokio::test]
async fn snapshots_that_are_gone_are_taken_again() {
    let bench = Bench::new();
    let ours = name("a");
    bench.create(&ours).await;
    bench.change(&ours, &[write("d/f", "x")]).await;
    let tree = bench.snapshot(&ours).await;
    bench.driver.drop_snapshots(super::STORE, ours.id().thread()).await.unwrap();
    assert_eq!(bench.snapshot(&ours).await, tree);
    bench.change(&ours, &[write("d/f", "y")]).await;
    bench.driver.restore(&at(&ours), &tree).await.unwrap();
    assert_eq!(bench.driver.read_file(&at(&ours), &path("d/f"), None).await.unwrap(), b"x");
}
