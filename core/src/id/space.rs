//! The name of one journal.

use std::{
    fmt,
    hash::{Hash, Hasher},
};

use serde::{Deserialize, Serialize};

use super::{ProjectId, TenantId, ThreadId, minted};

/// What a space's journal holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpaceKind {
    /// One project.
    Project,
    /// One thread.
    Thread,
    /// What belongs to a tenant as a whole; there is one for each tenant.
    Tenant,
}

impl SpaceKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Project, Self::Thread, Self::Tenant];
}

/// The name of one journal: tenant, kind, 128 bits. Computable from an id and the caller's tenant alone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Space {
    tenant: TenantId,
    kind: SpaceKind,
    bits: u128,
}

impl Space {
    /// Names a space.
    pub const fn new(tenant: TenantId, kind: SpaceKind, bits: u128) -> Self {
        Self { tenant, kind, bits }
    }

    /// The tenant's own space.
    pub const fn of_tenant(tenant: TenantId) -> Self {
        Self::new(tenant, SpaceKind::Tenant, 0)
    }

    /// The tenant: the first component of every key a backend makes.
    pub const fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Project, thread or tenant.
    pub const fn kind(&self) -> SpaceKind {
        self.kind
    }

    /// The bits of the project's or thread's id, 0 for a tenant's own space; spaces of one tenant and kind are listed in the order of these bits.
    pub const fn bits(&self) -> u128 {
        self.bits
    }

    /// The 26 characters of the id, without its prefix.
    pub fn characters(&self) -> String {
        minted::encode(self.bits)
    }

    /// The thread this space holds, if it holds one.
    pub fn thread(&self) -> Option<ThreadId> {
        (self.kind == SpaceKind::Thread).then_some(ThreadId::from_bits(self.bits))
    }

    /// The project this space holds, if it holds one.
    pub fn project(&self) -> Option<ProjectId> {
        (self.kind == SpaceKind::Project).then_some(ProjectId::from_bits(self.bits))
    }
}

/// Of the bits: they tell all spaces apart but those that have none, which only their tenants do.
impl Hash for Space {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bits.hash(state);
        if self.bits == 0 {
            self.tenant.hash(state);
        }
    }
}

/// `<tenant>/projects/<26>`, `<tenant>/threads/<26>` or `<tenant>/tenant/<26>`: injective, and safe in a path or a key.
impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            SpaceKind::Project => "projects",
            SpaceKind::Thread => "threads",
            SpaceKind::Tenant => "tenant",
        };
        write!(f, "{}/{kind}/{}", self.tenant, self.characters())
    }
}

impl fmt::Debug for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
