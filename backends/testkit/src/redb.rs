//! Damage to a redb file, through the engine's own crate. No handle may have the file open.

use std::path::Path;

use redb::{Database, Table, TableDefinition};
use sessile_conformance::Damage;
use sessile_core::id::{Space, Version};
use sessile_driver::kv::{keys, values};

use crate::kv::{self, Rows};

const ROWS: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("rows");

impl Rows for Table<'_, &'static [u8], &'static [u8]> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        redb::ReadableTable::get(self, key).unwrap().map(|value| value.value().to_vec())
    }

    fn put(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        match value {
            Some(value) => self.insert(&*key, &*value).unwrap(),
            None => self.remove(&*key).unwrap(),
        };
    }
}

/// Damages the record at a version of a space.
pub fn damage(path: &Path, space: &Space, version: Version, damage: Damage) -> bool {
    let txn = Database::open(path).unwrap().begin_write().unwrap();
    let done = kv::apply(&mut txn.open_table(ROWS).unwrap(), space, version, damage);
    txn.commit().unwrap();
    done
}

/// Makes the file say that it has another format.
pub fn set_format(path: &Path, format: u32) {
    let txn = Database::open(path).unwrap().begin_write().unwrap();
    let store = values::encode_store(format, 0);
    txn.open_table(ROWS).unwrap().insert(keys::STORE, &*store).unwrap();
    txn.commit().unwrap();
}
