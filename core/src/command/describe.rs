//! What there is to know of a command before any state is looked at. Each command says it once, beside its enum.

use crate::{
    command::{Caller, Inheritance, NewSubSession},
    error::{Error, Result, Subject},
    id::{EntryId, RunId, SessionId, SubSessionId, SummaryId, Version, WorkspaceId},
    model::{Actor, PrevArtifact, SubSessionKind, check_text},
};

/// A checked command: where it is decided, and what the decision needs.
#[derive(Debug)]
pub(crate) struct Description<T> {
    /// The thread or project it is decided in.
    pub(crate) target: T,
    pub(crate) needs: Needs,
    /// It is decided under the caps of its thread's project.
    pub(crate) caps: bool,
}

/// What a decision needs beside the command and the state.
#[derive(Clone, Debug, Default)]
pub(crate) struct Needs {
    /// The caller's idempotency key. Commands that are idempotent by themselves take none.
    pub(crate) key: bool,
    /// Versions of records whose immutable headers the decision may look at.
    pub(crate) facts: Vec<Version>,
}

impl<T> Description<T> {
    /// Of a command that takes a key and needs nothing else.
    pub(crate) const fn keyed(target: T) -> Self {
        Self { target, needs: Needs { key: true, facts: Vec::new() }, caps: false }
    }

    /// Of a command that is idempotent by itself.
    pub(crate) const fn unkeyed(target: T) -> Self {
        Self { target, needs: Needs { key: false, facts: Vec::new() }, caps: false }
    }

    /// With records to look at.
    pub(crate) fn with_facts(mut self, facts: impl IntoIterator<Item = Version>) -> Self {
        self.needs.facts.extend(facts);
        self
    }

    /// With the caps of the project.
    pub(crate) const fn with_caps(mut self) -> Self {
        self.caps = true;
        self
    }
}

/// Collects what belongs to another tenant while the rest of a command is checked: what is malformed is refused first,
/// then the caller and other actors, then the target, then every other id.
#[derive(Debug)]
pub(super) struct Check<'a> {
    caller: &'a Caller,
    /// The tenant's tag: a hash, made once for a command.
    tag: u32,
    actors: Result<()>,
    ids: Result<()>,
}

impl<'a> Check<'a> {
    pub(super) fn of(caller: &'a Caller) -> Self {
        Self { caller, tag: caller.tenant.tag(), actors: caller.check(), ids: Ok(()) }
    }

    /// An actor that a command names.
    pub(super) fn actor(&mut self, field: &'static str, actor: &Option<Actor>) {
        if let (Ok(()), Some(actor)) = (&self.actors, actor) {
            self.actors = actor.check(field, &self.caller.tenant);
        }
    }

    /// An id beside the target. Whether it is of the target's thread is decided later (TEN8).
    fn id(&mut self, tag: u32, id: impl Into<Subject>) {
        if self.ids.is_ok() && tag != self.tag {
            self.ids = Err(self.caller.foreign(id));
        }
    }

    pub(super) fn session(&mut self, session: SessionId) {
        self.id(session.thread().tag(), session);
    }

    pub(super) fn sub_session(&mut self, edge: SubSessionId) {
        self.id(edge.thread().tag(), edge);
    }

    pub(super) fn run(&mut self, run: Option<RunId>) {
        run.into_iter().for_each(|run| self.id(run.thread().tag(), run));
    }

    pub(super) fn entry(&mut self, entry: Option<EntryId>) {
        entry.into_iter().for_each(|entry| self.id(entry.thread().tag(), entry));
    }

    pub(super) fn artifact(&mut self, artifact: &PrevArtifact) -> Result<()> {
        if let PrevArtifact::Summary(summary) = artifact {
            self.summary(*summary);
        }
        artifact.check()
    }

    pub(super) fn summary(&mut self, summary: SummaryId) {
        self.id(summary.thread().tag(), summary);
    }

    pub(super) fn workspace(&mut self, workspace: WorkspaceId) {
        self.id(workspace.thread().tag(), workspace);
    }

    /// What an edge names.
    pub(super) fn edge(&mut self, edge: &NewSubSession) -> Result<()> {
        self.session(edge.parent);
        self.run(edge.spawned_by_run);
        if let Inheritance::Selective(selection) = &edge.inherit {
            selection.entries.iter().for_each(|entry| self.entry(Some(*entry)));
        }
        if let Some(artifact) = &edge.prev_artifact {
            if edge.kind != SubSessionKind::Intervention {
                let reason = "only an intervention answers an artifact";
                return Err(Error::invalid("prev_artifact", reason));
            }
            self.artifact(artifact)?;
        }
        if let Inheritance::Summary(of) = edge.inherit {
            self.session(of);
        }
        optional(edge.purpose.as_deref(), |purpose| check_text("purpose", purpose))
    }

    /// The verdict; `tag` is the tenant tag of the target.
    pub(super) fn done(self, tag: u32, target: impl Into<Subject>) -> Result<()> {
        self.actors?;
        if tag == self.tag { self.ids } else { Err(self.caller.foreign(target)) }
    }
}

/// Checks what is there.
pub(super) fn optional<T>(value: Option<T>, check: impl FnOnce(T) -> Result<()>) -> Result<()> {
    value.map_or(Ok(()), check)
}

/// Checks how many entries a command has.
pub(super) fn check_count(count: usize, limit: usize) -> Result<()> {
    if (1..=limit).contains(&count) {
        return Ok(());
    }
    let reason = format!("{count} entries, where 1 to {limit} are allowed");
    Err(Error::invalid("entries", reason))
}
