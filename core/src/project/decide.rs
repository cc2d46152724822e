//! Decisions about a project. Pure.

use super::state::{ProjectFields, ProjectState};
use crate::{
    command::{ThreadCommand, ThreadOutcome, UpdateProject},
    decision::{Ask, Decision, Drafts, Reply, Request},
    error::{Error, Result},
    id::{ProjectId, ThreadId, Version},
    model::ProjectStatus,
    record::{Body, Kind, Lane, ProjectBody},
    thread::{closed_project, misplaced, stale},
};

impl ProjectState {
    /// What a call comes to on this state. Pure: the same arguments give the same answer.
    pub(crate) fn decide(&self, id: ProjectId, ask: &Ask<'_>) -> Result<Decision> {
        if let Some(answer) = ask.known(&self.keys)? {
            return Ok(Decision::Answer(match &ask.call.request {
                Request::Reserve { .. } => Reply::Reserved {
                    thread: ThreadId::from_bits(answer.minted),
                    version: answer.first,
                    replayed: true,
                },
                Request::Thread(ThreadCommand::CreateProject { .. }) => {
                    Reply::Thread(ThreadOutcome::ProjectCreated(id))
                }
                _ => Reply::thread_changed(answer.first),
            }));
        }
        match &ask.call.request {
            Request::Thread(ThreadCommand::CreateProject { name, config }) => {
                if self.project.is_some() {
                    // Only a keyed creation, whose id follows from its key, meets its own project without its key.
                    return Err(Error::KeyReused { n: ask.by().key.as_ref().map_or(0, |k| k.n) });
                }
                let body = ProjectBody {
                    name: name.clone(),
                    config: config.clone(),
                    by: ask.by().actor.clone(),
                };
                self.write(
                    ask,
                    Kind::ProjectCreated {},
                    Body::Project(body),
                    Reply::Thread(ThreadOutcome::ProjectCreated(id)),
                )
            }
            Request::Thread(ThreadCommand::UpdateProject { expected, update, .. }) => {
                self.update(id, ask, *expected, update)
            }
            Request::Thread(ThreadCommand::ArchiveProject { .. }) => {
                self.turn(id, ask, ProjectStatus::Archived, Kind::ProjectArchived {})
            }
            Request::Thread(ThreadCommand::ReopenProject { .. }) => {
                self.turn(id, ask, ProjectStatus::Open, Kind::ProjectReopened {})
            }
            Request::Thread(ThreadCommand::DeleteProject { .. }) => self.begin_delete(ask),
            Request::Reserve { thread, settled, .. } => self.reserve(id, ask, *thread, settled),
            Request::UndoDelete => match self.project.as_deref() {
                Some(p) if p.status == ProjectStatus::Deleting => {
                    self.changed(ask, Kind::ProjectDeleteUndone {}, ask.by_body())
                }
                _ => Ok(Decision::Answer(Reply::thread_changed(0))),
            },
            Request::FinishDelete => match self.project.as_deref() {
                Some(p) if p.status == ProjectStatus::Deleting => {
                    Ok(Decision::Drop(Reply::Thread(ThreadOutcome::Deleted)))
                }
                Some(p) => Ok(Decision::Answer(Reply::thread_changed(p.version))),
                None => Ok(Decision::Answer(Reply::Thread(ThreadOutcome::Deleted))),
            },
            _ => Err(misplaced()),
        }
    }

    fn fields(&self, id: ProjectId) -> Result<&ProjectFields> {
        self.project.as_deref().ok_or_else(|| Error::not_found(id))
    }

    fn update(
        &self,
        id: ProjectId,
        ask: &Ask<'_>,
        expected: Version,
        update: &UpdateProject,
    ) -> Result<Decision> {
        let project = self.fields(id)?;
        closed_project(project.status)?;
        stale(expected, project.version)?;
        let body = ProjectBody {
            name: update.name.clone().unwrap_or_else(|| project.name.clone()),
            config: update.config.clone().unwrap_or_else(|| project.config.clone()),
            by: ask.by().actor.clone(),
        };
        self.changed(ask, Kind::ProjectUpdated {}, Body::Project(body))
    }

    /// Archive or reopen: to where it is already, nothing is written.
    fn turn(
        &self,
        id: ProjectId,
        ask: &Ask<'_>,
        to: ProjectStatus,
        kind: Kind,
    ) -> Result<Decision> {
        let project = self.fields(id)?;
        if project.status == to {
            return Ok(Decision::Answer(Reply::thread_changed(project.version)));
        }
        if project.status == ProjectStatus::Deleting {
            closed_project(project.status)?;
        }
        self.changed(ask, kind, ask.by_body())
    }

    /// The first step of a deletion; a deletion that was cut off is taken up where it is.
    fn begin_delete(&self, ask: &Ask<'_>) -> Result<Decision> {
        match self.project.as_deref() {
            None => Ok(Decision::Answer(Reply::Thread(ThreadOutcome::Deleted))),
            Some(p) if p.status == ProjectStatus::Deleting => {
                Ok(Decision::Answer(Reply::thread_changed(p.version)))
            }
            Some(_) => self.changed(ask, Kind::ProjectDeleting {}, ask.by_body()),
        }
    }

    /// The moment a thread is created (THD2).
    fn reserve(
        &self,
        id: ProjectId,
        ask: &Ask<'_>,
        thread: ThreadId,
        settled: &[Version],
    ) -> Result<Decision> {
        closed_project(self.fields(id)?.status)?;
        let settled = settled.iter().copied().filter(|v| self.unsettled.contains_key(v)).collect();
        let reply = Reply::Reserved { thread, version: self.version() + 1, replayed: false };
        self.write(ask, Kind::ThreadReserved { thread, settled }, ask.by_body(), reply)
    }

    fn changed(&self, ask: &Ask<'_>, kind: Kind, body: Body) -> Result<Decision> {
        self.write(ask, kind, body, Reply::thread_changed(self.version() + 1))
    }

    fn write(&self, ask: &Ask<'_>, kind: Kind, body: Body, reply: Reply) -> Result<Decision> {
        let mut drafts = Drafts::after(ask, self.version(), None);
        drafts.push(Lane::Rest.of(0), kind, body);
        drafts.done(reply)
    }
}
