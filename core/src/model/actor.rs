//! Actors: who does something.

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result, Subject},
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

/// A user, an agent program or a part of the system by name, before its tenant is known.
///
/// [`Store::caller`](crate::store::Store::caller) and [`Handle::actor`](crate::handle::Handle::actor) bind it to a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActorName {
    kind: Kind,
    name: String,
    parent: Option<Box<Self>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    User,
    Agent,
    System,
}

impl ActorName {
    fn new(kind: Kind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into(), parent: None }
    }

    /// Names the actor that made this agent act. Only an agent has one.
    #[must_use]
    pub fn on_behalf_of(mut self, parent: Self) -> Self {
        self.parent = Some(Box::new(parent));
        self
    }

    /// The actor of this name in a tenant.
    ///
    /// `Invalid` if the name is not 1 to 128 bytes without control characters, or if a user or a part of the system is said
    /// to act on behalf of somebody.
    pub fn in_tenant(self, tenant: &TenantId) -> Result<Actor> {
        let parent = self.parent.map(|parent| parent.in_tenant(tenant)).transpose()?;
        let tenant = tenant.clone();
        Ok(match (self.kind, parent) {
            (Kind::User, None) => Actor::User { tenant, id: UserId::new(self.name)? },
            (Kind::System, None) => Actor::System { tenant, role: AgentId::new(self.name)? },
            (Kind::Agent, parent) => {
                Actor::Agent { tenant, id: AgentId::new(self.name)?, parent: parent.map(Box::new) }
            }
            (Kind::User | Kind::System, Some(_)) => {
                return Err(Error::invalid(
                    "actor",
                    "only an agent acts on behalf of another actor",
                ));
            }
        })
    }
}

impl Actor {
    /// A person, by name.
    pub fn user(id: impl Into<String>) -> ActorName {
        ActorName::new(Kind::User, id)
    }

    /// An agent program, by name.
    pub fn agent(id: impl Into<String>) -> ActorName {
        ActorName::new(Kind::Agent, id)
    }

    /// A part of the system, by what it does: `importer`, `sweeper`.
    pub fn system(role: impl Into<String>) -> ActorName {
        ActorName::new(Kind::System, role)
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

    /// Whether both are the same person, program or part of the system, whoever made them act.
    pub fn is_same(&self, other: &Self) -> bool {
        self.with_at_most(1) == other.with_at_most(1)
    }

    /// The same, with at most so many levels, itself among them.
    pub(crate) fn with_at_most(&self, levels: usize) -> Self {
        match self {
            Self::Agent { tenant, id, parent } => {
                let parent = parent.as_ref().filter(|_| levels > 1);
                let parent = parent.map(|parent| Box::new(parent.with_at_most(levels - 1)));
                Self::Agent { tenant: tenant.clone(), id: id.clone(), parent }
            }
            other => other.clone(),
        }
    }

    /// Every tenant in the chain must be `tenant` (TEN3); the chain has at most 8 levels.
    pub(crate) fn check(&self, field: &'static str, tenant: &TenantId) -> Result<()> {
        let mut level = Some(self);
        for _ in 0..8 {
            let Some(actor) = level else { return Ok(()) };
            if actor.tenant() != tenant {
                return Err(Error::TenantIsolation {
                    what: Subject::Actor { field },
                    tenant: tenant.clone(),
                });
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
