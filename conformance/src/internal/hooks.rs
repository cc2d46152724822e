//! What the suite does by its own hand, through the hooks of a backend: where that fails, the driver is not to blame.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::Path,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use sessile_core::{
    id::{Space, Version},
    journal::{Journal, Record, RecordBody},
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

/// How long the hook `clean` may take for one store.
const CLEANING: Duration = Duration::from_secs(30);

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

    /// Whether the medium holds these bytes: the hook `holds` says so, or a file of the store's directory does.
    pub(crate) async fn holds(&self, bytes: &[u8]) -> bool {
        match self.backend().holds() {
            Some(holds) => by_hand("holds", holds(self.dir().clone(), bytes.to_vec())).await,
            None => folder_holds(self.dir().path(), bytes),
        }
    }

    /// The journal that the hook `wire` opens.
    pub(crate) async fn opened_by_hand(
        &self,
        opening: impl Future<Output = sessile_core::Result<Arc<dyn Journal>>>,
    ) -> Arc<dyn Journal> {
        by_hand("wire", opening).await.unwrap_or_else(|error| fail("wire", &error.to_string()))
    }

    /// Kills the server and starts it again, by the hook `restart`, which must be there.
    pub(crate) async fn restart(&self) {
        let restart = self.backend().restart().expect("it was asked for before");
        by_hand("restart", restart(self.dir().clone())).await;
    }

    /// Looks on the medium for what must have gone, after a scrub that said `Done`. What must be there shows that one can see
    /// anything at all; where one cannot, the answer is why.
    pub(crate) async fn gone_from_medium(&self, gone: &[u8], stays: &[u8]) -> Result<(), String> {
        if !self.holds(stays).await {
            if self.backend().holds().is_some() {
                fail("holds", "it does not find what was not erased");
            }
            return Err(
                "no file shows what was not erased, and the driver brought no `holds` hook: \
                        nobody can say whether a scrub that answers `Done` has scrubbed"
                    .to_owned(),
            );
        }
        assert!(!self.holds(gone).await, "the medium holds what was erased and scrubbed");
        Ok(())
    }

    /// Removes what the stores of the clause left outside of their directories, by the hook `clean`.
    pub(crate) async fn clean(&self) {
        let Some(clean) = self.backend().clean() else { return };
        self.close_all().await;
        for dir in self.locations() {
            let why = match tokio::time::timeout(CLEANING, tokio::spawn(clean(dir))).await {
                Ok(Ok(())) => continue,
                Ok(Err(panic)) => crate::judge::reason(panic),
                Err(elapsed) => elapsed.to_string(),
            };
            self.note(format!("the hook `clean` failed: {why}"));
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

/// Whether a file below a folder has these bytes: what the suite does for a backend without the hook `holds`, and what such a
/// hook may do with the folder of a server.
///
/// # Panics
/// If the folder cannot be read. A file that goes away meanwhile has nothing.
pub fn folder_holds(folder: &Path, bytes: &[u8]) -> bool {
    let entries = std::fs::read_dir(folder).expect("a readable folder");
    entries.map(|entry| entry.expect("an entry").path()).any(|path| {
        if path.is_dir() {
            return folder_holds(&path, bytes);
        }
        let content = std::fs::read(&path).unwrap_or_default();
        content.windows(bytes.len()).any(|window| window == bytes)
    })
}
