//! Where the records of a space stand in its file.

use std::{
    collections::{HashMap, VecDeque},
    io,
};

use sessile_core::{
    error::{Error, Result},
    id::{Space, Version},
    journal::{Direction, ReadRange, Stream},
};

use super::{
    frame,
    line::{self, BatchHeader, ParsedLine, Seal},
    medium::File,
    scan::{Window, read_line},
};

/// Bytes read first when a file is gone through from its end; more each time.
const STEP: u64 = 64 << 10;

/// A batch: its records have the versions `first` to `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) at: u64,
    pub(super) len: u32,
    /// Where the first record begins in it; 0 if it does not say so.
    records: u32,
    pub(super) first: Version,
    pub(super) last: Version,
}

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) version: Version,
    pub(super) line: Line,
    pub(super) at: u64,
    pub(super) len: u64,
}

impl Place {
    /// Only the line is known.
    pub(super) const fn is_line(&self) -> bool {
        self.line.records == 0
    }

    pub(super) const fn end(&self) -> u64 {
        self.at + self.len
    }
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
pub(super) enum LastLine {
    #[default]
    Nothing,
    Batch {
        line: Line,
        head: BatchHeader,
    },
    Seal(Seal),
}

/// What is known of a file: from its beginning on, or its end as far back as it was asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    lines: VecDeque<Line>,
    /// Of lines with several records, by their first version: where each but the first begins.
    places: HashMap<Version, Box<[u32]>>,
    streams: HashMap<Stream, VecDeque<Version>>,
    holes: Vec<Hole>,
    /// Records in `streams`, for the weight.
    records: usize,
    /// From where on the file is known, and the version before.
    from: u64,
    floor: Version,
    /// Up to where the file was gone through.
    pub(super) upto: u64,
    pub(super) version: Version,
    pub(super) last: LastLine,
}

impl Log {
    /// Of a file of which only the end is known: the version there, and where it is.
    pub(super) fn behind(version: Version, end: u64) -> Self {
        Self { from: end, floor: version, upto: end, version, ..Self::default() }
    }

    /// Bytes of memory, about.
    pub(super) fn weight(&self) -> usize {
        self.lines.len() * size_of::<Line>() + self.records * 20 + self.places.len() * 48
    }

    /// Whether a range can be answered without lines further back; no range is the whole file.
    pub(super) fn reaches(&self, range: Option<&ReadRange>) -> bool {
        let Some(range) = range else { return self.from == 0 };
        if self.from == 0 || range.after >= self.floor {
            return true;
        }
        let upto = range.upto.min(self.version);
        let known = match (range.direction, range.stream) {
            (Direction::Forward, _) => return false,
            (Direction::Backward, None) => {
                usize::try_from(upto.saturating_sub(self.floor)).unwrap_or(usize::MAX)
            }
            (Direction::Backward, Some(stream)) => self
                .streams
                .get(&stream)
                .map_or(0, |versions| versions.partition_point(|version| *version <= upto)),
        };
        known >= range.limit
    }

    /// Goes back through the file until a range can be answered. `false`: what stands there is not what is expected, and the
    /// whole file has to be gone through from its beginning to say what it is.
    pub(super) fn extend_back(
        &mut self,
        space: &Space,
        file: &dyn File,
        range: Option<&ReadRange>,
    ) -> io::Result<bool> {
        if self.lines.is_empty() && !is_of(space, file, self.from)? {
            return Ok(false);
        }
        let mut step = STEP;
        while !self.reaches(range) {
            let start = self.from.saturating_sub(step);
            let mut bytes = vec![0; usize::try_from(self.from - start).unwrap_or_default()];
            if file.read_at(&mut bytes, start)? < bytes.len() {
                return Ok(false);
            }
            while !self.reaches(range) {
                let known = usize::try_from(self.from - start).unwrap_or_default();
                if known == 0 {
                    break;
                }
                let rest = bytes.get(..known).unwrap_or_default();
                let Some(before) = rest.strip_suffix(b"\n") else { return Ok(false) };
                let begin = match before.iter().rposition(|b| *b == b'\n') {
                    Some(newline) => newline + 1,
                    None if start == 0 => 0,
                    None => break,
                };
                let last = rest.get(begin..).unwrap_or_default();
                let line = frame::line(last).filter(|line| line.len() == last.len());
                let said = line.and_then(line::parse).zip(u32::try_from(last.len()).ok());
                if !said.is_some_and(|(said, len)| self.precede(said, start + begin as u64, len)) {
                    return Ok(false);
                }
            }
            step = if self.from > start + step / 2 { step * 8 } else { (step * 2).min(1 << 20) };
        }
        Ok(true)
    }

    /// Takes the line that stands before those that are known; `false` if it does not fit.
    fn precede(&mut self, said: ParsedLine, at: u64, len: u32) -> bool {
        let last = match said {
            ParsedLine::Seal(seal) if seal.version == self.floor => LastLine::Seal(seal),
            ParsedLine::Batch(head)
                if head.last == self.floor
                    && head.first > 0
                    && head.space.is_some() == (at == 0)
                    && (head.first == 1) == (at == 0)
                    && counts(&head) =>
            {
                let line = self.line(&head, at, len);
                self.lines.push_front(line);
                for (stream, version) in head.streams.iter().rev().zip((1..=head.last).rev()) {
                    self.streams.entry(*stream).or_default().push_front(version);
                }
                self.records += head.streams.len();
                self.floor = head.first - 1;
                LastLine::Batch { line, head }
            }
            _ => return false,
        };
        self.from = at;
        if self.last == LastLine::Nothing {
            self.last = last;
        }
        true
    }

    /// The line, and keeps where its records begin.
    fn line(&mut self, head: &BatchHeader, at: u64, len: u32) -> Line {
        let places = head.places(len);
        let (records, more) = places.split_first().unwrap_or((&0, &[]));
        if !more.is_empty() {
            self.places.insert(head.first, more.into());
        }
        Line { at, len, records: *records, first: head.first, last: head.last }
    }

    /// Where a record of a line stands.
    fn place(&self, line: Line, version: Version) -> Place {
        let (mut at, mut end) = (u64::from(line.records), u64::from(line.len));
        if line.records > 0 {
            let more = self.places.get(&line.first).map(|more| &**more).unwrap_or_default();
            let nth = usize::try_from(version.saturating_sub(line.first)).unwrap_or_default();
            end = match more.get(nth) {
                Some(next) => u64::from(*next) - 1,
                None => end.saturating_sub(line::RECORDS_END.len() as u64),
            };
            if let Some(begin) = nth.checked_sub(1).and_then(|before| more.get(before)) {
                at = u64::from(*begin);
            }
        } else {
            at = 0;
        }
        Place { version, line, at: line.at + at, len: end.saturating_sub(at) }
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
        said: ParsedLine,
        at: u64,
        len: u32,
        is_resumed: bool,
    ) {
        self.upto = at + u64::from(len);
        let before = self.version;
        let why = "the line is damaged";
        match said {
            ParsedLine::Batch(head) => {
                let (first, last) = (head.first, head.last);
                let named = head.space.as_ref();
                if named.is_some_and(|named| *named != space.to_string()) {
                    let why = "the line is another space's";
                    return self.hole(Hole { first, last, why });
                }
                if first <= before || !counts(&head) {
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
                let line = self.line(&head, at, len);
                self.lines.push_back(line);
                self.records += head.streams.len();
                for (version, stream) in (first..).zip(&head.streams) {
                    self.streams.entry(*stream).or_default().push_back(version);
                }
                self.version = last;
                self.last = LastLine::Batch { line, head };
            }
            ParsedLine::Seal(seal) => {
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
                self.last = LastLine::Seal(seal);
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

    /// The line that holds a version.
    fn line_of(&self, version: Version) -> Option<Line> {
        let place = self.lines.partition_point(|line| line.last < version);
        self.lines.get(place).copied().filter(|line| line.first <= version)
    }

    /// Where the first good line behind this place begins.
    pub(super) fn next_line(&self, at: u64) -> Option<u64> {
        self.lines.iter().map(|line| line.at).find(|line| *line > at)
    }

    /// Where the records that a range asks for stand, at most `range.limit`.
    pub(super) fn select(&self, space: &Space, range: &ReadRange) -> Result<Vec<Place>> {
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
                let none = VecDeque::new();
                let versions = self.streams.get(&stream).unwrap_or(&none);
                let from = versions.partition_point(|version| *version < first);
                let to = versions.partition_point(|version| *version <= upto);
                let versions = versions.range(from..to.max(from)).copied();
                match range.direction {
                    Direction::Forward => versions.take(range.limit).collect(),
                    Direction::Backward => versions.rev().take(range.limit).collect(),
                }
            }
        };
        // What lies in a hole may be of any stream: nothing beyond it is known to be next.
        let is_full = selected.len() == range.limit;
        let depth = match (range.direction, selected.last()) {
            (Direction::Forward, Some(last)) if is_full => (first, *last),
            (Direction::Backward, Some(last)) if is_full => (*last, upto),
            _ => (first, upto),
        };
        let inside = |hole: &&Hole| hole.first <= depth.1 && hole.last >= depth.0;
        if let Some(hole) = self.holes.iter().find(inside) {
            return Err(hole.error(space, depth.0));
        }
        let mut found = Vec::with_capacity(selected.len());
        let mut near: Option<Line> = None;
        for version in selected {
            let line = match near {
                Some(line) if (line.first..=line.last).contains(&version) => line,
                _ => {
                    let missing = || Error::corrupt(space, version, "the record is missing");
                    self.line_of(version).ok_or_else(missing)?
                }
            };
            near = Some(line);
            found.push(self.place(line, version));
        }
        Ok(found)
    }
}

/// Whether a batch says as many streams as it has versions.
fn counts(head: &BatchHeader) -> bool {
    let versions = head.last.checked_sub(head.first).and_then(|n| n.checked_add(1));
    versions == Some(head.streams.len() as u64)
}

/// Whether the file begins with the first line of this space.
fn is_of(space: &Space, file: &dyn File, end: u64) -> io::Result<bool> {
    let line = read_line(file, 0, end)?;
    Ok(match line.as_deref().and_then(line::parse) {
        Some(ParsedLine::Batch(head)) => head.space.is_some_and(|named| named == space.to_string()),
        _ => false,
    })
}
