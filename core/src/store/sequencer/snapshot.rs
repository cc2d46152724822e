//! Snapshots of the state: a cache that saves reading a journal from its beginning.

use super::leader::Leader;
use crate::{error::Result, id::Version, journal::Snapshot, store::state::JournalState};

/// A snapshot is not worth its write below this many bytes of records.
const SNAPSHOT_FROM: usize = 64 << 10;

impl Leader<'_> {
    /// The state to fold on from: of the snapshot, if there is one up to `upto` and the journal's record at its version
    /// has its hash; else empty.
    pub(super) async fn restore(&mut self, upto: Version) -> Result<JournalState> {
        self.state.tail_bytes = 0;
        self.state.snapshot_bytes = 0;
        let environment = self.environment;
        let Ok(Some(snapshot)) = environment.journal.load_snapshot(self.space).await else {
            return Ok(JournalState::empty(self.space));
        };
        let position = snapshot.position;
        if position.version > upto || position.version == 0 {
            return Ok(JournalState::empty(self.space));
        }
        let before = position.version - 1;
        let records = environment.read(self.space, before, position.version, 1).await?;
        let is_of_this_history = records.first().is_some_and(|r| r.link == position.hash);
        match JournalState::decode(self.space, position, &snapshot.bytes) {
            Some(state) if is_of_this_history => {
                self.state.snapshot_bytes = snapshot.bytes.len();
                Ok(state)
            }
            _ => Ok(JournalState::empty(self.space)),
        }
    }

    /// Saves a snapshot once the records since the last one weigh more than half of it: the cost stays proportional. A
    /// snapshot that could not be saved is no error.
    pub(super) async fn save_snapshot(&mut self) {
        if self.state.tail_bytes < SNAPSHOT_FROM.max(self.state.snapshot_bytes / 2) {
            return;
        }
        let (Some(position), Ok(bytes)) = (self.head(), self.state.committed.encode()) else {
            return;
        };
        self.state.tail_bytes = 0;
        self.state.snapshot_bytes = bytes.len();
        let snapshot = Snapshot { position, bytes };
        let _ = self.environment.journal.save_snapshot(self.space, &snapshot).await;
    }
}
