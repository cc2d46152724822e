//! Erasing payloads: the file of the space is rewritten without them.

use std::io;

use sessile_core::{
    error::{Error, Result},
    id::Version,
    journal::{Direction, ReadRange, Record, RecordBody},
};

use super::{
    DiskShared,
    cell::{SpaceCell, SpaceState, WriteGuard},
    failed,
    line::{self, BatchHeader, ParsedLine, Seal},
    lookup::{is_absent, remove},
    medium::{File, Mode},
    read::ReadPlan,
    scan,
    tail::Tail,
};
use sessile_driver::lock;

/// Bytes of one write.
const CHUNK: usize = 1 << 20;

/// A file that is written from its beginning to its end.
struct Out<'a> {
    file: &'a dyn File,
    bytes: Vec<u8>,
    at: u64,
}

impl Out<'_> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() >= CHUNK { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_at(&self.bytes, self.at)?;
        self.at += self.bytes.len() as u64;
        self.bytes.clear();
        Ok(())
    }

    fn place(&self) -> u64 {
        self.at + self.bytes.len() as u64
    }
}

impl DiskShared {
    /// Erases the payload of records. The caller has the guard, and knows the state and all lines.
    pub(super) fn erase(
        &self,
        cell: &SpaceCell,
        mut guard: WriteGuard,
        versions: &[Version],
    ) -> Result<()> {
        let SpaceState::Live(tail) = lock(&cell.seen).state.clone() else { return Ok(()) };
        let path = cell.place.snapshot();
        let removed = remove(self, &path).and_then(|()| self.sync_own(cell));
        removed.map_err(|e| failed("remove", &path, e))?;
        let mut named = Vec::new();
        let mut payload = Vec::new();
        let upto = tail.position.version;
        for version in versions.iter().copied().filter(|v| (1..=upto).contains(v)) {
            let Some(record) = self.record(cell, version)? else { continue };
            match record.body {
                RecordBody::None => continue,
                RecordBody::Inline(_) => {}
                RecordBody::Blob(name) => named.push(name),
            }
            payload.push(version);
        }
        if payload.is_empty() {
            return Ok(());
        }
        payload.sort_unstable();
        // Blobs first: afterwards nothing says their names.
        let folder = cell.place.blobs();
        let removed = named.iter().try_for_each(|name| remove(self, &folder.join(&*name.0)));
        let removed = removed.and_then(|()| match named.is_empty() {
            true => Ok(()),
            false => self.medium.sync_dir(&folder),
        });
        removed.map_err(|e| failed("remove blobs in", &folder, e))?;
        self.rewrite(cell, &mut guard, &tail, &payload)
    }

    /// Flushes the names in the space's own folder, if it has one.
    fn sync_own(&self, cell: &SpaceCell) -> io::Result<()> {
        match self.medium.sync_dir(&cell.place.folder()) {
            Err(e) if is_absent(&e) => Ok(()),
            flushed => flushed,
        }
    }

    /// One record, for the one who has the guard.
    fn record(&self, cell: &SpaceCell, version: Version) -> Result<Option<Record>> {
        let range = ReadRange {
            stream: None,
            after: version - 1,
            upto: version,
            direction: Direction::Forward,
            limit: 1,
        };
        let ReadPlan::Fetch(fetch) = self.plan(cell, &range)? else { return Ok(None) };
        match fetch.run(usize::MAX)? {
            Some(records) => Ok(records.into_iter().next()),
            None => Err(Error::corrupt(&cell.space, version, "the line is damaged")),
        }
    }

    /// Writes the file again without these payloads, and puts it in the old one's place.
    fn rewrite(
        &self,
        cell: &SpaceCell,
        guard: &mut WriteGuard,
        tail: &Tail,
        versions: &[Version],
    ) -> Result<()> {
        let path = cell.place.records();
        let old = self.file(&cell.space, cell)?;
        let temporary = cell.place.temporary();
        let copy = || {
            let file = self.medium.open(&temporary, Mode::CreateNew)?;
            let end = self.copy(cell, &*old, &*file, tail, versions)?;
            file.sync()?;
            Ok((file, end))
        };
        let (file, (end, card_at)) = match copy() {
            Ok(copied) => copied,
            Err(e) => {
                let _swept_later = remove(self, &temporary);
                return Err(failed("write", &temporary, e));
            }
        };
        let new = Tail { end, card_at, ..tail.clone() };
        {
            // Whoever plans a read has this lock: places and file change together.
            let mut seen = lock(&cell.seen);
            if let Err(e) = self.medium.rename(&temporary, &path) {
                let _swept_later = remove(self, &temporary);
                return Err(failed("replace", &path, e));
            }
            seen.state = SpaceState::Live(new);
            seen.log = None;
            seen.generation += 1;
            self.files.put(&cell.space, &file);
        }
        lock(&self.written).insert(cell.space.clone());
        if let Err(e) = self.medium.sync_dir(cell.place.parent()) {
            // The next line would go to a file whose name may not last.
            let reason = failed("replace", &path, io::Error::from(e.kind()));
            let _nobody_asks = self.poison(cell, guard, e);
            return Err(reason);
        }
        Ok(())
    }

    /// Copies line by line; answers where the copy ends, and where its newest card stands.
    fn copy(
        &self,
        cell: &SpaceCell,
        from: &dyn File,
        to: &dyn File,
        tail: &Tail,
        versions: &[Version],
    ) -> io::Result<(u64, Option<u64>)> {
        let mut out = Out { file: to, bytes: Vec::new(), at: 0 };
        // Where lines with cards stood, and stand.
        let mut cards: Vec<(u64, u64)> = Vec::new();
        let moved = |cards: &[(u64, u64)], at: Option<u64>| {
            let at = at?;
            let known = cards.binary_search_by_key(&at, |(old, _)| *old).ok();
            Some(known.and_then(|i| cards.get(i)).map_or(at, |(_, new)| *new))
        };
        let mut at = 0;
        while at < tail.end {
            let Some(line) = scan::read_line(from, at, tail.end)? else {
                let next = self.next_line(cell, at, tail.end);
                let mut bytes = vec![0; usize::try_from(next - at).unwrap_or_default()];
                let read = from.read_at(&mut bytes, at)?;
                out.put(bytes.get(..read).unwrap_or_default())?;
                at = next;
                continue;
            };
            let place = out.place();
            match line::parse(&line) {
                Some(ParsedLine::Batch(head)) => {
                    let card_at = match head.card_at {
                        Some(card) if card == at => {
                            cards.push((at, place));
                            Some(place)
                        }
                        card => moved(&cards, card),
                    };
                    let new = without(&line, BatchHeader { card_at, ..head }, versions);
                    out.put(&new.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?)?;
                }
                Some(ParsedLine::Seal(seal)) => {
                    let card_at = moved(&cards, seal.card_at);
                    let new = line::seal(&Seal { card_at, ..seal });
                    out.put(&new.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?)?;
                }
                None => out.put(&line)?,
            }
            at += line.len() as u64;
        }
        out.flush()?;
        Ok((out.at, moved(&cards, tail.card_at)))
    }

    /// Where the first good line after a damaged one begins, or the end.
    fn next_line(&self, cell: &SpaceCell, at: u64, end: u64) -> u64 {
        let seen = lock(&cell.seen);
        seen.log.as_ref().and_then(|log| log.next_line(at)).unwrap_or(end)
    }
}

/// The line of a batch without the payload of these versions.
fn without(line: &[u8], mut head: BatchHeader, versions: &[Version]) -> Option<Vec<u8>> {
    let (card, mut records) = line::content(line)?;
    for record in &mut records {
        if versions.binary_search(&record.version).is_ok() {
            (record.body, record.salt) = (RecordBody::None, [0; 16]);
        }
    }
    line::batch(&mut head, card.as_ref(), &records)
}
