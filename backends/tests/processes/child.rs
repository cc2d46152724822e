//! What a child process does.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sessile::{
    id::SessionId,
    model::{NewEntry, Role},
    store::Store,
};
use sessile_conformance::internal::process;
use sessile_testkit::faults::{Faults, Put};

use super::place::{Place, caller, entries};

/// A request of a fold, at which a process is stopped for good.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Stop {
    BeforeSegment,
    AfterSegment,
    BeforeManifest,
    AfterManifest,
    AtOldSegment,
    AtOldManifest,
    AtFoldedLog,
}

impl Stop {
    pub(crate) const ALL: [Self; 7] = [
        Self::BeforeSegment,
        Self::AfterSegment,
        Self::BeforeManifest,
        Self::AfterManifest,
        Self::AtOldSegment,
        Self::AtOldManifest,
        Self::AtFoldedLog,
    ];

    fn arm(self, hand: &Faults) {
        // What is not applied, because another came first, is answered: the next one is meant too.
        let after = |part| (0..10_000).for_each(|_| hand.next_put(part, Put::ApplyThenHalt));
        match self {
            Self::BeforeSegment => hand.next_put("/segment/", Put::Halt),
            Self::AfterSegment => after("/segment/"),
            Self::BeforeManifest => hand.next_put("/manifest/", Put::Halt),
            Self::AfterManifest => after("/manifest/"),
            Self::AtOldSegment => hand.halt_delete("/segment/"),
            Self::AtOldManifest => hand.halt_delete("/manifest/"),
            Self::AtFoldedLog => hand.halt_delete("/log/"),
        }
    }
}

/// What a child is told.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Append so many entries, then answer with all entries of all writers once they are `total`.
    Append { place: Place, session: SessionId, name: String, entries: usize, total: usize },
    /// Append and say what was acknowledged, until killed; say `folding` when stopped in a fold.
    AppendOn { place: Place, session: SessionId, name: String, stop: Option<Stop> },
    /// Open an address and answer why that is refused.
    Open { address: String },
}

/// What the child of [`Order::Append`] answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Appended {
    pub(crate) micros: Vec<u64>,
    pub(crate) read: Vec<(u64, String)>,
}

pub(crate) async fn play(order: Order) -> String {
    match order {
        Order::Append { place, session, name, entries, total } => {
            append(&place, session, &name, entries, total).await
        }
        Order::AppendOn { place, session, name, stop } => {
            append_on(&place, session, &name, stop).await
        }
        Order::Open { address } => match sessile::open(&address).await {
            Ok(_) => "it opened".to_owned(),
            Err(error) => format!("{:?}: {error}", error.kind()),
        },
    }
}

async fn add(store: &Store, session: SessionId, text: String) {
    let entry = NewEntry::text(Role::User, text);
    store.as_caller(&caller()).append(session, entry).await.expect("an entry is appended");
}

async fn append(place: &Place, session: SessionId, name: &str, n: usize, total: usize) -> String {
    let (store, _) = place.open(64).await;
    let mut micros = Vec::with_capacity(n);
    for i in 0..n {
        let began = Instant::now();
        add(&store, session, format!("{name} {i}")).await;
        micros.push(began.elapsed().as_micros() as u64);
    }
    loop {
        let read = entries(&store, session).await;
        let Some((last, _)) = read.last().filter(|_| read.len() < total) else {
            return serde_json::to_string(&Appended { micros, read }).expect("JSON");
        };
        let space = session.thread().space(&caller().tenant);
        store.journal().wait(&space, *last, Duration::from_secs(30)).await.expect("a wait");
    }
}

async fn append_on(place: &Place, session: SessionId, name: &str, stop: Option<Stop>) -> String {
    let (store, hand) = place.open(4).await;
    if let Some(stop) = stop {
        stop.arm(&hand);
    }
    let appending = async {
        for i in 0.. {
            let text = format!("{name} {i}");
            add(&store, session, text.clone()).await;
            process::report(text);
        }
    };
    let stopped = async {
        hand.halted().await;
        process::report("folding");
        std::future::pending::<()>().await;
    };
    tokio::join!(appending, stopped);
    unreachable!("it is killed")
}
