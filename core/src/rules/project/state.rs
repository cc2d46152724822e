//! The state of a project, and the fold of its records.

use std::sync::Arc;

use rpds::RedBlackTreeMapSync;
use serde::{Deserialize, Serialize};

use super::slices::Escrow;
use crate::{
    clock::Timestamp,
    command::Key,
    error::{Error, Result},
    id::{ProjectId, TenantId, ThreadId, Version},
    journal::Position,
    model::{Project, ProjectConfig, ProjectStatus},
    record::{Body, Event, KeyMark},
    rules::decision::{Caps, DrawnSlice},
    rules::event::{EventRecord, Evolved},
    rules::idempotency::{IdempotencyLog, command_hash},
};

/// Everything a decision about a project looks at: a fold of its records.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ProjectState {
    pub(crate) head: Option<Position>,
    pub(crate) last_at: Timestamp,
    pub(crate) project: Option<Arc<ProjectFields>>,
    /// Reservations whose thread is not yet known to have begun.
    pub(crate) unsettled: RedBlackTreeMapSync<Version, ThreadId>,
    pub(crate) keys: IdempotencyLog,
    /// What is drawn of its budget.
    #[serde(default)]
    pub(crate) escrow: Escrow,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ProjectFields {
    pub(crate) external_id: Option<String>,
    /// The key it was created with: remembered as long as the project lives.
    pub(crate) origin: Option<Origin>,
    pub(crate) name: String,
    pub(crate) config: ProjectConfig,
    pub(crate) status: ProjectStatus,
    /// Where an undone deletion goes back to.
    pub(crate) before_deleting: ProjectStatus,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) version: Version,
}

/// The key of a creation, with the salt that tells its command from another.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Origin {
    key: KeyMark,
    salt: [u8; 16],
}

impl Origin {
    /// Whether the project was created with this key; `KeyReused` if that was by another command.
    pub(crate) fn is_of(&self, key: &Key, command: &str) -> Result<bool> {
        let mark = key.mark(command_hash(&self.salt, command));
        if (mark.name, mark.n) != (self.key.name, self.key.n) {
            return Ok(false);
        }
        if mark == self.key {
            Ok(true)
        } else {
            Err(Error::KeyReused { key: Box::new(key.clone()) })
        }
    }
}

impl ProjectState {
    /// Where the journal ends that this state folds.
    pub(crate) const fn head(&self) -> Option<Position> {
        self.head
    }

    pub(crate) fn version(&self) -> Version {
        self.head.map_or(0, |h| h.version)
    }

    /// The project as callers see it.
    pub(crate) fn view(&self, tenant: &TenantId, id: ProjectId) -> Option<Project> {
        let fields = self.project.as_deref()?;
        Some(Project {
            id,
            tenant: tenant.clone(),
            external_id: fields.external_id.clone(),
            name: fields.name.clone(),
            status: fields.status,
            config: fields.config.clone(),
            budget: self.budget_use(),
            created_at: fields.created_at,
            updated_at: fields.updated_at,
            version: fields.version,
        })
    }

    /// What decisions in its threads need.
    pub(crate) fn caps(&self) -> Option<Caps> {
        let fields = self.project.as_deref()?;
        Some(Caps { status: fields.status, config: fields.config.clone(), version: fields.version })
    }

    /// Folds the next record in. An error says why it cannot follow.
    pub(crate) fn evolve(&mut self, event: &EventRecord<'_>) -> Evolved {
        self.last_at = self.last_at.max(event.at);
        let (version, now) = (event.version, self.last_at);
        if let Some(key) = event.key {
            let minted = if let Event::ThreadReserved { thread, .. } = event.event {
                thread.bits()
            } else {
                0
            };
            self.keys.remember(key, (version, event.count), (minted, 0), event.salt);
        }
        match event.event {
            Event::ProjectCreated {} => {
                let body =
                    if let Some(Body::Project(body)) = event.body { Some(body) } else { None };
                self.project = Some(Arc::new(ProjectFields {
                    external_id: body.and_then(|b| b.external_id.clone()),
                    origin: event.key.map(|key| Origin { key, salt: event.salt }),
                    name: body.map(|b| b.name.clone()).unwrap_or_default(),
                    config: body.map(|b| b.config.clone()).unwrap_or_default(),
                    status: ProjectStatus::Open,
                    before_deleting: ProjectStatus::Open,
                    created_at: now,
                    updated_at: now,
                    version,
                }));
                Ok(())
            }
            Event::SliceDrawn { thread, opened, amount, used_up } => {
                let (opened, amount) = (opened.unwrap_or(version), amount.clone());
                let used_up = used_up.clone();
                self.open_slice(*thread, DrawnSlice { draw: version, opened, amount, used_up });
                Ok(())
            }
            Event::SliceSettled { thread, spent, .. } => {
                self.settle_slice(*thread, spent);
                Ok(())
            }
            Event::ProjectUpdated {} => {
                if let Some(Body::Project(body)) = event.body
                    && body.config.budget.is_none()
                {
                    self.escrow = Escrow::default();
                }
                self.change(version, |p| {
                    if let Some(Body::Project(body)) = event.body {
                        p.name.clone_from(&body.name);
                        p.config.clone_from(&body.config);
                    }
                })
            }
            Event::ProjectArchived {} => {
                self.change(version, |p| p.status = ProjectStatus::Archived)
            }
            Event::ProjectReopened {} => self.change(version, |p| p.status = ProjectStatus::Open),
            Event::ProjectDeleting {} => self.change(version, |p| {
                p.before_deleting = p.status;
                p.status = ProjectStatus::Deleting;
            }),
            Event::ProjectDeleteUndone {} => self.change(version, |p| p.status = p.before_deleting),
            Event::ThreadReserved { thread, settled } => {
                for reservation in settled {
                    self.unsettled.remove_mut(reservation);
                }
                self.unsettled.insert_mut(version, *thread);
                Ok(())
            }
            _ => Err("is not a record of a project"),
        }
    }

    fn change(&mut self, version: Version, change: impl FnOnce(&mut ProjectFields)) -> Evolved {
        let now = self.last_at;
        let fields =
            Arc::make_mut(self.project.as_mut().ok_or("stands before the project was created")?);
        change(fields);
        fields.updated_at = now;
        fields.version = version;
        Ok(())
    }

    /// Bytes it takes in memory, about.
    pub(crate) fn weight(&self) -> usize {
        1024 + self.unsettled.size() * 96 + self.escrow.slices.size() * 256 + self.keys.weight()
    }
}
