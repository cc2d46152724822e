//! Leases.

use std::time::Duration;

use super::View;
use crate::{
    command::SessionOutcome,
    decision::{Ask, Decision, Drafts, Reply},
    error::{Error, Result},
    id::SessionId,
    record::{Kind, Lane},
};

fn millis(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)
}

impl View<'_> {
    /// Free, one's own, or expired by more than the skew (LEA1, LEA3).
    pub(super) fn claim(&self, ask: &Ask<'_>, id: SessionId, ttl: Duration) -> Result<Decision> {
        let (version, session) = self.session(id)?;
        let given = ask.by().lease;
        if let Some(lease) = &session.lease {
            let expired = ask.now > lease.expires_at().plus(ask.call.max_skew);
            let free = given == Some(lease.token) || (given.is_none() && expired);
            if !free {
                return Err(Error::Fenced { current: Some(lease.token), given });
            }
        } else if given.is_some() {
            return Err(Error::Fenced { current: None, given });
        }
        let mut drafts = Drafts::after(ask, self.state.version(), None);
        let kind = Kind::LeaseGranted { session: version, ttl_millis: millis(ttl) };
        let token = drafts.push(Lane::Rest.of(version), kind, ask.by_body());
        drafts.done(Reply::Session(SessionOutcome::Leased(token)))
    }

    pub(super) fn renew(&self, ask: &Ask<'_>, id: SessionId, ttl: Duration) -> Result<Decision> {
        let (version, session) = self.session(id)?;
        let lease = self.fence(ask, session)?;
        if lease.is_none() {
            return Err(Error::Fenced { current: None, given: None });
        }
        let kind = Kind::LeaseRenewed { session: version, ttl_millis: millis(ttl) };
        self.one_of(ask, version, lease, kind, ask.by_body())
    }

    pub(super) fn release(&self, ask: &Ask<'_>, id: SessionId) -> Result<Decision> {
        let (version, session) = self.session(id)?;
        if session.lease.is_none() {
            return Ok(Decision::Answer(Reply::changed(0)));
        }
        let lease = self.fence(ask, session)?;
        self.one_of(ask, version, lease, Kind::LeaseReleased { session: version }, ask.by_body())
    }
}
