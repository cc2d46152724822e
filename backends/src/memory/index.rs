//! Which spaces there are, in the two orders of a list.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::Arc,
};

use sessile_core::{
    clock::Timestamp,
    id::{ProjectId, Space, SpaceKind, TenantId},
    journal::{ListOrder, ListQuery, ListRow},
};

use super::log::Cell;
use crate::lock::lock;

/// What one list goes over: a tenant's spaces of a kind, of one project or of all.
type Scope = (TenantId, SpaceKind, Option<ProjectId>);

#[derive(Default)]
struct Order {
    by_id: BTreeMap<u128, Arc<Cell>>,
    by_updated: BTreeMap<(Timestamp, u128), Arc<Cell>>,
}

/// Every living space, in each scope it belongs to.
#[derive(Default)]
pub(super) struct Index {
    scopes: HashMap<Scope, Order>,
}

fn scopes(space: &Space, project: Option<ProjectId>) -> impl Iterator<Item = Scope> {
    let of = |project| (space.tenant().clone(), space.kind(), project);
    let narrow = project.map(|project| of(Some(project)));
    std::iter::once(of(None)).chain(narrow)
}

impl Index {
    pub(super) fn insert(
        &mut self,
        space: &Space,
        project: Option<ProjectId>,
        updated: Timestamp,
        cell: &Arc<Cell>,
    ) {
        for scope in scopes(space, project) {
            let order = self.scopes.entry(scope).or_default();
            order.by_id.insert(space.bits(), cell.clone());
            order.by_updated.insert((updated, space.bits()), cell.clone());
        }
    }

    pub(super) fn update(
        &mut self,
        space: &Space,
        project: Option<ProjectId>,
        from: Timestamp,
        to: Timestamp,
    ) {
        for scope in scopes(space, project) {
            if let Some(order) = self.scopes.get_mut(&scope)
                && let Some(cell) = order.by_updated.remove(&(from, space.bits()))
            {
                order.by_updated.insert((to, space.bits()), cell);
            }
        }
    }

    pub(super) fn remove(&mut self, space: &Space, project: Option<ProjectId>, updated: Timestamp) {
        for scope in scopes(space, project) {
            if let Some(order) = self.scopes.get_mut(&scope) {
                order.by_id.remove(&space.bits());
                order.by_updated.remove(&(updated, space.bits()));
                if order.by_id.is_empty() {
                    self.scopes.remove(&scope);
                }
            }
        }
    }

    pub(super) fn list(&self, query: &ListQuery) -> Vec<ListRow> {
        let scope = (query.tenant.clone(), query.kind, query.project);
        let Some(order) = self.scopes.get(&scope) else { return Vec::new() };
        let row = |bits: u128, cell: &Arc<Cell>| {
            let head = lock(&cell.head).clone()?;
            Some(ListRow { space: Space::new(query.tenant.clone(), query.kind, bits), head })
        };
        match query.order {
            ListOrder::Id => {
                let after = query.after.map_or(Bound::Unbounded, |(_, bits)| Bound::Excluded(bits));
                let rows = order.by_id.range((after, Bound::Unbounded));
                rows.filter_map(|(bits, cell)| row(*bits, cell)).take(query.limit).collect()
            }
            ListOrder::Updated => {
                let before = query.after.map_or(Bound::Unbounded, Bound::Excluded);
                let rows = order.by_updated.range((Bound::Unbounded, before)).rev();
                rows.filter_map(|((_, bits), cell)| row(*bits, cell)).take(query.limit).collect()
            }
        }
    }
}
