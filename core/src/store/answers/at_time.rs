//! Points to look back to: versions, and times.

use crate::{
    clock::Timestamp,
    command::{At, Caller},
    error::{Error, Result, Subject},
    id::{Space, ThreadId, Version},
    store::{answers::at_head::ThreadAtHead, inner::StoreInner},
};

impl StoreInner {
    /// The version of a point, within the head; a point that does not exist is `NotFound` (CTX2).
    pub(super) async fn version_of(
        &self,
        at: &ThreadAtHead,
        space: &Space,
        point: Option<At>,
    ) -> Result<Version> {
        let head = at.state()?.version();
        match point {
            None => Ok(head),
            Some(At::Version(version)) if (1..=head).contains(&version) => Ok(version),
            Some(At::Version(version)) => Err(Error::not_found(Subject::record(space, version))),
            Some(At::Time(time)) => {
                let version = self.version_by(at, space, time).await?;
                version.ok_or_else(|| Error::not_found(at.id()))
            }
        }
    }

    /// The newest version whose time is not later than this one; `None` if the thread is younger.
    pub(super) async fn version_at(
        &self,
        caller: &Caller,
        thread: ThreadId,
        time: Timestamp,
    ) -> Result<Option<Version>> {
        let at = self.at_head(caller, thread).await?;
        at.require_thread()?;
        self.version_by(&at, &thread.space(&caller.tenant), time).await
    }

    /// A binary search: times never go back in a journal.
    pub(super) async fn version_by(
        &self,
        at: &ThreadAtHead,
        space: &Space,
        time: Timestamp,
    ) -> Result<Option<Version>> {
        let state = at.state()?;
        if state.last_at <= time {
            return Ok(Some(state.version()).filter(|head| *head > 0));
        }
        // What is up to `found` is not later; what is from `later` on is.
        let (mut found, mut later) = (0, state.version());
        while found + 1 < later {
            let middle = found + (later - found) / 2;
            let Some(opened) = self.record_at(space, middle).await? else {
                return Err(Error::corrupt(space, middle, "the record is missing"));
            };
            if opened.header.time() <= time { found = middle } else { later = middle }
        }
        Ok(Some(found).filter(|found| *found > 0))
    }
}
