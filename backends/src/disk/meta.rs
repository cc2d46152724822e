//! The store's own file: its id, its format, and which openings for writing ended cleanly.

use std::{io, path::Path};

use serde::{Deserialize, Serialize};
use sessile_core::{
    error::{Error, Result},
    hash::hex128,
};

use super::{
    frame,
    medium::{Medium, Mode},
    path::{self, META},
};

/// The format this release writes.
pub(super) const FORMAT: u32 = 1;
/// Longer than any content this release writes.
const LONGEST: u64 = 1 << 20;
/// Unclean openings that are remembered one by one.
const REMEMBERED: usize = 1000;
const MEMBER: &[u8] = b"\"store\":";

/// The content of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Meta {
    pub(super) format: u32,
    #[serde(with = "hex128")]
    pub(super) id: u128,
    /// Counts the openings for writing.
    pub(super) epoch: u64,
    /// The newest of them has not been closed cleanly, so far.
    pub(super) open: bool,
    /// Those that ended without a clean close, in order.
    pub(super) unclean: Vec<u64>,
    /// All before this one count as unclean.
    pub(super) unclean_before: u64,
}

/// What every format says first.
#[derive(Deserialize)]
struct AnyFormat {
    format: u32,
}

impl Meta {
    /// Of a store that was never opened.
    pub(super) fn new(id: u128) -> Self {
        Self { format: FORMAT, id, epoch: 0, open: false, unclean: Vec::new(), unclean_before: 0 }
    }

    /// As the next opening for writing leaves it.
    pub(super) fn opened(mut self) -> Self {
        if self.open {
            self.unclean.push(self.epoch);
        }
        while self.unclean.len() > REMEMBERED {
            self.unclean_before = self.unclean.remove(0) + 1;
        }
        Self { epoch: self.epoch + 1, open: true, ..self }
    }

    /// As a clean close leaves it.
    pub(super) fn closed(self) -> Self {
        Self { open: false, ..self }
    }

    /// Whether this opening ended, or goes on, without a clean close.
    pub(super) fn is_unclean(&self, epoch: u64) -> bool {
        (self.open && epoch == self.epoch)
            || epoch < self.unclean_before
            || self.unclean.binary_search(&epoch).is_ok()
    }

    /// Whether one after this one did.
    pub(super) fn is_unclean_after(&self, epoch: u64) -> bool {
        (self.open && epoch < self.epoch)
            || epoch.saturating_add(1) < self.unclean_before
            || self.unclean.last().is_some_and(|last| *last > epoch)
    }

    /// The store's file; `None` if there is none.
    pub(super) fn read(medium: &dyn Medium, root: &Path) -> Result<Option<Self>> {
        let path = root.join(META);
        let failed = |e: io::Error| super::failed("read", &path, e);
        let corrupt = |reason: &str| Error::CorruptFile {
            file: path.display().to_string(),
            reason: reason.to_owned(),
        };
        let file = match medium.open(&path, Mode::Read) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(failed(e)),
        };
        let len = file.stat().map_err(failed)?.len;
        if len > LONGEST {
            return Err(corrupt("too long for a store's file"));
        }
        let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
        let read = file.read_at(&mut bytes, 0).map_err(failed)?;
        let line = frame::line(&bytes).filter(|line| line.len() == read && read == bytes.len());
        let line = line.ok_or_else(|| corrupt("length or checksum do not fit"))?;
        let members = frame::members(line).strip_prefix(MEMBER);
        let json = members.ok_or_else(|| corrupt("no store's file"))?;
        let AnyFormat { format } =
            serde_json::from_slice(json).map_err(|e| corrupt(&e.to_string()))?;
        if format > FORMAT {
            let (needs, has) = (u64::from(format), u64::from(FORMAT));
            return Err(Error::NewerFormat { what: format!("{}", root.display()), needs, has });
        }
        serde_json::from_slice(json).map(Some).map_err(|e| corrupt(&e.to_string()))
    }

    /// Puts it in the place of the file, durably.
    pub(super) fn write(&self, medium: &dyn Medium, root: &Path) -> Result<()> {
        let path = root.join(META);
        let mut line = frame::start();
        line.extend_from_slice(MEMBER);
        let encoding = |e: serde_json::Error| Error::unavailable("the store's file", e);
        serde_json::to_writer(&mut line, self).map_err(encoding)?;
        let line = frame::finish(line).unwrap_or_default();
        replace(medium, root, &path, &[&line]).map_err(|e| super::failed("write", &path, e))
    }
}

/// Puts a file with these contents in the place of another, durably and at once.
pub(super) fn replace(
    medium: &dyn Medium,
    folder: &Path,
    path: &Path,
    parts: &[&[u8]],
) -> io::Result<()> {
    let temporary = path::temporary(folder);
    let write = || {
        let file = medium.open(&temporary, Mode::CreateNew)?;
        let mut at = 0;
        for part in parts {
            file.write_at(part, at)?;
            at += part.len() as u64;
        }
        file.sync()?;
        medium.rename(&temporary, path)
    };
    if let Err(e) = write() {
        let _left_over = medium.remove_file(&temporary);
        return Err(e);
    }
    medium.sync_dir(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_know_how_they_ended() {
        let first = Meta::new(1).opened();
        assert!(first.is_unclean(1) && first.is_unclean_after(0) && !first.is_unclean_after(1));
        let second = first.clone().closed().opened();
        assert!(!second.is_unclean(1) && second.is_unclean(2) && second.is_unclean_after(1));
        let third = second.opened().closed();
        assert_eq!(third.epoch, 3);
        assert!(third.is_unclean(2) && !third.is_unclean(1) && !third.is_unclean(3));
        assert!(third.is_unclean_after(1) && !third.is_unclean_after(2));
    }

    #[test]
    fn thousands_of_crashes_are_remembered_in_bounds() {
        let meta = (0..3000).fold(Meta::new(1), |meta, _| meta.opened()).closed();
        assert!(meta.unclean.len() <= REMEMBERED);
        assert!((1..3000).all(|epoch| meta.is_unclean(epoch)) && !meta.is_unclean(3000));
        assert!(meta.is_unclean_after(5) && !meta.is_unclean_after(2999));
    }
}
