//! What a command on a session checks before it writes.

use sessile_core::{
    Caller, Error,
    command::SessionOutcome,
    error::{Closure, State},
    id::{SessionId, Version},
    model::SessionStatus,
};

use super::{Predicted, Refusal, facts::Facts, project::closed, state::*};

impl Thread {
    pub(super) fn session(&mut self, version: Version) -> &mut Session {
        self.sessions.get_mut(&version).expect("looked up before")
    }

    pub(super) fn present(&self, session: SessionId) -> Predicted<Version> {
        let version = session.version();
        let known = self.sessions.contains_key(&version);
        if known { Ok(version) } else { Err(Error::not_found(session).into()) }
    }

    /// The rule of leases for every write: the caller brings the token of the current lease, and none where there is no lease.
    pub(super) fn fence(&self, session: SessionId, facts: &Facts<'_>) -> Predicted<()> {
        self.not_archived(session, facts)?;
        self.fence_deletion(session, facts.caller)
    }

    /// What is archived takes nothing.
    pub(super) fn not_archived(&self, session: SessionId, facts: &Facts<'_>) -> Predicted<()> {
        match self.sessions[&session.version()].archived {
            Some(_) => Err(closed(Closure::SessionArchived(session), facts.command)),
            None => Ok(()),
        }
    }

    /// To delete is allowed while it is archived.
    pub(super) fn fence_deletion(&self, session: SessionId, caller: &Caller) -> Predicted<()> {
        let current = self.sessions[&session.version()].lease.as_ref().map(|l| l.token);
        if current == caller.lease { Ok(()) } else { Err(fenced(session, current, caller.lease)) }
    }

    /// Exists, and the caller holds the lease if there is one.
    pub(super) fn writable(&self, facts: &Facts<'_>, session: SessionId) -> Predicted<Version> {
        let version = self.present(session)?;
        self.fence(session, facts)?;
        Ok(version)
    }

    pub(super) fn changed(&mut self, facts: &Facts<'_>, session: Version) -> SessionOutcome {
        let version = self.record_in(session, facts.now, facts.caller);
        self.session(session).version = version;
        SessionOutcome::Changed(version)
    }
}

pub(super) fn fenced(
    session: SessionId,
    current: Option<Version>,
    given: Option<Version>,
) -> Refusal {
    Error::Fenced { session, current, given }.into()
}

pub(super) fn illegal(session: SessionId, from: SessionStatus, to: SessionStatus) -> Refusal {
    let (from, to) = (State::Session(from), State::Session(to));
    Error::IllegalTransition { what: session.into(), from, to }.into()
}
