//! Damage on purpose, for tests: the file is written again where it lies, each line whole.

use std::path::Path;

use sessile_core::{
    error::{Error, Result, Subject},
    id::{Space, Version},
    journal::{Card, Record, RecordBody},
};

use super::{
    failed,
    line::{self, BatchHeader, ParsedLine, Seal},
    medium::{File, Medium, Mode, Os},
    meta::Meta,
    path::Place,
    scan,
};
use crate::tamper::{Damage, flip, flip_bytes, need_reader};

enum Item {
    Batch(BatchHeader, Option<Card>, Vec<Record>),
    Seal(Seal),
}

/// Damages the record at a version of a space of this store; `NotFound` if there is none.
#[doc(hidden)]
pub fn tamper(
    root: impl AsRef<Path>,
    space: &Space,
    version: Version,
    damage: Damage,
) -> Result<()> {
    let place = Place::new(root.as_ref(), space);
    let path = place.records();
    let done = || -> std::io::Result<Option<()>> {
        let file = Os.open(&path, Mode::Write)?;
        let Some(mut items) = load(&*file)? else { return Ok(None) };
        if damage == Damage::FlipBody
            && let Some(RecordBody::Blob(name)) = find(&mut items, version).map(|r| r.body.clone())
        {
            let blob = Os.open(&place.blobs().join(&*name.0), Mode::Write)?;
            let mut bytes = vec![0; usize::try_from(blob.stat()?.len).unwrap_or_default()];
            blob.read_at(&mut bytes, 0)?;
            flip_bytes(&mut bytes);
            return blob.write_at(&bytes, 0).map(Some);
        }
        if apply(&mut items, version, damage).is_none() {
            return Ok(None);
        }
        let Some(bytes) = encode(items) else { return Ok(None) };
        file.truncate(0)?;
        file.write_at(&bytes, 0).map(Some)
    };
    match done() {
        Ok(Some(())) => Ok(()),
        Ok(None) => Err(Error::not_found(Subject::record(space, version))),
        Err(e) => Err(failed("damage", &path, e)),
    }
}

/// Makes the store say that it has another format.
#[doc(hidden)]
pub fn set_format(root: impl AsRef<Path>, format: u32) -> Result<()> {
    let root = root.as_ref();
    let meta =
        Meta::read(&Os, root)?.ok_or_else(|| Error::not_found(Subject::file(root.display())))?;
    Meta { format, ..meta }.write(&Os, root)
}

fn load(file: &dyn File) -> std::io::Result<Option<Vec<Item>>> {
    let end = file.stat()?.len;
    let (mut at, mut items) = (0, Vec::new());
    while at < end {
        let Some(line) = scan::read_line(file, at, end)? else { return Ok(None) };
        let item = match line::parse(&line) {
            Some(ParsedLine::Batch(head)) => {
                let Some((card, records)) = line::content(&line) else { return Ok(None) };
                Item::Batch(head, card, records)
            }
            Some(ParsedLine::Seal(seal)) => Item::Seal(seal),
            None => return Ok(None),
        };
        items.push(item);
        at += line.len() as u64;
    }
    Ok(Some(items))
}

/// The lines again, one after the other.
fn encode(items: Vec<Item>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut newest = None;
    for item in items {
        let line = match item {
            Item::Batch(head, card, records) => {
                if card.is_some() {
                    newest = Some(bytes.len() as u64);
                }
                line::batch(&mut BatchHeader { card_at: newest, ..head }, card.as_ref(), &records)?
            }
            Item::Seal(seal) => line::seal(&Seal { card_at: newest, ..seal })?,
        };
        bytes.extend_from_slice(&line);
    }
    Some(bytes)
}

fn find(items: &mut [Item], version: Version) -> Option<&mut Record> {
    items.iter_mut().find_map(|item| match item {
        Item::Batch(_, _, records) => records.iter_mut().find(|r| r.version == version),
        Item::Seal(_) => None,
    })
}

fn apply(items: &mut [Item], version: Version, damage: Damage) -> Option<()> {
    let record = find(items, version)?;
    match damage {
        Damage::FlipHead => record.header = flip(&record.header).into(),
        Damage::FlipBody => match &record.body {
            RecordBody::Inline(text) => record.body = RecordBody::Inline(flip(text).into()),
            RecordBody::None | RecordBody::Blob(_) => return None,
        },
        Damage::Reader(level) => {
            record.header = need_reader(&record.header, level).into();
            record.sum = record.fitting_sum();
        }
        Damage::Swap(with) => {
            let one = record.clone();
            let other = std::mem::replace(find(items, with)?, Record { version: with, ..one });
            *find(items, version)? = Record { version, ..other };
            restream(items);
        }
        // What the line says of itself stays.
        Damage::Drop => {
            for item in items {
                if let Item::Batch(_, _, records) = item {
                    records.retain(|record| record.version != version);
                }
            }
        }
        Damage::Insert => insert(items, version)?,
    }
    Some(())
}

fn restream(items: &mut [Item]) {
    for item in items {
        if let Item::Batch(head, _, records) = item {
            head.streams = records.iter().map(|record| record.stream).collect();
        }
    }
}

fn insert(items: &mut [Item], version: Version) -> Option<()> {
    let source = find(items, version.saturating_sub(1).max(1))?.clone();
    for item in &mut *items {
        match item {
            Item::Batch(head, _, records) => {
                let place = records.iter().position(|record| record.version == version);
                for record in &mut *records {
                    record.version += u64::from(record.version >= version);
                }
                head.first += u64::from(head.first > version);
                head.last += u64::from(head.last >= version);
                if let Some(place) = place {
                    records.insert(place, Record { version, ..source.clone() });
                }
            }
            Item::Seal(seal) => seal.version += u64::from(seal.version >= version),
        }
    }
    restream(items);
    Some(())
}
