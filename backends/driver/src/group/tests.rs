use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Waker},
    time::Duration,
};

use sessile_core::{
    error::{Error, ErrorKind, Result},
    journal::Commit,
};

use sessile_testkit::journals::{block_on, kind, space};

use super::GroupCommit;
use crate::{
    clock,
    engine::{Committed, Engine, Job, Write},
    lock,
};

/// An engine that notes its groups; spaces are what it is told to do.
#[derive(Debug, Default)]
struct Fake {
    groups: Arc<Mutex<Vec<Vec<u128>>>>,
    busy: Arc<AtomicBool>,
}

const FAILS: u128 = 100;
const PANICS: u128 = 101;

impl Engine for Fake {
    fn begin(&mut self) -> Result<bool> {
        Ok(!self.busy.load(Ordering::SeqCst))
    }

    fn commit(&mut self, jobs: &[&Job], _may_hold: bool) -> Result<Committed> {
        let group: Vec<u128> = jobs.iter().map(|job| job.space.bits()).collect();
        lock(&self.groups).push(group.clone());
        assert!(!group.contains(&PANICS), "as told");
        if group.contains(&FAILS) {
            return Err(Error::failed("as told"));
        }
        Ok(Committed { answers: jobs.iter().map(|_| Ok(Commit::Done)).collect(), hold: None })
    }

    fn release(&mut self) {}

    fn close(&mut self) -> Result<()> {
        Ok(())
    }
}

type Groups = Arc<Mutex<Vec<Vec<u128>>>>;

fn group() -> (Arc<GroupCommit>, Groups, Arc<AtomicBool>) {
    let fake = Fake::default();
    let (groups, busy) = (fake.groups.clone(), fake.busy.clone());
    (GroupCommit::new(Box::new(fake)), groups, busy)
}

fn job(bits: u128, patience: Duration) -> Job {
    let write = Write::Drop { expected: None };
    Job { space: space(bits), write, until: clock::deadline(patience) }
}

const LONG: Duration = Duration::from_secs(10);

/// Puts jobs into the queue while another leads, then lets everything run.
fn together(group: &Arc<GroupCommit>, busy: &AtomicBool, bits: &[u128]) -> Vec<Result<Commit>> {
    busy.store(true, Ordering::SeqCst);
    let callers: Vec<_> = bits
        .iter()
        .map(|bits| {
            let (group, bits) = (group.clone(), *bits);
            std::thread::spawn(move || block_on(group.submit(job(bits, LONG))))
        })
        .collect();
    while lock(&group.queue).jobs.len() < bits.len() {
        std::thread::yield_now();
    }
    busy.store(false, Ordering::SeqCst);
    callers.into_iter().map(|caller| caller.join().unwrap()).collect()
}

#[test]
fn what_is_queued_commits_together() {
    let (group, groups, busy) = group();
    assert!(together(&group, &busy, &[1, 2, 3]).iter().all(Result::is_ok));
    assert_eq!(lock(&groups).iter().map(Vec::len).collect::<Vec<_>>(), [3]);
}

#[test]
fn a_failed_group_commits_each_alone_once() {
    let (group, groups, busy) = group();
    let answers = together(&group, &busy, &[1, FAILS, 3]);
    assert_eq!(answers.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(lock(&groups).iter().map(Vec::len).collect::<Vec<_>>(), [3, 1, 1, 1]);
}

#[test]
fn a_panic_is_doubt_and_the_next_leads() {
    let (group, _, busy) = group();
    let answers = together(&group, &busy, &[PANICS, 2]);
    for answer in answers {
        assert!(matches!(answer.unwrap(), Commit::Indeterminate { .. }));
    }
    assert!(block_on(group.submit(job(3, LONG))).is_ok());
}

#[test]
fn patience_ends() {
    let (group, groups, busy) = group();
    busy.store(true, Ordering::SeqCst);
    let answer = block_on(group.submit(job(1, Duration::from_millis(2))));
    assert_eq!(kind(answer), ErrorKind::Contended);
    assert!(lock(&groups).is_empty());
}

#[test]
fn who_is_dropped_in_the_queue_is_never_written() {
    let (group, groups, busy) = group();
    busy.store(true, Ordering::SeqCst);
    let mut context = Context::from_waker(Waker::noop());
    {
        let leads = std::pin::pin!(group.submit(job(1, LONG)));
        let waits = std::pin::pin!(group.submit(job(2, LONG)));
        assert!(leads.poll(&mut context).is_pending());
        assert!(waits.poll(&mut context).is_pending());
    }
    assert!(lock(&group.queue).jobs.is_empty());
    busy.store(false, Ordering::SeqCst);
    assert!(block_on(group.submit(job(3, LONG))).is_ok());
    assert_eq!(*lock(&groups), [[3]]);
}

#[test]
fn closing_answers_those_who_wait() {
    let (group, _, busy) = group();
    busy.store(true, Ordering::SeqCst);
    let waits = std::thread::spawn({
        let group = group.clone();
        move || block_on(group.submit(job(1, LONG)))
    });
    while lock(&group.queue).jobs.is_empty() {
        std::thread::yield_now();
    }
    group.close().unwrap();
    assert_eq!(kind(waits.join().unwrap()), ErrorKind::Closed);
    assert_eq!(kind(block_on(group.submit(job(2, LONG)))), ErrorKind::Closed);
    group.close().unwrap();
}
