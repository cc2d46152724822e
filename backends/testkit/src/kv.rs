//! Damage to a store that is kept in an ordered map.

use futures_util::FutureExt as _;
use sessile_conformance::Damage;
use sessile_core::{
    id::{Space, Version},
    journal::RecordBody,
};
use sessile_driver::{
    clock,
    kv::{GuardedBatch, Kv, keys, values},
};

use crate::text::{flip, flip_bytes};

/// The rows of a store.
pub(crate) trait Rows {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>>;

    /// Writes a row, or removes it.
    fn put(&mut self, key: Vec<u8>, value: Option<Vec<u8>>);
}

/// An engine whose calls are ready at once, or block in place.
impl Rows for &dyn Kv {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        Kv::get(*self, &[key.to_vec()]).now_or_never().unwrap().unwrap().remove(0)
    }

    fn put(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        let batch = GuardedBatch { put: vec![(key, value)], ..GuardedBatch::default() };
        assert_eq!(self.apply(&[batch], clock::instant()).now_or_never().unwrap().unwrap(), [true]);
    }
}

/// Damages the record at a version of a space. The engine may block in place, so call it on a worker of a runtime.
pub fn damage_in(kv: &dyn Kv, space: &Space, version: Version, damage: Damage) -> bool {
    apply(&mut &*kv, space, version, damage)
}

pub(crate) fn apply(rows: &mut impl Rows, space: &Space, version: Version, damage: Damage) -> bool {
    let Some(number) = rows.get(&keys::living(space)) else { return false };
    let number = values::decode_number(&number).unwrap();
    let key = |version| keys::record(number, version);
    let Some(value) = rows.get(&key(version)) else { return false };
    match damage {
        Damage::FlipHeader => {
            let mut linked = values::decode_record(version, &value).unwrap();
            linked.record.header = flip(&linked.record.header).into();
            rows.put(key(version), Some(values::encode_record(&linked.record, linked.prev)));
        }
        Damage::FlipBody => {
            let mut linked = values::decode_record(version, &value).unwrap();
            match linked.record.body {
                RecordBody::Blob(name) => {
                    let key = keys::blob(number, &name);
                    let mut content = rows.get(&key).unwrap();
                    flip_bytes(&mut content);
                    rows.put(key, Some(content));
                }
                RecordBody::Inline(text) if !text.is_empty() => {
                    linked.record.body = RecordBody::Inline(flip(&text).into());
                    let value = values::encode_record(&linked.record, linked.prev);
                    rows.put(key(version), Some(value));
                }
                RecordBody::Inline(_) | RecordBody::None => return false,
            }
        }
        Damage::Swap(with) => {
            let Some(other) = rows.get(&key(with)) else { return false };
            rows.put(key(with), Some(value));
            rows.put(key(version), Some(other));
        }
        Damage::Drop => rows.put(key(version), None),
        Damage::Insert => {
            let mut end = version;
            while rows.get(&key(end + 1)).is_some() {
                end += 1;
            }
            for moved in (version..=end).rev() {
                let value = rows.get(&key(moved));
                rows.put(key(moved + 1), value);
            }
        }
    }
    true
}
