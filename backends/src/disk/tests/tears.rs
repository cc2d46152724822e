//! What a crash leaves at the end of a file.

use super::*;
use crate::disk::Repair;

/// A store that was not closed, with two lines in space 1; where the last one begins, and the whole file.
async fn torn(folder: &TempDir, versions: u64) -> (usize, Vec<u8>) {
    let journal = open_in(folder).await;
    let (mut at, mut begin) = (None, 0);
    for version in 1..=versions {
        begin = fs::read(file(folder, &space(1))).unwrap_or_default().len();
        at = Some(append(&journal, &space(1), at, &format!("{{\"n\":{version}}}")).await);
    }
    drop(journal);
    (begin, fs::read(file(folder, &space(1))).unwrap())
}

async fn check(folder: &TempDir, begin: usize, bytes: &[u8], what: &str) {
    fs::write(file(folder, &space(1)), bytes).unwrap();
    let journal = open_in(folder).await;
    let before = if begin == 0 { vec![] } else { vec!["{\"n\":1}".to_owned()] };
    assert_eq!(bodies(&journal, &space(1)).await, before, "{what}");
    let cut = (bytes.len() - begin) as u64;
    let repair = Repair { space: space(1), bytes: cut };
    let told = if cut == 0 { vec![] } else { vec![repair] };
    assert_eq!(journal.repairs(), told, "{what}");
    assert_eq!(fs::read(file(folder, &space(1))).unwrap().len(), begin, "{what}");
    let at = head(&journal, &space(1)).await.map(|head| head.position);
    append(&journal, &space(1), at, "goes on").await;
    assert_eq!(bodies(&journal, &space(1)).await.len(), before.len() + 1, "{what}");
}

#[test]
fn a_last_line_cut_anywhere_is_cut_off_and_told() {
    for versions in [1, 2] {
        let folder = folder();
        block_on(async {
            let (begin, whole) = torn(&folder, versions).await;
            for end in begin..whole.len() {
                check(&folder, begin, &whole[..end], &format!("cut at {end}")).await;
            }
        });
    }
}

#[test]
fn a_last_line_that_was_written_in_parts_is_cut_off() {
    let folder = folder();
    block_on(async {
        let (begin, whole) = torn(&folder, 2).await;
        for (from, to) in [(begin, begin + 1), (begin, whole.len()), (begin + 40, whole.len() - 1)]
        {
            let mut bytes = whole.clone();
            bytes[from..to].fill(0);
            check(&folder, begin, &bytes, &format!("zeros from {from} to {to}")).await;
        }
    });
}

#[test]
fn a_bad_line_before_a_good_one_is_damage() {
    let folder = folder();
    block_on(async {
        let (begin, whole) = torn(&folder, 2).await;
        for at in (0..begin).filter(|at| at % 16 == 0 || *at < 40 || at + 3 > begin) {
            let mut bytes = whole.clone();
            bytes[at] ^= 4;
            fs::write(file(&folder, &space(1)), &bytes).unwrap();
            let journal = open_in(&folder).await;
            let error = journal.read(&space(1), &all()).await;
            let error = error.expect_err(&format!("byte {at}"));
            let sessile_core::Error::Corrupt { space: named, version: 1, .. } = &error else {
                panic!("byte {at}: {error:?}")
            };
            assert_eq!(*named, space(1));
            assert_eq!(journal.repairs(), []);
            assert_eq!(head(&journal, &space(1)).await.unwrap().position.version, 2);
            drop(journal);
            assert_eq!(fs::read(file(&folder, &space(1))).unwrap(), bytes, "nothing was cut");
        }
    });
}

#[test]
fn two_bad_lines_at_the_end_are_damage() {
    let folder = folder();
    block_on(async {
        let (begin, whole) = torn(&folder, 2).await;
        let mut bytes = whole.clone();
        bytes[begin + 50] ^= 4;
        bytes.extend_from_slice(b"{\"len\":\"");
        fs::write(file(&folder, &space(1)), &bytes).unwrap();
        let journal = open_in(&folder).await;
        assert_eq!(kind(journal.head(&space(1)).await), ErrorKind::Corrupt);
        drop(journal);
        assert_eq!(fs::read(file(&folder, &space(1))).unwrap(), bytes, "nothing was cut");
    });
}

#[test]
fn the_end_of_a_file_that_was_closed_is_never_cut() {
    let folder = folder();
    block_on(async {
        let journal = open_in(&folder).await;
        let one = append(&journal, &space(1), None, "one").await;
        append(&journal, &space(1), Some(one), "two").await;
        journal.close().await.unwrap();
        let whole = fs::read(file(&folder, &space(1))).unwrap();
        for end in 0..whole.len() {
            fs::write(file(&folder, &space(1)), &whole[..end]).unwrap();
            for options in [Options::default(), Options::default().read_only()] {
                if end % 64 > 0 && !options.read_only {
                    continue;
                }
                let journal = Disk::open(root(&folder), options).await.unwrap();
                assert_eq!(kind(journal.head(&space(1)).await), ErrorKind::Corrupt, "cut at {end}");
                assert_eq!(
                    kind(journal.list(&query(ListOrder::Id, None, 9)).await),
                    ErrorKind::Corrupt
                );
                assert_eq!(journal.repairs(), []);
                journal.close().await.unwrap();
            }
        }
        fs::write(file(&folder, &space(1)), &whole).unwrap();
        let journal = open_in(&folder).await;
        assert_eq!(bodies(&journal, &space(1)).await, ["one", "two"]);
    });
}

#[test]
fn a_crash_after_a_close_tears_only_what_came_after() {
    let folder = folder();
    block_on(async {
        let journal = open_in(&folder).await;
        let one = append(&journal, &space(1), None, "{\"n\":1}").await;
        append(&journal, &space(2), None, "other").await;
        journal.close().await.unwrap();
        let sealed = fs::read(file(&folder, &space(1))).unwrap();
        let other = fs::read(file(&folder, &space(2))).unwrap();
        let journal = open_in(&folder).await;
        append(&journal, &space(1), Some(one), "two").await;
        drop(journal);
        let whole = fs::read(file(&folder, &space(1))).unwrap();
        for end in [sealed.len(), sealed.len() + 1, whole.len() - 1] {
            check(&folder, sealed.len(), &whole[..end], &format!("cut at {end}")).await;
        }
        // What was closed before and not written since is still whole or damaged, never torn.
        fs::write(file(&folder, &space(2)), &other[..other.len() - 1]).unwrap();
        let journal = open_in(&folder).await;
        assert_eq!(kind(journal.head(&space(2)).await), ErrorKind::Corrupt);
    });
}
