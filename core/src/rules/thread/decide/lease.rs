//! Leases.

use std::time::Duration;

use super::View;
use crate::{
    command::SessionOutcome,
    error::{Error, Result},
    id::SessionId,
    record::{Event, Lane},
    rules::decision::{Decision, DecisionInput, Drafts, Reply},
};

pub(super) fn millis(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)
}

impl View<'_> {
    /// Free, one's own, or expired by more than the skew (LEA1, LEA3).
    pub(super) fn claim(
        &self,
        input: &DecisionInput<'_>,
        id: SessionId,
        ttl: Duration,
    ) -> Result<Decision> {
        let (version, session) = self.session(id)?;
        let given = input.caller().lease;
        session.require_not_archived(id)?;
        session.require_not_former(id, &input.caller().actor)?;
        if let Some(lease) = &session.lease {
            let expired = lease.has_expired(input.now, input.call.max_skew);
            let free = given == Some(lease.token) || (given.is_none() && expired);
            if !free {
                return Err(Error::Fenced { session: id, current: Some(lease.token), given });
            }
        } else if given.is_some() {
            return Err(Error::Fenced { session: id, current: None, given });
        }
        let mut drafts = Drafts::after(input, self.state.version(), None);
        let event = Event::LeaseGranted { session: version, ttl_millis: millis(ttl) };
        let token = drafts.push(Lane::Rest.of(version), event, input.caller_body());
        drafts.done(Reply::Session(SessionOutcome::Leased(token)))
    }

    pub(super) fn renew(
        &self,
        input: &DecisionInput<'_>,
        id: SessionId,
        ttl: Duration,
    ) -> Result<Decision> {
        let (version, session) = self.session(id)?;
        let lease = self.fence(input, version, session)?;
        if lease.is_none() {
            return Err(Error::Fenced { session: id, current: None, given: None });
        }
        let event = Event::LeaseRenewed { session: version, ttl_millis: millis(ttl) };
        self.one_of(input, version, lease, event, input.caller_body())
    }

    pub(super) fn release(&self, input: &DecisionInput<'_>, id: SessionId) -> Result<Decision> {
        let (version, session) = self.session(id)?;
        if session.lease.is_none() {
            return Ok(Decision::Answer(Reply::changed(0)));
        }
        let lease = self.fence(input, version, session)?;
        self.one_of(
            input,
            version,
            lease,
            Event::LeaseReleased { session: version },
            input.caller_body(),
        )
    }
}
