//! From an external id to the project or thread it stands for.
//!
//! The first thing under an external id has an id that is computed from it. Only where nothing, or something else, has
//! that id is the tenant's own journal asked, in which later ones are bound (see [`rules::tenant`](crate::rules::tenant)).

use crate::{
    command::{Caller, Needs},
    error::Result,
    id::{ProjectId, Space, ThreadId},
    rules::{
        decision::{Reply, Request},
        tenant::ExternalName,
        thread::wrong_journal,
    },
    store::{inner::StoreInner, state::JournalState},
};

/// An external id with what it is looked up by.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct External<'a> {
    name: ExternalName,
    text: &'a str,
    project: Option<ProjectId>,
}

impl<'a> External<'a> {
    /// Of a project.
    pub(in crate::store) fn project(text: &'a str) -> Self {
        Self { name: ExternalName::of_project(text), text, project: None }
    }

    /// Of a thread of a project.
    pub(in crate::store) fn thread(project: ProjectId, text: &'a str) -> Self {
        Self { name: ExternalName::of_thread(project, text), text, project: Some(project) }
    }

    /// The space of an id.
    pub(in crate::store) fn space(&self, caller: &Caller, bits: u128) -> Space {
        self.name.space(caller.tenant.clone(), bits)
    }

    /// Whether it is the external id of what a journal holds.
    fn is_of(&self, state: &JournalState) -> bool {
        match state {
            JournalState::Project(state) => state
                .project
                .as_deref()
                .is_some_and(|fields| fields.external_id.as_deref() == Some(self.text)),
            JournalState::Thread(state) => state.thread.as_deref().is_some_and(|fields| {
                fields.external_id.as_deref() == Some(self.text)
                    && Some(fields.project) == self.project
            }),
            JournalState::Tenant(_) => false,
        }
    }
}

/// What an external id stands for.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Resolved {
    /// The bits of the id.
    pub(in crate::store) bits: u128,
    /// It is there; else it may be created under that id.
    pub(in crate::store) exists: bool,
}

impl Resolved {
    pub(in crate::store) const fn thread(self) -> ThreadId {
        ThreadId::from_bits(self.bits)
    }

    pub(in crate::store) const fn project(self) -> ProjectId {
        ProjectId::from_bits(self.bits)
    }
}

impl StoreInner {
    /// What an external id stands for now, as fresh as the caller asked for.
    pub(in crate::store) async fn resolve(
        &self,
        caller: &Caller,
        external: &External<'_>,
    ) -> Result<Resolved> {
        let derived = external.name.derived(&caller.tenant);
        let state = self.state(&external.space(caller, derived), caller).await?;
        if external.is_of(&state) {
            return Ok(Resolved { bits: derived, exists: true });
        }
        let tenant = self.state(&Space::of_tenant(caller.tenant.clone()), caller).await?;
        let Some(bits) = tenant.as_tenant()?.bound(external.name.digest) else {
            return Ok(Resolved { bits: derived, exists: false });
        };
        let state = self.state(&external.space(caller, bits), caller).await?;
        Ok(Resolved { bits, exists: external.is_of(&state) })
    }

    /// Binds an external id to a new id, as what has the id `gone` was deleted or is another's; answers the id that it
    /// stands for now, which another caller may have bound.
    pub(super) async fn bind(
        &self,
        caller: &Caller,
        external: &External<'_>,
        gone: u128,
    ) -> Result<Resolved> {
        let millis = self.options().clock.now().millis();
        let random = self.options().ids.random() as u64;
        let to = external.name.mint(&caller.tenant, millis, random);
        let request = Request::Bind { name: external.name, gone, to };
        let space = Space::of_tenant(caller.tenant.clone());
        match self.call(caller, &space, request, Needs::default()).await? {
            Reply::Bound(bits) => Ok(Resolved { bits, exists: false }),
            _ => Err(wrong_journal()),
        }
    }
}
