//! Following the journal: reading and folding what others wrote.

use std::sync::Arc;

use super::leader::Leader;
use crate::{
    error::{Error, Result},
    id::Version,
    journal::{Head, Position, Record},
};

/// Records of one read.
const READ_RECORDS: usize = 1024;

impl Leader<'_> {
    pub(super) async fn read(&self, after: Version, upto: Version) -> Result<Vec<Record>> {
        self.environment.read(self.space, after, upto, READ_RECORDS).await
    }

    /// Brings the state to the journal's head.
    pub(super) async fn refresh(&mut self) -> Result<()> {
        let head = self.read_head().await?;
        self.catch_up(head, Vec::new()).await
    }

    /// Brings the state to `head`; `since` are the records after the state's own head, if some came along. Between
    /// hearing of a head and reading up to it the journal may be dropped or replaced, so records that do not lead there
    /// are damage only if the head is still the same.
    pub(super) async fn catch_up(
        &mut self,
        mut head: Option<Head>,
        mut since: Vec<Record>,
    ) -> Result<()> {
        loop {
            let position = head.as_ref().map(|h| h.position);
            match Box::pin(self.fold_to(position, std::mem::take(&mut since))).await {
                Err(Error::Corrupt { space, version, reason }) => {
                    head = self.read_head().await?;
                    if head.as_ref().map(|h| h.position) == position {
                        return Err(Error::Corrupt { space, version, reason });
                    }
                }
                folded => return folded,
            }
        }
    }

    /// Folds what lies between the state and `target`. Records that do not continue the state's chain are of another
    /// history: the state is then folded anew, once, from a snapshot or from the first record.
    async fn fold_to(&mut self, target: Option<Position>, since: Vec<Record>) -> Result<()> {
        let Some(target) = target else {
            if self.head().is_some() {
                self.abandon_history();
            }
            return Ok(());
        };
        let space = self.space;
        let corrupt = |version, reason: &str| Err(Error::corrupt(space, version, reason));
        let mut state = (*self.state.committed).clone();
        let mut since = Some(since).filter(|s| !s.is_empty());
        let mut anew = false;
        while state.head() != Some(target) {
            if state.version() >= target.version
                || (state.head().is_none() && since.is_none() && !anew)
            {
                if anew {
                    return corrupt(target.version, "the records do not lead to the head");
                }
                anew = true;
                since = None;
                state = self.restore(target.version).await?;
                continue;
            }
            let records = match since.take() {
                Some(records) => records,
                None => self.read(state.version(), target.version).await?,
            };
            if records.is_empty() {
                return corrupt(state.version() + 1, "the record is missing");
            }
            for record in &records {
                if record.version > target.version {
                    break;
                }
                self.state.tail_bytes += record.weight();
                if !state.fold(space, record)? {
                    if anew {
                        let reason = "the record does not follow in the chain";
                        return corrupt(record.version, reason);
                    }
                    anew = true;
                    state = self.restore(target.version).await?;
                    break;
                }
            }
        }
        self.publish(Arc::new(state));
        Ok(())
    }
}
