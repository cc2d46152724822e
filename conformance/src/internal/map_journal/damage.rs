//! Damage to records of a map journal, so that the clauses on damage can be run on it.

use std::sync::Arc;

use async_trait::async_trait;
use sessile_core::{
    id::{Space, Version},
    journal::{Record, RecordBody},
};

use super::{MapJournal, SpaceContent};
use crate::{Backend, Damage, Dir, Tamper};

impl MapJournal {
    /// Map journals as a backend whose records can be damaged.
    pub fn backend() -> Backend {
        let open = |dir: Dir| async move {
            let journal = Arc::new(Self::default());
            dir.keep(Arc::clone(&journal));
            journal
        };
        let holds = |dir: Dir, bytes: Vec<u8>| async move {
            dir.kept::<Self>().expect("a journal that was opened").holds(&bytes)
        };
        Backend::journal("plain", open).with_tamper(DamagesMaps).with_holds(holds)
    }

    /// Whether any body, blob or snapshot has these bytes.
    pub fn holds(&self, bytes: &[u8]) -> bool {
        let has = |content: &[u8]| content.windows(bytes.len()).any(|window| window == bytes);
        let contents = self.contents.lock().expect("no panic inside");
        contents.values().any(|content| {
            let body = |record: &Record| matches!(&record.body, RecordBody::Inline(text) if has(text.as_bytes()));
            content.records.iter().any(body)
                || content.blobs.values().any(|(_, blob)| has(blob))
                || content.snapshot.as_ref().is_some_and(|snapshot| has(&snapshot.bytes))
        })
    }
}

/// Damages the map journal that was opened last in a directory.
struct DamagesMaps(Dir);

#[async_trait]
impl Tamper for DamagesMaps {
    async fn damage(&self, space: &Space, version: Version, damage: Damage) {
        let journal = self.0.kept::<MapJournal>().expect("a journal that was opened");
        let mut contents = journal.contents.lock().expect("no panic inside");
        let content = contents.get_mut(space).expect("a space to damage");
        let at = content.records.iter().position(|record| record.version == version);
        content.damage(at.expect("a record to damage"), damage);
    }

    async fn newer_format(&self) -> bool {
        false
    }
}

impl SpaceContent {
    fn damage(&mut self, at: usize, damage: Damage) {
        let record = self.records[at].clone();
        match damage {
            Damage::FlipHeader => self.records[at].header = flip(&record.header).into(),
            Damage::FlipBody => match &record.body {
                RecordBody::Inline(text) => {
                    self.records[at].body = RecordBody::Inline(flip(text).into());
                }
                RecordBody::Blob(name) => {
                    let (_, bytes) = self.blobs.get_mut(name).expect("the blob of a record");
                    let middle = bytes.len() / 2;
                    bytes[middle] ^= 1;
                }
                RecordBody::None => panic!("a record without a body has none to damage"),
            },
            Damage::Swap(with) => {
                let other = self.records.iter().position(|record| record.version == with);
                let other = other.expect("a record to change places with");
                let from_there = self.records[other].clone();
                self.records[at] = Record { version: record.version, ..from_there };
                self.records[other] = Record { version: with, ..record };
            }
            Damage::Drop => {
                self.records.remove(at);
            }
            Damage::Insert => {
                for later in &mut self.records[at + 1..] {
                    later.version += 1;
                }
                if let Some(end) = &mut self.end {
                    end.version += 1;
                }
                let version = record.version + 1;
                self.records.insert(at + 1, Record { version, ..record });
            }
        }
    }
}

/// The text with one bit of a letter or digit near its middle changed.
pub(crate) fn flip(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let half = bytes.len() / 2;
    let at = (half..bytes.len()).chain(0..half).find(|at| bytes[*at].is_ascii_alphanumeric());
    bytes[at.expect("a letter or a digit")] ^= 1;
    String::from_utf8(bytes).expect("one ASCII byte for another")
}
