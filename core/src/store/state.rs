//! The state of one journal, whether a project's, a thread's or a tenant's.

use serde::{Deserialize, Serialize};

use super::card;
use crate::{
    clock::Timestamp,
    error::{Error, Result},
    hash::Hash,
    id::{ProjectId, Space, SpaceKind, ThreadId, Version},
    journal::{Card, Position, Record},
    record::open,
    rules::{
        decision::{Decision, DecisionInput},
        event::{EventRecord, Evolved},
        project::ProjectState,
        tenant::TenantState,
        thread::{ThreadState, wrong_journal},
    },
};

/// Changes when an older snapshot would not mean the same any more, or a newer one would not to an older release, which then
/// reads the records and says what it does not know; a snapshot of another level is ignored.
const SNAPSHOT_LEVEL: u32 = 6;

/// The folded state of one journal. Cloning shares everything.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant, reason = "there is one per active journal, behind an Arc")]
pub(crate) enum JournalState {
    Project(ProjectState),
    Thread(ThreadState),
    Tenant(TenantState),
}

#[derive(Serialize)]
struct SnapshotOut<'a> {
    level: u32,
    state: &'a JournalState,
}

#[derive(Deserialize)]
struct SnapshotIn {
    level: u32,
    state: JournalState,
}

impl JournalState {
    /// Before the first record.
    pub(crate) fn empty(space: &Space) -> Self {
        match space.kind() {
            SpaceKind::Project => Self::Project(ProjectState::default()),
            SpaceKind::Thread => Self::Thread(ThreadState::default()),
            SpaceKind::Tenant => Self::Tenant(TenantState::default()),
        }
    }

    pub(crate) const fn head(&self) -> Option<Position> {
        match self {
            Self::Project(state) => state.head(),
            Self::Thread(state) => state.head(),
            Self::Tenant(state) => state.head,
        }
    }

    pub(crate) fn version(&self) -> Version {
        self.head().map_or(0, |h| h.version)
    }

    /// The time of the last record.
    pub(crate) const fn last_at(&self) -> Timestamp {
        match self {
            Self::Project(state) => state.last_at,
            Self::Thread(state) => state.last_at,
            Self::Tenant(state) => state.last_at,
        }
    }

    pub(crate) const fn set_head(&mut self, head: Position) {
        match self {
            Self::Project(state) => state.head = Some(head),
            Self::Thread(state) => state.head = Some(head),
            Self::Tenant(state) => state.head = Some(head),
        }
    }

    pub(crate) fn evolve(&mut self, event: &EventRecord<'_>) -> Evolved {
        match self {
            Self::Project(state) => state.evolve(event),
            Self::Thread(state) => state.evolve(event),
            Self::Tenant(state) => state.evolve(event),
        }
    }

    pub(crate) fn decide(&self, space: &Space, input: &DecisionInput<'_>) -> Result<Decision> {
        match self {
            Self::Project(state) => state.decide(ProjectId::from_bits(space.bits()), input),
            Self::Thread(state) => state.decide(ThreadId::from_bits(space.bits()), input),
            Self::Tenant(state) => state.decide(space.tenant(), input),
        }
    }

    /// Folds a record that was read. `Ok(false)` if its link does not follow from the head.
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

    /// The card that lists show. `last` is the card of the state `before`: if nothing that a card shows has changed since,
    /// only its time is new.
    pub(crate) fn card(&self, before: &Self, last: Option<&Card>) -> Result<Card> {
        if let (Self::Thread(now), Self::Thread(before), Some(last)) = (self, before, last)
            && now.listing_unchanged(before)
        {
            return Ok(Card { updated_at: now.last_at, json: last.json.clone() });
        }
        match self {
            Self::Project(state) => card::of_project(state),
            Self::Thread(state) => card::of_thread(state),
            Self::Tenant(state) => Ok(card::of_tenant(state)),
        }
    }

    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Project(state) => state.weight(),
            Self::Thread(state) => state.weight(),
            Self::Tenant(state) => state.weight(),
        }
    }

    /// The state of a thread; a project's journal is the wrong one.
    pub(crate) fn as_thread(&self) -> Result<&ThreadState> {
        if let Self::Thread(state) = self { Ok(state) } else { Err(wrong_journal()) }
    }

    /// The state of a project; a thread's journal is the wrong one.
    pub(crate) fn as_project(&self) -> Result<&ProjectState> {
        if let Self::Project(state) = self { Ok(state) } else { Err(wrong_journal()) }
    }

    /// The state of a tenant; another's journal is the wrong one.
    pub(crate) fn as_tenant(&self) -> Result<&TenantState> {
        if let Self::Tenant(state) = self { Ok(state) } else { Err(wrong_journal()) }
    }

    /// The project of a thread, once the thread exists.
    pub(crate) fn project_of_thread(&self) -> Option<ProjectId> {
        match self {
            Self::Project(_) | Self::Tenant(_) => None,
            Self::Thread(state) => state.thread.as_deref().map(|t| t.project),
        }
    }

    /// The bytes of a snapshot: the digest of the JSON in hex, a line feed, the JSON.
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        let image = SnapshotOut { level: SNAPSHOT_LEVEL, state: self };
        let json =
            serde_json::to_vec(&image).map_err(|e| Error::invalid("snapshot", e.to_string()))?;
        let mut bytes = Hash::of(&[&json]).to_string().into_bytes();
        bytes.push(b'\n');
        bytes.extend_from_slice(&json);
        Ok(bytes)
    }

    /// The state in a snapshot's bytes, if they are undamaged, of this [`SNAPSHOT_LEVEL`], of this kind of journal, and of
    /// this position.
    pub(crate) fn decode(space: &Space, position: Position, bytes: &[u8]) -> Option<Self> {
        let (digest, json) = bytes.split_at_checked(64)?;
        let json = json.strip_prefix(b"\n")?;
        if Hash::of(&[json]).to_string().as_bytes() != digest {
            return None;
        }
        let image: SnapshotIn = serde_json::from_slice(json).ok()?;
        let kind = match image.state {
            Self::Project(_) => SpaceKind::Project,
            Self::Thread(_) => SpaceKind::Thread,
            Self::Tenant(_) => SpaceKind::Tenant,
        };
        (image.level == SNAPSHOT_LEVEL
            && kind == space.kind()
            && image.state.head() == Some(position))
        .then_some(image.state)
    }
}
