//! Erasing entries: the record that says so; the payload goes after it is committed.

use super::View;
use crate::{
    decision::{Ask, Decision, Reply},
    error::{Error, Result},
    id::EntryId,
    record::{Body, ErasureBody, Kind},
    thread::erased::ranges,
};

impl View<'_> {
    pub(super) fn erase(&self, ask: &Ask<'_>, entries: &[EntryId]) -> Result<Decision> {
        self.thread()?;
        for id in entries.iter().filter(|id| id.thread() == self.id) {
            if !matches!(ask.fact(id.version()), Some(Kind::Entry { .. })) {
                return Err(Error::not_found(id));
            }
        }
        if let Some(foreign) = entries.iter().find(|id| id.thread() != self.id) {
            return Err(Error::WrongThread { what: foreign.to_string() });
        }
        let by = |id: &EntryId| self.state.erased.by(id.version());
        let fresh: Vec<_> =
            entries.iter().filter(|id| by(id).is_none()).map(|id| id.version()).collect();
        if fresh.is_empty() {
            let newest = entries.iter().filter_map(by).max().unwrap_or_default();
            return Ok(Decision::Answer(Reply::thread_changed(newest)));
        }
        let users = self.thread()?.users.clone();
        let body = Body::Erasure(ErasureBody { users, by: ask.by().actor.clone() });
        self.one(ask, Kind::EntriesErased { versions: ranges(fresh) }, body)
    }
}
