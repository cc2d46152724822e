//! Finding lines in a file.

use std::io;

use super::{
    frame,
    line::{self, ParsedLine},
    medium::File,
};

/// Bytes of one read.
const CHUNK: usize = 256 << 10;

/// A part of a file in memory, from which lines are read.
pub(super) struct Window<'a> {
    pub(super) file: &'a dyn File,
    pub(super) bytes: Vec<u8>,
    pub(super) at: u64,
    /// Nothing is read from here on.
    pub(super) to: u64,
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
    pub(super) fn line(&mut self, at: u64) -> io::Result<Option<(ParsedLine, u32)>> {
        let Some(len) = frame::announced(self.get(at, frame::PREFIX)?) else { return Ok(None) };
        if self.to.saturating_sub(at) < len as u64 {
            return Ok(None);
        }
        let said = frame::line(self.get(at, len)?).and_then(line::parse);
        Ok(said.zip(u32::try_from(len).ok()))
    }

    /// Where the next bytes behind `at` stand that a line begins with.
    pub(super) fn next_start(&mut self, at: u64) -> io::Result<Option<u64>> {
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
