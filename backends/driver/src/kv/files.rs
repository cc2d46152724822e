//! Snapshots and blobs.

use std::{collections::HashSet, ops::Range, time::Duration};

use sessile_core::{
    error::{Error, Result, Subject},
    id::Space,
    journal::{BlobName, Snapshot},
};

use super::{
    ApplyError, GuardedBatch, Key, KvJournal, Value,
    append::fresh_number,
    keys,
    space::{State, number_value},
    values,
};
use crate::{
    check,
    clock::{self, Clock as _, SystemClock},
};

/// How long a write without a patience of its own waits for other processes.
const PATIENCE: Duration = Duration::from_secs(5);

/// Blobs collected in one transaction.
const COLLECTED: usize = 256;

impl KvJournal {
    /// A write that has no expected head.
    pub(super) async fn write(&self, change: GuardedBatch) -> Result<bool> {
        match self.group.submit(change, clock::deadline(PATIENCE)).await {
            Ok(applied) => Ok(applied),
            Err(ApplyError::Refused(error)) => Err(error),
            Err(ApplyError::Unknown(source)) => Err(Error::Unavailable {
                reason: "it is not known whether the write was made; it is safe to try again"
                    .into(),
                operation: None,
                source: Some(source),
            }),
        }
    }

    /// Keeps it, unless a newer one of a version that exists is there.
    pub(super) async fn keep_snapshot(&self, space: &Space, snapshot: &Snapshot) -> Result<()> {
        loop {
            let State::Live(live) = self.state(space).await? else { return Ok(()) };
            let version = keys::snapshot_version(live.number);
            let kept = self.get(version.clone()).await?;
            let newer = kept
                .as_deref()
                .and_then(values::decode_number)
                .is_some_and(|kept| kept > snapshot.position.version && kept <= live.row.version());
            if newer {
                return Ok(());
            }
            let number = number_value(snapshot.position.version);
            let change = GuardedBatch {
                guards: vec![alive(space, live.number), (version.clone(), kept)],
                clear: Vec::new(),
                put: vec![
                    (version, Some(number)),
                    (keys::snapshot(live.number), Some(values::encode_snapshot(snapshot))),
                ],
            };
            if self.write(change).await? {
                return Ok(());
            }
        }
    }

    pub(super) async fn kept_snapshot(&self, space: &Space) -> Result<Option<Snapshot>> {
        let state = self.state(space).await?;
        let Some(live) = state.live() else { return Ok(None) };
        let kept = self.get(keys::snapshot(live.number)).await?;
        Ok(kept.and_then(|kept| values::decode_snapshot(&kept)))
    }

    pub(super) async fn keep_blob(
        &self,
        space: &Space,
        name: &BlobName,
        bytes: &[u8],
    ) -> Result<()> {
        loop {
            let mut change = GuardedBatch::default();
            let number = match self.state(space).await? {
                State::Live(live) => {
                    change.guards.push(alive(space, live.number));
                    live.number
                }
                State::Unborn(Some(number)) => {
                    change.guards.push((keys::gone(space), Some(number_value(number))));
                    number
                }
                State::Unborn(None) => {
                    change.guards.push((keys::living(space), None));
                    change.guards.push((keys::gone(space), None));
                    let number = fresh_number(space, &mut change);
                    change.put.push((keys::gone(space), Some(number_value(number))));
                    number
                }
                // No record can ever name a blob of a dropped space: it is collected before it is kept.
                State::Dropped => return Ok(()),
            };
            change.put.push((keys::blob(number, name), Some(bytes.to_vec())));
            let now = number_value(SystemClock.now().millis());
            change.put.push((keys::put(number, name), Some(now)));
            if self.write(change).await? {
                return Ok(());
            }
        }
    }

    pub(super) async fn blob(
        &self,
        space: &Space,
        name: &BlobName,
        range: Option<Range<u64>>,
    ) -> Result<Vec<u8>> {
        let missing = || Error::not_found(Subject::blob(space, name));
        let number = self.state(space).await?.number().ok_or_else(missing)?;
        let mut bytes = self.get(keys::blob(number, name)).await?.ok_or_else(missing)?;
        let (start, length) = check::clamp_range(bytes.len() as u64, range);
        bytes.drain(..start as usize);
        bytes.truncate(length as usize);
        Ok(bytes)
    }

    pub(super) async fn collect(
        &self,
        space: &Space,
        in_use: &HashSet<BlobName>,
        older_than: Duration,
    ) -> Result<u64> {
        let upto = check::time_before(SystemClock.now(), older_than).millis();
        let Some(number) = self.state(space).await?.number() else { return Ok(0) };
        let put = self.scan_all(keys::all_put(number)).await?;
        let is_old = |at: &Value| values::decode_number(at).is_none_or(|at| at <= upto);
        let unused: Vec<BlobName> = put
            .iter()
            .filter(|(_, at)| is_old(at))
            .filter_map(|(key, _)| keys::put_name(key))
            .filter(|name| !in_use.contains(name))
            .collect();
        for some in unused.chunks(COLLECTED) {
            let both = |name: &BlobName| [keys::blob(number, name), keys::put(number, name)];
            let put = some.iter().flat_map(both).map(|key| (key, None)).collect();
            self.write(GuardedBatch { put, ..GuardedBatch::default() }).await?;
        }
        Ok(unused.len() as u64)
    }
}

/// The guard that a space still lives.
pub(super) fn alive(space: &Space, number: u64) -> (Key, Option<Value>) {
    (keys::living(space), Some(number_value(number)))
}
