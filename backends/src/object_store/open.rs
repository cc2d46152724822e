//! Opening a store of objects: trying out that it creates an object only once, and checking its format.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use sessile_core::error::{Error, Result};

use super::{Inner, Options, commit::Created};

/// The format number, in `sessile.json`.
pub(super) const FORMAT: u32 = 1;

/// Creators of one key, when a store is tried out.
const CREATORS: usize = 12;

#[derive(Serialize, Deserialize)]
struct Meta {
    sessile: u32,
    /// 32 hexadecimal digits.
    store: String,
    /// Milliseconds; all who share the store must count by the same.
    #[serde(default = "default_grace")]
    grace: u64,
}

fn default_grace() -> u64 {
    millis(Options::default().grace)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Inner {
    /// Refuses a store in which two requests can create the same object: commits rely on that.
    pub(super) async fn try_out(&self) -> Result<()> {
        let key = self.keys.trial();
        let tried = self.race(&key).await;
        // A trial object that stays does no harm.
        let _ = self.delete(vec![key]).await;
        tried
    }

    async fn race(&self, key: &Path) -> Result<()> {
        let creators = (0..CREATORS).map(|n| self.create(key, Bytes::from(format!("{n}"))));
        let mut winners = Vec::new();
        for (n, created) in join_all(creators).await.into_iter().enumerate() {
            if matches!(created?, Created::Fresh) {
                winners.push(n);
            }
        }
        let there = self.get(key).await?;
        let lie = |what: String| {
            let what = format!(
                "this object store keeps no journal, because it does not create an object only if it \
                 is absent: {what}; use one that has conditional writes"
            );
            Err(Error::Unsupported { what })
        };
        if winners.len() > 1 {
            return lie(format!("{} of {CREATORS} created the same object", winners.len()));
        }
        let Some(there) = there else {
            return lie("an object that was created is not there".into());
        };
        if let [winner] = winners[..]
            && there != winner.to_string().as_bytes()
        {
            return lie("an object that was created has been replaced".into());
        }
        match self.create(key, Bytes::from_static(b"again")).await? {
            Created::Fresh => lie("an object that was there was created again".into()),
            Created::Doubt(_) if self.get(key).await? != Some(there) => {
                lie("an object that was there has been replaced".into())
            }
            Created::Doubt(_) => Ok(()),
        }
    }

    /// The id of the store, which is made if there is none, and the grace it was made with.
    pub(super) async fn meet(&self) -> Result<(u128, Duration)> {
        let key = self.keys.meta();
        let corrupt =
            |reason: &str| Error::CorruptFile { file: key.to_string(), reason: reason.into() };
        for _ in 0..4 {
            if let Some(bytes) = self.get(&key).await? {
                let meta: Meta =
                    serde_json::from_slice(&bytes).map_err(|e| corrupt(&e.to_string()))?;
                if meta.sessile > FORMAT {
                    return Err(Error::NewerFormat {
                        what: key.to_string(),
                        needs: u64::from(meta.sessile),
                        has: u64::from(FORMAT),
                    });
                }
                if meta.sessile != FORMAT {
                    return Err(corrupt("its format number was never in use"));
                }
                let id = u128::from_str_radix(&meta.store, 16)
                    .map_err(|_| corrupt("it has no store id"))?;
                return Ok((id, Duration::from_millis(meta.grace)));
            }
            let store = format!("{:032x}", rand::random::<u128>());
            let meta = Meta { sessile: FORMAT, store, grace: millis(self.options.grace) };
            let bytes = serde_json::to_vec(&meta).map_err(|e| corrupt(&e.to_string()))?;
            // Whether it was this one or another's, the next look tells.
            self.create(&key, bytes.into()).await?;
        }
        Err(Error::failed(
            "the object store does not show what was written to it; check bucket and prefix",
        ))
    }
}
