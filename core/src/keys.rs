//! What a journal remembers of idempotency keys.

use std::{collections::VecDeque, sync::Arc};

use rpds::RedBlackTreeMapSync;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    id::Version,
    record::{Hash, KeyMark, hex128},
};

/// Answers kept per producer.
const ANSWERS: usize = 1024;
/// Producers kept per journal.
const PRODUCERS: usize = 4096;

/// What a keyed command wrote: enough to give its answer again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) n: u64,
    pub(crate) first: Version,
    pub(crate) count: u16,
    /// Bits of the id the command minted, if it minted one.
    #[serde(with = "hex128")]
    pub(crate) minted: u128,
    salt: [u8; 16],
    #[serde(with = "hex128")]
    command: u128,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Producer {
    greatest: u64,
    touched: Version,
    answers: VecDeque<Answer>,
}

/// The producers of one journal.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Keys {
    producers: RedBlackTreeMapSync<u128, Arc<Producer>>,
}

/// The digest that tells one command from another under the same key.
pub(crate) fn command_hash(salt: &[u8; 16], command: &str) -> u128 {
    Hash::of(&[salt, command.as_bytes()]).prefix_128()
}

impl Keys {
    /// The remembered answer of a key, `None` for a new one, or why it cannot be used.
    pub(crate) fn known(&self, producer: u128, n: u64, command: &str) -> Result<Option<Answer>> {
        let Some(producer) = self.producers.get(&producer) else { return Ok(None) };
        if n > producer.greatest {
            return Ok(None);
        }
        match producer.answers.binary_search_by_key(&n, |a| a.n) {
            Ok(at) => match producer.answers.get(at) {
                Some(answer) if command_hash(&answer.salt, command) == answer.command => {
                    Ok(Some(*answer))
                }
                _ => Err(Error::KeyReused { n }),
            },
            Err(_) => Err(Error::KeyExpired { n, greatest: producer.greatest }),
        }
    }

    /// Takes note of a command that wrote `count` records from `first` on. A number that is not greater than all before
    /// changes nothing: no decision writes one.
    pub(crate) fn remember(
        &mut self,
        mark: KeyMark,
        first: Version,
        count: u16,
        minted: u128,
        salt: [u8; 16],
    ) {
        let mut producer =
            self.producers.get(&mark.producer).map(|p| Producer::clone(p)).unwrap_or_default();
        if !producer.answers.is_empty() && mark.n <= producer.greatest {
            return;
        }
        producer.greatest = mark.n;
        producer.touched = first;
        if producer.answers.len() == ANSWERS {
            producer.answers.pop_front();
        }
        producer.answers.push_back(Answer {
            n: mark.n,
            first,
            count,
            minted,
            salt,
            command: mark.command,
        });
        self.producers.insert_mut(mark.producer, Arc::new(producer));
        if self.producers.size() > PRODUCERS {
            let oldest = self.producers.iter().min_by_key(|(_, p)| p.touched).map(|(k, _)| *k);
            if let Some(oldest) = oldest {
                self.producers.remove_mut(&oldest);
            }
        }
    }

    /// Forgets the answers whose first record was erased: with it went the salt that told one command from another.
    /// Their keys are expired from then on.
    pub(crate) fn erase(&mut self, is_erased: impl Fn(Version) -> bool) {
        let is_hit = |producer: &Producer| producer.answers.iter().any(|a| is_erased(a.first));
        let producers = self.producers.iter();
        let hit: Vec<u128> =
            producers.filter(|(_, producer)| is_hit(producer)).map(|(mark, _)| *mark).collect();
        for mark in hit {
            if let Some(producer) = self.producers.get_mut(&mark) {
                Arc::make_mut(producer).answers.retain(|answer| !is_erased(answer.first));
            }
        }
    }

    /// Bytes it takes in memory, about.
    pub(crate) fn weight(&self) -> usize {
        self.producers.size() * 256
    }
}
