//! Keyed state: at the head from memory, at a version from the records before it.

use std::collections::BTreeMap;

use super::stream_reader::StreamReader;
use crate::{
    command::{At, Caller, Cursor, StateScope},
    error::{Error, Result},
    id::Version,
    journal::Direction,
    json::Json,
    model::{KeyedState, StateValue},
    record::{Body, ChangedValue, Event, Lane, StateBody},
    store::inner::StoreInner,
};

/// Records of one read.
const READ_RECORDS: usize = 64;

impl StoreInner {
    pub(super) async fn keyed_state(
        &self,
        caller: &Caller,
        of: StateScope,
        point: Option<At>,
    ) -> Result<KeyedState> {
        let at = self.at_head(caller, of.thread()).await?;
        at.require_thread()?;
        let now = at.reading()?.keyed_state(of).ok_or_else(|| Error::not_found(of))?;
        if point.is_none() {
            return Ok(now);
        }
        let space = of.thread().space(&caller.tenant);
        let head = at.state()?.version();
        let version = self.version_of(&at, &space, point).await?;
        let session = match of {
            StateScope::Session(session) => session.version(),
            StateScope::Thread(_) => 0,
        };
        if version < session {
            return Err(Error::not_found(of));
        }
        if now.version <= version {
            return Ok(now);
        }
        let from = Some(Cursor::new(version.into(), version + 1));
        let mut reader = StreamReader::new(Lane::Rest.of(session), Direction::Backward, head, from);
        let mut found = Found::default();
        loop {
            let records = reader.next(self, &space, READ_RECORDS).await?;
            if records.is_empty() {
                return Ok(found.into_state());
            }
            for opened in records {
                if !matches!(opened.header.event, Event::StateSet { .. }) {
                    continue;
                }
                let Body::State(body) = opened.fold_body(&space)? else { continue };
                if found.add(body, opened.header.version) {
                    return Ok(found.into_state());
                }
            }
        }
    }
}

/// What was found of the keys so far, from the newest record backwards; `None` for a removed one.
#[derive(Default)]
struct Found {
    values: BTreeMap<String, Option<(Json, Version)>>,
    version: Version,
}

impl Found {
    /// Adds an earlier record; whether it tells everything.
    fn add(&mut self, body: StateBody, version: Version) -> bool {
        self.version = self.version.max(version);
        for ChangedValue { key, value } in body.changes {
            self.values.entry(key).or_insert(value.map(|value| (value, version)));
        }
        let is_whole = body.others.is_some();
        for (key, value, version) in body.others.into_iter().flatten() {
            self.values.entry(key).or_insert(Some((value, version)));
        }
        is_whole
    }

    fn into_state(self) -> KeyedState {
        let there = |(key, kept): (String, Option<(Json, Version)>)| {
            kept.map(|(value, version)| StateValue { key, value, version })
        };
        let values = self.values.into_iter().filter_map(there).collect();
        KeyedState { values, version: self.version }
    }
}
