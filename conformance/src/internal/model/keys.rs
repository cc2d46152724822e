//! Idempotency keys: the last 4,096 texts; the greatest number of each producer and the last 1,024 answers.

use std::collections::{BTreeMap, VecDeque};

use sessile_core::{Error, Key};

use super::Refusal;

/// Answers of one producer, and texts of one journal.
const REMEMBERED: usize = 1024;
const TEXTS: usize = 4096;

pub(super) fn reused(key: &Key) -> Refusal {
    Error::KeyReused { key: Box::new(key.clone()) }.into()
}

fn expired(key: &Key, greatest: Option<u64>) -> Refusal {
    Error::KeyExpired { key: Box::new(key.clone()), greatest }.into()
}

/// A command and its answer; `None` where its entry was erased.
type Kept<C, O> = Option<(C, O)>;

/// What one journal remembers of keys.
#[derive(Clone, Debug)]
pub(super) struct Keys<C, O> {
    producers: BTreeMap<String, BTreeMap<u64, Kept<C, O>>>,
    texts: VecDeque<(String, Kept<C, O>)>,
}

impl<C, O> Default for Keys<C, O> {
    fn default() -> Self {
        Self { producers: BTreeMap::new(), texts: VecDeque::new() }
    }
}

impl<C: PartialEq, O: Clone> Keys<C, O> {
    /// The first answer to a known key; a refusal; or neither: the command is new.
    pub(super) fn known(&self, key: Option<&Key>, command: &C) -> Result<Option<O>, Refusal> {
        let (kept, greatest) = match key {
            Some(Key::Text(text)) => {
                let Some((_, kept)) = self.texts.iter().find(|(known, _)| known == text) else {
                    return Ok(None);
                };
                (kept.as_ref(), None)
            }
            Some(Key::Rising { producer, n }) => {
                let Some(answers) = self.producers.get(producer) else { return Ok(None) };
                let greatest = answers.keys().next_back().copied().unwrap_or(0);
                if answers.is_empty() || *n > greatest {
                    return Ok(None);
                }
                (answers.get(n).and_then(Option::as_ref), Some(greatest))
            }
            _ => return Ok(None),
        };
        let key = key.expect("one of both forms");
        match kept {
            Some((first, answer)) if first == command => Ok(Some(answer.clone())),
            Some(_) => Err(reused(key)),
            None => Err(expired(key, greatest)),
        }
    }

    /// Forgets answers whose records were erased; their keys are expired.
    pub(super) fn forget(&mut self, is_erased: impl Fn(&O) -> bool) {
        let rising = self.producers.values_mut().flat_map(BTreeMap::values_mut);
        for kept in rising.chain(self.texts.iter_mut().map(|(_, kept)| kept)) {
            if kept.as_ref().is_some_and(|(_, outcome)| is_erased(outcome)) {
                *kept = None;
            }
        }
    }

    /// Remembers an answer that wrote something.
    pub(super) fn remember(&mut self, key: Option<&Key>, command: C, answer: O) {
        match key {
            Some(Key::Text(text)) => {
                self.texts.push_back((text.clone(), Some((command, answer))));
                if self.texts.len() > TEXTS {
                    self.texts.pop_front();
                }
            }
            Some(Key::Rising { producer, n }) => {
                let answers = self.producers.entry(producer.clone()).or_default();
                answers.insert(*n, Some((command, answer)));
                while answers.len() > REMEMBERED {
                    answers.pop_first();
                }
            }
            _ => {}
        }
    }
}
