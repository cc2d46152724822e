//! Sessions that can be taken up again, from state.

use std::{cmp::Reverse, time::Duration};

use crate::{
    clock::Timestamp,
    command::{Cursor, Page, Paging},
    id::{EntryId, RunId, SessionId, SubSessionId, Version},
    model::{Awaited, Resumable, RunStatus, SessionStatus},
    rules::thread::{Reading, SessionState},
};

/// A page of them: those that were written to last first, and of those at one time the newest.
pub(super) fn page(
    reading: &Reading<'_>,
    (now, skew): (Timestamp, Duration),
    page: Paging,
) -> Page<Resumable> {
    let can_be_taken = |(version, it): (&Version, &SessionState)| {
        let is_late = it.lease.as_ref().is_none_or(|lease| lease.has_expired(now, skew));
        let is_open = it.activity.number > 0 && !it.activity.ended;
        let is_there = it.status != SessionStatus::Archived;
        (is_late && is_open && is_there).then_some((it.updated_at, *version))
    };
    let sessions = reading.state.sessions.iter();
    let mut places: Vec<(Timestamp, Version)> =
        sessions.filter_map(|(version, it)| can_be_taken((version, it))).collect();
    places.sort_unstable_by_key(|place| Reverse(*place));
    // A cursor is the place of the last one: what was written to since is before it.
    let after = page.after.map(|cursor| (Timestamp::from_millis(cursor.c), cursor.b));
    places.retain(|place| after.is_none_or(|after| *place < after));
    let more = places.len() > page.limit;
    places.truncate(page.limit);
    let next = places.last().filter(|_| more);
    let next = next.map(|(time, version)| Cursor { a: 0, b: *version, c: time.millis() });
    let items = places.iter().filter_map(|(_, version)| resumable(reading, *version)).collect();
    Page { items, next }
}

fn resumable(reading: &Reading<'_>, version: Version) -> Option<Resumable> {
    let it = reading.state.session(version)?;
    let entry = |version| (version != 0).then(|| EntryId::new(reading.id, version));
    let mut awaits: Vec<Awaited> =
        it.live_runs.iter().filter_map(|run| awaited(reading, *run)).collect();
    if it.status == SessionStatus::AwaitingMerge {
        let edges = it.children.iter().filter(|edge| {
            let edge = reading.state.edge(**edge);
            edge.is_some_and(|edge| edge.broadcast == Some(it.broadcast) && !edge.is_over())
        });
        awaits
            .push(Awaited::Recipients(edges.map(|e| SubSessionId::new(reading.id, *e)).collect()));
    }
    Some(Resumable {
        session: SessionId::new(reading.id, version),
        name: it.name.as_deref().map(str::to_owned),
        task: it.task.as_deref().map(str::to_owned),
        status: it.status,
        awaits,
        note: entry(it.activity.note),
        expired_lease: it.lease.as_ref().map(|lease| lease.token),
        updated_at: it.updated_at,
    })
}

fn awaited(reading: &Reading<'_>, version: Version) -> Option<Awaited> {
    let run = RunId::new(reading.id, version);
    let state = reading.state.run(version)?;
    Some(match state.status {
        RunStatus::Queued => Awaited::Turn(run),
        RunStatus::AwaitingHitl => Awaited::Person(run),
        RunStatus::AwaitingHitlResolution => Awaited::Resolution(run),
        RunStatus::AwaitingSubsession => {
            let is_live =
                |edge: &&Version| reading.state.edge(**edge).is_some_and(|e| e.status.is_live());
            let edges = state.awaits.iter().filter(is_live);
            let edges = edges.map(|edge| SubSessionId::new(reading.id, *edge)).collect();
            Awaited::SubSessions { run, edges }
        }
        _ => Awaited::Worker(run),
    })
}
