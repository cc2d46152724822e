//! Spaces in the order of updates.
//!
//! A space is moved late: most commits change the time of one that changes again soon, and moving it each time would cost more
//! than the record. It stands where [`Row::listed`] says; one that belongs elsewhere has a key of its own, and a list puts it
//! where it belongs. When there are many of them, all are moved.

use std::{
    collections::{BTreeMap, HashSet},
    sync::atomic::Ordering,
    time::Instant,
};

use futures_util::future::join_all;
use sessile_core::{
    error::{Error, Result},
    id::Space,
    journal::{Direction, ListQuery, ListRow},
};

use super::{
    GuardedBatch, Key, KvJournal, Value,
    append::scopes,
    keys,
    space::{Known, Live, State, damaged, number_value},
    values::{Row, decode_number},
};

/// Spaces that are not where they belong, about and at most.
pub(super) const MOST: usize = 128;

/// A place in the order: milliseconds, bits of the id.
type Place = (u64, u128);

/// What takes a living space out of the order, in all scopes.
pub(super) fn take_out(space: &Space, row: &Row, change: &mut GuardedBatch) {
    for scope in scopes(row.project) {
        change.put.push((keys::updated(space, scope, row.listed), None));
    }
    change.put.push((keys::moved(space), None));
}

impl KvJournal {
    /// After a commit that left one more space where it does not belong.
    pub(super) async fn one_more_moved(&self, until: Instant) {
        if self.moved.fetch_add(1, Ordering::Relaxed) + 1 >= MOST {
            self.moved.store(0, Ordering::Relaxed);
            // What fails is tried again after as many commits: lists are right meanwhile.
            let _ = self.settle(until).await;
        }
    }

    /// Moves all that are not where they belong.
    async fn settle(&self, until: Instant) -> Result<()> {
        let rows = self.scan_all(keys::all_moved()).await?;
        let mut moves = Vec::with_capacity(rows.len());
        for (key, _) in rows {
            let Some(space) = keys::moved_space(&key) else { continue };
            match self.state(&space).await {
                Ok(State::Live(live)) => moves.push(self.move_one(space, live, until)),
                // Whoever asks for it is told; the others are moved all the same.
                Ok(_) | Err(Error::Corrupt { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        join_all(moves).await;
        Ok(())
    }

    async fn move_one(&self, space: Space, live: Live, until: Instant) {
        let mut change = GuardedBatch::default();
        change.guards.push((keys::head(live.number), Some(live.value.clone())));
        take_out(&space, &live.row, &mut change);
        let row = Row { listed: live.row.updated, ..live.row };
        for scope in scopes(row.project) {
            let number = number_value(live.number);
            change.put.push((keys::updated(&space, scope, row.listed), Some(number)));
        }
        let value = row.encode(&space, live.number);
        change.put.push((keys::head(live.number), Some(value.clone())));
        if let Ok(true) = self.group.submit(change, until).await
            && let Some(known) = self.cache.known(&space)
            && known.live.value == live.value
        {
            let live = Live { row, value, ..live };
            self.cache.keep(&space, Known { live, ..Known::clone(&known) });
        }
    }

    /// The spaces of a list, newest first. A space that changes meanwhile is where it was, or where it is now: not both.
    pub(super) async fn newest(&self, query: &ListQuery) -> Result<Vec<ListRow>> {
        let mut last: Option<Place> = query.after.map(|(updated, bits)| (updated.millis(), bits));
        let mut page = Vec::new();
        // A page that is not full is the last one, so those that were dropped meanwhile are made up for.
        while page.len() < query.limit {
            let wanted = query.limit - page.len();
            let places = self.places(query, last, wanted).await?;
            let is_end = places.len() < wanted;
            let lowest = places.last().map(|(place, _)| *place);
            let listed = places.into_iter().map(|((_, bits), number)| (bits, number));
            let live = self.live_of(query, listed).await?;
            let row = |(space, live): (Space, Live)| {
                let place = (live.row.updated, space.bits());
                (place, ListRow { head: live.row.head, space })
            };
            let is_due = |(place, _): &(Place, _)| last.is_none_or(|last| *place < last);
            let mut rows: Vec<_> = live.into_iter().map(row).filter(is_due).collect();
            rows.sort_by_key(|(place, _)| std::cmp::Reverse(*place));
            page.extend(rows.into_iter().map(|(_, row)| row));
            if is_end {
                break;
            }
            last = lowest;
        }
        Ok(page)
    }

    /// The places after one and the numbers of what is there, at most `wanted`: of the spaces where they belong, and of
    /// those that are not, in one order.
    async fn places(
        &self,
        query: &ListQuery,
        last: Option<Place>,
        wanted: usize,
    ) -> Result<Vec<(Place, Option<u64>)>> {
        // First: what is moved in between is then still left out of the others.
        let moved = self.scan_all(keys::moved_of(&query.tenant, query.kind)).await?;
        let elsewhere = self.live_of(query, moved.iter().filter_map(listed)).await?;
        let mut places = BTreeMap::new();
        let mut left_out = HashSet::with_capacity(elsewhere.len());
        for (space, live) in elsewhere {
            left_out.insert(space.bits());
            let place = (live.row.updated, space.bits());
            if query.project.is_none_or(|project| live.row.project == Some(project))
                && last.is_none_or(|last| place < last)
            {
                places.insert(place, Some(live.number));
            }
        }
        let range = keys::all_updated(&query.tenant, query.kind, query.project, last);
        let rows = wanted.saturating_add(left_out.len());
        for (key, number) in self.kv.scan(range, Direction::Backward, rows, usize::MAX).await? {
            let place = keys::place_of(&key).filter(|(_, bits)| !left_out.contains(bits));
            places.extend(place.map(|place| (place, decode_number(&number))));
        }
        Ok(places.into_iter().rev().take(wanted).collect())
    }

    /// Living spaces, by the bits of their ids and their numbers; those that were dropped meanwhile are left out.
    pub(super) async fn live_of(
        &self,
        query: &ListQuery,
        listed: impl Iterator<Item = (u128, Option<u64>)>,
    ) -> Result<Vec<(Space, Live)>> {
        let space = |bits| Space::new(query.tenant.clone(), query.kind, bits);
        let number = |(bits, number): (u128, Option<u64>)| match number {
            Some(number) => Ok((space(bits), number)),
            None => Err(damaged(&space(bits), 0, "its number is damaged")),
        };
        let listed: Vec<(Space, u64)> = listed.map(number).collect::<Result<_>>()?;
        let heads: Vec<Key> = listed.iter().map(|(_, number)| keys::head(*number)).collect();
        let heads = self.kv.get(&heads).await?;
        let mut live = Vec::with_capacity(listed.len());
        for ((space, number), head) in listed.into_iter().zip(heads) {
            match head {
                Some(value) => {
                    let it = Live::decode(&space, number, value)?;
                    live.push((space, it));
                }
                // Dropped meanwhile, or damaged: this tells.
                None => drop(self.state(&space).await?),
            }
        }
        Ok(live)
    }
}

/// The bits and the number in a row that names a space.
pub(super) fn listed((key, number): &(Key, Value)) -> Option<(u128, Option<u64>)> {
    Some((keys::bits(key)?, decode_number(number)))
}
