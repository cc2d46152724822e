//! Following the journal: reading what others wrote, folding it, keeping snapshots of it.

use std::sync::Arc;

use super::{LeaderState, SNAPSHOT_FROM, Sequencer};
use crate::{
    error::{Error, Result},
    id::Version,
    journal::{Direction, Head, Position, ReadRange, Record, Snapshot},
    record::open,
    rules::decision::Facts,
    store::{shared::Shared, state::JournalState},
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
    pub(super) async fn refresh(&self, shared: &Shared, leader: &mut LeaderState) -> Result<()> {
        let head = shared.journal.head(&self.space).await?;
        self.catch_up(shared, leader, head, Vec::new()).await
    }

    /// Brings the state to `head`. Between hearing of a head and reading up to it a space may be dropped, or replaced: records
    /// that do not lead there are damage only if the head is still the same.
    pub(super) async fn catch_up(
        &self,
        shared: &Shared,
        leader: &mut LeaderState,
        mut head: Option<Head>,
        mut since: Vec<Record>,
    ) -> Result<()> {
        loop {
            let position = head.as_ref().map(|h| h.position);
            match self.fold_to(shared, leader, position, std::mem::take(&mut since)).await {
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
        leader: &mut LeaderState,
        target: Option<Position>,
        since: Vec<Record>,
    ) -> Result<()> {
        let Some(target) = target else {
            if leader.machine.head().is_some() {
                self.abandon_history(shared, leader);
            }
            return Ok(());
        };
        let mut machine = (*leader.machine).clone();
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
                machine = self.restore(shared, leader, target.version).await?;
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
                leader.tail_bytes += record.weight();
                if !machine.fold(&self.space, record)? {
                    if anew {
                        return Err(Error::corrupt(
                            &self.space,
                            record.version,
                            "the record does not follow in the chain",
                        ));
                    }
                    anew = true;
                    machine = self.restore(shared, leader, target.version).await?;
                    break;
                }
            }
        }
        self.publish(shared, leader, Arc::new(machine));
        Ok(())
    }

    /// The state of the snapshot, if there is one and the journal's record at its version bears it out; else empty.
    pub(super) async fn restore(
        &self,
        shared: &Shared,
        leader: &mut LeaderState,
        upto: Version,
    ) -> Result<JournalState> {
        leader.tail_bytes = 0;
        leader.snapshot_bytes = 0;
        let Ok(Some(snapshot)) = shared.journal.load_snapshot(&self.space).await else {
            return Ok(JournalState::empty(&self.space));
        };
        let position = snapshot.position;
        if position.version > upto || position.version == 0 {
            return Ok(JournalState::empty(&self.space));
        }
        let record = self.read(shared, position.version - 1, position.version).await?;
        let borne_out = record.first().is_some_and(|r| r.link == position.hash);
        match JournalState::decode(&self.space, position, &snapshot.bytes) {
            Some(machine) if borne_out => {
                leader.snapshot_bytes = snapshot.bytes.len();
                Ok(machine)
            }
            _ => Ok(JournalState::empty(&self.space)),
        }
    }

    /// Forgets a history that the journal no longer holds.
    pub(super) fn abandon_history(&self, shared: &Shared, leader: &mut LeaderState) {
        self.publish(shared, leader, Arc::new(JournalState::empty(&self.space)));
    }

    /// Keeps a snapshot when the tail has grown past half of the last one: the cost stays proportional. It is a cache:
    /// that it could not be kept is no error.
    pub(super) async fn snapshot(&self, shared: &Shared, leader: &mut LeaderState) {
        if leader.tail_bytes < SNAPSHOT_FROM.max(leader.snapshot_bytes / 2) {
            return;
        }
        let (Some(position), Ok(bytes)) = (leader.machine.head(), leader.machine.encode()) else {
            return;
        };
        leader.tail_bytes = 0;
        leader.snapshot_bytes = bytes.len();
        let _ = shared.journal.save_snapshot(&self.space, &Snapshot { position, bytes }).await;
    }

    /// Reads the immutable records that the taken calls name and the state does not hold.
    pub(super) async fn facts(&self, shared: &Shared, leader: &LeaderState) -> Result<Facts> {
        let mut facts = Facts::new();
        let head = leader.machine.version();
        for pending in &leader.taken {
            for version in pending.call.facts.iter().copied() {
                if version == 0 || version > head || facts.contains_key(&version) {
                    continue;
                }
                let kind = match self.read(shared, version - 1, version).await?.first() {
                    Some(record) => Some(open(&self.space, record)?.header.event),
                    None => None,
                };
                facts.insert(version, kind);
            }
        }
        Ok(facts)
    }
}
