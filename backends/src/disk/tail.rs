//! The end of a file: the head of its space, and whether its last line is unfinished.

use std::io;

use sessile_core::{
    error::Error,
    id::{ProjectId, Space},
    journal::{Card, Head, Position, Record},
};

use super::{
    frame,
    line::{self, BatchHeader, ParsedLine},
    log::{LastLine, Log},
    medium::File,
    meta::Meta,
    scan,
};

/// Bytes of the first read of the end of a file.
const GLANCE: u64 = 8 << 10;

/// The acknowledged end of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tail {
    pub(super) position: Position,
    pub(super) card: Option<Card>,
    /// Where the line with the card begins.
    pub(super) card_at: Option<u64>,
    pub(super) project: Option<ProjectId>,
    /// Where the next line begins.
    pub(super) end: u64,
}

impl Tail {
    pub(super) fn head(&self) -> Head {
        Head { position: self.position, card: self.card.clone() }
    }
}

/// Why the end of a file could not be read.
#[derive(Debug)]
pub(super) enum TailFault {
    Engine(io::Error),
    Damage(Error),
}

impl From<io::Error> for TailFault {
    fn from(e: io::Error) -> Self {
        Self::Engine(e)
    }
}

/// How a file ends.
#[derive(Debug)]
pub(super) struct Ending {
    /// `None` if it has no record.
    pub(super) tail: Option<Tail>,
    /// An unfinished line follows the tail.
    pub(super) is_torn: bool,
    /// The last line was written by an opening that was not closed cleanly: it may not be flushed.
    pub(super) is_unclean: bool,
}

/// What is needed to check the end of a file: the openings of the store, and the one that reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct TailCheck<'a> {
    pub(super) meta: &'a Meta,
    /// The opening that reads, if it writes: its own files need no seal.
    pub(super) epoch: Option<u64>,
}

impl TailCheck<'_> {
    /// Whether a file may end with a batch of this opening.
    fn takes(&self, epoch: u64) -> bool {
        self.epoch == Some(epoch) || self.meta.is_unclean(epoch)
    }
}

/// The last record of a line.
fn newest(line: &[u8], head: &BatchHeader) -> Option<Record> {
    let len = u32::try_from(line.len()).ok()?;
    let record = match head.places(len).last() {
        Some(place) => {
            let end = line.len().checked_sub(line::RECORDS_END.len())?;
            line::record(line.get(usize::try_from(*place).ok()?..end)?)
        }
        None => line::content(line)?.1.pop(),
    };
    record.filter(|record| record.version == head.last)
}

/// Looks at the last line only: the end, and whether an opening wrote it that did not end cleanly. `None` if the
/// whole file must be read to tell.
fn glance(
    check: TailCheck<'_>,
    space: &Space,
    file: &dyn File,
    len: u64,
) -> Result<Option<(Tail, bool)>, TailFault> {
    let mut size = GLANCE.min(len);
    loop {
        let from = len - size;
        let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
        let read = file.read_at(&mut bytes, from)?;
        bytes.truncate(read);
        let Some(before) = bytes.strip_suffix(b"\n") else { return Ok(None) };
        let start = match before.iter().rposition(|b| *b == b'\n') {
            Some(newline) => newline + 1,
            None if size == len => 0,
            None => {
                size = (size * 8).min(len);
                continue;
            }
        };
        let last = bytes.get(start..).unwrap_or_default();
        let Some(line) = frame::line(last).filter(|line| line.len() == last.len()) else {
            return Ok(None);
        };
        let at = from + start as u64;
        return match line::parse(line) {
            Some(ParsedLine::Seal(seal)) => {
                let card = card(space, file, seal.card_at, len, seal.version)?;
                let (position, project, card_at) = (seal.position(), seal.project, seal.card_at);
                let tail = Tail { position, card, card_at, project, end: len };
                Ok(Some((tail, false)))
            }
            Some(ParsedLine::Batch(head)) if check.takes(head.epoch) => {
                let Some(record) = newest(line, &head) else { return Ok(None) };
                let position = Position { version: record.version, hash: record.link };
                let card = match head.card_at {
                    Some(card_at) if card_at == at => line::card(line),
                    card_at => card(space, file, card_at, len, head.last)?,
                };
                let (project, card_at) = (head.project, head.card_at);
                let is_unclean = check.epoch != Some(head.epoch);
                let tail = Tail { position, card, card_at, project, end: len };
                Ok(Some((tail, is_unclean)))
            }
            _ => Ok(None),
        };
    }
}

/// The card in the line that begins there.
fn card(
    space: &Space,
    file: &dyn File,
    at: Option<u64>,
    end: u64,
    version: u64,
) -> Result<Option<Card>, TailFault> {
    let Some(at) = at else { return Ok(None) };
    let line = scan::read_line(file, at, end)?;
    let card = line.as_deref().and_then(line::card);
    let damage = || TailFault::Damage(Error::corrupt(space, version, "the card is damaged"));
    card.map(Some).ok_or_else(damage)
}

/// How a file ends. `log` is filled if the whole file had to be read.
pub(super) fn ending(
    check: TailCheck<'_>,
    space: &Space,
    file: &dyn File,
    log: &mut Log,
) -> Result<Ending, TailFault> {
    let len = file.stat()?.len;
    if len > 0
        && let Some((tail, is_unclean)) = glance(check, space, file, len)?
    {
        return Ok(Ending { tail: Some(tail), is_torn: false, is_unclean });
    }
    let bad = log.extend(space, file, len)?;
    let end = bad.unwrap_or(len);
    let corrupt = |version, why: &str| Err(TailFault::Damage(Error::corrupt(space, version, why)));
    let is_unclean = match &log.last {
        LastLine::Nothing => check.meta.is_unclean_after(0),
        LastLine::Batch { head, .. } => check.meta.is_unclean(head.epoch),
        LastLine::Seal(seal) => check.meta.is_unclean_after(seal.epoch),
    };
    if bad.is_some() && !(is_unclean && is_one_line(file, end, len)?) {
        return corrupt(log.version + 1, "the line is damaged");
    }
    let (position, project, card_at) = match &log.last {
        LastLine::Nothing if is_unclean => {
            return Ok(Ending { tail: None, is_torn: bad.is_some(), is_unclean });
        }
        LastLine::Nothing => return corrupt(1, "the file is empty"),
        LastLine::Batch { line, head } => {
            if !is_unclean && check.epoch != Some(head.epoch) {
                return corrupt(head.last + 1, "the end of the file is missing");
            }
            let line = scan::read_line(file, line.at, len)?;
            let Some(record) = line.as_deref().and_then(|line| newest(line, head)) else {
                return corrupt(head.last, "the record is missing");
            };
            let position = Position { version: record.version, hash: record.link };
            (position, head.project, head.card_at)
        }
        LastLine::Seal(seal) => (seal.position(), seal.project, seal.card_at),
    };
    let card = card(space, file, card_at, end, position.version)?;
    let is_unclean = is_unclean && !matches!(log.last, LastLine::Seal(_));
    let tail = Tail { position, card, card_at, project, end };
    Ok(Ending { tail: Some(tail), is_torn: bad.is_some(), is_unclean })
}

/// Whether what stands from here to the end may be one line: the next is written only after a line was flushed.
fn is_one_line(file: &dyn File, from: u64, len: u64) -> io::Result<bool> {
    let mut bytes = vec![0; 64 << 10];
    let read = file.read_at(bytes.get_mut(..frame::PREFIX).unwrap_or_default(), from)?;
    let announced = frame::announced(bytes.get(..read).unwrap_or_default());
    if announced.is_some_and(|announced| len - from > announced as u64) {
        return Ok(false);
    }
    let mut at = from;
    while at < len {
        let read = file.read_at(&mut bytes, at)?;
        if read == 0 {
            break;
        }
        at += read as u64;
        let part = bytes.get(..read).unwrap_or_default();
        let inner = if at >= len { part.strip_suffix(b"\n").unwrap_or(part) } else { part };
        if inner.contains(&b'\n') {
            return Ok(false);
        }
    }
    Ok(true)
}
