//! The state of one journal, project or thread: one face for the sequencer.

use serde::{Deserialize, Serialize};

use super::card;
use crate::{
    error::{Error, Result},
    hash::Hash,
    id::{ProjectId, Space, SpaceKind, ThreadId, Version},
    journal::{Card, Position, Record},
    record::open,
    rules::decision::{Decision, DecisionInput},
    rules::event::{EventRecord, Evolved},
    rules::project::ProjectState,
    rules::thread::ThreadState,
};

/// Changes when an older snapshot would not mean the same any more; such a snapshot is ignored.
const SNAPSHOT_LEVEL: u32 = 1;

/// The folded state of one journal. Cloning shares everything.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant, reason = "there is one per active journal, behind an Arc")]
pub(crate) enum JournalState {
    Project(ProjectState),
    Thread(ThreadState),
}

#[derive(Serialize)]
struct ImageOut<'a> {
    level: u32,
    state: &'a JournalState,
}

#[derive(Deserialize)]
struct Image {
    level: u32,
    state: JournalState,
}

impl JournalState {
    /// Before the first record.
    pub(crate) fn empty(space: &Space) -> Self {
        match space.kind() {
            SpaceKind::Project => Self::Project(ProjectState::default()),
            SpaceKind::Thread => Self::Thread(ThreadState::default()),
        }
    }

    pub(crate) const fn head(&self) -> Option<Position> {
        match self {
            Self::Project(state) => state.head(),
            Self::Thread(state) => state.head(),
        }
    }

    pub(crate) fn version(&self) -> Version {
        self.head().map_or(0, |h| h.version)
    }

    pub(crate) const fn set_head(&mut self, head: Position) {
        match self {
            Self::Project(state) => state.head = Some(head),
            Self::Thread(state) => state.head = Some(head),
        }
    }

    pub(crate) fn evolve(&mut self, event: &EventRecord<'_>) -> Evolved {
        match self {
            Self::Project(state) => state.evolve(event),
            Self::Thread(state) => state.evolve(event),
        }
    }

    pub(crate) fn decide(&self, space: &Space, input: &DecisionInput<'_>) -> Result<Decision> {
        match self {
            Self::Project(state) => state.decide(ProjectId::from_bits(space.bits()), input),
            Self::Thread(state) => state.decide(ThreadId::from_bits(space.bits()), input),
        }
    }

    /// Folds a record that was read. `Ok(false)`: it does not follow in the chain.
    pub(crate) fn fold(&mut self, space: &Space, record: &Record) -> Result<bool> {
        if !record.follows(self.head()) {
            return Ok(false);
        }
        let opened = open(space, record)?;
        let body = opened.fold_body(space)?;
        self.evolve(&EventRecord::of_opened(&opened, &body))
            .map_err(|why| Error::corrupt(space, record.version, why))?;
        self.set_head(Position { version: record.version, hash: record.link });
        Ok(true)
    }

    /// What lists show. `before` is the state that `last` was made of: where nothing on the card has changed since, only
    /// its time is new.
    pub(crate) fn card(&self, before: &Self, last: Option<&Card>) -> Result<Card> {
        if let (Self::Thread(now), Self::Thread(before), Some(last)) = (self, before, last)
            && now.listing_unchanged(before)
        {
            return Ok(Card { updated_at: now.last_at, json: last.json.clone() });
        }
        match self {
            Self::Project(state) => card::of_project(state),
            Self::Thread(state) => card::of_thread(state),
        }
    }

    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Project(state) => state.weight(),
            Self::Thread(state) => state.weight(),
        }
    }

    /// The project of a thread, once it exists.
    pub(crate) fn project(&self) -> Option<ProjectId> {
        match self {
            Self::Project(_) => None,
            Self::Thread(state) => state.thread.as_deref().map(|t| t.project),
        }
    }

    /// The digest of the rest, a line feed, JSON: readable, and damage shows.
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        let image = ImageOut { level: SNAPSHOT_LEVEL, state: self };
        let json =
            serde_json::to_vec(&image).map_err(|e| Error::invalid("snapshot", e.to_string()))?;
        let mut bytes = Hash::of(&[&json]).to_string().into_bytes();
        bytes.push(b'\n');
        bytes.extend_from_slice(&json);
        Ok(bytes)
    }

    /// The state of a snapshot, if it is whole, of this release, of this kind, at this position.
    pub(crate) fn decode(space: &Space, position: Position, bytes: &[u8]) -> Option<Self> {
        let (digest, json) = bytes.split_at_checked(64)?;
        let json = json.strip_prefix(b"\n")?;
        if Hash::of(&[json]).to_string().as_bytes() != digest {
            return None;
        }
        let image: Image = serde_json::from_slice(json).ok()?;
        let kind = match image.state {
            Self::Project(_) => SpaceKind::Project,
            Self::Thread(_) => SpaceKind::Thread,
        };
        (image.level == SNAPSHOT_LEVEL
            && kind == space.kind()
            && image.state.head() == Some(position))
        .then_some(image.state)
    }
}
