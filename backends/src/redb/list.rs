//! Lists: one range of one table each, or of the order of updates.

use std::ops::Bound;

use redb::ReadTransaction;
use sessile_core::{
    error::Error,
    id::Space,
    journal::{ListOrder, ListQuery, ListRow},
};

use super::{
    error::{EngineResult, RedbFailure},
    index, read, schema,
};

pub(super) fn list(txn: &ReadTransaction, query: &ListQuery) -> EngineResult<Vec<ListRow>> {
    let (spaces, records) = (txn.open_table(schema::SPACE)?, txn.open_table(schema::RECORD)?);
    let tenant = query.tenant.as_str().as_bytes();
    let (scope, project) = schema::scope(query.kind, query.project);
    let space = |bits| Space::new(query.tenant.clone(), query.kind, bits);
    let mut list = Vec::new();
    let listed = |bits: u128| -> EngineResult<ListRow> {
        let space = space(bits);
        let damage =
            || RedbFailure::Stated(Error::corrupt(&space, 0, "it is listed and not there"));
        let id = read::number(&spaces, &space)?.ok_or_else(damage)?;
        let row = read::row(&records, &space, id)?;
        Ok(ListRow { head: row.head, space })
    };
    match (query.order, query.project) {
        (ListOrder::Id, None) => {
            let kind = schema::kind(query.kind);
            let after = after(query.after.map(|(_, bits)| (tenant, kind, bits)), (tenant, kind, 0));
            let rows = spaces.range((after, Bound::Included((tenant, kind, u128::MAX))))?;
            for row in rows.take(query.limit) {
                let (key, value) = row?;
                let space = space(key.value().2);
                let row = read::row(&records, &space, value.value())?;
                list.push(ListRow { head: row.head, space });
            }
        }
        (ListOrder::Id, Some(_)) => {
            let key = |bits| (tenant, scope, project, bits);
            let after = after(query.after.map(|(_, bits)| key(bits)), key(0));
            let table = txn.open_table(schema::PROJECT)?;
            for row in table.range((after, Bound::Included(key(u128::MAX))))?.take(query.limit) {
                list.push(listed(row?.0.value().3)?);
            }
        }
        (ListOrder::Updated, _) => {
            for bits in index::newest(txn, query)? {
                list.push(listed(bits)?);
            }
        }
    }
    Ok(list)
}

/// Where a page begins: after the last row of the page before, or at the first there is.
fn after<K>(last: Option<K>, first: K) -> Bound<K> {
    last.map_or(Bound::Included(first), Bound::Excluded)
}
