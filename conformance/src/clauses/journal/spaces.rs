//! J9, J15: many spaces in one journal.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use sessile_core::{
    ErrorKind, Timestamp,
    id::{ProjectId, Space, SpaceKind, TenantId, Version},
    journal::{Journal, ListOrder, ListQuery, ListRow, Position, Snapshot},
};

use crate::{
    clause::Verdict,
    internal::{ClauseContext, assertions::refused, hostile, raw_batches},
};

crate::clauses! { J9: Journal => j9, J15: Journal => j15 }

fn tenant(text: &str) -> TenantId {
    TenantId::new(text).expect("a tenant the alphabet allows")
}

/// Every space of the hostile set.
fn spaces() -> Vec<Space> {
    let mut all = Vec::new();
    for name in hostile::tenants() {
        for kind in SpaceKind::ALL {
            all.push(Space::new(tenant(&name), kind, 1));
        }
    }
    for bits in hostile::BITS.into_iter().filter(|bits| *bits != 1) {
        for kind in SpaceKind::ALL {
            all.push(Space::new(tenant("acme"), kind, bits));
        }
    }
    all
}

/// No space observes another.
pub async fn j9(cx: ClauseContext) -> Verdict {
    let journal = cx.journal().await;
    let spaces = spaces();
    let mut ends = BTreeMap::new();
    let mut writers = Vec::new();
    for part in spaces.chunks(spaces.len().div_ceil(8)) {
        let (journal, part) = (Arc::clone(&journal), part.to_vec());
        writers.push(tokio::spawn(async move {
            let mut ends = Vec::new();
            for space in part {
                let mut batch = raw_batches::batch(None, 1, &space.to_string());
                batch.card = Some(raw_batches::card(1, space.to_string()));
                raw_batches::done(journal.commit(&space, None, &batch).await);
                ends.push((space, batch.end()));
            }
            ends
        }));
    }
    for writer in writers {
        ends.extend(writer.await.expect("a writer ends"));
    }
    assert_eq!(ends.len(), spaces.len(), "all spaces differ");
    apart(&*journal, &ends).await;
    beside(&*journal, &spaces).await;

    let (gone, end) = ends.iter().nth(ends.len() / 2).expect("a space");
    let (gone, end) = (gone.clone(), *end);
    raw_batches::done(journal.drop_space(&gone, end).await);
    ends.remove(&gone);
    assert_eq!(raw_batches::content(&*journal, &gone).await, (None, Vec::new()));
    apart(&*cx.journal().await, &ends).await;
    Verdict::Passed
}

/// Each space holds its own record and card, and each tenant lists its own spaces.
async fn apart(journal: &dyn Journal, ends: &BTreeMap<Space, Option<Position>>) {
    for (space, end) in ends {
        let (head, records) = raw_batches::content(journal, space).await;
        let head = head.unwrap_or_else(|| panic!("{space} has a head"));
        assert_eq!(Some(head.position), *end, "{space} has its own head");
        assert_eq!(head.card.map(|card| card.json), Some(space.to_string()));
        assert_eq!(records.iter().map(raw_batches::tag).collect::<Vec<_>>(), [space.to_string()]);
    }
    let tenants: BTreeSet<_> = ends.keys().map(Space::tenant).collect();
    for tenant in tenants {
        for kind in SpaceKind::ALL {
            let query = ListQuery {
                tenant: tenant.clone(),
                kind,
                project: None,
                order: ListOrder::Id,
                after: None,
                limit: 100,
            };
            let rows = journal.list(&query).await.expect("a list");
            let listed: Vec<_> = rows.into_iter().map(|row| row.space).collect();
            let own = |space: &&Space| space.tenant() == tenant && space.kind() == kind;
            assert_eq!(listed, ends.keys().filter(own).cloned().collect::<Vec<_>>());
        }
    }
}

/// Blobs and snapshots are of one space too.
async fn beside(journal: &dyn Journal, spaces: &[Space]) {
    let mut names = Vec::new();
    for space in spaces.iter().step_by(5) {
        let bytes = space.to_string().into_bytes();
        let name = journal.put_blob(space, &bytes).await.expect("a blob");
        let position =
            raw_batches::at(&journal.head(space).await.expect("a head")).expect("a position");
        let snapshot = Snapshot { position, bytes: bytes.clone() };
        journal.save_snapshot(space, &snapshot).await.expect("a snapshot may be kept");
        names.push((space, name, bytes));
    }
    for (owner, name, bytes) in &names {
        assert_eq!(&journal.get_blob(owner, name, None).await.expect("a blob"), bytes);
        for (other, own, theirs) in &names {
            if other != owner && own != name {
                refused(journal.get_blob(other, name, None).await, ErrorKind::NotFound);
            } else if other != owner {
                let got = journal.get_blob(other, name, None).await.expect("its own blob");
                assert_eq!(&got, theirs, "one name in two spaces is two blobs");
            }
        }
        let loaded = journal.load_snapshot(owner).await.expect("a snapshot or none");
        assert!(loaded.is_none_or(|s| s.bytes == *bytes), "{owner} loads its own snapshot");
    }
}

/// Every space is listed exactly once, in order, page by page, while others come and go.
pub async fn j15(cx: ClauseContext) -> Verdict {
    let journal = cx.journal().await;
    let projects = [ProjectId::from_bits(1), ProjectId::from_bits(2)];
    let mut all: BTreeMap<u128, (Timestamp, ProjectId)> = BTreeMap::new();
    for i in 0..36_u128 {
        let bits = (i * 7 % 36) << (i % 3 * 40) | (i << 100);
        let (space, project) = (raw_batches::space(bits), projects[i as usize % 2]);
        let mut batch = raw_batches::batch(None, 1, "first");
        batch.project = Some(project);
        batch.card = (i % 9 != 0).then(|| raw_batches::card(1000 + i as u64 / 4, i.to_string()));
        raw_batches::done(journal.commit(&space, None, &batch).await);
        let mut updated =
            batch.card.as_ref().map_or(Timestamp::from_millis(0), |card| card.updated_at);
        if i % 4 == 1 {
            let mut next = raw_batches::batch(batch.end(), 1, "next");
            if i % 8 == 1 {
                next.card = Some(raw_batches::card(500 + i as u64, "moved"));
                updated = Timestamp::from_millis(500 + i as u64);
            }
            raw_batches::done(journal.commit(&space, batch.end(), &next).await);
        }
        all.insert(bits, (updated, project));
    }
    for limit in [1, 5, 36, 100] {
        pages(&*journal, &all, None, limit).await;
    }
    for project in projects {
        pages(&*journal, &all, Some(project), 4).await;
    }
    pages(&*journal, &BTreeMap::new(), Some(ProjectId::from_bits(3)), 4).await;

    let over = Arc::new(AtomicBool::new(false));
    let (other, stop) = (cx.journal().await, Arc::clone(&over));
    let churn = tokio::spawn(async move {
        let mut made = 0;
        while !stop.load(Ordering::SeqCst) {
            let space = raw_batches::space((made * 13 % 36) << 80 | 1 << 60 | made);
            let mut batch = raw_batches::batch(None, 1, "brief");
            batch.card = Some(raw_batches::card(1000 + made as u64 % 9, ""));
            batch.project = Some(projects[0]);
            raw_batches::done(other.commit(&space, None, &batch).await);
            raw_batches::done(other.drop_space(&space, batch.end()).await);
            made += 1;
            tokio::task::yield_now().await;
        }
    });
    for i in 0..cx.times(4) {
        pages(&*journal, &all, None, 3 + i % 4).await;
    }
    over.store(true, Ordering::SeqCst);
    churn.await.expect("spaces come and go");
    written_to(&cx, &all).await;
    Verdict::Passed
}

/// A space that is written to at this moment is listed as any other.
async fn written_to(cx: &ClauseContext, all: &BTreeMap<u128, (Timestamp, ProjectId)>) {
    let over = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for bits in all.keys().copied().step_by(7) {
        let (journal, over) = (cx.journal().await, Arc::clone(&over));
        writers.push(tokio::spawn(async move {
            let space = raw_batches::space(bits);
            while !over.load(Ordering::SeqCst) {
                raw_batches::append_anywhere(&*journal, &space, 2, "more").await;
                tokio::task::yield_now().await;
            }
        }));
    }
    let journal = cx.journal().await;
    let mut want: Vec<_> = all.keys().copied().collect();
    want.sort_unstable();
    for order in [ListOrder::Id, ListOrder::Updated] {
        for _ in 0..cx.times(8) {
            let query = ListQuery {
                tenant: tenant("acme"),
                kind: SpaceKind::Thread,
                project: None,
                order,
                after: None,
                limit: 1000,
            };
            let rows = journal.list(&query).await.expect("a page");
            let mut listed: Vec<_> = rows
                .iter()
                .map(|row| row.space.bits())
                .filter(|bits| all.contains_key(bits))
                .collect();
            listed.sort_unstable();
            assert_eq!(listed, want, "{order:?}: a space is listed while it is written to");
            tokio::task::yield_now().await;
        }
    }
    over.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.expect("a writer ends");
    }
}

/// Walks both orders and compares with what must be there; what was made meanwhile may be there too, once.
async fn pages(
    journal: &dyn Journal,
    all: &BTreeMap<u128, (Timestamp, ProjectId)>,
    project: Option<ProjectId>,
    limit: usize,
) {
    let place = |row: &ListRow| {
        let updated = row.head.card.as_ref().map_or(Timestamp::from_millis(0), |c| c.updated_at);
        (updated, row.space.bits())
    };
    for order in [ListOrder::Id, ListOrder::Updated] {
        let (mut rows, mut after): (Vec<ListRow>, _) = (Vec::new(), None);
        loop {
            let query = ListQuery {
                tenant: tenant("acme"),
                kind: SpaceKind::Thread,
                project,
                order,
                after,
                limit,
            };
            let page = journal.list(&query).await.expect("a page");
            assert!(page.len() <= limit, "a page has at most its limit");
            let Some(last) = page.last() else { break };
            after = Some(place(last));
            rows.extend(page);
        }
        let places: Vec<_> = rows.iter().map(place).collect();
        let ordered = match order {
            ListOrder::Id => places.is_sorted_by(|a, b| a.1 < b.1),
            ListOrder::Updated => places.is_sorted_by(|a, b| a > b),
        };
        assert!(ordered, "{order:?} pages of {limit} are in order, none twice: {places:?}");
        let known: Vec<_> = places.into_iter().filter(|(_, bits)| all.contains_key(bits)).collect();
        let mut want: Vec<_> = all
            .iter()
            .filter(|(_, (_, of))| project.is_none_or(|project| project == *of))
            .map(|(bits, (updated, _))| (*updated, *bits))
            .collect();
        if order == ListOrder::Updated {
            want.sort_by(|a, b| b.cmp(a));
        }
        assert_eq!(known, want, "{order:?} pages of {limit}: every space once, by its own card");
        for row in rows.iter().filter(|row| all.contains_key(&row.space.bits())) {
            let head = journal.head(&row.space).await.expect("a head");
            assert_eq!(Some(&row.head), head.as_ref(), "a row shows head and card");
            assert!(row.head.position.version <= Version::from(2_u32));
        }
    }
}
