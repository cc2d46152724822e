//! The simulated medium.

use std::{io, path::Path};

use sessile_conformance::medium::{Open, SimDisk, Survives};

fn path(name: &str) -> &Path {
    Path::new(name)
}

#[test]
fn keeps_after_power_loss_what_was_flushed() {
    let disk = SimDisk::default();
    let file = disk.open(path("a"), Open::CreateNew).unwrap();
    file.write_at(b"flushed", 0).unwrap();
    file.sync().unwrap();
    let nameless = disk.reboot(Survives::Flushed);
    assert!(nameless.read(path("a")).is_err(), "its name was not flushed");

    let disk = SimDisk::default();
    let file = disk.open(path("a"), Open::CreateNew).unwrap();
    disk.sync_dir(path("")).unwrap();
    file.write_at(b"flushed", 0).unwrap();
    file.sync().unwrap();
    file.append(b" and not").unwrap();
    disk.rename(path("a"), path("b")).unwrap();
    let killed = disk.stopped_at(disk.operations(), None, Survives::Written);
    assert_eq!(killed.read(path("b")).unwrap(), b"flushed and not");
    let lost = disk.reboot(Survives::Flushed);
    assert_eq!(lost.read(path("a")).unwrap(), b"flushed");
    assert!(file.append(b"more").is_err(), "the machine is off");
}

#[test]
fn stops_after_so_many_operations_and_tears_the_next() {
    let disk = SimDisk::default();
    disk.stop_after(2, Some(7));
    let file = disk.open(path("a"), Open::Create).unwrap();
    file.append(b"one").unwrap();
    file.append(&[1; 100]).unwrap_err();
    assert!(disk.is_off());
    assert!(disk.stat(path("a")).is_err());
    let left = disk.reboot(Survives::Written).read(path("a")).unwrap().len();
    assert!((3..103).contains(&left), "{left}");
}

#[test]
fn finds_every_stop_again_from_one_run() {
    let disk = SimDisk::default();
    let file = disk.open(path("a"), Open::Create).unwrap();
    for n in 0..10_u8 {
        file.append(&[n]).unwrap();
    }
    for k in 1..=10 {
        let then = disk.stopped_at(k, None, Survives::Written);
        assert_eq!(then.read(path("a")).unwrap().len() as u64, k - 1);
    }
}

#[test]
fn is_full_and_read_only_and_passes() {
    let disk = SimDisk::default();
    let file = disk.open(path("a"), Open::Create).unwrap();
    disk.leave_room(Some(4));
    let error = file.append(b"too much").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(disk.read(path("a")).unwrap(), b"too ", "what fits has landed");
    disk.leave_room(None);
    disk.set_read_only(true);
    assert_eq!(file.append(b"x").unwrap_err().kind(), io::ErrorKind::ReadOnlyFilesystem);
    disk.set_read_only(false);
    file.append(b"x").unwrap();
}

#[test]
fn a_failed_flush_is_not_made_good_by_the_next() {
    let disk = SimDisk::default();
    let file = disk.open(path("a"), Open::Create).unwrap();
    disk.sync_dir(path("")).unwrap();
    file.append(b"lost").unwrap();
    disk.fail_flush(0);
    file.sync().unwrap_err();
    file.append(b"kept").unwrap();
    file.sync().unwrap();
    let left = disk.reboot(Survives::Flushed).read(path("a")).unwrap();
    assert_eq!(left, b"\0\0\0\0kept");
}

#[test]
fn a_lock_ends_with_its_file() {
    let disk = SimDisk::default();
    let one = disk.open(path("a"), Open::Create).unwrap();
    let two = disk.open(path("a"), Open::Create).unwrap();
    assert!(one.try_lock().unwrap());
    assert!(!two.try_lock().unwrap());
    drop(one);
    assert!(two.try_lock().unwrap());
}
