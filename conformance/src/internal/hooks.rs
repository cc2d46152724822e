//! What the suite does by its own hand, through the hooks of a backend: where that fails, the driver is not to blame.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::pin,
};

use sessile_core::{
    id::{Space, Version},
    journal::{Record, RecordBody},
};

use super::{ClauseContext, raw_batches};
use crate::{Damage, failure};

/// What a clause ends with if a hook fails: it was not judged.
#[derive(Debug)]
pub(crate) struct HookFailed(pub(crate) String);

/// Ends the clause: it was not judged.
fn fail(hook: &str, why: &str) -> ! {
    resume_unwind(Box::new(HookFailed(format!("the hook `{hook}` failed, not the driver: {why}"))))
}

/// Runs a hook; if it panics the clause ends as one that was not judged.
async fn by_hand<T>(hook: &str, doing: impl Future<Output = T>) -> T {
    let mut doing = pin!(doing);
    std::future::poll_fn(|context| {
        catch_unwind(AssertUnwindSafe(|| doing.as_mut().poll(context)))
            .unwrap_or_else(|panic| fail(hook, &failure::text(&*panic)))
    })
    .await
}

/// What a journal reads of a space, without a store that would check it.
type Seen = Result<(Vec<Record>, Option<Vec<u8>>), String>;

impl ClauseContext {
    /// Damages a record by the hook `tamper`, which must be there, and sees that this changed what the journal reads.
    pub(crate) async fn damage(&self, space: &Space, version: Version, damage: Damage) {
        let before = self.seen(space, version).await;
        let tamper = self.tamper().expect("it was asked for before");
        by_hand("tamper", tamper.damage(space, version, damage)).await;
        if before.is_ok() && before == self.seen(space, version).await {
            fail(
                "tamper",
                &format!("after {damage:?} version {version} of {space} reads as before"),
            );
        }
    }

    /// Makes a durable store one of a later release by the hook `tamper`, which must be there.
    pub(crate) async fn newer_format(&self) {
        let tamper = self.tamper().expect("it was asked for before");
        if !by_hand("tamper", tamper.newer_format()).await {
            fail("tamper", "it says that a durable store has no format");
        }
    }

    async fn seen(&self, space: &Space, version: Version) -> Seen {
        let journal = self.journal().await;
        let mut all = Vec::new();
        loop {
            let after = all.last().map_or(0, |record: &Record| record.version);
            let page = journal.read(space, &raw_batches::range(after, Version::MAX)).await;
            let page = page.map_err(|error| error.to_string())?;
            if page.last().is_none_or(|record| record.version <= after) {
                break;
            }
            all.extend(page);
        }
        let damaged = all.iter().find(|record| record.version == version);
        let blob = match damaged.map(|record| &record.body) {
            Some(RecordBody::Blob(name)) => {
                let blob = journal.get_blob(space, name, None).await;
                Some(blob.map_err(|error| error.to_string())?)
            }
            _ => None,
        };
        Ok((all, blob))
    }
}
