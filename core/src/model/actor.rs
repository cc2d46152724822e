//! Who acts.

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    id::{AgentId, TenantId, UserId},
};

/// A person, an agent program, or a part of the system. Each carries its tenant, so that a foreign one can be seen and
/// refused (TEN3).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Actor {
    /// A person.
    User {
        /// The tenant.
        tenant: TenantId,
        /// Who.
        id: UserId,
    },
    /// An agent program.
    Agent {
        /// The tenant.
        tenant: TenantId,
        /// Which program.
        id: AgentId,
        /// Who made it act; at most 8 levels.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<Box<Actor>>,
    },
    /// A part of the system.
    System {
        /// The tenant.
        tenant: TenantId,
        /// What it does, 1 to 128 bytes: `importer`, `sweeper`.
        role: AgentId,
    },
}

impl Actor {
    /// A person.
    pub const fn user(tenant: TenantId, id: UserId) -> Self {
        Self::User { tenant, id }
    }

    /// An agent program without a parent.
    pub const fn agent(tenant: TenantId, id: AgentId) -> Self {
        Self::Agent { tenant, id, parent: None }
    }

    /// A part of the system.
    pub const fn system(tenant: TenantId, role: AgentId) -> Self {
        Self::System { tenant, role }
    }

    /// The tenant it says it is of.
    pub const fn tenant(&self) -> &TenantId {
        match self {
            Self::User { tenant, .. }
            | Self::Agent { tenant, .. }
            | Self::System { tenant, .. } => tenant,
        }
    }

    /// The person, if it is one.
    pub const fn user_id(&self) -> Option<&UserId> {
        if let Self::User { id, .. } = self { Some(id) } else { None }
    }

    /// A short name for people: the id, or the role.
    pub fn name(&self) -> &str {
        match self {
            Self::User { id, .. } => id.as_str(),
            Self::Agent { id, .. } => id.as_str(),
            Self::System { role, .. } => role.as_str(),
        }
    }

    /// Every tenant in the chain must be `tenant` (TEN3); the chain has at most 8 levels.
    pub(crate) fn check(&self, field: &'static str, tenant: &TenantId) -> Result<()> {
        let mut level = Some(self);
        for _ in 0..8 {
            let Some(actor) = level else { return Ok(()) };
            if actor.tenant() != tenant {
                return Err(Error::TenantIsolation { what: field.to_owned() });
            }
            level = match actor {
                Self::Agent { parent, .. } => parent.as_deref(),
                Self::User { .. } | Self::System { .. } => None,
            };
        }
        if level.is_none() {
            Ok(())
        } else {
            Err(Error::invalid(field, "an actor has more than 8 levels of parents"))
        }
    }
}
