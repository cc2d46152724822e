//! Leases: what each command does.

use std::time::Duration;

use sessile_core::{Timestamp, command::SessionOutcome, id::SessionId};

use super::{Predicted, facts::Facts, guards::fenced, state::*};

impl Thread {
    pub(super) fn claim(
        &mut self,
        facts: &Facts<'_>,
        session: SessionId,
        ttl: Duration,
    ) -> Predicted<SessionOutcome> {
        let v = self.present(session)?;
        let given = facts.caller.lease;
        self.not_archived(session, facts)?;
        if let Some(lease) = &self.session(v).lease {
            let current = lease.token;
            let expires = lease.expires_at();
            let lapsed = facts.now > expires.plus(facts.max_skew);
            if given != Some(current) && (given.is_some() || !lapsed) {
                return Err(fenced(session, Some(current), given));
            }
        } else if given.is_some() {
            return Err(fenced(session, None, given));
        }
        let token = self.record_in(v, facts.now, facts.caller);
        let holder = facts.caller.actor.clone();
        self.session(v).lease = Some(HeldLease { token, holder, ttl, written: facts.now });
        Ok(SessionOutcome::Leased(token))
    }
}

impl HeldLease {
    /// When it runs out, by the holder's last write.
    pub fn expires_at(&self) -> Timestamp {
        self.written.plus(self.ttl)
    }
}
