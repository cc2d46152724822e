//! Damage to a redb file, through the engine's own crate. No handle may have the file open.

use std::path::Path;

use redb::{Database, ReadableTable as _, TableDefinition};
use sessile_conformance::Damage;
use sessile_core::id::{Space, SpaceKind, Version};

use crate::text::{flip, flip_bytes};

const META: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("meta");
/// Tenant, kind, bits: the number of the space.
const SPACE: TableDefinition<'static, (&[u8], u8, u128), u64> = TableDefinition::new("space");
/// Number of the space, version.
const RECORD: TableDefinition<'static, (u64, u64), &[u8]> = TableDefinition::new("record");
/// Number of the space, name.
const BLOB: TableDefinition<'static, (u64, &[u8]), &[u8]> = TableDefinition::new("blob");

/// The bytes of a record before the length of its kind.
const FIXED: usize = 1 + 8 + 8 + 8 + 32 + 16;
const IN_BLOB: u8 = 2;

/// Damages the record at a version of a space.
pub fn damage(path: &Path, space: &Space, version: Version, damage: Damage) -> bool {
    let txn = Database::open(path).unwrap().begin_write().unwrap();
    let done = {
        let kind = match space.kind() {
            SpaceKind::Project => 0,
            SpaceKind::Thread => 1,
            SpaceKind::Tenant => 4,
        };
        let key = (space.tenant().as_str().as_bytes(), kind, space.bits());
        let spaces = txn.open_table(SPACE).unwrap();
        let number = spaces.get(key).unwrap().map(|number| number.value());
        let mut blobs = txn.open_table(BLOB).unwrap();
        let mut records = txn.open_table(RECORD).unwrap();
        number.is_some_and(|number| apply(&mut records, &mut blobs, number, version, damage))
    };
    txn.commit().unwrap();
    done
}

/// Makes the file say that it has another format.
pub fn set_format(path: &Path, format: u32) {
    let txn = Database::open(path).unwrap().begin_write().unwrap();
    txn.open_table(META).unwrap().insert("format", format.to_be_bytes().as_slice()).unwrap();
    txn.commit().unwrap();
}

type Records<'t> = redb::Table<'t, (u64, u64), &'static [u8]>;
type Blobs<'t> = redb::Table<'t, (u64, &'static [u8]), &'static [u8]>;

fn apply(
    records: &mut Records<'_>,
    blobs: &mut Blobs<'_>,
    space: u64,
    version: Version,
    damage: Damage,
) -> bool {
    let get = |records: &Records<'_>, version| {
        records.get((space, version)).unwrap().map(|value| value.value().to_vec())
    };
    let put = |records: &mut Records<'_>, version, value: &[u8]| {
        records.insert((space, version), value).unwrap();
    };
    let Some(mut value) = get(records, version) else { return false };
    match damage {
        Damage::FlipHeader => {
            let (header, _) = texts(&value);
            flip_text(&mut value[header]);
            put(records, version, &value);
        }
        Damage::FlipBody => {
            let (_, body) = texts(&value);
            if body.is_empty() {
                return false;
            }
            if value[0] == IN_BLOB {
                let key = (space, &value[body]);
                let mut content = blobs.get(key).unwrap().unwrap().value().to_vec();
                flip_bytes(&mut content);
                blobs.insert(key, content.as_slice()).unwrap();
            } else {
                flip_text(&mut value[body]);
                put(records, version, &value);
            }
        }
        Damage::Swap(with) => {
            let Some(other) = get(records, with) else { return false };
            put(records, with, &value);
            put(records, version, &other);
        }
        Damage::Drop => {
            records.remove((space, version)).unwrap();
        }
        Damage::Insert => {
            let mut end = version;
            while get(records, end + 1).is_some() {
                end += 1;
            }
            for moved in (version..=end).rev() {
                let value = get(records, moved).unwrap();
                put(records, moved + 1, &value);
            }
        }
    }
    true
}

fn flip_text(text: &mut [u8]) {
    let flipped = flip(std::str::from_utf8(text).unwrap());
    text.copy_from_slice(flipped.as_bytes());
}

/// Where the header and the body of a record are.
fn texts(value: &[u8]) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
    let text = |at: usize| {
        let len = u64::from_be_bytes(value[at..at + 8].try_into().unwrap()) as usize;
        at + 8..at + 8 + len
    };
    let header = text(text(FIXED).end);
    let body = header.end..value.len();
    (header, body)
}
