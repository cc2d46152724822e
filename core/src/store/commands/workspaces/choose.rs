//! Which workspace a session gets (WSP11): what the caller names, else what its project says, else none.

use std::sync::Arc;

use crate::{
    command::{Caller, GivenWorkspace, Need, NewWorkspace, WorkspaceChoice, WorkspaceSource},
    error::{Error, Result},
    id::{SessionId, Version, WorkspaceId},
    journal::Direction,
    model::ProjectConfig,
    record::{Body, Event, Lane, open},
    store::{answers::ThreadAtHead, inner::StoreInner},
    workspace::{Label, TreeId, WorkspaceDriver, WorkspaceRef},
};

/// A workspace that is to be made.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) driver: Arc<dyn WorkspaceDriver>,
    pub(super) label: Label,
    pub(super) from: From,
}

/// What it begins as.
#[derive(Clone, Debug)]
pub(super) enum From {
    Base(Option<String>),
    Workspace(WorkspaceRef, Option<TreeId>),
}

/// What was chosen.
pub(super) enum Chosen {
    /// No workspace, for this reason.
    Nothing(GivenWorkspace),
    Plan(Plan),
}

/// For which session a workspace is chosen.
pub(super) struct ChosenFor<'a> {
    pub(super) name: Option<&'a str>,
    /// The session that it continues, and up to where.
    pub(super) fork: Option<(SessionId, Option<Version>)>,
}

impl StoreInner {
    pub(super) async fn choose(
        &self,
        caller: &Caller,
        at: &ThreadAtHead,
        choice: &WorkspaceChoice,
        config: &ProjectConfig,
        session: ChosenFor<'_>,
    ) -> Result<Chosen> {
        let default;
        let new = match (choice, &config.workspace) {
            (WorkspaceChoice::None, _) | (WorkspaceChoice::ProjectDefault, None) => {
                return Ok(Chosen::Nothing(GivenWorkspace::None));
            }
            (WorkspaceChoice::ProjectDefault, Some(it)) => {
                default = NewWorkspace { need: it.need, ..NewWorkspace::of_kind(it.kind.as_str()) };
                &default
            }
            (WorkspaceChoice::Make(new), _) => new,
        };
        let from = self.workspace_source(caller, at, &new.source, session.fork).await?;
        let kind = match (&from, &new.kind, &config.workspace) {
            (Some((source_kind, _)), Some(kind), _) if source_kind != kind => {
                let reason = format!("{kind:?}, where the source is of kind {source_kind:?}");
                return Err(Error::invalid("kind", reason));
            }
            (Some((kind, _)), _, _) | (None, Some(kind), _) => kind.as_str(),
            (None, None, Some(default)) => default.kind.as_str(),
            (None, None, None) => return Ok(Chosen::Nothing(GivenWorkspace::None)),
        };
        let driver = match (self.drivers.get(kind), new.need) {
            (Some(driver), _) => Arc::clone(driver),
            (None, Need::Required) => Arc::clone(self.drivers.require(kind)?),
            (None, Need::IfRegistered) => {
                return Ok(Chosen::Nothing(GivenWorkspace::NotRegistered));
            }
        };
        let label = new.label.clone().unwrap_or_else(|| Label::of_text(session.name));
        let from = match (from, &new.source) {
            (Some((_, from)), _) => from,
            (None, WorkspaceSource::Base(base)) => From::Base(Some(base.clone())),
            (None, _) => From::Base(None),
        };
        Ok(Chosen::Plan(Plan { driver, label, from }))
    }

    /// The workspace that another begins as, and its kind.
    async fn workspace_source(
        &self,
        caller: &Caller,
        at: &ThreadAtHead,
        source: &WorkspaceSource,
        fork: Option<(SessionId, Option<Version>)>,
    ) -> Result<Option<(String, From)>> {
        let (id, tree) = match source {
            WorkspaceSource::Default | WorkspaceSource::Base(_) => return Ok(None),
            WorkspaceSource::Branch(id, tree) => (*id, tree.clone()),
            WorkspaceSource::Fork => {
                let (session, version) = fork.ok_or_else(|| {
                    Error::invalid("workspace", "the session is no fork of another")
                })?;
                let id = at.reading()?.workspace_of(session.version()).ok_or_else(|| {
                    Error::invalid("workspace", format!("session {session} has none to fork"))
                })?;
                let tree = match version {
                    Some(version) => Some(self.tree_at(caller, at, id, version).await?),
                    None => None,
                };
                (id, tree)
            }
        };
        if id.thread() != at.id() {
            return Err(Error::wrong_thread(id, at.id()));
        }
        let it = at.state()?.require_ready(at.id(), id)?;
        let of = self.workspace_ref(caller, id, it);
        Ok(Some((it.kind.as_ref().to_owned(), From::Workspace(of, tree))))
    }

    /// What a workspace was kept as last, by a version of its thread.
    async fn tree_at(
        &self,
        caller: &Caller,
        at: &ThreadAtHead,
        id: WorkspaceId,
        version: Version,
    ) -> Result<TreeId> {
        let state = at.state()?;
        let it = state.require_ready(at.id(), id)?;
        if let Some(tree) = it.saved.as_ref().filter(|_| it.saved_at <= version) {
            return Ok(tree.clone());
        }
        let space = at.id().space(&caller.tenant);
        let mut upto = version;
        loop {
            let range = crate::journal::ReadRange {
                stream: Some(Lane::Rest.of(id.version())),
                after: 0,
                upto,
                direction: Direction::Backward,
                limit: 64,
            };
            let records = self.journal().read(&space, &range).await?;
            let Some(oldest) = records.last().map(|record| record.version) else {
                return Err(Error::not_found(id));
            };
            for record in records {
                let opened = open(&space, &record)?;
                let kept = matches!(
                    opened.header.event,
                    Event::WorkspaceReady { .. } | Event::WorkspaceSaved { .. }
                );
                if kept
                    && let Body::Files(body) = opened.fold_body(&space)?
                    && let Some(tree) = body.tree
                {
                    return Ok(tree);
                }
            }
            upto = oldest.saturating_sub(1);
        }
    }
}
