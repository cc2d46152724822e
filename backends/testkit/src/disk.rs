//! Damage to a store of files: the file of a space is written again where it is, each line whole.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sessile_conformance::Damage;
use sessile_core::{
    id::{ProjectId, Space, SpaceKind, ThreadId, Version},
    journal::{Card, Record, RecordBody},
};
use sessile_driver::lines::{
    frame,
    line::{self, BatchHeader, ParsedLine, Seal},
    name,
};

use crate::text::{flip, flip_bytes};

enum Item {
    Batch(BatchHeader, Option<Card>, Vec<Record>),
    Seal(Seal),
}

/// Damages the record at a version of a space of the store in this folder.
pub fn damage(root: &Path, space: &Space, version: Version, damage: Damage) -> bool {
    let name = match space.kind() {
        SpaceKind::Project => ProjectId::from_bits(space.bits()).to_string(),
        SpaceKind::Thread => ThreadId::from_bits(space.bits()).to_string(),
        SpaceKind::Tenant => format!("tnt_{}", space.characters()),
    };
    let tenant = root.join(name::folder(space.tenant().as_str()));
    let Some(path) = find_file(&tenant, &format!("{name}.jsonl")) else { return false };
    let mut items = load(&fs::read(&path).unwrap());
    if damage == Damage::FlipBody
        && let Some(RecordBody::Blob(blob)) = find(&mut items, version).map(|r| r.body.clone())
    {
        let blob = path.with_extension("").join("blobs").join(&*blob.0);
        let mut bytes = fs::read(&blob).unwrap();
        flip_bytes(&mut bytes);
        fs::write(&blob, bytes).unwrap();
        return true;
    }
    if apply(&mut items, version, damage).is_none() {
        return false;
    }
    fs::write(&path, encode(items)).unwrap();
    true
}

/// Makes the store say that it has another format.
pub fn set_format(root: &Path, format: u32) {
    const MEMBER: &[u8] = b"\"store\":";
    let path = root.join("_sessile.json");
    let bytes = fs::read(&path).unwrap();
    let json = frame::members(&bytes).strip_prefix(MEMBER).unwrap();
    let mut meta: serde_json::Value = serde_json::from_slice(json).unwrap();
    meta["format"] = format.into();
    let mut line = frame::start();
    line.extend_from_slice(MEMBER);
    serde_json::to_writer(&mut line, &meta).unwrap();
    fs::write(&path, frame::finish(line).unwrap()).unwrap();
}

/// The file with this name, in a folder or one below it.
fn find_file(folder: &Path, name: &str) -> Option<PathBuf> {
    let path = folder.join(name);
    if path.exists() {
        return Some(path);
    }
    let entries = fs::read_dir(folder).ok()?.map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_dir()).find_map(|path| find_file(&path, name))
}

fn load(bytes: &[u8]) -> Vec<Item> {
    let mut rest = bytes;
    let mut items = Vec::new();
    while !rest.is_empty() {
        let line = frame::line(rest).unwrap();
        items.push(match line::parse(line).unwrap() {
            ParsedLine::Batch(header) => {
                let (card, records) = line::content(line).unwrap();
                Item::Batch(header, card, records)
            }
            ParsedLine::Seal(seal) => Item::Seal(seal),
        });
        rest = &rest[line.len()..];
    }
    items
}

/// The lines again, one after the other.
fn encode(items: Vec<Item>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut newest = None;
    for item in items {
        let line = match item {
            Item::Batch(header, card, records) => {
                if card.is_some() {
                    newest = Some(bytes.len() as u64);
                }
                let mut header = BatchHeader { card_at: newest, ..header };
                line::batch(&mut header, card.as_ref(), &records)
            }
            Item::Seal(seal) => line::seal(&Seal { card_at: newest, ..seal }),
        };
        bytes.extend_from_slice(&line.unwrap());
    }
    bytes
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
        Damage::FlipHeader => record.header = flip(&record.header).into(),
        Damage::FlipBody => match &record.body {
            RecordBody::Inline(text) => record.body = RecordBody::Inline(flip(text).into()),
            RecordBody::None | RecordBody::Blob(_) => return None,
        },
        Damage::Swap(with) => {
            let one = record.clone();
            let other = std::mem::replace(find(items, with)?, Record { version: with, ..one });
            *find(items, version)? = Record { version, ..other };
            restream(items);
        }
        // The header of the line stays as it is.
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
        if let Item::Batch(header, _, records) = item {
            header.streams = records.iter().map(|record| record.stream).collect();
        }
    }
}

/// Puts a copy of a record after it.
fn insert(items: &mut [Item], version: Version) -> Option<()> {
    let copied = find(items, version)?.clone();
    let added = version + 1;
    for item in &mut *items {
        match item {
            Item::Batch(header, _, records) => {
                for record in &mut *records {
                    record.version += u64::from(record.version >= added);
                }
                if let Some(at) = records.iter().position(|record| record.version == version) {
                    records.insert(at + 1, Record { version: added, ..copied.clone() });
                    header.last += 1;
                } else {
                    header.first += u64::from(header.first >= added);
                    header.last += u64::from(header.last >= added);
                }
            }
            Item::Seal(seal) => seal.version += u64::from(seal.version >= added),
        }
    }
    restream(items);
    Some(())
}
