//! Erasing entries: the record that says so; the payload goes after it is committed.

use super::View;
use crate::{
    error::{Error, Result},
    id::EntryId,
    record::{Body, ErasureBody, Event},
    rules::decision::{Decision, DecisionInput, Reply},
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
        let erased_by = |id: &EntryId| self.state.erased.erased_by(id.version());
        let fresh: Vec<_> =
            entries.iter().filter(|id| erased_by(id).is_none()).map(|id| id.version()).collect();
        if fresh.is_empty() {
            let newest = entries.iter().filter_map(erased_by).max().unwrap_or_default();
            return Ok(Decision::Answer(Reply::thread_changed(newest)));
        }
        let users = self.thread()?.users.clone();
        let body = Body::Erasure(ErasureBody { users, by: input.caller().actor.clone() });
        self.one(input, Event::EntriesErased { versions: ranges(fresh) }, body)
    }
}
