//! An index in memory of the spaces of a store, in both orders of a list.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
};

use sessile_core::{
    clock::Timestamp,
    id::{ProjectId, Space, SpaceKind, TenantId},
    journal::{ListOrder, ListQuery},
};

/// The spaces of one list: those of a tenant and a kind, of one project or of all.
type Scope = (TenantId, SpaceKind, Option<ProjectId>);

#[derive(Debug)]
struct Order<V> {
    by_id: BTreeMap<u128, V>,
    by_updated: BTreeMap<(Timestamp, u128), V>,
}

/// The spaces that are not dropped, each with a value: a list answers a page in logarithmic time.
#[derive(Debug)]
pub struct Index<V> {
    scopes: HashMap<Scope, Order<V>>,
}

impl<V> Default for Index<V> {
    fn default() -> Self {
        Self { scopes: HashMap::new() }
    }
}

fn scopes(space: &Space, project: Option<ProjectId>) -> impl Iterator<Item = Scope> {
    let of = |project| (space.tenant().clone(), space.kind(), project);
    let narrow = project.map(|project| of(Some(project)));
    std::iter::once(of(None)).chain(narrow)
}

impl<V: Clone> Index<V> {
    /// Adds a space with the time of its newest card.
    pub fn insert(
        &mut self,
        space: &Space,
        project: Option<ProjectId>,
        updated: Timestamp,
        value: &V,
    ) {
        for scope in scopes(space, project) {
            let empty = || Order { by_id: BTreeMap::new(), by_updated: BTreeMap::new() };
            let order = self.scopes.entry(scope).or_insert_with(empty);
            order.by_id.insert(space.bits(), value.clone());
            order.by_updated.insert((updated, space.bits()), value.clone());
        }
    }

    /// Moves a space in the order of the newest cards.
    pub fn update(
        &mut self,
        space: &Space,
        project: Option<ProjectId>,
        from: Timestamp,
        to: Timestamp,
    ) {
        for scope in scopes(space, project) {
            if let Some(order) = self.scopes.get_mut(&scope)
                && let Some(value) = order.by_updated.remove(&(from, space.bits()))
            {
                order.by_updated.insert((to, space.bits()), value);
            }
        }
    }

    /// Removes a space that was dropped.
    pub fn remove(&mut self, space: &Space, project: Option<ProjectId>, updated: Timestamp) {
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

    /// The value of a space.
    pub fn get(&self, space: &Space) -> Option<&V> {
        let scope = scopes(space, None).next()?;
        self.scopes.get(&scope)?.by_id.get(&space.bits())
    }

    /// The values of all spaces, in no order.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        let whole = self.scopes.iter().filter(|((.., project), _)| project.is_none());
        whole.flat_map(|(_, order)| order.by_id.values())
    }

    /// One page of a list, in the order of the query: what `make` returns for each space, without those for which it returns
    /// `None`; `query.limit` at most.
    pub fn list<T>(&self, query: &ListQuery, make: impl Fn(Space, &V) -> Option<T>) -> Vec<T> {
        let scope = (query.tenant.clone(), query.kind, query.project);
        let Some(order) = self.scopes.get(&scope) else { return Vec::new() };
        let space = |bits: u128| Space::new(query.tenant.clone(), query.kind, bits);
        match query.order {
            ListOrder::Id => {
                let after = query.after.map_or(Bound::Unbounded, |(_, bits)| Bound::Excluded(bits));
                let rows = order.by_id.range((after, Bound::Unbounded));
                let made = rows.filter_map(|(bits, value)| make(space(*bits), value));
                made.take(query.limit).collect()
            }
            ListOrder::Updated => {
                let before = query.after.map_or(Bound::Unbounded, Bound::Excluded);
                let rows = order.by_updated.range((Bound::Unbounded, before)).rev();
                let made = rows.filter_map(|((_, bits), value)| make(space(*bits), value));
                made.take(query.limit).collect()
            }
        }
    }
}
