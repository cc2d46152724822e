//! Damage on purpose, for tests. The file is exclusive, so it goes through the handle that has it.

use std::path::Path;

use redb::{Database, ReadableTable as _};
use sessile_core::{
    error::{Error, Result, Subject},
    id::{Space, Version},
    journal::RecordBody,
};

use super::{
    Redb,
    error::{self, Failure, Found},
    read, schema,
    schema::{Linked, Tables},
};
use crate::tamper::{Damage, flip, flip_bytes, need_reader};

impl Redb {
    /// Damages the record at a version of a space; `NotFound` if there is none.
    #[doc(hidden)]
    pub fn tamper(&self, space: &Space, version: Version, damage: Damage) -> Result<()> {
        let (_, done) = self.shared.with(|db| {
            let txn = db.begin_write()?;
            let done = damage_record(&mut Tables::new(&txn), space, version, damage)?;
            txn.commit()?;
            Ok(done)
        })?;
        match done {
            Ok(Some(())) => Ok(()),
            Ok(None) => Err(Error::not_found(Subject::record(space, version))),
            Err(Failure::Found(e)) => Err(e),
            Err(Failure::Engine(e)) => Err(self.shared.engine_error(e)),
        }
    }
}

/// Makes the file say that it has another format. No handle has it open.
#[doc(hidden)]
pub fn set_format(path: impl AsRef<Path>, format: u32) -> Result<()> {
    let path = path.as_ref();
    let done = || -> Found<()> {
        let txn = Database::open(path)?.begin_write()?;
        txn.open_table(schema::META)?.insert("format", format.to_be_bytes().as_slice())?;
        Ok(txn.commit()?)
    };
    done().map_err(|failure| match failure {
        Failure::Found(e) => e,
        Failure::Engine(e) => error::engine(path, e),
    })
}

fn take(tables: &mut Tables<'_>, id: u64, version: Version) -> Found<Option<Linked>> {
    let value = tables.record()?.remove((id, version))?.map(|value| value.value().to_vec());
    Ok(value.and_then(|value| schema::decode_record(version, &value)))
}

fn put(tables: &mut Tables<'_>, id: u64, version: Version, linked: &Linked) -> Found<()> {
    let value = schema::encode_record(&linked.record, linked.prev);
    tables.record()?.insert((id, version), value.as_slice())?;
    Ok(())
}

fn damage_record(
    tables: &mut Tables<'_>,
    space: &Space,
    version: Version,
    damage: Damage,
) -> Found<Option<()>> {
    let Some(id) = read::number(tables.space()?, space)? else { return Ok(None) };
    let row = read::row(tables.record()?, space, id)?;
    if version > row.head.position.version {
        return Ok(None);
    }
    let Some(linked) = take(tables, id, version)? else { return Ok(None) };
    let Linked { prev, mut record } = linked.clone();
    match damage {
        Damage::FlipHead => record.header = flip(&record.header).into(),
        Damage::FlipBody => match &record.body {
            RecordBody::None => return Ok(None),
            RecordBody::Inline(body) => record.body = RecordBody::Inline(flip(body).into()),
            RecordBody::Blob(name) => {
                let key = (id, name.0.as_bytes());
                let content = tables.blob()?.get(key)?.map(|content| content.value().to_vec());
                let Some(mut content) = content else { return Ok(None) };
                flip_bytes(&mut content);
                tables.blob()?.insert(key, content.as_slice())?;
            }
        },
        Damage::Swap(with) => {
            let Some(other) = take(tables, id, with)? else { return Ok(None) };
            put(tables, id, with, &linked)?;
            put(tables, id, version, &other)?;
            return Ok(Some(()));
        }
        Damage::Drop => return Ok(Some(())),
        Damage::Insert => {
            put(tables, id, version, &linked)?;
            let source = version.saturating_sub(1).max(1);
            let Some(copied) = take(tables, id, source)? else { return Ok(None) };
            put(tables, id, source, &copied)?;
            for moved in (version..=row.head.position.version).rev() {
                if let Some(linked) = take(tables, id, moved)? {
                    put(tables, id, moved + 1, &linked)?;
                }
            }
            put(tables, id, version, &copied)?;
            return Ok(Some(()));
        }
        Damage::Reader(level) => {
            record.header = need_reader(&record.header, level).into();
            record.sum = record.fitting_sum();
        }
    }
    put(tables, id, version, &Linked { prev, record })?;
    Ok(Some(()))
}
