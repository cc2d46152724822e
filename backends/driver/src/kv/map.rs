//! The smallest engine: an ordered map in memory.

use std::{collections::BTreeMap, ops::Range, sync::RwLock, time::Instant};

use async_trait::async_trait;
use sessile_core::{
    error::Result,
    journal::{Direction, Durability, Scrub, Sharing},
};

use super::{ApplyError, GuardedBatch, Key, Kv, KvInfo, Value};

/// An ordered map in the memory of this process: the example of a [`Kv`], and a store for the tests of one.
#[derive(Debug)]
pub struct Map {
    info: KvInfo,
    rows: RwLock<BTreeMap<Key, Value>>,
}

impl Default for Map {
    fn default() -> Self {
        let info = KvInfo::new("map", "memory", Durability::None, Sharing::OneProcess);
        Self { info, rows: RwLock::default() }
    }
}

#[async_trait]
impl Kv for Map {
    fn info(&self) -> &KvInfo {
        &self.info
    }

    async fn get(&self, keys: &[Key]) -> Result<Vec<Option<Value>>> {
        let rows = self.rows.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        Ok(keys.iter().map(|key| rows.get(key).cloned()).collect())
    }

    async fn scan(
        &self,
        range: Range<Key>,
        direction: Direction,
        rows: usize,
        bytes: usize,
    ) -> Result<Vec<(Key, Value)>> {
        let map = self.rows.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut found = map.range(range);
        let mut left = bytes;
        let next = || {
            let (key, value) = match direction {
                Direction::Forward => found.next(),
                Direction::Backward => found.next_back(),
            }
            .filter(|_| left > 0)?;
            left = left.saturating_sub(value.len());
            Some((key.clone(), value.clone()))
        };
        Ok(std::iter::from_fn(next).take(rows).collect())
    }

    async fn apply(
        &self,
        batches: &[GuardedBatch],
        _until: Instant,
    ) -> Result<Vec<bool>, ApplyError> {
        let mut rows = self.rows.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut apply = |batch: &GuardedBatch| {
            let holds = batch.guards.iter().all(|(key, value)| rows.get(key) == value.as_ref());
            if holds {
                for range in &batch.clear {
                    rows.retain(|key, _| !range.contains(key));
                }
                for (key, value) in batch.put.iter().cloned() {
                    match value {
                        Some(value) => rows.insert(key, value),
                        None => rows.remove(&key),
                    };
                }
            }
            holds
        };
        Ok(batches.iter().map(&mut apply).collect())
    }

    async fn scrub(&self) -> Result<Scrub> {
        Ok(Scrub::Done)
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }
}
