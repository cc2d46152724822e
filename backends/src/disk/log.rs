//! Where the records of a space stand in its file.

use std::{collections::HashMap, io};

use sessile_core::{
    error::{Error, Result},
    id::{Space, Version},
    journal::{Direction, ReadRange, Stream},
};

use super::{
    frame,
    line::{self, BatchHead, Said, Seal},
    medium::File,
};

/// Bytes read at once when a file is gone through.
const CHUNK: usize = 256 << 10;

/// A batch: its records have the versions `first` to `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) at: u64,
    pub(super) len: u32,
    pub(super) first: Version,
    pub(super) last: Version,
}

impl Line {
    pub(super) const fn end(&self) -> u64 {
        self.at + self.len as u64
    }
}

/// Versions that cannot be read, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hole {
    pub(super) first: Version,
    pub(super) last: Version,
    pub(super) why: &'static str,
}

impl Hole {
    pub(super) fn error(&self, space: &Space, version: Version) -> Error {
        Error::corrupt(space, version.max(self.first), self.why)
    }
}

/// The last good line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Last {
    #[default]
    Nothing,
    Batch {
        line: Line,
        head: BatchHead,
    },
    Seal(Seal),
}

/// What is known of a file from its beginning on.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    lines: Vec<Line>,
    streams: HashMap<Stream, Vec<Version>>,
    holes: Vec<Hole>,
    /// Records in `streams`, for the weight.
    records: usize,
    /// Up to where the file was gone through.
    pub(super) upto: u64,
    pub(super) version: Version,
    pub(super) last: Last,
}

impl Log {
    /// Bytes of memory, about.
    pub(super) fn weight(&self) -> usize {
        self.lines.len() * size_of::<Line>() + self.records * 16
    }

    /// Goes through the file up to `to`; answers where what is no line begins, if that is how it ends.
    pub(super) fn extend(
        &mut self,
        space: &Space,
        file: &dyn File,
        to: u64,
    ) -> io::Result<Option<u64>> {
        let mut window = Window { file, bytes: Vec::new(), at: self.upto, to };
        while self.upto < to {
            let at = self.upto;
            if let Some((said, len)) = window.line(at)? {
                self.accept(space, said, at, len, false);
                continue;
            }
            let mut from = at;
            loop {
                match window.next_start(from)? {
                    None => return Ok(Some(at)),
                    Some(next) => match window.line(next)? {
                        Some((said, len)) => break self.accept(space, said, next, len, true),
                        None => from = next,
                    },
                }
            }
        }
        Ok(None)
    }

    /// Takes a line that was just written, or read; `is_resumed`: what stands before it could not be read.
    pub(super) fn accept(
        &mut self,
        space: &Space,
        said: Said,
        at: u64,
        len: u32,
        is_resumed: bool,
    ) {
        self.upto = at + u64::from(len);
        let before = self.version;
        let why = "the line is damaged";
        match said {
            Said::Batch(head) => {
                let (first, last) = (head.first, head.last);
                let named = head.space.as_ref();
                if named.is_some_and(|named| *named != space.to_string()) {
                    let why = "the line is another space's";
                    return self.hole(Hole { first, last, why });
                }
                let counts =
                    last.checked_sub(first).is_some_and(|n| n + 1 == head.streams.len() as u64);
                if first <= before || !counts {
                    return self.hole(Hole {
                        first,
                        last: last.max(first),
                        why: "the line stands where another does",
                    });
                }
                if first > before + 1 {
                    self.hole(Hole { first: before + 1, last: first - 1, why });
                } else if is_resumed {
                    let why = "the line before it is damaged";
                    self.hole(Hole { first, last: first, why });
                }
                let line = Line { at, len, first, last };
                self.lines.push(line);
                self.records += head.streams.len();
                for (version, stream) in (first..).zip(&head.streams) {
                    self.streams.entry(*stream).or_default().push(version);
                }
                self.version = last;
                self.last = Last::Batch { line, head };
            }
            Said::Seal(seal) => {
                let version = seal.version;
                if version > before {
                    self.hole(Hole { first: before + 1, last: version, why });
                } else if version < before {
                    let why = "the file's end names an earlier one";
                    self.hole(Hole { first: version + 1, last: before, why });
                } else if is_resumed {
                    let why = "the line after it is damaged";
                    self.hole(Hole { first: version, last: version, why });
                }
                self.version = version.max(before);
                self.last = Last::Seal(seal);
            }
        }
    }

    /// What is acknowledged up to this version and cannot be found is damaged.
    pub(super) fn missing_upto(&mut self, upto: u64, version: Version) {
        if version > self.version {
            let why = "the line is damaged";
            self.hole(Hole { first: self.version + 1, last: version, why });
            self.version = version;
        }
        self.upto = upto;
    }

    fn hole(&mut self, hole: Hole) {
        let at = self.holes.partition_point(|other| other.first < hole.first);
        self.holes.insert(at, hole);
    }

    /// The lines that hold versions `first` to `last`, in order.
    pub(super) fn lines(&self, first: Version, last: Version) -> &[Line] {
        let from = self.lines.partition_point(|line| line.last < first);
        let to = self.lines.partition_point(|line| line.first <= last);
        self.lines.get(from..to).unwrap_or_default()
    }

    /// Which records a range asks for, as (version, its line), at most `range.limit`.
    pub(super) fn select(&self, space: &Space, range: &ReadRange) -> Result<Vec<(Version, Line)>> {
        let (after, upto) = (range.after, range.upto.min(self.version));
        if after >= upto || range.limit == 0 {
            return Ok(Vec::new());
        }
        let first = after + 1;
        let selected: Vec<Version> = match range.stream {
            None => match range.direction {
                Direction::Forward => (first..=upto).take(range.limit).collect(),
                Direction::Backward => (first..=upto).rev().take(range.limit).collect(),
            },
            Some(stream) => {
                let versions = self.streams.get(&stream).map(Vec::as_slice).unwrap_or_default();
                let from = versions.partition_point(|version| *version < first);
                let to = versions.partition_point(|version| *version <= upto);
                let versions = versions.get(from..to).unwrap_or_default().iter().copied();
                match range.direction {
                    Direction::Forward => versions.take(range.limit).collect(),
                    Direction::Backward => versions.rev().take(range.limit).collect(),
                }
            }
        };
        // What lies in a hole may be of any stream: nothing beyond it is known to be next.
        let is_full = selected.len() == range.limit;
        let reach = match (range.direction, selected.last()) {
            (Direction::Forward, Some(last)) if is_full => (first, *last),
            (Direction::Backward, Some(last)) if is_full => (*last, upto),
            _ => (first, upto),
        };
        let inside = |hole: &&Hole| hole.first <= reach.1 && hole.last >= reach.0;
        if let Some(hole) = self.holes.iter().find(inside) {
            return Err(hole.error(space, reach.0));
        }
        let mut found = Vec::with_capacity(selected.len());
        let mut near: Option<Line> = None;
        for version in selected {
            let line = match near {
                Some(line) if (line.first..=line.last).contains(&version) => line,
                _ => {
                    let line = self.lines(version, version).first().copied();
                    line.ok_or_else(|| Error::corrupt(space, version, "the record is missing"))?
                }
            };
            near = Some(line);
            found.push((version, line));
        }
        Ok(found)
    }
}

/// A part of a file, kept while the next lines are looked for.
struct Window<'a> {
    file: &'a dyn File,
    bytes: Vec<u8>,
    at: u64,
    /// Nothing is read from here on.
    to: u64,
}

impl Window<'_> {
    fn covered(&self, at: u64) -> Option<&[u8]> {
        self.bytes.get(usize::try_from(at.checked_sub(self.at)?).ok()?..)
    }

    /// The bytes from `at` on: `len` of them, or fewer at the end.
    fn get(&mut self, at: u64, len: usize) -> io::Result<&[u8]> {
        let left = usize::try_from(self.to.saturating_sub(at)).unwrap_or(usize::MAX);
        let want = len.min(left);
        if self.covered(at).is_none_or(|bytes| bytes.len() < want) {
            self.bytes.resize(want.max(CHUNK).min(left), 0);
            self.at = at;
            let read = self.file.read_at(&mut self.bytes, at)?;
            self.bytes.truncate(read);
        }
        let bytes = self.covered(at).unwrap_or_default();
        Ok(bytes.get(..want).unwrap_or(bytes))
    }

    /// The whole line that begins at `at`, and its length.
    fn line(&mut self, at: u64) -> io::Result<Option<(Said, u32)>> {
        let Some(len) = frame::announced(self.get(at, frame::PREFIX)?) else { return Ok(None) };
        if self.to.saturating_sub(at) < len as u64 {
            return Ok(None);
        }
        let said = frame::line(self.get(at, len)?).and_then(line::said);
        Ok(said.zip(u32::try_from(len).ok()))
    }

    /// Where the next bytes behind `at` stand that a line begins with.
    fn next_start(&mut self, at: u64) -> io::Result<Option<u64>> {
        let mut at = at + 1;
        loop {
            let bytes = self.get(at, CHUNK)?;
            let starts = bytes.windows(frame::START.len());
            if let Some(place) = starts.into_iter().position(|bytes| bytes == frame::START) {
                return Ok(Some(at + place as u64));
            }
            // A beginning may lie across the border.
            match bytes.len().checked_sub(frame::START.len()) {
                Some(skip) if at + (bytes.len() as u64) < self.to => at += skip as u64 + 1,
                _ => return Ok(None),
            }
        }
    }
}

/// The whole line that begins at `at` and ends at `end` or before, if there is one.
pub(super) fn read_line(file: &dyn File, at: u64, end: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = vec![0; 4096.min(usize::try_from(end.saturating_sub(at)).unwrap_or(4096))];
    let read = file.read_at(&mut bytes, at)?;
    bytes.truncate(read);
    let Some(len) = frame::announced(&bytes) else { return Ok(None) };
    if end.saturating_sub(at) < len as u64 {
        return Ok(None);
    }
    if let Some(more) = len.checked_sub(read).filter(|more| *more > 0) {
        bytes.resize(len, 0);
        let rest = bytes.get_mut(read..).unwrap_or_default();
        if file.read_at(rest, at + read as u64)? < more {
            return Ok(None);
        }
    }
    bytes.truncate(len);
    Ok(frame::line(&bytes).is_some().then_some(bytes))
}
