//! Lists of spaces. The first list of a tenant reads its folders; the result stays in memory, and commits update it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use sessile_core::{
    clock::Timestamp,
    error::{Error, Result},
    id::{ProjectId, Space, SpaceKind, TenantId},
    journal::{Head, ListQuery},
};

use super::{
    DiskShared,
    cell::SpaceState,
    failed,
    lookup::{LookupDepth, is_damage},
    path,
    tail::Tail,
};
use sessile_driver::{index::Index, lock};

/// A tenant's projects, or its threads.
type Key = (TenantId, SpaceKind);

/// What a list shows of a space.
#[derive(Clone, Debug)]
pub(super) enum Shown {
    Head(Head),
    /// It is read when it is shown: memory is bounded.
    Unread,
    /// Its end cannot be read.
    Damaged(Error),
}

#[derive(Debug)]
struct Row {
    project: Option<ProjectId>,
    /// With the time the list goes by.
    shown: Mutex<(Timestamp, Shown)>,
}

/// One row of a page: the space, its place in the order of updates, what is known of it.
pub(super) type FoundName = (Space, Timestamp, Shown);

#[derive(Debug, Default)]
struct Scope {
    /// Every space has been looked at.
    is_built: bool,
    index: Index<Arc<Row>>,
    /// What is so damaged that nobody knows in which project it belongs.
    lost: Option<Error>,
}

/// The lists that were asked for so far.
#[derive(Debug)]
pub(super) struct Lists {
    scopes: Mutex<HashMap<Key, Scope>>,
    /// One looks at a time.
    pub(super) building: Arc<async_lock::Mutex<()>>,
    /// Bytes of cards, and how many there may be.
    cards: AtomicUsize,
    limit: usize,
}

fn key(space: &Space) -> Key {
    (space.tenant().clone(), space.kind())
}

fn weight(shown: &Shown) -> usize {
    match shown {
        Shown::Head(Head { card: Some(card), .. }) => card.json.len(),
        _ => 0,
    }
}

impl Lists {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            scopes: Mutex::default(),
            building: Arc::default(),
            cards: AtomicUsize::new(0),
            limit,
        }
    }

    /// The head as it is now. Whoever puts has the guard of the space.
    pub(super) fn put(&self, space: &Space, tail: &Tail) {
        let updated = tail.card.as_ref().map(|card| card.updated_at).unwrap_or_default();
        let mut scopes = lock(&self.scopes);
        let Some(scope) = scopes.get_mut(&key(space)) else { return };
        let bytes = tail.card.as_ref().map_or(0, |card| card.json.len());
        let is_room = self.cards.load(Ordering::Relaxed) + bytes <= self.limit;
        let shown = if is_room { Shown::Head(tail.head()) } else { Shown::Unread };
        self.set(scope, space, tail.project, updated, shown);
    }

    fn set(
        &self,
        scope: &mut Scope,
        space: &Space,
        project: Option<ProjectId>,
        updated: Timestamp,
        shown: Shown,
    ) {
        self.cards.fetch_add(weight(&shown), Ordering::Relaxed);
        match scope.index.get(space).cloned() {
            Some(row) => {
                let before = std::mem::replace(&mut *lock(&row.shown), (updated, shown));
                self.cards.fetch_sub(weight(&before.1), Ordering::Relaxed);
                if before.0 != updated {
                    scope.index.update(space, row.project, before.0, updated);
                }
            }
            None => {
                let row = Row { project, shown: Mutex::new((updated, shown)) };
                scope.index.insert(space, project, updated, &Arc::new(row));
            }
        }
    }

    /// A space whose end cannot be read: the page that would show it says so.
    fn put_damaged(&self, space: &Space, project: Option<ProjectId>, error: Error) {
        let mut scopes = lock(&self.scopes);
        let Some(scope) = scopes.get_mut(&key(space)) else { return };
        if project.is_none() && space.kind() == SpaceKind::Thread {
            scope.lost = Some(error.clone());
        }
        self.set(scope, space, project, Timestamp::default(), Shown::Damaged(error));
    }

    pub(super) fn remove(&self, space: &Space) {
        let mut scopes = lock(&self.scopes);
        let Some(scope) = scopes.get_mut(&key(space)) else { return };
        let Some(row) = scope.index.get(space).cloned() else { return };
        let (updated, shown) = lock(&row.shown).clone();
        self.cards.fetch_sub(weight(&shown), Ordering::Relaxed);
        scope.index.remove(space, row.project, updated);
    }

    pub(super) fn is_built(&self, query: &ListQuery) -> bool {
        let key = (query.tenant.clone(), query.kind);
        lock(&self.scopes).get(&key).is_some_and(|scope| scope.is_built)
    }

    fn forget(&self, key: &Key) {
        let forgotten = lock(&self.scopes).remove(key);
        if let Some(scope) = forgotten {
            let weights = scope.index.values().map(|row| weight(&lock(&row.shown).1));
            self.cards.fetch_sub(weights.sum(), Ordering::Relaxed);
        }
    }

    /// The next rows of a list that was built.
    pub(super) fn page(&self, query: &ListQuery) -> Result<Vec<FoundName>> {
        let scopes = lock(&self.scopes);
        let key = (query.tenant.clone(), query.kind);
        let Some(scope) = scopes.get(&key) else { return Ok(Vec::new()) };
        match &scope.lost {
            Some(error) if query.project.is_some() => Err(error.clone()),
            _ => Ok(scope.index.list(query, |space, row: &Arc<Row>| {
                let (updated, shown) = lock(&row.shown).clone();
                Some((space, updated, shown))
            })),
        }
    }
}

impl DiskShared {
    /// Looks at every space of a tenant and kind. Commits that go on meanwhile keep what is found up to date.
    pub(super) fn build(&self, query: &ListQuery) -> Result<()> {
        let key = (query.tenant.clone(), query.kind);
        self.lists.forget(&key);
        lock(&self.lists.scopes).insert(key.clone(), Scope::default());
        let built = self.look_at_all(query);
        match &built {
            Ok(()) => {
                if let Some(scope) = lock(&self.lists.scopes).get_mut(&key) {
                    scope.is_built = true;
                }
            }
            Err(_) => self.lists.forget(&key),
        }
        built
    }

    fn look_at_all(&self, query: &ListQuery) -> Result<()> {
        let tenant = self.root.join(path::folder(query.tenant.as_str()));
        let folder = tenant.join(path::kind_folder(query.kind));
        let spaces = self.spaces(&folder, &query.tenant, query.kind);
        let spaces = spaces.map_err(|e| failed("list", &folder, e))?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
        let share = spaces.len().div_ceil(threads).max(64);
        let look = |spaces: &[Space]| spaces.iter().try_for_each(|space| self.look_at(space));
        std::thread::scope(|scope| {
            let (first, others) = spaces.split_at_checked(share).unwrap_or((&spaces, &[]));
            let others: Vec<_> =
                others.chunks(share).map(|part| scope.spawn(move || look(part))).collect();
            let mut all = look(first);
            for other in others {
                let panicked = || Error::failed("listing the spaces panicked");
                all = all.and(other.join().unwrap_or_else(|_| Err(panicked())));
            }
            all
        })
    }

    fn look_at(&self, space: &Space) -> Result<()> {
        let cell = self.cells.get(&self.root, space);
        let guard = cell.work.lock_arc_blocking();
        match self.ensure_known(&cell, LookupDepth::Head) {
            Ok(()) => {
                let state = lock(&cell.seen).state.clone();
                if let SpaceState::Live(tail) = &state {
                    self.lists.put(space, tail);
                }
            }
            Err(error) if is_damage(&error) => {
                self.lists.put_damaged(space, self.project_hint(&cell), error);
            }
            Err(error) => return Err(error),
        }
        drop(guard);
        Ok(())
    }
}
