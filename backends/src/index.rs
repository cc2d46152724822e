//! Which spaces there are, in the two orders of a list.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
};

use sessile_core::{
    clock::Timestamp,
    id::{ProjectId, Space, SpaceKind, TenantId},
    journal::{ListOrder, ListQuery},
};

/// What one list goes over: a tenant's spaces of a kind, of one project or of all.
type Scope = (TenantId, SpaceKind, Option<ProjectId>);

#[derive(Debug)]
struct Order<V> {
    by_id: BTreeMap<u128, V>,
    by_updated: BTreeMap<(Timestamp, u128), V>,
}

/// Every living space with a value, in each scope it belongs to.
#[derive(Debug)]
pub(crate) struct Index<V> {
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
    pub(crate) fn insert(
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

    pub(crate) fn update(
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

    pub(crate) fn remove(&mut self, space: &Space, project: Option<ProjectId>, updated: Timestamp) {
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

    #[cfg(feature = "disk")]
    pub(crate) fn get(&self, space: &Space) -> Option<&V> {
        let scope = scopes(space, None).next()?;
        self.scopes.get(&scope)?.by_id.get(&space.bits())
    }

    /// All values, each once.
    #[cfg(feature = "disk")]
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        let whole = self.scopes.iter().filter(|((.., project), _)| project.is_none());
        whole.flat_map(|(_, order)| order.by_id.values())
    }

    /// At most `query.limit` of what is made of the spaces a query asks for, in its order; what makes nothing is not counted.
    pub(crate) fn list<T>(
        &self,
        query: &ListQuery,
        make: impl Fn(Space, &V) -> Option<T>,
    ) -> Vec<T> {
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
