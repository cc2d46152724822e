//! Idempotency keys: the greatest number of each producer and the last 1,024 answers.

use std::collections::BTreeMap;

use sessile_core::{Error, Key};

use super::Refusal;

const REMEMBERED: usize = 1024;

pub(super) fn reused(key: &Key) -> Refusal {
    Error::KeyReused { key: Box::new(key.clone()) }.into()
}

/// What one journal remembers of its producers.
#[derive(Clone, Debug)]
pub(super) struct Producers<C, O>(BTreeMap<String, BTreeMap<u64, Option<(C, O)>>>);

impl<C, O> Default for Producers<C, O> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<C: PartialEq, O: Clone> Producers<C, O> {
    /// The first answer to a known key; a refusal; or neither: the command is new.
    pub(super) fn known(&self, key: Option<&Key>, command: &C) -> Result<Option<O>, Refusal> {
        let Some(key) = key else { return Ok(None) };
        let Some(answers) = self.0.get(&key.producer) else { return Ok(None) };
        if let Some(Some((first, answer))) = answers.get(&key.n) {
            return if first == command { Ok(Some(answer.clone())) } else { Err(reused(key)) };
        }
        let greatest = answers.keys().next_back().copied().unwrap_or(0);
        if !answers.is_empty() && key.n <= greatest {
            return Err(Error::KeyExpired { key: Box::new(key.clone()), greatest }.into());
        }
        Ok(None)
    }

    /// Forgets answers whose records were erased; their keys are expired.
    pub(super) fn forget(&mut self, is_erased: impl Fn(&O) -> bool) {
        for answer in self.0.values_mut().flat_map(BTreeMap::values_mut) {
            if answer.as_ref().is_some_and(|(_, outcome)| is_erased(outcome)) {
                *answer = None;
            }
        }
    }

    /// Remembers an answer that wrote something.
    pub(super) fn remember(&mut self, key: Option<&Key>, command: C, answer: O) {
        let Some(key) = key else { return };
        let answers = self.0.entry(key.producer.clone()).or_default();
        answers.insert(key.n, Some((command, answer)));
        while answers.len() > REMEMBERED {
            answers.pop_first();
        }
    }
}
