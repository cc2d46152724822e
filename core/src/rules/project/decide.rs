//! Decisions about a project. Pure.

use super::state::{ProjectFields, ProjectState};
use crate::{
    command::{Created, ThreadCommand, ThreadOutcome, UpdateProject},
    error::{Error, Result},
    id::{ProjectId, ThreadId, Version},
    model::ProjectStatus,
    record::{Body, Event, Lane, ProjectBody},
    rules::decision::{Decision, DecisionInput, Drafts, Reply, Request},
    rules::thread::{closed_project, refuse_oversize, require_room_for, stale, wrong_journal},
};

fn project_created(id: ProjectId, created: bool) -> Reply {
    Reply::Thread(ThreadOutcome::ProjectCreated(Created { id, created }))
}

impl ProjectState {
    /// What a call comes to on this state. Pure: the same arguments give the same answer.
    pub(crate) fn decide(&self, id: ProjectId, input: &DecisionInput<'_>) -> Result<Decision> {
        if let (Request::Thread(ThreadCommand::CreateProject { .. }), Some(fields)) =
            (&input.call.request, self.project.as_deref())
            && let (Some(origin), Some(key), Some(call)) =
                (&fields.origin, &input.caller().key, &input.call.key)
            && origin.is_of(key, &call.command)?
        {
            return Ok(Decision::Answer(project_created(id, true)));
        }
        if let Some(answer) = input.known(&self.keys)? {
            return Ok(Decision::Answer(match &input.call.request {
                Request::Reserve { .. } => Reply::Reserved {
                    thread: ThreadId::from_bits(answer.minted),
                    version: answer.first,
                    replayed: true,
                },
                Request::Thread(ThreadCommand::CreateProject { .. }) => project_created(id, true),
                _ => Reply::thread_changed(answer.first),
            }));
        }
        match &input.call.request {
            Request::Thread(ThreadCommand::CreateProject { project: new }) => {
                if let Some(fields) = self.project.as_deref() {
                    if new.external_id.is_some() {
                        return if fields.external_id == new.external_id {
                            Ok(Decision::Answer(project_created(id, false)))
                        } else {
                            // Not the project of this external id: the id was derived for another.
                            Err(Error::not_found(id))
                        };
                    }
                    // The id of a keyed creation follows from its key; a minted one was minted before, by chance.
                    return Err(match input.caller().key.clone() {
                        Some(key) => Error::KeyReused { key: Box::new(key) },
                        None => Error::contended(&id.space(&input.caller().tenant)),
                    });
                }
                let body = ProjectBody {
                    external_id: new.external_id.clone(),
                    name: new.name.clone(),
                    config: new.config.clone(),
                    by: input.caller().actor.clone(),
                };
                self.write(
                    input,
                    Event::ProjectCreated {},
                    Body::Project(body),
                    project_created(id, true),
                )
            }
            Request::Thread(ThreadCommand::UpdateProject { expected, update, .. }) => {
                self.update(id, input, *expected, update)
            }
            Request::Thread(ThreadCommand::ArchiveProject { .. }) => {
                self.turn(id, input, ProjectStatus::Archived, Event::ProjectArchived {})
            }
            Request::Thread(ThreadCommand::ReopenProject { .. }) => {
                self.turn(id, input, ProjectStatus::Open, Event::ProjectReopened {})
            }
            Request::Thread(ThreadCommand::DeleteProject { .. }) => self.begin_delete(input),
            Request::Reserve { thread, settled, command } => {
                self.reserve(id, input, *thread, settled, command)
            }
            Request::Slice(step) => self.decide_slice(id, input, step),
            Request::UndoDelete => match self.project.as_deref() {
                Some(p) if p.status == ProjectStatus::Deleting => {
                    self.changed(input, Event::ProjectDeleteUndone {}, input.caller_body())
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
            _ => Err(wrong_journal()),
        }
    }

    fn fields(&self, id: ProjectId) -> Result<&ProjectFields> {
        self.project.as_deref().ok_or_else(|| Error::not_found(id))
    }

    fn update(
        &self,
        id: ProjectId,
        input: &DecisionInput<'_>,
        expected: Version,
        update: &UpdateProject,
    ) -> Result<Decision> {
        let project = self.fields(id)?;
        closed_project(id, project.status)?;
        stale(id, expected, project.version)?;
        let body = ProjectBody {
            external_id: None,
            name: update.name.clone().unwrap_or_else(|| project.name.clone()),
            config: update.config.clone().unwrap_or_else(|| project.config.clone()),
            by: input.caller().actor.clone(),
        };
        self.changed(input, Event::ProjectUpdated {}, Body::Project(body))
    }

    /// Archive or reopen: to where it is already, nothing is written.
    fn turn(
        &self,
        id: ProjectId,
        input: &DecisionInput<'_>,
        to: ProjectStatus,
        event: Event,
    ) -> Result<Decision> {
        let project = self.fields(id)?;
        if project.status == to {
            return Ok(Decision::Answer(Reply::thread_changed(project.version)));
        }
        if project.status == ProjectStatus::Deleting {
            closed_project(id, project.status)?;
        }
        self.changed(input, event, input.caller_body())
    }

    /// The first step of a deletion; a deletion that was cut off is taken up where it is.
    fn begin_delete(&self, input: &DecisionInput<'_>) -> Result<Decision> {
        match self.project.as_deref() {
            None => Ok(Decision::Answer(Reply::Thread(ThreadOutcome::Deleted))),
            Some(p) if p.status == ProjectStatus::Deleting => {
                Ok(Decision::Answer(Reply::thread_changed(p.version)))
            }
            Some(_) => self.changed(input, Event::ProjectDeleting {}, input.caller_body()),
        }
    }

    /// The moment a thread is created (THD2).
    fn reserve(
        &self,
        id: ProjectId,
        input: &DecisionInput<'_>,
        thread: ThreadId,
        settled: &[Version],
        command: &ThreadCommand,
    ) -> Result<Decision> {
        closed_project(id, self.fields(id)?.status)?;
        if let Some((new, session)) = command.new_thread() {
            require_room_for(thread, &new.state)?;
            session.map_or(Ok(()), |session| require_room_for(thread, &session.state))?;
        }
        refuse_oversize(input, id)?;
        let settled = settled.iter().copied().filter(|v| self.unsettled.contains_key(v)).collect();
        let reply = Reply::Reserved { thread, version: self.version() + 1, replayed: false };
        self.write(input, Event::ThreadReserved { thread, settled }, input.caller_body(), reply)
    }

    fn changed(&self, input: &DecisionInput<'_>, event: Event, body: Body) -> Result<Decision> {
        self.write(input, event, body, Reply::thread_changed(self.version() + 1))
    }

    fn write(
        &self,
        input: &DecisionInput<'_>,
        event: Event,
        body: Body,
        reply: Reply,
    ) -> Result<Decision> {
        let mut drafts = Drafts::after(input, self.version(), None);
        drafts.push(Lane::Rest.of(0), event, body);
        drafts.done(reply)
    }
}
