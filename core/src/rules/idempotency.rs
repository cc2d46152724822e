//! What a journal remembers of idempotency keys.

use rpds::{QueueSync, RedBlackTreeMapSync};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    command::Key,
    error::{Error, Result},
    hash::{Hash, hex128},
    id::Version,
    record::KeyMark,
};

/// Answers kept per producer.
const ANSWERS: usize = 1024;
/// Producers kept per journal.
const PRODUCERS: usize = 4096;
/// Keys that are texts, kept per journal.
const TEXTS: usize = 4096;

/// What a keyed command wrote: enough to give its answer again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Row", into = "Row")]
pub(crate) struct Answer {
    pub(crate) n: u64,
    pub(crate) first: Version,
    pub(crate) count: u16,
    /// Bits of the id the command minted, if it minted one.
    pub(crate) minted: u128,
    /// The session in whose log its first record stands, 0 where that is no entry.
    log: Version,
    salt: [u8; 16],
    command: u128,
}

/// An answer as snapshots keep it, a thousand at a time: its fields in order.
type Row = (u64, Version, u16, Bits, Version, Bits, Bits);

#[derive(Serialize, Deserialize)]
struct Bits(#[serde(with = "hex128")] u128);

impl From<Row> for Answer {
    fn from((n, first, count, minted, log, salt, command): Row) -> Self {
        let (salt, command) = (salt.0.to_be_bytes(), command.0);
        Self { n, first, count, minted: minted.0, log, salt, command }
    }
}

impl From<Answer> for Row {
    fn from(Answer { n, first, count, minted, log, salt, command }: Answer) -> Self {
        (n, first, count, Bits(minted), log, Bits(u128::from_be_bytes(salt)), Bits(command))
    }
}

/// Answers by number, shared between the states that one command after the other leaves.
type Answers = RedBlackTreeMapSync<u64, Answer>;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Producer {
    greatest: u64,
    touched: Version,
    #[serde(serialize_with = "write_answers", deserialize_with = "read_answers")]
    answers: Answers,
}

fn write_answers<S: Serializer>(answers: &Answers, to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(answers.values())
}

fn read_answers<'de, D: Deserializer<'de>>(from: D) -> Result<Answers, D::Error> {
    let answers = Vec::<Answer>::deserialize(from)?;
    Ok(answers.into_iter().map(|answer| (answer.n, answer)).collect())
}

/// The keys of one journal.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Image", into = "Image")]
pub(crate) struct IdempotencyLog {
    producers: Producers,
    /// Answers of all of them.
    answers: usize,
    texts: Texts,
}

type Producers = RedBlackTreeMapSync<u128, Producer>;

/// Keys that are texts, by their digest. `None` is the key of an erased entry.
#[derive(Clone, Debug, Default)]
struct Texts {
    answers: RedBlackTreeMapSync<u128, Option<Answer>>,
    /// The same keys, oldest first.
    order: QueueSync<u128>,
}

/// What snapshots keep: the texts oldest first.
#[derive(Serialize, Deserialize)]
struct Image {
    producers: Producers,
    texts: Vec<(Bits, Option<Answer>)>,
}

impl From<Image> for IdempotencyLog {
    fn from(Image { producers, texts }: Image) -> Self {
        let answers = producers.values().map(|producer| producer.answers.size()).sum();
        let order = texts.iter().map(|(name, _)| name.0).collect();
        let texts = texts.into_iter().map(|(name, answer)| (name.0, answer)).collect();
        Self { producers, answers, texts: Texts { answers: texts, order } }
    }
}

impl From<IdempotencyLog> for Image {
    fn from(log: IdempotencyLog) -> Self {
        let Texts { answers, order } = log.texts;
        let answer = |name: &u128| answers.get(name).copied().flatten();
        let texts = order.iter().map(|name| (Bits(*name), answer(name))).collect();
        Self { producers: log.producers, texts }
    }
}

/// The digest that tells one command from another under the same key.
pub(crate) fn command_hash(salt: &[u8; 16], command: &str) -> u128 {
    Hash::of(&[salt, command.as_bytes()]).prefix_128()
}

impl IdempotencyLog {
    /// The remembered answer of a key, `None` for a new one, or why it cannot be used.
    pub(crate) fn known(&self, key: &Key, command: &str) -> Result<Option<Answer>> {
        let reused = || Error::KeyReused { key: Box::new(key.clone()) };
        let expired = |greatest| Error::KeyExpired { key: Box::new(key.clone()), greatest };
        let is_same = |answer: &Answer| command_hash(&answer.salt, command) == answer.command;
        let Some(n) = key.n() else {
            return match self.texts.answers.get(&key.name_hash()) {
                None => Ok(None),
                Some(None) => Err(expired(None)),
                Some(Some(answer)) if is_same(answer) => Ok(Some(*answer)),
                Some(Some(_)) => Err(reused()),
            };
        };
        let Some(producer) = self.producers.get(&key.name_hash()) else { return Ok(None) };
        if n > producer.greatest {
            return Ok(None);
        }
        match producer.answers.get(&n) {
            Some(answer) if is_same(answer) => Ok(Some(*answer)),
            Some(_) => Err(reused()),
            None => Err(expired(Some(producer.greatest))),
        }
    }

    /// Takes note of a command that wrote `count` records from `first` on. A known key, and a number that is not greater
    /// than all before, change nothing: no decision writes one.
    pub(crate) fn remember(
        &mut self,
        mark: KeyMark,
        (first, count): (Version, u16),
        (minted, log): (u128, Version),
        salt: [u8; 16],
    ) {
        let KeyMark { name, n, command } = mark;
        let answer = Answer { n: n.unwrap_or(0), first, count, minted, log, salt, command };
        let Some(n) = n else { return self.texts.remember(name, answer) };
        let mut producer = self.producers.get(&name).cloned().unwrap_or_default();
        if !producer.answers.is_empty() && n <= producer.greatest {
            return;
        }
        producer.greatest = n;
        producer.touched = first;
        producer.answers.insert_mut(n, answer);
        self.answers += 1;
        if producer.answers.size() > ANSWERS
            && let Some(oldest) = producer.answers.first().map(|(n, _)| *n)
        {
            producer.answers.remove_mut(&oldest);
            self.answers -= 1;
        }
        self.producers.insert_mut(name, producer);
        if self.producers.size() > PRODUCERS {
            let oldest = self.producers.iter().min_by_key(|(_, p)| p.touched).map(|(k, _)| *k);
            if let Some(oldest) = oldest {
                let gone = self.producers.get(&oldest).map_or(0, |p| p.answers.size());
                self.producers.remove_mut(&oldest);
                self.answers -= gone;
            }
        }
    }

    /// Forgets the answers whose first record was erased: with it went the salt that told one command from another.
    /// Their keys are expired from then on.
    pub(crate) fn erase(&mut self, is_erased: impl Fn(Version) -> bool) {
        self.forget(|answer| is_erased(answer.first));
    }

    /// The same for what left the journal with the archive of a session: entries of its own log.
    pub(crate) fn evict(&mut self, session: Version, is_evicted: impl Fn(Version) -> bool) {
        self.forget(|answer| answer.log == session && is_evicted(answer.first));
    }

    fn forget(&mut self, is_gone: impl Fn(&Answer) -> bool) {
        let texts = self.texts.answers.iter();
        let hits: Vec<u128> = texts
            .filter(|(_, answer)| answer.as_ref().is_some_and(&is_gone))
            .map(|(name, _)| *name)
            .collect();
        for name in hits {
            self.texts.answers.insert_mut(name, None);
        }
        let hit = |answers: &Answers| -> Vec<u64> {
            answers.values().filter(|answer| is_gone(answer)).map(|a| a.n).collect()
        };
        let producers = self.producers.iter();
        let hits: Vec<(u128, Vec<u64>)> = producers
            .map(|(mark, p)| (*mark, hit(&p.answers)))
            .filter(|h| !h.1.is_empty())
            .collect();
        for (mark, numbers) in hits {
            if let Some(producer) = self.producers.get_mut(&mark) {
                self.answers -= numbers.len();
                for n in numbers {
                    producer.answers.remove_mut(&n);
                }
            }
        }
    }

    /// Bytes it takes in memory, about.
    pub(crate) fn weight(&self) -> usize {
        self.producers.size() * 256 + self.answers * 160 + self.texts.answers.size() * 320
    }
}

impl Texts {
    /// Takes a key, and forgets the oldest where there are too many.
    fn remember(&mut self, name: u128, answer: Answer) {
        if self.answers.contains_key(&name) {
            return;
        }
        self.answers.insert_mut(name, Some(answer));
        self.order.enqueue_mut(name);
        while self.answers.size() > TEXTS {
            let Some(oldest) = self.order.peek().copied() else { return };
            self.order.dequeue_mut();
            self.answers.remove_mut(&oldest);
        }
    }
}
