//! Spaces in the order of updates.
//!
//! A row of [`UPDATED`](schema::UPDATED) is moved late: most commits change the time of a space that changes again soon, and
//! moving it each time would cost more than the record. Its place is where [`Row::listed`] says; a space that is due for
//! another is in [`MOVED`](schema::MOVED), and a list puts it where it belongs. When there are many of them, all are moved.

use std::{
    collections::{BTreeSet, HashSet},
    ops::Bound,
};

use redb::{ReadTransaction, ReadableTable as _, ReadableTableMetadata as _};
use sessile_core::{
    id::{ProjectId, Space, SpaceKind, TenantId},
    journal::ListQuery,
};

use super::{
    error::EngineResult,
    read::{self, damaged},
    schema::{self, Row, Tables},
};

/// Spaces that are not where they belong, at most.
const MOST: u64 = 128;

/// Moves a space, in each scope it belongs to; `None` is nowhere.
pub(super) fn place(
    tables: &mut Tables<'_>,
    space: &Space,
    project: Option<ProjectId>,
    from: Option<u64>,
    to: Option<u64>,
) -> EngineResult<()> {
    let tenant = space.tenant().as_str().as_bytes();
    let table = tables.updated()?;
    for of in std::iter::once(None).chain(project.map(Some)) {
        let (scope, project) = schema::scope(space.kind(), of);
        if let Some(from) = from {
            table.remove((tenant, scope, project, from, space.bits()))?;
        }
        if let Some(to) = to {
            table.insert((tenant, scope, project, to, space.bits()), ())?;
        }
    }
    Ok(())
}

/// Says of a space that it is no longer where it belongs.
pub(super) fn mark(tables: &mut Tables<'_>, space: &Space) -> EngineResult<()> {
    if tables.moved()?.len()? >= MOST {
        settle(tables)?;
    }
    tables.moved()?.insert(schema::space_key(space), ())?;
    Ok(())
}

/// Moves all that are not where they belong.
fn settle(tables: &mut Tables<'_>) -> EngineResult<()> {
    let mut moved = Vec::new();
    for row in tables.moved()?.iter()? {
        moved.push(space(row?.0.value())?);
    }
    for space in &moved {
        let id = read::number(tables.space()?, space)?;
        let id = id.ok_or_else(|| damaged(space, 0, "it has moved and is not there"))?;
        let mut row = read::row(tables.record()?, space, id)?;
        place(tables, space, row.project, Some(row.listed), Some(row.updated))?;
        row.listed = row.updated;
        tables.record()?.insert((id, schema::HEAD), row.encode(space).as_slice())?;
    }
    tables.moved()?.retain(|_, ()| false)?;
    Ok(())
}

fn space((tenant, kind, bits): (&[u8], u8, u128)) -> EngineResult<Space> {
    let tenant = std::str::from_utf8(tenant).unwrap_or_default();
    let kind = SpaceKind::ALL.into_iter().find(|of| schema::kind(*of) == kind);
    let kind = kind.unwrap_or(SpaceKind::Project);
    Ok(Space::new(TenantId::new(tenant)?, kind, bits))
}

/// Takes a space out of the order.
pub(super) fn remove(tables: &mut Tables<'_>, space: &Space, row: &Row) -> EngineResult<()> {
    place(tables, space, row.project, Some(row.listed), None)?;
    tables.moved()?.remove(schema::space_key(space))?;
    Ok(())
}

/// The spaces of a list by id bits, newest first: those where they belong, and those that are not, in one order.
pub(super) fn newest(txn: &ReadTransaction, query: &ListQuery) -> EngineResult<Vec<u128>> {
    let tenant = query.tenant.as_str().as_bytes();
    let kind = schema::kind(query.kind);
    let last = query.after.map(|(updated, bits)| (updated.millis(), bits));
    let (spaces, records) = (txn.open_table(schema::SPACE)?, txn.open_table(schema::RECORD)?);
    let mut elsewhere = HashSet::new();
    let mut moved = BTreeSet::new();
    for row in
        txn.open_table(schema::MOVED)?.range((tenant, kind, 0)..=(tenant, kind, u128::MAX))?
    {
        let bits = row?.0.value().2;
        let space = Space::new(query.tenant.clone(), query.kind, bits);
        let id = read::number(&spaces, &space)?;
        let id = id.ok_or_else(|| damaged(&space, 0, "it has moved and is not there"))?;
        let row = read::row(&records, &space, id)?;
        elsewhere.insert(bits);
        let place = (row.updated, bits);
        if query.project.is_none_or(|project| row.project == Some(project))
            && last.is_none_or(|last| place < last)
        {
            moved.insert(place);
        }
    }
    let (scope, project) = schema::scope(query.kind, query.project);
    let key = |(updated, bits)| (tenant, scope, project, updated, bits);
    let before =
        last.map_or(Bound::Included(key((u64::MAX, u128::MAX))), |last| Bound::Excluded(key(last)));
    let table = txn.open_table(schema::UPDATED)?;
    let mut placed = table.range((Bound::Included(key((0, 0))), before))?.rev();
    let mut next_placed = || -> EngineResult<Option<(u64, u128)>> {
        for row in placed.by_ref() {
            let (_, _, _, updated, bits) = row?.0.value();
            if !elsewhere.contains(&bits) {
                return Ok(Some((updated, bits)));
            }
        }
        Ok(None)
    };
    let mut newest = Vec::new();
    let (mut here, mut there) = (next_placed()?, moved.pop_last());
    while newest.len() < query.limit {
        // None is before all.
        let Some((_, bits)) = here.max(there) else { break };
        newest.push(bits);
        if here > there {
            here = next_placed()?;
        } else {
            there = moved.pop_last();
        }
    }
    Ok(newest)
}
