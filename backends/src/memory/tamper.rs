//! Damage on purpose, for tests.

use std::sync::Arc;

use sessile_core::{
    error::{Error, Result, Subject},
    id::{Space, Version},
    journal::{Record, RecordBody},
};

use super::{Memory, log::Log};
use crate::tamper::{Damage, flip, flip_bytes, need_reader};
use sessile_driver::lock;

impl Memory {
    /// Damages the record at a version; `NotFound` if there is none.
    #[doc(hidden)]
    pub fn tamper(&self, space: &Space, version: Version, damage: Damage) -> Result<()> {
        let missing = || Error::not_found(Subject::record(space, version));
        let cell = self.find(space).ok_or_else(missing)?;
        let mut log = lock(&cell.log);
        tamper(&mut log, version, damage).ok_or_else(missing)
    }
}

fn tamper(log: &mut Log, version: Version, damage: Damage) -> Option<()> {
    let record = log.slot(version)?.clone()?;
    match damage {
        Damage::FlipHead => {
            *log.slot(version)? = Some(Record { header: flip(&record.header).into(), ..record });
        }
        Damage::FlipBody => match &record.body {
            RecordBody::None => return None,
            RecordBody::Inline(text) => {
                let body = RecordBody::Inline(flip(text).into());
                *log.slot(version)? = Some(Record { body, ..record });
            }
            RecordBody::Blob(name) => flip_bytes(Arc::make_mut(&mut log.blobs.get_mut(name)?.1)),
        },
        Damage::Swap(with) => {
            let other = log.slot(with)?.clone()?;
            *log.slot(version)? = Some(Record { version, ..other });
            *log.slot(with)? = Some(Record { version: with, ..record });
        }
        Damage::Drop => *log.slot(version)? = None,
        Damage::Insert => {
            let source = log.slot(version.saturating_sub(1).max(1))?.clone()?;
            let at = usize::try_from(version).ok()?.checked_sub(1)?;
            log.records.insert(at, Some(Record { version, ..source }));
            for (place, record) in (1..).zip(&mut log.records) {
                if let Some(record) = record {
                    record.version = place;
                }
            }
        }
        Damage::Reader(level) => {
            let head = need_reader(&record.header, level);
            let record = Record { header: head.into(), ..record };
            *log.slot(version)? = Some(Record { sum: record.fitting_sum(), ..record });
        }
    }
    Some(())
}
