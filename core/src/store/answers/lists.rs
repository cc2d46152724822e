//! Lists of projects and threads: from cards, one read a page.

use std::collections::VecDeque;

use crate::{
    clock::Timestamp,
    command::{Caller, Cursor, Page, Paging, ProjectUsage, ThreadFilter, ThreadScope},
    error::{Error, Result},
    id::{ProjectId, SpaceKind, ThreadId},
    journal::{Direction, ListOrder, ListQuery, ListRow},
    model::{BudgetUse, Labels, Project, ThreadRow},
    store::{
        card::{self, ProjectCard, ThreadCard},
        inner::StoreInner,
    },
};

/// Rows a filtered page looks at, at most.
const PAGE_ROWS: usize = 4096;
/// Rows of one read.
const READ_ROWS: usize = 500;

fn after(cursor: Option<Cursor>) -> Option<(Timestamp, u128)> {
    cursor.map(|c| (Timestamp::from_millis(c.b), c.a))
}

pub(in crate::store) fn key(row: &ListRow) -> (Timestamp, u128) {
    (row.head.card.as_ref().map(|c| c.updated_at).unwrap_or_default(), row.space.bits())
}

fn cursor((updated, bits): (Timestamp, u128)) -> Cursor {
    Cursor::new(bits, updated.millis())
}

impl StoreInner {
    pub(super) async fn projects(&self, caller: &Caller, page: Paging) -> Result<Page<Project>> {
        page.check()?;
        let query = ListQuery {
            tenant: caller.tenant.clone(),
            kind: SpaceKind::Project,
            project: None,
            order: ListOrder::Id,
            after: after(page.after),
            limit: page.limit + 1,
        };
        let mut rows = self.journal().list(&query).await?;
        let more = rows.len() > page.limit;
        rows.truncate(page.limit);
        let next = rows.last().filter(|_| more).map(|row| cursor(key(row)));
        let items = rows.iter().map(|row| project_of_row(caller, row)).collect::<Result<_>>()?;
        Ok(Page { items, next })
    }

    pub(super) async fn threads(
        &self,
        caller: &Caller,
        filter: &ThreadFilter,
        page: Paging,
    ) -> Result<Page<ThreadRow>> {
        page.check()?;
        let project = if let ThreadScope::Project(project) = filter.scope {
            self.project_exists(caller, project).await?;
            Some(project)
        } else {
            None
        };
        let filtered = filter.label.is_some() || matches!(filter.scope, ThreadScope::User(_));
        let mut query = ListQuery {
            tenant: caller.tenant.clone(),
            kind: SpaceKind::Thread,
            project,
            order: filter.order,
            after: after(page.after),
            limit: if filtered { READ_ROWS } else { page.limit + 1 },
        };
        let mut items = Vec::new();
        let mut looked = 0;
        loop {
            let rows = self.journal().list(&query).await?;
            if rows.is_empty() {
                return Ok(Page::last(items));
            }
            let whole = rows.len() == query.limit;
            for row in rows {
                if items.len() == page.limit || looked == PAGE_ROWS {
                    return Ok(Page { items, next: query.after.map(cursor) });
                }
                looked += 1;
                let card = self.thread_card(caller, &row).await?;
                if labelled(&card.labels, filter.label.as_ref()) && in_scope(&card, &filter.scope) {
                    items.push(thread_row(&row, card));
                }
                query.after = Some(key(&row));
            }
            if !whole {
                return Ok(Page::last(items));
            }
        }
    }

    /// The card of a listed thread; read from the thread itself where the card did not hold everything.
    pub(in crate::store) async fn thread_card(
        &self,
        caller: &Caller,
        row: &ListRow,
    ) -> Result<ThreadCard> {
        let mut card: ThreadCard = card::read(&row.space, row.head.card.as_ref())?;
        if card.partial {
            let journal = self.state(&row.space, caller).await?;
            let state = journal.as_thread()?;
            if let Some(fields) = state.thread.as_deref() {
                card.external_id = fields.external_id.as_deref().map(str::to_owned);
                card.title.clone_from(&fields.title);
                card.labels.clone_from(&fields.labels);
                card.roll_up.clone_from(&state.roll_up);
            }
        }
        Ok(card)
    }

    pub(super) async fn project_exists(&self, caller: &Caller, project: ProjectId) -> Result<()> {
        caller.owns(project.tag(), project)?;
        let state = self.state(&project.space(&caller.tenant), caller).await?;
        if state.as_project()?.project.is_some() { Ok(()) } else { Err(Error::not_found(project)) }
    }

    /// The sum over a project's threads, each at its own head (USE1).
    pub(super) async fn project_usage(
        &self,
        caller: &Caller,
        project: ProjectId,
    ) -> Result<ProjectUsage> {
        self.project_exists(caller, project).await?;
        let mut query = ListQuery {
            tenant: caller.tenant.clone(),
            kind: SpaceKind::Thread,
            project: Some(project),
            order: ListOrder::Id,
            after: None,
            limit: READ_ROWS,
        };
        let mut usage = ProjectUsage::default();
        loop {
            let rows = self.journal().list(&query).await?;
            let Some(last) = rows.last() else { return Ok(usage) };
            query.after = Some(key(last));
            for row in &rows {
                usage.roll_up.add(&self.thread_card(caller, row).await?.roll_up);
                usage
                    .heads
                    .insert(ThreadId::from_bits(row.space.bits()), row.head.position.version);
            }
        }
    }
}

/// A thread of a project, as far as its card tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct ListedThread {
    pub(super) id: ThreadId,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

/// The threads of a project one after the other: the last written to first, or the first created first.
pub(super) struct ListedThreads {
    query: ListQuery,
    direction: Direction,
    read: VecDeque<ListedThread>,
    /// Read, and not in order yet.
    all: Vec<ListedThread>,
    ended: bool,
}

impl ListedThreads {
    pub(super) fn new(caller: &Caller, project: ProjectId, direction: Direction) -> Self {
        let query = ListQuery {
            tenant: caller.tenant.clone(),
            kind: SpaceKind::Thread,
            project: Some(project),
            order: match direction {
                Direction::Forward => ListOrder::Id,
                Direction::Backward => ListOrder::Updated,
            },
            after: None,
            limit: READ_ROWS,
        };
        Self { query, direction, read: VecDeque::new(), all: Vec::new(), ended: false }
    }

    /// When a thread was written to last; 0 if there is none.
    pub(super) async fn newest(&self, store: &StoreInner) -> Result<Timestamp> {
        let query = ListQuery { order: ListOrder::Updated, limit: 1, ..self.query.clone() };
        let rows = store.journal().list(&query).await?;
        Ok(rows.first().map(|row| key(row).0).unwrap_or_default())
    }

    /// Threads that were written to after a time.
    pub(super) async fn updated_since(
        &self,
        store: &StoreInner,
        time: Timestamp,
    ) -> Result<Vec<ThreadId>> {
        let mut query = ListQuery { order: ListOrder::Updated, after: None, ..self.query.clone() };
        let mut threads = Vec::new();
        loop {
            let rows = store.journal().list(&query).await?;
            let later = rows.iter().take_while(|row| key(row).0 > time);
            threads.extend(later.map(|row| ThreadId::from_bits(row.space.bits())));
            match rows.last() {
                Some(last) if key(last).0 > time => query.after = Some(key(last)),
                _ => return Ok(threads),
            }
        }
    }

    /// The next thread, which stays the next one.
    pub(super) async fn peek(
        &mut self,
        store: &StoreInner,
        caller: &Caller,
    ) -> Result<Option<ListedThread>> {
        while self.read.is_empty() && !self.ended {
            let rows = store.journal().list(&self.query).await?;
            self.ended = rows.len() < READ_ROWS;
            for row in &rows {
                let card = store.thread_card(caller, row).await?;
                let (updated_at, bits) = key(row);
                let id = ThreadId::from_bits(bits);
                self.read.push_back(ListedThread { id, created_at: card.created_at, updated_at });
                self.query.after = Some(key(row));
            }
            // There is no list by creation: all are read, and put in order.
            if self.direction == Direction::Forward {
                self.all.extend(self.read.drain(..));
                if self.ended {
                    let mut all = std::mem::take(&mut self.all);
                    all.sort_unstable_by_key(|thread| (thread.created_at, thread.id));
                    self.read = all.into();
                }
            }
        }
        Ok(self.read.front().copied())
    }

    /// Goes past the next thread.
    pub(super) fn skip(&mut self) {
        self.read.pop_front();
    }
}

fn in_scope(card: &ThreadCard, scope: &ThreadScope) -> bool {
    match scope {
        ThreadScope::Tenant => true,
        ThreadScope::Project(project) => card.project == *project,
        ThreadScope::User(user) => card.users.contains(user),
    }
}

fn project_of_row(caller: &Caller, row: &ListRow) -> Result<Project> {
    let card: ProjectCard = card::read(&row.space, row.head.card.as_ref())?;
    let used = card.used;
    let budget = card
        .config
        .budget
        .clone()
        .zip(used)
        .map(|(budget, (spent, reserved))| BudgetUse { budget, spent, reserved });
    Ok(Project {
        budget,
        id: ProjectId::from_bits(row.space.bits()),
        tenant: caller.tenant.clone(),
        external_id: card.external_id,
        name: card.name,
        status: card.status,
        config: card.config,
        created_at: card.created_at,
        updated_at: card.updated_at,
        version: card.version,
    })
}

fn thread_row(row: &ListRow, card: ThreadCard) -> ThreadRow {
    ThreadRow {
        id: ThreadId::from_bits(row.space.bits()),
        project: card.project,
        external_id: card.external_id,
        title: card.title,
        labels: card.labels,
        status: card.status,
        created_at: card.created_at,
        updated_at: row.head.card.as_ref().map(|c| c.updated_at).unwrap_or_default(),
        head: row.head.position.version,
        sessions: card.sessions,
        totals: card.roll_up.totals,
    }
}

/// Whether labels hold a pair, if one is asked for.
fn labelled(labels: &Labels, wanted: Option<&(String, String)>) -> bool {
    wanted.is_none_or(|(key, value)| labels.matches(key, value))
}
