//! Records of one prefix of a space.

use sessile_core::{
    error::{Error, Result},
    id::{Space, Version},
    journal::{Direction, ReadRange, Record, Stream},
};

use super::{
    Key, KvJournal, Value, keys,
    space::{Live, State, damaged},
    streams::Tail,
    values::{self, LinkedRecord},
};

/// Records looked up at once.
const LOOKED_UP: usize = 64;
/// Records of one answer, at most.
const RECORDS: usize = 1024;

fn missing(space: &Space, version: Version) -> Error {
    damaged(space, version, "the record is missing")
}

fn decode(space: &Space, version: Version, value: &[u8]) -> Result<LinkedRecord> {
    let record = values::decode_record(version, value);
    record.ok_or_else(|| damaged(space, version, "the record is damaged"))
}

impl KvJournal {
    /// Records of a space, which may be dropped meanwhile: then it has none.
    pub(super) async fn read_range(&self, space: &Space, range: &ReadRange) -> Result<Vec<Record>> {
        let state = self.state(space).await?;
        let Some(live) = state.live() else { return Ok(Vec::new()) };
        match self.read_live(space, live, range, self.info.limits.batch_bytes).await {
            Err(error @ Error::Corrupt { .. }) => match self.state(space).await? {
                State::Live(_) => Err(error),
                State::Unborn(_) | State::Dropped => Ok(Vec::new()),
            },
            read => read,
        }
    }

    pub(super) async fn read_live(
        &self,
        space: &Space,
        live: &Live,
        range: &ReadRange,
        bytes: usize,
    ) -> Result<Vec<Record>> {
        let (upto, limit) = (range.upto.min(live.row.version()), range.limit.min(RECORDS));
        let range = ReadRange { upto, limit, ..*range };
        if range.after >= upto || limit == 0 {
            return Ok(Vec::new());
        }
        match range.stream {
            None => self.read_all(space, live, &range, bytes).await,
            Some(stream) => self.read_stream(space, live, (stream, &range), bytes).await,
        }
    }

    /// Every version of the range must be there.
    async fn read_all(
        &self,
        space: &Space,
        live: &Live,
        range: &ReadRange,
        bytes: usize,
    ) -> Result<Vec<Record>> {
        let (direction, first) = (range.direction, range.after + 1);
        let count = usize::try_from(range.upto - range.after).unwrap_or(usize::MAX);
        let rows = keys::records(live.number, first, range.upto);
        let rows = self.kv.scan(rows, direction, range.limit.min(count), bytes).await?;
        let due = |at: usize| match direction {
            Direction::Forward => first + at as Version,
            Direction::Backward => range.upto - at as Version,
        };
        if rows.len() < range.limit.min(count) && weight(&rows) < bytes {
            let found = rows
                .iter()
                .enumerate()
                .take_while(|(at, (key, _))| keys::version(key) == Some(due(*at)));
            return Err(missing(space, due(found.count())));
        }
        let record = |(at, (key, value)): (usize, &(Key, Value))| {
            let due = due(at);
            if keys::version(key) != Some(due) {
                return Err(missing(space, due));
            }
            Ok(decode(space, due, value)?.record)
        };
        rows.iter().enumerate().map(record).collect()
    }

    /// Each record names the one before it in its stream: what it names must be there.
    async fn read_stream(
        &self,
        space: &Space,
        live: &Live,
        (stream, range): (Stream, &ReadRange),
        bytes: usize,
    ) -> Result<Vec<Record>> {
        let head = live.row.version();
        let known = self.cache.known(space).filter(|known| known.live.value == live.value);
        let (looked_at, tail);
        let open = match &known {
            Some(known) => {
                tail = Tail::new();
                &known.open
            }
            None => {
                (looked_at, tail) = self.open_span(space, live).await?;
                &looked_at
            }
        };
        let mut newest = None;
        if range.upto < head {
            // What the first record of the stream after the range names: the newest that must be in it.
            let (after, direction) = (range.upto, Direction::Forward);
            let rest = ReadRange { after, upto: head, direction, limit: 1, ..*range };
            let next = self.versions(space, live, open, (stream, &rest)).await?;
            for (version, value) in self.look_up(space, live, &tail, next.get(..1)).await? {
                newest = Some(linked(space, stream, version, &value)?.prev);
            }
        }
        let mut versions = self.versions(space, live, open, (stream, range)).await?;
        versions.truncate(range.limit);
        let mut chain = Chain { range, newest, last: None };
        let (mut records, mut left) = (Vec::with_capacity(versions.len()), bytes);
        for some in versions.chunks(LOOKED_UP) {
            for (version, value) in self.look_up(space, live, &tail, Some(some)).await? {
                let LinkedRecord { prev, record } = linked(space, stream, version, &value)?;
                chain.follow(space, version, prev)?;
                match left.checked_sub(record.weight()) {
                    Some(less) => left = less,
                    None if records.is_empty() => left = 0,
                    None => return Ok(records),
                }
                records.push(record);
            }
        }
        if records.len() < range.limit {
            chain.end(space)?;
        }
        Ok(records)
    }

    /// The records of some versions, in their order. What is in the tail was found before; what lies together is scanned.
    async fn look_up(
        &self,
        space: &Space,
        live: &Live,
        tail: &Tail,
        versions: Option<&[Version]>,
    ) -> Result<Vec<(Version, Value)>> {
        let versions = versions.unwrap_or_default();
        let (Some(first), Some(last)) = (versions.iter().min(), versions.iter().max()) else {
            return Ok(Vec::new());
        };
        let in_tail = |version: &Version| {
            let at = tail.binary_search_by_key(&Some(*version), |(key, _)| keys::version(key));
            at.ok().and_then(|at| tail.get(at)).map(|(_, value)| value.clone())
        };
        let mut found: Vec<Option<Value>> = versions.iter().map(in_tail).collect();
        if last - first + 1 == versions.len() as Version && found.iter().all(Option::is_none) {
            let rows = keys::records(live.number, *first, *last);
            let direction = if versions.first() == Some(first) {
                Direction::Forward
            } else {
                Direction::Backward
            };
            let rows = self.kv.scan(rows, direction, versions.len(), usize::MAX).await?;
            let rows = rows.into_iter().zip(versions);
            let is_due = |((key, value), due): ((Key, Value), &Version)| {
                (keys::version(&key) == Some(*due)).then_some((*due, value))
            };
            let rows: Vec<_> = rows.map_while(is_due).collect();
            return match versions.get(rows.len()) {
                Some(due) => Err(missing(space, *due)),
                None => Ok(rows),
            };
        }
        let due = || versions.iter().zip(&found).filter(|(_, found)| found.is_none());
        let keys: Vec<Key> = due().map(|(at, _)| keys::record(live.number, *at)).collect();
        let mut rows = self.kv.get(&keys).await?.into_iter();
        for found in &mut found {
            *found = found.take().or_else(|| rows.next().flatten());
        }
        let found = versions.iter().zip(found);
        found.map(|(at, found)| Ok((*at, found.ok_or_else(|| missing(space, *at))?))).collect()
    }
}

fn weight(rows: &[(Key, Value)]) -> usize {
    rows.iter().map(|(_, value)| value.len()).sum()
}

fn linked(space: &Space, stream: Stream, version: Version, value: &[u8]) -> Result<LinkedRecord> {
    let linked = decode(space, version, value)?;
    if linked.record.stream == stream {
        Ok(linked)
    } else {
        Err(damaged(space, version, "the record is of another stream"))
    }
}

/// The chain of a stream, as far as it was followed.
struct Chain<'a> {
    range: &'a ReadRange,
    /// The newest version that must be in the range, if it is known.
    newest: Option<Version>,
    /// Forward: the version seen last. Backward: the version that it names.
    last: Option<Version>,
}

impl Chain<'_> {
    fn follow(&mut self, space: &Space, version: Version, prev: Version) -> Result<()> {
        match self.range.direction {
            Direction::Forward => {
                let follows = self.last.map_or(prev <= self.range.after, |last| prev == last);
                if !follows {
                    return Err(missing(space, prev));
                }
                self.last = Some(version);
            }
            Direction::Backward => {
                if let Some(due) = self.last.or(self.newest).filter(|due| *due != version) {
                    return Err(missing(space, due));
                }
                self.last = Some(prev);
            }
        }
        Ok(())
    }

    /// There are no more versions: none may be due.
    fn end(&self, space: &Space) -> Result<()> {
        let due = match self.range.direction {
            Direction::Forward => self.newest.filter(|newest| *newest > self.last.unwrap_or(0)),
            Direction::Backward => self.last.or(self.newest),
        };
        match due.filter(|due| *due > self.range.after) {
            Some(due) => Err(missing(space, due)),
            None => Ok(()),
        }
    }
}
