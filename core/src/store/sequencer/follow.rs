//! Following the journal: reading what others wrote, folding it, keeping snapshots of it.

use std::sync::Arc;

use super::{Led, SNAPSHOT_FROM, Sequencer, same};
use crate::{
    decision::Facts,
    error::{Error, Result},
    flaw::{self, Flaw},
    id::Version,
    journal::{Direction, Head, Position, ReadRange, Record, Snapshot},
    record::open,
    store::{
        machine::{Machine, named},
        shared::Shared,
    },
};

impl Sequencer {
    pub(super) async fn read(
        &self,
        shared: &Shared,
        after: Version,
        upto: Version,
    ) -> Result<Vec<Record>> {
        let range =
            ReadRange { stream: None, after, upto, direction: Direction::Forward, limit: 1024 };
        shared.journal.read(&self.space, &range).await
    }

    /// Brings the state to the journal's head.
    pub(super) async fn refresh(&self, shared: &Shared, led: &mut Led) -> Result<()> {
        let head = shared.journal.head(&self.space).await?;
        self.catch_up(shared, led, head, Vec::new()).await
    }

    /// Brings the state to `head`. Between hearing of a head and reading up to it a space may be dropped, or replaced: records
    /// that do not lead there are damage only if the head is still the same.
    pub(super) async fn catch_up(
        &self,
        shared: &Shared,
        led: &mut Led,
        mut head: Option<Head>,
        mut since: Vec<Record>,
    ) -> Result<()> {
        loop {
            let position = head.as_ref().map(|h| h.position);
            match self.fold_to(shared, led, position, std::mem::take(&mut since)).await {
                Err(Error::Corrupt { space, version, reason }) => {
                    head = shared.journal.head(&self.space).await?;
                    if head.as_ref().map(|h| h.position) == position {
                        return Err(Error::Corrupt { space, version, reason });
                    }
                }
                folded => return folded,
            }
        }
    }

    /// Folds what lies between the state and `target`; `since` is the beginning of it, if it came along. A chain that does
    /// not continue the state's own is another history: the state is made anew.
    pub(super) async fn fold_to(
        &self,
        shared: &Shared,
        led: &mut Led,
        target: Option<Position>,
        since: Vec<Record>,
    ) -> Result<()> {
        let Some(target) = target else {
            if led.machine.head().is_some() {
                self.reset(shared, led);
            }
            return Ok(());
        };
        let mut machine = (*led.machine).clone();
        let mut since = Some(since).filter(|s| !s.is_empty());
        let mut anew = false;
        while machine.head() != Some(target) {
            if machine.version() >= target.version
                || (machine.head().is_none() && since.is_none() && !anew)
            {
                if anew {
                    return Err(Error::corrupt(
                        &self.space,
                        target.version,
                        "the records do not lead to the head",
                    ));
                }
                anew = true;
                since = None;
                machine = self.restore(shared, led, target.version).await?;
                continue;
            }
            let records = match since.take() {
                Some(records) => records,
                None => self.read(shared, machine.version(), target.version).await?,
            };
            if records.is_empty() {
                return Err(Error::corrupt(
                    &self.space,
                    machine.version() + 1,
                    "the record is missing",
                ));
            }
            for record in &records {
                if record.version > target.version {
                    break;
                }
                led.tail_bytes += record.weight();
                if !machine.fold(&self.space, record)? {
                    if anew {
                        return Err(Error::corrupt(
                            &self.space,
                            record.version,
                            "the record does not follow in the chain",
                        ));
                    }
                    anew = true;
                    machine = self.restore(shared, led, target.version).await?;
                    break;
                }
            }
        }
        self.publish(shared, led, Arc::new(machine));
        Ok(())
    }

    /// The state of the snapshot, if there is one and the journal's record at its version bears it out; else empty.
    pub(super) async fn restore(
        &self,
        shared: &Shared,
        led: &mut Led,
        upto: Version,
    ) -> Result<Machine> {
        led.tail_bytes = 0;
        led.snapshot_bytes = 0;
        let Ok(Some(snapshot)) = shared.journal.load_snapshot(&self.space).await else {
            return Ok(Machine::empty(&self.space));
        };
        let position = snapshot.position;
        if position.version > upto || position.version == 0 {
            return Ok(Machine::empty(&self.space));
        }
        let record = self.read(shared, position.version - 1, position.version).await?;
        let borne_out = record.first().is_some_and(|r| r.link == position.hash);
        match Machine::decode(&self.space, position, &snapshot.bytes) {
            Some(machine) if borne_out => {
                led.snapshot_bytes = snapshot.bytes.len();
                Ok(machine)
            }
            _ => Ok(Machine::empty(&self.space)),
        }
    }

    /// Leaves a history that is not the journal's any more.
    pub(super) fn part(&self, shared: &Shared, led: &mut Led, head: Option<&Head>) {
        match head.map(|h| h.position) {
            Some(to) if flaw::is(Flaw::MatchesNumbers) && same(led.machine.head(), Some(to)) => {
                let mut machine = (*led.machine).clone();
                machine.set_head(to);
                self.publish(shared, led, Arc::new(machine));
            }
            _ => self.reset(shared, led),
        }
    }

    pub(super) fn reset(&self, shared: &Shared, led: &mut Led) {
        self.publish(shared, led, Arc::new(Machine::empty(&self.space)));
    }

    /// Keeps a snapshot when the tail has grown past half of the last one: the cost stays proportional. It is a cache:
    /// that it could not be kept is no error.
    pub(super) async fn snapshot(&self, shared: &Shared, led: &mut Led) {
        if led.tail_bytes < SNAPSHOT_FROM.max(led.snapshot_bytes / 2) {
            return;
        }
        let (Some(position), Ok(bytes)) = (led.machine.head(), led.machine.encode()) else {
            return;
        };
        led.tail_bytes = 0;
        led.snapshot_bytes = bytes.len();
        let _ = shared.journal.save_snapshot(&self.space, &Snapshot { position, bytes }).await;
    }

    /// Reads the immutable records that the taken calls name and the state does not hold.
    pub(super) async fn facts(&self, shared: &Shared, led: &Led) -> Result<Facts> {
        let mut facts = Facts::new();
        let head = led.machine.version();
        for slot in &led.taken {
            for version in named(&slot.call.request) {
                if version == 0 || version > head || facts.contains_key(&version) {
                    continue;
                }
                let kind = match self.read(shared, version - 1, version).await?.first() {
                    Some(record) => Some(open(&self.space, record)?.head.is),
                    None => None,
                };
                facts.insert(version, kind);
            }
        }
        Ok(facts)
    }
}
