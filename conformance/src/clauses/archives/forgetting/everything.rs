//! All that can be read of a tenant, and that what somebody wrote is not among it.

use std::{collections::BTreeMap, fmt::Write};

use sessile_core::{
    id::{EntryId, ThreadId},
    journal::RecordBody,
    model::{Actor, Content, Entry, EntryKind},
    search::SearchText,
};

use super::{
    super::place::objects,
    people::{People, SECRET},
};
use crate::internal::{raw_batches, shorthand::head};

/// What is read of a tenant.
pub(super) struct Everything {
    entries: BTreeMap<EntryId, Entry>,
    /// What else is read, as text.
    rest: String,
    /// Of each thread, its records with the secret.
    secrets: BTreeMap<ThreadId, u64>,
    /// Objects of the archive with the secret.
    pub(super) bundles: usize,
}

impl Everything {
    pub(super) fn secrets_in(&self, thread: ThreadId) -> u64 {
        self.secrets.get(&thread).copied().unwrap_or_default()
    }

    pub(super) fn equals(&self, other: &Self) {
        assert_eq!(self.entries, other.entries);
        assert_eq!((&self.rest, &self.secrets), (&other.rest, &other.secrets));
        assert_eq!(self.bundles, other.bundles);
    }

    /// Nothing shows what was hers, and what was there before and is not hers is as it was.
    pub(super) fn has_forgotten(&self, before: &Self, her: &Actor) {
        assert!(!self.rest.contains(SECRET), "a read shows it");
        assert_eq!(self.secrets.values().sum::<u64>(), 0, "the journal has it");
        assert_eq!(self.bundles, 0, "a bundle has it");
        for entry in self.entries.values() {
            assert!(!format!("{entry:?}").contains(SECRET) && entry.actor.as_ref() != Some(her));
        }
        for (id, entry) in &before.entries {
            let after = self.entries.get(id).expect("its place is there");
            let is_hers = entry.actor.as_ref() == Some(her);
            if !is_hers && !format!("{entry:?}").contains(SECRET) {
                assert_eq!(after, entry, "it is another's");
                continue;
            }
            let content = match (entry.kind, &entry.content) {
                (EntryKind::Marker, content) => content.clone(),
                (_, Some(Content::Annotation { target, priority, .. })) => {
                    Some(Content::Annotation { target: *target, priority: *priority, reason: None })
                }
                _ => None,
            };
            let mut right = entry.clone();
            (right.actor, right.content) = (None, content);
            assert_eq!(*after, right, "only author and text are gone");
        }
    }
}

/// Reading.
impl People {
    pub(super) async fn all_of(&self, threads: &[ThreadId]) -> Everything {
        let mut all = Everything {
            entries: BTreeMap::new(),
            rest: String::new(),
            secrets: BTreeMap::new(),
            bundles: 0,
        };
        for thread in threads {
            self.read(*thread, &mut all).await;
        }
        let prefix = format!("{:032x}/{}/", self.journal.info().store, self.ada.caller().tenant);
        for name in objects(&*self.archive, &prefix).await {
            let bytes = self.archive.get(&name).await.expect("it is listed");
            all.bundles += usize::from(String::from_utf8_lossy(&bytes).contains(SECRET));
        }
        all
    }

    async fn read(&self, thread: ThreadId, all: &mut Everything) {
        let space = thread.space(&self.ada.caller().tenant);
        let records = raw_batches::read_all(&*self.journal, &space).await;
        for record in &records {
            let text = match &record.body {
                RecordBody::Blob(name) => {
                    let bytes = self.journal.get_blob(&space, name, None).await;
                    String::from_utf8(bytes.expect("a blob")).expect("text")
                }
                RecordBody::Inline(text) => text.to_string(),
                _ => String::new(),
            };
            *all.secrets.entry(thread).or_default() += u64::from(text.contains(SECRET));
        }
        if let Some(snapshot) = self.journal.load_snapshot(&space).await.expect("one or none") {
            assert!(!String::from_utf8_lossy(&snapshot.bytes).contains(SECRET));
        }
        let mut feed = self.ada.changes(thread).page_size(500);
        while let Some(record) = feed.try_next().await.expect("a record") {
            writeln!(all.rest, "{record:?}").expect("a string");
        }
        let text = SearchText::new(SECRET).expect("a text");
        let hits = self.ada.timeline(thread).containing(text).all().await.expect("a list");
        writeln!(all.rest, "{hits:?}").expect("a string");
        for row in self.ada.sessions(thread).all().await.expect("a list") {
            let log = self.ada.entries(row.id).all().await.expect("a log");
            all.entries.extend(log.into_iter().map(|entry| (entry.id, entry)));
            let summaries = self.ada.summaries(row.id).all().await.expect("a list");
            let drafts = self.ada.collapses(row.id).all().await.expect("a list");
            writeln!(all.rest, "{row:?} {summaries:?} {drafts:?}").expect("a string");
            // At every version, or about.
            let last = records.len() as u64;
            let step = (last / 8).max(1) as usize;
            for version in (row.id.version()..=last).rev().step_by(step) {
                let context = self.ada.context_at(row.id, version).await.expect("a context");
                writeln!(all.rest, "{context:?}").expect("a string");
            }
        }
    }

    /// Nothing shows what ann wrote, and all else is as it was.
    pub(super) async fn is_forgotten(&self, threads: &[ThreadId], before: &Everything) {
        let after = self.all_of(threads).await;
        after.has_forgotten(before, &self.ann.caller().actor);
        assert_eq!(after.entries.len(), before.entries.len());
    }

    /// The heads of threads.
    pub(super) async fn heads(&self, threads: &[ThreadId]) -> Vec<u64> {
        let mut heads = Vec::new();
        for thread in threads {
            heads.push(head(&self.store, self.ada.caller(), *thread).await);
        }
        heads
    }
}
