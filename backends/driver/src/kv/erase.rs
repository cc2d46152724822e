//! Removing the payload of records, and dropping spaces.

use sessile_core::{
    error::Result,
    id::{Space, Version},
    journal::{Commit, Position, Record, RecordBody},
};

use super::{
    ApplyError, GuardedBatch, KvJournal, Value,
    files::alive,
    keys, order,
    space::{State, damaged, number_value, tombstone},
    values::{self, LinkedRecord},
};
use crate::clock;

/// Records erased in one transaction.
const ERASED: usize = 64;

impl KvJournal {
    /// Erases in several transactions; the snapshots go with the first.
    pub(super) async fn erase_all(&self, space: &Space, versions: &[Version]) -> Result<()> {
        let mut rest = versions;
        let mut is_first = true;
        while is_first || !rest.is_empty() {
            let State::Live(live) = self.state(space).await? else { return Ok(()) };
            let (some, others) = rest.split_at(rest.len().min(ERASED));
            let there: Vec<Version> =
                some.iter().copied().filter(|at| (1..=live.row.version()).contains(at)).collect();
            let mut keys: Vec<_> = there.iter().map(|at| keys::record(live.number, *at)).collect();
            keys.push(keys::snapshot_version(live.number));
            let mut found = self.kv.get(&keys).await?;
            let mut change =
                GuardedBatch { guards: vec![alive(space, live.number)], ..GuardedBatch::default() };
            if let Some(kept) = found.pop().flatten() {
                change.guards.push((keys::snapshot_version(live.number), Some(kept)));
                change.put.push((keys::snapshot_version(live.number), None));
                change.put.push((keys::snapshot(live.number), None));
            }
            for (version, value) in there.into_iter().zip(found) {
                if let Some(value) = value {
                    erase(space, live.number, version, value, &mut change)?;
                }
            }
            if change.put.is_empty() || self.write(change).await? {
                rest = others;
                is_first = false;
            }
        }
        Ok(())
    }

    /// Drops a space, and leaves a tombstone.
    pub(super) async fn drop_all(
        &self,
        space: &Space,
        expected: Option<Position>,
        until: std::time::Instant,
    ) -> Result<Commit> {
        loop {
            let state = self.state(space).await?;
            if matches!(state, State::Dropped) {
                return Ok(Commit::Done);
            }
            if let Some(refusal) = self.refusal(space, &state, expected).await? {
                return Ok(refusal);
            }
            let mut change = GuardedBatch::default();
            match &state {
                State::Live(live) => {
                    change.guards.push((keys::head(live.number), Some(live.value.clone())));
                    change.put.push((keys::living(space), None));
                    order::take_out(space, &live.row, &mut change);
                    if let Some(project) = live.row.project {
                        change.put.push((keys::of_project(space, project), None));
                    }
                }
                State::Unborn(_) | State::Dropped => {
                    let gone = state.number().map(number_value);
                    change.guards.push((keys::living(space), None));
                    change.guards.push((keys::gone(space), gone));
                }
            }
            change.clear.extend(state.number().map(keys::all_data));
            change.put.push((keys::gone(space), Some(tombstone())));
            self.cache.forget(space);
            match self.group.submit(change, until).await {
                Ok(true) => {
                    self.cache.forget(space);
                    self.notifier.notify(space);
                    return Ok(Commit::Done);
                }
                Ok(false) if clock::instant() >= until => {
                    return Err(sessile_core::error::Error::contended(space));
                }
                Ok(false) => {}
                Err(ApplyError::Refused(error)) => return Err(error),
                Err(ApplyError::Unknown(source)) => {
                    return Ok(Commit::Indeterminate { source: Some(source) });
                }
            }
        }
    }
}

/// What erases one record.
fn erase(
    space: &Space,
    number: u64,
    version: Version,
    value: Value,
    change: &mut GuardedBatch,
) -> Result<()> {
    let linked = values::decode_record(version, &value);
    let LinkedRecord { prev, record } =
        linked.ok_or_else(|| damaged(space, version, "the record is damaged"))?;
    match &record.body {
        RecordBody::None => return Ok(()),
        RecordBody::Inline(_) => {}
        RecordBody::Blob(name) => {
            change.put.push((keys::blob(number, name), None));
            change.put.push((keys::put(number, name), None));
        }
    }
    let erased = Record { salt: [0; 16], body: RecordBody::None, ..record };
    let key = keys::record(number, version);
    change.guards.push((key.clone(), Some(value)));
    change.put.push((key, Some(values::encode_record(&erased, prev))));
    Ok(())
}
