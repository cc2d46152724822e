//! What is kept of a template for all threads: read once, right whatever becomes of the template, gone with the last thread.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, SystemTime},
};

use sessile_core::{
    error::{Error, ErrorKind},
    id::ThreadId,
    workspace::{FileChange, TreeId, WorkspaceDriver, WorkspaceName},
};

use super::{Bench, STORE, at, kind, name, name_in, tenant, write};
use crate::{
    directory::Directory,
    folder::{TEMPORARY, model::path},
};

/// The name of a workspace of another thread.
fn of(thread: u128) -> WorkspaceName {
    name_in(STORE, thread, "w")
}

/// A bench whose template is old enough not to be in doubt.
fn settled(fill: impl FnOnce(&Path)) -> Bench {
    let bench = Bench::templated(fill);
    std::thread::sleep(Duration::from_millis(30));
    bench
}

impl Bench {
    pub(super) fn template(&self, file: &str) -> PathBuf {
        self.outer.path().join("template").join(file)
    }

    /// The folders of templates, and all else that lies there.
    pub(super) fn stores(&self) -> Vec<PathBuf> {
        let all = fs::read_dir(self.root.join("templates")).unwrap();
        all.map(|entry| entry.unwrap().path()).collect()
    }

    pub(super) fn store(&self) -> PathBuf {
        let stores = self.stores();
        assert_eq!(stores.len(), 1, "{stores:?}");
        stores[0].clone()
    }

    pub(super) async fn drop_thread(&self, thread: u128) {
        self.driver.drop_snapshots(STORE, ThreadId::from_bits(thread)).await.unwrap();
    }

    /// Sees that a tree can be had again, whatever lies in the workspace.
    pub(super) async fn restores(&self, name: &WorkspaceName, tree: &TreeId) {
        let holds = self.holds(name);
        let all: Vec<_> =
            holds.keys().map(|path| FileChange::Remove { path: path.clone() }).collect();
        self.change(name, &all).await;
        self.driver.restore(&at(name), tree).await.unwrap();
        assert_eq!(self.holds(name), holds);
        assert!(!self.is_dirty(name).await);
    }
}

/// What the index knows is not read: here it knows something that does not stand in the file.
#[tokio::test]
async fn a_template_is_read_once() {
    let bench = settled(|template| {
        fs::write(template.join("f"), "x").unwrap();
        fs::write(template.join("g"), "x too").unwrap();
    });
    let begun = bench.create(&of(1)).await;
    let objects = bench.objects();
    assert_eq!(bench.create(&of(2)).await, begun);
    assert_eq!(bench.objects(), objects, "the content is kept once");
    bench.restores(&of(2), &begun).await;
    let index = bench.store().join("index");
    let text = fs::read_to_string(&index).unwrap();
    let (known, other) = (blake3::hash(b"x").to_string(), blake3::hash(b"y").to_string());
    fs::write(&index, text.replacen(&known, &other, 1)).unwrap();
    let misled = bench.create(&of(3)).await;
    assert_ne!(misled, begun);
    // Told, not given out.
    bench.change(&of(3), &[write("f", "z")]).await;
    let restored = bench.driver.restore(&at(&of(3)), &misled).await;
    assert!(matches!(restored, Err(Error::CorruptFile { .. })), "{restored:?}");
    // A file with other times is read, whatever is known of it.
    fs::write(bench.template("f"), "x").unwrap();
    assert_eq!(bench.create(&of(4)).await, begun);
}

/// Whatever happens to the template between two creations, the second is what it is then, and both stay what they were.
#[tokio::test]
async fn changes_of_the_template_are_seen() {
    type Act = fn(&Path);
    let acts: [(&str, bool, Act); 9] = [
        ("nothing", false, |_| {}),
        ("as many bytes", true, |at| fs::write(at.join("d/f"), "two").unwrap()),
        ("old times", true, |at| {
            let before = fs::metadata(at.join("d/f")).unwrap().modified().unwrap();
            fs::write(at.join("d/f"), "two").unwrap();
            fs::File::open(at.join("d/f")).unwrap().set_modified(before).unwrap();
        }),
        ("other times", false, |at| {
            fs::File::open(at.join("d/f")).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        }),
        ("moved into its place", true, |at| fs::rename(at.join("d/twin"), at.join("d/f")).unwrap()),
        ("added", true, |at| fs::write(at.join("g"), "new").unwrap()),
        ("removed", true, |at| fs::remove_file(at.join("d/f")).unwrap()),
        ("may be run", true, |at| {
            fs::set_permissions(at.join("d/f"), fs::Permissions::from_mode(0o755)).unwrap();
        }),
        ("another target", true, |at| {
            fs::remove_file(at.join("l")).unwrap();
            symlink("y", at.join("l")).unwrap();
        }),
    ];
    for (what, changes, act) in acts {
        let bench = settled(|template| {
            fs::create_dir(template.join("d")).unwrap();
            fs::write(template.join("d/f"), "one").unwrap();
            fs::write(template.join("d/twin"), "twi").unwrap();
            symlink("x", template.join("l")).unwrap();
        });
        let times = fs::metadata(bench.template("d/f")).unwrap().modified().unwrap();
        fs::File::open(bench.template("d/twin")).unwrap().set_modified(times).unwrap();
        let before = bench.create(&of(1)).await;
        act(&bench.template(""));
        let after = bench.create(&of(2)).await;
        assert_eq!(before != after, changes, "{what}");
        let template = crate::folder::Folder::open(&bench.template("")).unwrap();
        assert_eq!(bench.holds(&of(2)), crate::folder::model::read(&template), "{what}");
        bench.restores(&of(1), &before).await;
        bench.restores(&of(2), &after).await;
        // Known again.
        std::thread::sleep(Duration::from_millis(30));
        bench.create(&of(3)).await;
        let objects = bench.objects();
        assert_eq!(bench.create(&of(4)).await, after, "{what}");
        assert_eq!(bench.objects(), objects, "{what}");
    }
}

/// A file of the template that is written twice within one tick of the clock has the same times both times.
#[tokio::test]
async fn a_change_in_the_same_moment_is_seen() {
    let bench = Bench::templated(|template| fs::write(template.join("f"), "").unwrap());
    for round in 0..100 {
        let ours = name(&format!("w{round}"));
        fs::write(bench.template("f"), format!("one {round:03}")).unwrap();
        bench.create(&ours).await;
        fs::write(bench.template("f"), format!("two {round:03}")).unwrap();
        bench.create(&ours).await;
        let read = bench.driver.read_file(&at(&ours), &path("f"), None).await.unwrap();
        let tree = bench.snapshot(&ours).await;
        assert_eq!(bench.inspect(&ours).await.unwrap().reference, tree.as_str());
        let kept = bench.driver.read_file(&at(&ours), &path("f"), Some(&tree)).await.unwrap();
        assert_eq!(
            (read, kept),
            (format!("two {round:03}").into(), format!("two {round:03}").into())
        );
    }
}

/// Somebody writes into the template while it is copied: a copy may hold a mixture, but is what is told and kept of it.
#[tokio::test]
async fn what_is_written_meanwhile_is_kept_as_it_was_copied() {
    let bench = settled(|template| fs::write(template.join("f"), [0; 100_000]).unwrap());
    let file = bench.template("f");
    let over = std::sync::Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let over = over.clone();
        move || {
            use std::os::unix::fs::FileExt;
            let file = fs::File::options().write(true).open(file).unwrap();
            for byte in (0..u8::MAX).cycle() {
                file.write_all_at(&[byte; 100_000], 0).unwrap();
                if byte % 8 == 0 {
                    std::thread::sleep(Duration::from_millis(5));
                }
                if over.load(Ordering::Relaxed) {
                    return;
                }
            }
        }
    });
    for round in 0..100 {
        let ours = name(&format!("w{}", round % 2));
        let tree = bench.create(&ours).await;
        let kept = bench.driver.read_file(&at(&ours), &path("f"), Some(&tree)).await.unwrap();
        assert!(fs::read(bench.live(&ours).join("f")).unwrap() == kept, "round {round}");
        assert!(!bench.is_dirty(&ours).await);
    }
    over.store(true, Ordering::Relaxed);
    writer.join().unwrap();
}

#[tokio::test]
async fn it_goes_with_the_last_thread() {
    let bench = settled(|template| fs::write(template.join("f"), "x").unwrap());
    let tree = bench.create(&of(1)).await;
    bench.create(&name_in(STORE, 1, "another")).await;
    assert_eq!(bench.create(&name_in(STORE + 1, 1, "w")).await, tree);
    bench.create(&of(2)).await;
    bench.drop_thread(1).await;
    bench.drop_thread(1).await;
    bench.restores(&of(2), &tree).await;
    bench.drop_thread(2).await;
    bench.restores(&name_in(STORE + 1, 1, "w"), &tree).await;
    bench.driver.drop_snapshots(STORE + 1, ThreadId::from_bits(1)).await.unwrap();
    assert!(bench.stores().is_empty());
    assert_eq!(bench.objects(), 0);
    // A snapshot of what is still there keeps it anew, and a creation begins anew.
    assert_eq!(bench.snapshot(&of(1)).await, tree);
    bench.restores(&of(1), &tree).await;
    bench.create(&of(3)).await;
    bench.restores(&of(3), &tree).await;
}

#[tokio::test]
async fn each_template_is_its_own() {
    let bench = settled(|template| {
        fs::write(template.join("f"), "x").unwrap();
        fs::write(template.join("x.log"), "x").unwrap();
        fs::write(template.join(".gitignore"), "*.log\n").unwrap();
    });
    let other = bench.outer.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("f"), "other").unwrap();
    symlink("template", bench.outer.path().join("alias")).unwrap();
    let driver = |folder: &str| bench.driver.clone().with_template(bench.outer.path().join(folder));
    let drivers = [
        bench.driver.clone(),
        bench.driver.clone().without_ignored(),
        driver("other"),
        driver("alias"),
    ];
    let mut trees = Vec::new();
    for (n, driver) in drivers.iter().enumerate() {
        let ours = name(&format!("w{n}"));
        trees.push((
            ours.clone(),
            driver.create(&tenant(), &ours, None).await.unwrap().tree.unwrap(),
        ));
    }
    assert_eq!(bench.stores().len(), 3);
    assert_eq!(trees[0].1, trees[3].1);
    for (ours, tree) in &trees {
        bench.restores(ours, tree).await;
    }
    bench.drop_thread(1).await;
    assert!(bench.stores().is_empty());
}

/// What is missing is made again, and what is wrong is told.
#[tokio::test]
async fn damage_is_told_or_mended() {
    let bench = settled(|template| {
        fs::create_dir(template.join("d")).unwrap();
        fs::write(template.join("d/f"), "good").unwrap();
    });
    let tree = bench.create(&of(1)).await;
    for damage in ["", "{}", "missing"] {
        let index = bench.store().join("index");
        fs::remove_file(&index).unwrap();
        if damage != "missing" {
            fs::write(&index, damage).unwrap();
        }
        assert_eq!(bench.create(&of(2)).await, tree);
        bench.restores(&of(2), &tree).await;
    }
    let digest = blake3::hash(b"good").to_string();
    let object = bench.store().join("objects").join(&digest[..2]).join(&digest[2..]);
    assert!(fs::metadata(&object).unwrap().permissions().readonly());
    fs::remove_file(&object).unwrap();
    fs::write(&object, "evil").unwrap();
    assert_eq!(bench.create(&of(3)).await, tree);
    let read = bench.driver.read_file(&at(&of(3)), &path("d/f"), Some(&tree)).await;
    assert_eq!(kind(read), ErrorKind::Corrupt);
    let branched = bench.driver.branch(&name("b"), &at(&of(1)), Some(&tree)).await;
    assert_eq!(kind(branched), ErrorKind::Corrupt);
    // One that a loss of power cut is kept by the thread that has it, and is found there.
    fs::write(&object, "").unwrap();
    bench.change(&of(3), &[write("e", "good")]).await;
    let later = bench.snapshot(&of(3)).await;
    bench.restores(&of(3), &later).await;
    bench.driver.restore(&at(&of(3)), &tree).await.unwrap();
    bench.restores(&of(3), &tree).await;
    // Without its folders an index proves nothing, and so all is kept again.
    fs::remove_dir_all(bench.store().join("folders")).unwrap();
    fs::create_dir(bench.store().join("folders")).unwrap();
    bench.create(&of(4)).await;
    bench.restores(&of(4), &tree).await;
    // By hand: what it held is gone, and told so, and the next is whole.
    fs::remove_dir_all(bench.store()).unwrap();
    let restored = bench.driver.restore(&at(&of(4)), &tree).await;
    assert_eq!(kind(restored), ErrorKind::NotFound);
    bench.create(&of(5)).await;
    bench.restores(&of(5), &tree).await;
    assert_eq!(bench.snapshot(&of(4)).await, tree);
    bench.restores(&of(4), &tree).await;
}

/// In the order in which they happen: made and not named; named by a thread without snapshots; unnamed and not moved; moved and
/// not removed.
#[tokio::test]
async fn what_kills_leave_is_removed() {
    let bench = settled(|template| fs::write(template.join("f"), "x").unwrap());
    let tree = bench.create(&of(1)).await;
    let ours = bench.store();
    let templates = bench.root.join("templates");
    let thread = fs::read_dir(ours.join("threads")).unwrap().next().unwrap().unwrap().file_name();
    let thread = thread.into_string().unwrap();
    let copy = |to: &str| {
        let to = templates.join(to);
        let copied = std::process::Command::new("cp").arg("-r").arg(&ours).arg(&to).status();
        assert!(copied.unwrap().success());
        to
    };
    let key = ours.file_name().unwrap().to_str().unwrap().split('.').next().unwrap().to_owned();
    copy(&format!("{TEMPORARY}{:032x}", 1));
    let over = copy(&format!("{key}.{:032x}", 1));
    fs::remove_dir_all(over.join("threads")).unwrap();
    let orphan = copy(&format!("{key}.{:032x}", 2));
    let gone = thread.replace(&thread[thread.len() - 8..], "00000009");
    fs::rename(orphan.join("threads").join(&thread), orphan.join("threads").join(&gone)).unwrap();
    let foreign = [copy("not-a-name"), copy(&format!("{key}.1")), copy(&key)];
    // It is nobody's, and is not joined.
    assert_eq!(bench.create(&of(2)).await, tree);
    bench.restores(&of(2), &tree).await;
    assert!(!over.join("threads").exists());
    // A thread of which only a template knows is in the list.
    let listed = bench.driver.list_snapshots(STORE).await.unwrap();
    assert_eq!(listed.len(), 3, "{listed:?}");
    for thread in listed {
        bench.driver.drop_snapshots(STORE, thread).await.unwrap();
    }
    let mut left = bench.stores();
    left.sort();
    let mut foreign = foreign.to_vec();
    foreign.sort();
    assert_eq!(left, foreign);
    assert!(bench.driver.list_snapshots(STORE).await.unwrap().is_empty());
}

#[tokio::test]
async fn files_that_were_being_written_go_after_an_hour() {
    let bench = settled(|template| fs::write(template.join("f"), "x").unwrap());
    bench.create(&of(1)).await;
    let left = |n: u32| bench.store().join(format!("{TEMPORARY}{n:032x}"));
    for n in 0..2 {
        fs::write(left(n), "half").unwrap();
    }
    let old = SystemTime::now() - Duration::from_secs(2 * 3600);
    fs::File::options().write(true).open(left(0)).unwrap().set_modified(old).unwrap();
    bench.create(&of(1)).await;
    assert_eq!([left(0).exists(), left(1).exists()], [false, true]);
}

/// Some make workspaces, and have what they began with again; others drop threads meanwhile, the last one among them.
#[test]
fn many_may_come_and_go_at_once() {
    let bench = settled(|template| {
        for file in 0..20 {
            fs::write(template.join(file.to_string()), file.to_string()).unwrap();
        }
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let template = bench.outer.path().join("template");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let makers: Vec<_> = (1..=4_u128)
            .map(|thread| {
                let (bench, runtime, template) = (&bench, &runtime, &template);
                scope.spawn(move || {
                    let driver = Directory::new(&bench.root).unwrap().with_template(template);
                    for round in 0..25 {
                        let ours = of(thread);
                        let made = runtime.block_on(driver.create(&tenant(), &ours, None));
                        let tree = made.unwrap().tree.unwrap();
                        runtime.block_on(bench.restores(&ours, &tree));
                        runtime.block_on(bench.drop_thread(thread));
                        assert!(bench.live(&ours).exists(), "round {round}");
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                runtime.block_on(bench.drop_thread(9));
            }
        });
        let joined: Vec<_> = makers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        over.store(true, Ordering::Relaxed);
        assert!(joined.iter().all(Result::is_ok));
    });
    assert!(bench.stores().is_empty());
}

/// A branch within a thread reads and keeps nothing of what its source had kept.
#[tokio::test]
async fn a_branch_reads_only_what_is_not_saved() {
    let bench = settled(|template| {
        fs::write(template.join("f"), "x").unwrap();
        fs::write(template.join("g"), "x too").unwrap();
    });
    let (a, b) = (name("a"), name("b"));
    bench.create(&a).await;
    std::thread::sleep(Duration::from_millis(30));
    bench.change(&a, &[write("h", "x")]).await;
    let begun = bench.snapshot(&a).await;
    let objects = bench.objects();
    assert_eq!(bench.driver.branch(&b, &at(&a), None).await.unwrap().tree, Some(begun.clone()));
    assert_eq!(bench.objects(), objects);
    let index = bench.root.join("index").join(a.to_string()).join("index");
    let text = fs::read_to_string(&index).unwrap();
    let (known, other) = (blake3::hash(b"x too").to_string(), blake3::hash(b"x").to_string());
    fs::write(&index, text.replacen(&known, &other, 1)).unwrap();
    assert_ne!(bench.driver.branch(&b, &at(&a), None).await.unwrap().tree, Some(begun.clone()));
    // In another thread nothing of it is kept yet.
    fs::write(&index, &text).unwrap();
    let there = of(2);
    assert_eq!(bench.driver.branch(&there, &at(&a), None).await.unwrap().tree, Some(begun.clone()));
    bench.drop_thread(1).await;
    bench.restores(&there, &begun).await;
}
