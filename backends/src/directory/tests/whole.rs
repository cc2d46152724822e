//! Workspaces that are subvolumes: what a template held last is copied whole, and is what the template holds; the rest is as
//! without them.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, SystemTime},
};

use sessile_core::{
    error::ErrorKind,
    id::ThreadId,
    workspace::{Disposal, FilePath, WorkspaceDriver, WorkspaceName},
};

use super::{Bench, Mounted, STORE, at, kind, name, name_in, tenant, write};
use crate::{
    directory::{Directory, subvolumes::Subvolumes},
    folder::{
        Folder, TEMPORARY,
        model::{Item, path, read},
    },
};

/// A bench on a btrfs, with a template that is old enough not to be in doubt.
fn on_btrfs(fill: impl FnOnce(&Path)) -> Option<(Mounted, Bench)> {
    let mounted = Mounted::new()?;
    let bench = Bench::in_folder(&mounted.at()).with_template(fill);
    settle();
    Some((mounted, bench))
}

fn settle() {
    std::thread::sleep(Duration::from_millis(30));
}

fn of(thread: u128) -> WorkspaceName {
    name_in(STORE, thread, "w")
}

fn btrfs(arguments: &[&str], at: &Path) {
    let done = Command::new("btrfs").arg("subvolume").args(arguments).arg(at).output().unwrap();
    assert!(done.status.success(), "{done:?}");
}

fn is_subvolume(at: &Path) -> bool {
    fs::metadata(at).unwrap().ino() == 256
}

/// What a folder holds, with all rights.
fn rights_and_all(at: &Path) -> BTreeMap<FilePath, (Item, u32)> {
    let item = |(path, item): (FilePath, Item)| {
        let meta = fs::symlink_metadata(at.join(path.to_string())).unwrap();
        (path, (item, meta.mode()))
    };
    read(&Folder::open(at).unwrap()).into_iter().map(item).collect()
}

fn mode(at: &Path, mode: u32) {
    fs::set_permissions(at, fs::Permissions::from_mode(mode)).unwrap();
}

fn fill(template: &Path) {
    fs::create_dir_all(template.join("d/empty")).unwrap();
    for file in 0..40 {
        fs::write(template.join("d").join(file.to_string()), file.to_string()).unwrap();
    }
    fs::write(template.join("run"), "x").unwrap();
    mode(&template.join("run"), 0o750);
    mode(&template.join("d/1"), 0o400);
    mode(&template.join("d/empty"), 0o555);
    symlink("../secret", template.join("link")).unwrap();
}

impl Bench {
    /// What is kept whole of the template.
    fn states(&self) -> Vec<PathBuf> {
        let states = self.stores().into_iter().flat_map(|at| fs::read_dir(at.join("whole")));
        states.flatten().map(|entry| entry.unwrap().path()).collect()
    }

    /// Makes a workspace that is what the template is; answers whether it was copied whole: files are as old as those kept.
    async fn copies_whole(&self, name: &WorkspaceName, file: &str) -> bool {
        let written = |at: &Path| fs::metadata(at.join(file)).map(|meta| meta.modified().unwrap());
        let kept: Vec<_> =
            self.states().iter().filter_map(|at| written(&at.join("files")).ok()).collect();
        settle();
        let begun = self.create(name).await;
        assert_eq!(rights_and_all(&self.live(name)), rights_and_all(&self.template("")));
        assert!(!self.is_dirty(name).await);
        assert_eq!(self.snapshot(name).await, begun);
        assert_eq!(self.inspect(name).await.unwrap().reference, begun.as_str());
        kept.contains(&written(&self.live(name)).unwrap())
    }
}

#[tokio::test]
async fn later_workspaces_are_copied_whole() {
    let Some((_mounted, bench)) = on_btrfs(fill) else { return };
    assert!(!bench.copies_whole(&of(1), "run").await);
    for thread in 2..5 {
        assert!(bench.copies_whole(&of(thread), "run").await);
        assert!(is_subvolume(&bench.live(&of(thread))));
    }
    assert_eq!(bench.states().len(), 1);
    assert_eq!(bench.leftovers(), 8, "four workspaces with their indexes");
    // Each is its own.
    bench.change(&of(2), &[write("d/0", "two")]).await;
    let begun = bench.snapshot(&of(3)).await;
    assert!(bench.is_dirty(&of(2)).await);
    assert!(!bench.is_dirty(&of(3)).await);
    assert_ne!(bench.snapshot(&of(2)).await, begun);
    bench.driver.restore(&at(&of(2)), &begun).await.unwrap();
    assert_eq!(bench.holds(&of(2)), bench.holds(&of(3)));
    bench.restores(&of(3), &begun).await;
    // A thread that has only what is shared can go back to it.
    assert!(bench.copies_whole(&of(5), "run").await);
    bench.restores(&of(5), &begun).await;
    // A branch goes on from what was changed.
    bench.change(&of(3), &[write("d/0", "three")]).await;
    let branch = name_in(STORE, 3, "branch");
    bench.driver.branch(&branch, &at(&of(3)), None).await.unwrap();
    assert_eq!(bench.holds(&branch), bench.holds(&of(3)));
    let checked = name_in(STORE, 3, "checked");
    bench.driver.branch(&checked, &at(&of(3)), Some(&begun)).await.unwrap();
    assert_eq!(bench.holds(&checked), bench.holds(&of(5)));
    // All goes, without a trace.
    for ours in bench.list().await {
        assert_eq!(bench.driver.dispose(&ours, true).await.unwrap(), Disposal::Removed);
    }
    for thread in 1..6 {
        bench.drop_thread(thread).await;
    }
    assert_eq!((bench.leftovers(), bench.objects()), (0, 0));
    assert!(bench.stores().is_empty());
}

/// Whatever happens to the template, the next workspace is what it is then, and the one after that is copied whole again.
#[tokio::test]
async fn changes_of_the_template_are_not_missed() {
    type Act = fn(&Path);
    let acts: [(&str, bool, Act); 12] = [
        ("nothing", false, |_| {}),
        ("as many bytes", true, |at| fs::write(at.join("run"), "y").unwrap()),
        ("old times", true, |at| {
            let before = fs::metadata(at.join("run")).unwrap().modified().unwrap();
            fs::write(at.join("run"), "y").unwrap();
            fs::File::open(at.join("run")).unwrap().set_modified(before).unwrap();
        }),
        ("other times", true, |at| {
            fs::File::open(at.join("run")).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        }),
        ("moved into its place", true, |at| fs::rename(at.join("d/2"), at.join("d/3")).unwrap()),
        ("added", true, |at| fs::write(at.join("d/new"), "").unwrap()),
        ("removed", true, |at| fs::remove_file(at.join("d/7")).unwrap()),
        ("may not be run", true, |at| mode(&at.join("run"), 0o640)),
        ("other rights", true, |at| mode(&at.join("d/5"), 0o600)),
        ("other rights of a folder", false, |at| mode(&at.join("d/empty"), 0o700)),
        ("another target", true, |at| {
            fs::remove_file(at.join("link")).unwrap();
            symlink("y", at.join("link")).unwrap();
        }),
        ("a folder more", true, |at| fs::create_dir(at.join("d/more")).unwrap()),
    ];
    let Some((_mounted, bench)) = on_btrfs(fill) else { return };
    let root = &bench.outer.path().join("root");
    for (what, changes, act) in acts {
        let template = bench.template("");
        fs::remove_dir_all(&template).unwrap();
        fs::create_dir(&template).unwrap();
        fill(&template);
        settle();
        bench.copies_whole(&of(1), "run").await;
        assert!(bench.copies_whole(&of(2), "run").await, "{what}");
        let before = bench.snapshot(&of(2)).await;
        act(&template);
        assert_eq!(bench.copies_whole(&of(3), "run").await, !changes, "{what}");
        assert!(bench.copies_whole(&of(4), "run").await, "{what}");
        assert_eq!(bench.states().len(), 1, "{what}");
        bench.restores(&of(2), &before).await;
        let left = fs::read_dir(root.join("making")).unwrap().count();
        assert_eq!(left, 0, "{what}");
    }
}

#[tokio::test]
async fn ignored_files_are_left_out_of_what_is_whole() {
    let Some((_mounted, mut bench)) = on_btrfs(|template| {
        fill(template);
        fs::write(template.join(".gitignore"), "*.log\n").unwrap();
        fs::write(template.join("x.log"), "x").unwrap();
        fs::write(template.join(format!("{TEMPORARY}{:032x}", 7)), "half").unwrap();
    }) else {
        return;
    };
    let all = bench.driver.clone();
    bench.driver = bench.driver.clone().without_ignored();
    for thread in 1..4 {
        bench.create(&of(thread)).await;
        assert!(!bench.live(&of(thread)).join("x.log").exists());
        assert!(bench.live(&of(thread)).join(".gitignore").exists());
        all.create(&tenant(), &of(thread + 10), None).await.unwrap();
        let live = bench.live(&of(thread + 10));
        assert!(live.join("x.log").exists());
        assert_eq!(fs::read_dir(live).unwrap().count(), 5);
    }
    // What was named no more.
    fs::write(bench.template(".gitignore"), "run\n").unwrap();
    for thread in 1..4 {
        settle();
        bench.create(&of(thread)).await;
        let live = bench.live(&of(thread));
        assert_eq!((live.join("x.log").exists(), live.join("run").exists()), (true, false));
    }
}

/// A file of the template that is written twice within one tick of the clock has the same times both times.
#[tokio::test]
async fn what_is_in_doubt_is_not_copied_whole() {
    let Some((_mounted, bench)) = on_btrfs(fill) else { return };
    for round in 0..30 {
        for text in ["one", "two"] {
            let text = format!("{text} {round:03}");
            fs::write(bench.template("run"), &text).unwrap();
            bench.create(&of(1)).await;
            let read = bench.driver.read_file(&at(&of(1)), &path("run"), None).await.unwrap();
            assert_eq!(read, text.as_bytes());
        }
    }
}

#[tokio::test]
async fn a_template_elsewhere_is_kept_whole_too() {
    let Some((_mounted, mut bench)) = on_btrfs(|_| {}) else { return };
    let elsewhere = tempfile::tempdir().unwrap();
    let template = elsewhere.path().join("template");
    fs::create_dir(&template).unwrap();
    fill(&template);
    bench.driver = bench.driver.clone().with_template(&template);
    // The clocks of two file systems may differ by three seconds.
    std::thread::sleep(Duration::from_millis(3100));
    let mut written = Vec::new();
    for thread in 1..4 {
        settle();
        bench.create(&of(thread)).await;
        let live = bench.live(&of(thread));
        assert_eq!(rights_and_all(&live), rights_and_all(&template));
        written.push(fs::metadata(live.join("run")).unwrap().modified().unwrap());
    }
    assert_eq!(written[1], written[2]);
}

/// Without the program, or with one that does nothing, or says it did.
#[tokio::test]
async fn without_subvolumes_files_are_copied() {
    let Some((mounted, mut bench)) = on_btrfs(fill) else { return };
    bench.create(&of(1)).await;
    assert!(bench.copies_whole(&of(2), "run").await);
    let right = bench.driver.clone();
    let missing = mounted.at().join("missing");
    for program in [missing.to_str().unwrap(), "/bin/false", "/bin/true"] {
        bench.driver.root = right.root.clone().with(Subvolumes::with_program(program));
        assert!(!bench.copies_whole(&of(3), "run").await, "{program}");
        assert!(!is_subvolume(&bench.live(&of(3))), "{program}");
        // What others made as subvolumes can be removed, one by one.
        bench.driver.root = right.root.clone();
        bench.create(&of(4)).await;
        assert!(is_subvolume(&bench.live(&of(4))), "{program}");
        bench.driver.root = right.root.clone().with(Subvolumes::with_program(program));
        let gone = bench.driver.dispose(&of(4), false).await.unwrap();
        assert_eq!(gone, Disposal::Removed, "{program}");
        assert!(!bench.live(&of(4)).exists());
    }
    // Of another state of the template.
    fs::write(bench.template("run"), "later").unwrap();
    assert!(!bench.copies_whole(&of(5), "run").await);
    for thread in 1..6 {
        bench.driver.dispose(&of(thread), true).await.unwrap();
        bench.drop_thread(thread).await;
    }
    assert_eq!((bench.leftovers(), bench.stores().len()), (0, 0));
}

/// A subvolume does not inherit the group of the folder it is made in, and files belong to who made them.
#[tokio::test]
async fn who_would_get_other_rights_gets_a_copy() {
    let Some((_mounted, bench)) = on_btrfs(fill) else { return };
    bench.create(&of(1)).await;
    assert!(bench.copies_whole(&of(2), "run").await);
    let making = bench.root.join("making");
    mode(&making, 0o2755);
    assert!(!bench.copies_whole(&of(3), "run").await);
    assert!(!is_subvolume(&bench.live(&of(3))));
    mode(&making, 0o755);
    assert!(bench.copies_whole(&of(3), "run").await);
    let files = bench.states()[0].join("files");
    std::os::unix::fs::chown(files, Some(12345), None).unwrap();
    assert!(!bench.copies_whole(&of(3), "run").await);
}

#[tokio::test]
async fn work_in_a_subvolume_goes_only_with_force() {
    let Some((_mounted, bench)) = on_btrfs(fill) else { return };
    bench.create(&name("b")).await;
    let ours = name("a");
    for force in [false, true] {
        bench.create(&ours).await;
        let live = bench.live(&ours);
        assert!(is_subvolume(&live));
        // Somebody's own subvolume, in a folder deeper than are open at once.
        let deep = live.join(["deep"; 60].join("/"));
        fs::create_dir_all(&deep).unwrap();
        btrfs(&["create"], &deep.join("nested"));
        let inner = deep.join("nested").join(["er"; 60].join("/"));
        fs::create_dir_all(&inner).unwrap();
        fs::write(inner.join("f"), "work").unwrap();
        assert!(bench.is_dirty(&ours).await);
        let refused = bench.driver.dispose(&ours, false).await.unwrap();
        assert_eq!(refused, Disposal::Refused);
        assert!(inner.join("f").exists());
        // Something that is mounted is somebody else's.
        let bound = Command::new("mount").arg("--bind").arg(bench.outer.path()).arg(&deep).output();
        assert!(bound.unwrap().status.success());
        let mounted = bench.driver.dispose(&ours, true).await;
        assert!(Command::new("umount").arg(&deep).status().unwrap().success());
        assert_eq!(kind(mounted), ErrorKind::Unavailable);
        assert!(inner.join("f").exists());
        if !force {
            bench.snapshot(&ours).await;
        }
        let removed = bench.driver.dispose(&ours, force).await.unwrap();
        assert_eq!(removed, Disposal::Removed);
        assert_eq!(bench.leftovers(), 2);
    }
    assert!(!bench.is_dirty(&name("b")).await);
}

/// In the order in which they happen: a subvolume that is filled, one that is kept, and the one before; the workspace in the trash;
/// a file that is being restored.
#[tokio::test]
async fn what_kills_leave_of_subvolumes_is_removed() {
    let Some((_mounted, bench)) = on_btrfs(fill) else { return };
    let tree = bench.create(&of(1)).await;
    assert!(bench.copies_whole(&of(2), "run").await);
    let ours = of(3);
    let own = |n: u32| bench.root.join("making").join(ours.to_string()).join(format!("{n:032x}"));
    let trash = bench.root.join("trash").join(ours.to_string());
    for held in [true, false] {
        fs::create_dir_all(own(1)).unwrap();
        btrfs(&["create"], &own(0));
        fs::write(own(0).join("f"), "half").unwrap();
        btrfs(&["create"], &own(1).join("files"));
        fs::create_dir_all(&trash).unwrap();
        btrfs(&["create"], &trash.join("0"));
        assert!(bench.list().await.contains(&ours));
        if held {
            let gone = bench.driver.dispose(&ours, false).await.unwrap();
            assert_eq!(gone, Disposal::Removed);
        } else {
            assert!(bench.copies_whole(&ours, "run").await);
        }
        assert!(!own(0).exists() && !own(1).exists() && !trash.exists());
    }
    let left = bench.live(&ours).join(format!("{TEMPORARY}{:032x}", 3));
    fs::create_dir(&left).unwrap();
    fs::write(left.join("half"), "half").unwrap();
    assert!(!bench.is_dirty(&ours).await);
    bench.change(&ours, &[write("run", "later")]).await;
    bench.driver.restore(&at(&ours), &tree).await.unwrap();
    assert!(!left.exists());
    assert_eq!(rights_and_all(&bench.live(&ours)).len(), 44);
    // What is kept and not whole is not copied.
    let state = bench.states()[0].clone();
    fs::remove_file(state.join("index")).unwrap();
    assert!(!bench.copies_whole(&of(4), "run").await);
    assert!(fs::read_dir(bench.root.join("making")).unwrap().next().is_none());
}

#[test]
fn what_takes_the_place_of_another_is_not_overlooked() {
    let Some((_mounted, bench)) = on_btrfs(fill) else { return };
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                fs::write(bench.template("d/next"), "1").unwrap();
                fs::rename(bench.template("d/next"), bench.template("d/1")).unwrap();
                std::thread::sleep(Duration::from_micros(500));
            }
        });
        let folder = Folder::open(&bench.template("")).unwrap();
        let missed = (0..1000)
            .filter(|_| {
                let found = folder.scan().unwrap();
                !found.iter().any(|found| found.path == path("d/1"))
            })
            .count();
        over.store(true, Ordering::Relaxed);
        assert_eq!(missed, 0);
    });
}

/// Many begin as the template, while it changes and threads are dropped: each is a whole copy of it.
#[test]
fn nobody_copies_what_is_being_removed() {
    let Some((_mounted, bench)) = on_btrfs(fill) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let over = AtomicBool::new(false);
    let made = std::thread::scope(|scope| {
        let makers: Vec<_> = (1..=3_u128)
            .map(|thread| {
                let (bench, runtime) = (&bench, &runtime);
                scope.spawn(move || {
                    let mut driver = Directory::new(&bench.root).unwrap();
                    driver.root = driver.root.with(Subvolumes::of_any_size());
                    driver = driver.with_template(bench.template(""));
                    let mut whole = 0;
                    for round in 0..25 {
                        let ours = of(thread);
                        let made = runtime.block_on(driver.create(&tenant(), &ours, None));
                        made.unwrap();
                        assert_eq!(bench.holds(&ours).len(), 44, "round {round}");
                        assert!(!runtime.block_on(bench.is_dirty(&ours)));
                        let live = fs::metadata(bench.live(&ours).join("run")).unwrap();
                        let old = live.modified().unwrap().elapsed().unwrap();
                        whole += u32::from(old > Duration::from_millis(25));
                        if round % 8 == 7 {
                            let thread = ThreadId::from_bits(thread);
                            runtime.block_on(driver.drop_snapshots(STORE, thread)).unwrap();
                        }
                    }
                    whole
                })
            })
            .collect();
        scope.spawn(|| {
            let mut round = 0_u32;
            while !over.load(Ordering::Relaxed) {
                fs::write(bench.outer.path().join("next"), round.to_string()).unwrap();
                fs::rename(bench.outer.path().join("next"), bench.template("d/1")).unwrap();
                round += 1;
                std::thread::sleep(Duration::from_millis(150));
            }
        });
        let joined: Vec<_> = makers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        over.store(true, Ordering::Relaxed);
        joined.into_iter().map(Result::unwrap).sum::<u32>()
    });
    println!("{made} of 75 were copied whole");
    for thread in 1..=3 {
        runtime.block_on(bench.driver.dispose(&of(thread), true)).unwrap();
        runtime.block_on(bench.drop_thread(thread));
    }
    assert_eq!((bench.leftovers(), bench.stores().len()), (0, 0));
}
