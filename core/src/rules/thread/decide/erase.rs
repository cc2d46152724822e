//! Erasing entries: the record that says so; the payload goes after it is committed.

use super::View;
use crate::{
    error::{Error, Result},
    id::{EntryId, Version},
    record::{Body, ErasureBody, Event, Lane},
    rules::decision::{Decision, DecisionInput, Drafts, Reply},
    rules::thread::erased::ranges,
};

impl View<'_> {
    pub(super) fn erase(&self, input: &DecisionInput<'_>, entries: &[EntryId]) -> Result<Decision> {
        self.thread()?;
        for id in entries.iter().filter(|id| id.thread() == self.id) {
            if input.fact(id.version()).and_then(Event::as_entry).is_none() {
                return Err(Error::not_found(*id));
            }
        }
        if let Some(foreign) = entries.iter().find(|id| id.thread() != self.id) {
            return Err(Error::wrong_thread(*foreign, self.id));
        }
        let draft = |id: &EntryId| match input.fact(id.version()) {
            Some(Event::Collapsed { collapse, .. }) => Some(*collapse),
            _ => None,
        };
        let named = entries.iter().map(|id| id.version());
        let versions: Vec<_> = named.chain(entries.iter().filter_map(draft)).collect();
        self.erase_records(input, versions)
    }

    /// Records that a person wrote; the caller read who wrote them, and that does not change.
    pub(super) fn forget(
        &self,
        input: &DecisionInput<'_>,
        versions: &[Version],
        unless_after: Option<Version>,
    ) -> Result<Decision> {
        self.thread()?;
        if unless_after.is_some_and(|seen| self.state.version() > seen) {
            return Ok(Decision::Answer(Reply::LookAgain));
        }
        self.erase_records(input, versions.to_vec())
    }

    /// Those that were erased before are left out.
    fn erase_records(&self, input: &DecisionInput<'_>, versions: Vec<Version>) -> Result<Decision> {
        let erased_by = |version: &Version| self.state.erased.erased_by(*version);
        let fresh: Vec<_> =
            versions.iter().copied().filter(|version| erased_by(version).is_none()).collect();
        if fresh.is_empty() {
            let version = versions.iter().filter_map(erased_by).max().unwrap_or_default();
            return Ok(Decision::Answer(Reply::Erased { version, versions }));
        }
        let users = self.thread()?.users.clone();
        let body = Body::Erasure(ErasureBody { users, by: input.caller().actor.clone() });
        let event = Event::EntriesErased { versions: ranges(fresh) };
        let mut drafts = Drafts::after(input, self.state.version(), None);
        let version = drafts.push(Lane::Rest.of(0), event, body);
        drafts.done(Reply::Erased { version, versions })
    }
}
