//! The rules of what belongs to a tenant as a whole: which id an external id stands for.
//!
//! The first project or thread under an external id has an id that follows from parent and external id: no index is kept
//! for it, and any process computes it. Ids are not used again, so after a deletion the external id is bound to an id that
//! is minted, and that stands here.

use rpds::RedBlackTreeMapSync;
use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    error::Result,
    hash::{Hash, ShortHash},
    id::{ProjectId, Space, SpaceKind, TenantId, ThreadId, Version},
    journal::Position,
    record::{Event, Lane},
    rules::{
        decision::{Decision, DecisionInput, Drafts, Reply, Request},
        event::{EventRecord, Evolved},
        thread::wrong_journal,
    },
};

/// An external id below its parent, as a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExternalName {
    pub(crate) digest: ShortHash,
    kind: SpaceKind,
}

impl ExternalName {
    /// Of a project of the tenant.
    pub(crate) fn of_project(external_id: &str) -> Self {
        Self::of(SpaceKind::Project, 0, external_id)
    }

    /// Of a thread of a project.
    pub(crate) fn of_thread(project: ProjectId, external_id: &str) -> Self {
        Self::of(SpaceKind::Thread, project.bits(), external_id)
    }

    fn of(kind: SpaceKind, parent: u128, external_id: &str) -> Self {
        let level = [u8::from(kind == SpaceKind::Thread)];
        let digest = Hash::of(&[&level, &parent.to_be_bytes(), external_id.as_bytes()]);
        Self { digest: ShortHash::from_bits(digest.prefix_128()), kind }
    }

    /// The bits of the id that follows from the name: 78 of the digest, and the tenant's tag. Where two names share them,
    /// the later one is bound to a minted id, as after a deletion.
    pub(crate) fn derived(self, tenant: &TenantId) -> u128 {
        // Times of the first 12 days of 1970, so that a folder or a page of an index holds many of them.
        let [high, low] = self.digest.words();
        self.mint(tenant, high & ((1 << 30) - 1), low)
    }

    /// The bits of a new id for it.
    pub(crate) fn mint(self, tenant: &TenantId, millis: u64, random: u64) -> u128 {
        match self.kind {
            SpaceKind::Thread => ThreadId::mint(tenant, millis, random).bits(),
            SpaceKind::Project | SpaceKind::Tenant => {
                ProjectId::mint(tenant, millis, random).bits()
            }
        }
    }

    /// The space of an id.
    pub(crate) const fn space(self, tenant: TenantId, bits: u128) -> Space {
        Space::new(tenant, self.kind, bits)
    }
}

/// A fold of the records of a tenant's own journal.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct TenantState {
    pub(crate) head: Option<Position>,
    pub(crate) last_at: Timestamp,
    /// The bits of the ids that external ids stand for, where they do not follow from them.
    #[serde(with = "as_texts")]
    bound: RedBlackTreeMapSync<ShortHash, u128>,
}

impl TenantState {
    pub(crate) fn version(&self) -> Version {
        self.head.map_or(0, |head| head.version)
    }

    /// The id that an external id was bound to.
    pub(crate) fn bound(&self, digest: ShortHash) -> Option<u128> {
        self.bound.get(&digest).copied()
    }

    /// What a call comes to on this state. Pure: the same arguments give the same answer.
    pub(crate) fn decide(&self, tenant: &TenantId, input: &DecisionInput<'_>) -> Result<Decision> {
        let Request::Bind { name, gone, to } = &input.call.request else {
            return Err(wrong_journal());
        };
        let current = self.bound(name.digest).unwrap_or_else(|| name.derived(tenant));
        if current != *gone {
            // Another call has bound it since.
            return Ok(Decision::Answer(Reply::Bound(current)));
        }
        let mut drafts = Drafts::after(input, self.version(), None);
        let event = Event::ExternalIdBound { external_id: name.digest, to: *to };
        drafts.push(Lane::Rest.of(0), event, input.caller_body());
        drafts.done(Reply::Bound(*to))
    }

    /// Folds the next record in. An error says why it cannot follow.
    pub(crate) fn evolve(&mut self, event: &EventRecord<'_>) -> Evolved {
        let Event::ExternalIdBound { external_id, to } = event.event else {
            return Err("is not a record of a tenant");
        };
        self.last_at = self.last_at.max(event.at);
        self.bound.insert_mut(*external_id, *to);
        Ok(())
    }

    /// Bytes it takes in memory, about.
    pub(crate) fn weight(&self) -> usize {
        1024 + self.bound.size() * 128
    }
}

/// Numbers of 128 bits as text: JSON readers other than ours lose their low bits.
mod as_texts {
    use rpds::RedBlackTreeMapSync;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::hash::{ShortHash, hex128};

    #[derive(Serialize, Deserialize)]
    struct Bits(#[serde(with = "hex128")] u128);

    pub(super) fn serialize<S: Serializer>(
        bound: &RedBlackTreeMapSync<ShortHash, u128>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(bound.iter().map(|(name, bits)| (name, Bits(*bits))))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<RedBlackTreeMapSync<ShortHash, u128>, D::Error> {
        let rows = Vec::<(ShortHash, Bits)>::deserialize(from)?;
        Ok(rows.into_iter().map(|(name, bits)| (name, bits.0)).collect())
    }
}
