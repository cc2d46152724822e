//! What records of workspaces change.

use std::sync::Arc;

use crate::{
    id::Version,
    model::WorkspaceStatus,
    record::{Body, Event},
    rules::{
        event::{EventRecord, Evolved},
        thread::state::{ThreadState, WorkspaceState},
    },
};

const NO_WORKSPACE: &str = "names a workspace that does not exist";
const NO_NAME: &str = "makes a workspace and does not say which";

impl ThreadState {
    pub(super) fn apply_workspace(&mut self, event: &EventRecord<'_>) -> Evolved {
        match event.event {
            Event::WorkspaceReserved { session, ttl_millis } => {
                self.reserve_workspace(event, session.unwrap_or(0), *ttl_millis)
            }
            Event::WorkspaceReady { workspace, session } => {
                self.own_workspace(*session, *workspace);
                self.edit_workspace(*workspace, event, |it| {
                    it.status = WorkspaceStatus::Ready;
                    it.session = *session;
                })
            }
            Event::WorkspaceChanged { workspace, .. } | Event::WorkspaceSaved { workspace, .. } => {
                self.edit_workspace(*workspace, event, |_| {})
            }
            Event::WorkspaceLeaked { workspace, force, session } => {
                self.disown_workspace(session.unwrap_or(0), *workspace);
                self.edit_workspace(*workspace, event, |it| {
                    it.status = WorkspaceStatus::Leaked;
                    it.force = *force;
                })
            }
            Event::WorkspaceDisposed { workspace, session } => {
                self.disown_workspace(session.unwrap_or(0), *workspace);
                self.workspaces.remove_mut(workspace);
                Ok(())
            }
            _ => Err(NO_WORKSPACE),
        }
    }

    fn reserve_workspace(
        &mut self,
        event: &EventRecord<'_>,
        session: Version,
        ttl_millis: u64,
    ) -> Evolved {
        let Some(Body::Workspace(body)) = event.body else { return Err(NO_NAME) };
        let workspace = WorkspaceState {
            kind: body.kind.as_str().into(),
            label: body.label.clone(),
            session,
            status: WorkspaceStatus::Intended,
            was_ready: false,
            force: false,
            ttl_millis,
            reserved_at: event.at,
            reference: None,
            saved: None,
            saved_at: 0,
            created_by: body.by.clone(),
            created_at: self.last_at,
            version: event.version,
        };
        self.workspaces.insert_mut(event.version, Arc::new(workspace));
        self.own_workspace(session, event.version);
        Ok(())
    }

    /// A session has this workspace from here on.
    fn own_workspace(&mut self, session: Version, workspace: Version) {
        if session != 0 {
            self.workspace_of.insert_mut(session, workspace);
        }
    }

    /// A session has this workspace no more; it may have another by now.
    fn disown_workspace(&mut self, session: Version, workspace: Version) {
        if self.workspace_of.get(&session) == Some(&workspace) {
            self.workspace_of.remove_mut(&session);
        }
    }

    fn edit_workspace(
        &mut self,
        version: Version,
        event: &EventRecord<'_>,
        change: impl FnOnce(&mut WorkspaceState),
    ) -> Evolved {
        let workspace = Arc::make_mut(self.workspaces.get_mut(&version).ok_or(NO_WORKSPACE)?);
        if let Some(Body::Files(body)) = event.body {
            if let Some(reference) = &body.reference {
                workspace.reference = Some(reference.as_str().into());
            }
            if let Some(tree) = &body.tree {
                workspace.saved = Some(tree.clone());
                workspace.saved_at = event.version;
            }
        }
        change(workspace);
        workspace.was_ready |= workspace.status == WorkspaceStatus::Ready;
        workspace.version = event.version;
        Ok(())
    }

    /// A session goes on as another, which has its workspace from here on.
    pub(super) fn move_workspace(&mut self, from: Version, to: Version) {
        let Some(workspace) = self.workspace_of.get(&from).copied() else { return };
        self.workspace_of.remove_mut(&from);
        self.workspace_of.insert_mut(to, workspace);
        if let Some(it) = self.workspaces.get_mut(&workspace) {
            Arc::make_mut(it).session = to;
        }
    }

    /// What a deleted session owned is nobody's.
    pub(super) fn orphan_workspace(&mut self, session: Version) {
        let workspace = self.workspace_of.get(&session).copied();
        self.workspace_of.remove_mut(&session);
        if let Some(workspace) = workspace.and_then(|it| self.workspaces.get_mut(&it)) {
            Arc::make_mut(workspace).status = WorkspaceStatus::Leaked;
        }
    }
}
