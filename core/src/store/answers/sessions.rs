//! Pages of sessions and of edges, from state.

use std::{ops::Bound, sync::Arc};

use crate::{
    command::{Cursor, Page, Paging, SessionFilter},
    error::{Error, Result},
    id::{SubSessionId, Version},
    journal::Direction,
    model::{SessionRow, SubSession, Workspace},
    rules::thread::Reading,
};

/// Sessions a filtered page looks at, at most.
const PAGE_SESSIONS: usize = 16_384;

/// Bytes of the states on a page, after which it ends.
const PAGE_STATE_BYTES: u64 = 4 << 20;

/// A page of a thread's sessions, by the version that created them.
pub(super) fn sessions(
    reading: &Reading<'_>,
    filter: &SessionFilter,
    page: Paging,
) -> Page<SessionRow> {
    let after = page.after.map(|c| c.b);
    let sessions = &reading.state.sessions;
    let all: Box<dyn Iterator<Item = (&Version, &Arc<_>)>> = match filter.direction {
        Direction::Forward => Box::new(
            sessions.range((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)),
        ),
        Direction::Backward => Box::new(
            sessions
                .range((Bound::Unbounded, after.map_or(Bound::Unbounded, Bound::Excluded)))
                .rev(),
        ),
    };
    let mut items = Vec::with_capacity(page.limit.min(sessions.size()));
    let mut state_bytes = 0;
    for (looked, (version, session)) in all.enumerate() {
        if items.len() == page.limit || looked == PAGE_SESSIONS || state_bytes > PAGE_STATE_BYTES {
            // `version` is the first that was not looked at; the cursor names the one before it.
            let b = match filter.direction {
                Direction::Forward => version - 1,
                Direction::Backward => version + 1,
            };
            return Page { items, next: Some(Cursor::new(0, b)) };
        }
        if Reading::passes(session, filter) {
            items.push(reading.row(*version, session, filter.with_state));
            if filter.with_state {
                state_bytes += session.keyed.as_ref().map_or(0, |keyed| keyed.bytes());
            }
        }
    }
    Page::last(items)
}

/// A page of a thread's workspaces, by the version that reserved them.
pub(super) fn workspaces(reading: &Reading<'_>, store: u128, page: Paging) -> Page<Workspace> {
    let after = page.after.map_or(Bound::Unbounded, |c| Bound::Excluded(c.b));
    let versions = reading.state.workspaces.range((after, Bound::Unbounded)).map(|(v, _)| *v);
    let workspaces = versions.filter_map(|version| reading.workspace(version, store));
    let mut items: Vec<_> = workspaces.take(page.limit + 1).collect();
    let more = items.len() > page.limit;
    items.truncate(page.limit);
    let next = items.last().filter(|_| more).map(|it| Cursor::new(0, it.id.version()));
    Page { items, next }
}

/// A page of a session's children, by the version that created their edge.
pub(super) fn children(reading: &Reading<'_>, session: Version, page: Paging) -> Page<SubSession> {
    let after = page.after.map_or(0, |c| c.b);
    let Some(session) = reading.state.session(session) else { return Page::last(Vec::new()) };
    let mut items = reading.children(session, after, page.limit + 1);
    let more = items.len() > page.limit;
    items.truncate(page.limit);
    let next = items.last().filter(|_| more).map(|edge| Cursor::new(0, edge.id.version()));
    Page { items, next }
}

/// A page of the interventions that an edge follows upon. A cursor is a place in the chain.
pub(super) fn interventions(
    reading: &Reading<'_>,
    edge: SubSessionId,
    page: Paging,
) -> Result<Page<SubSession>> {
    if reading.state.edge(edge.version()).is_none() {
        return Err(Error::not_found(edge));
    }
    let after = usize::try_from(page.after.map_or(0, |c| c.b)).unwrap_or(usize::MAX);
    let chain = reading.state.interventions(edge.version()).skip(after);
    let mut items: Vec<_> =
        chain.take(page.limit + 1).filter_map(|edge| reading.edge(edge)).collect();
    let more = items.len() > page.limit;
    items.truncate(page.limit);
    let next = more.then(|| Cursor::new(0, (after + items.len()) as u64));
    Ok(Page { items, next })
}
