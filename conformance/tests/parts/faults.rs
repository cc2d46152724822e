//! Commits whose replies are lost for hours.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use sessile_conformance::internal::{
    MapJournal, SeededIds, TestClock,
    assertions::refused,
    fault::{Faults, FaultyJournal},
    shorthand::says,
};
use sessile_core::{
    Caller, Clock, ErrorKind, Timestamp,
    command::{NewSession, NewThread, Paging},
    id::{TenantId, UserId},
    model::Actor,
    store::{Store, StoreOptions},
};

/// Time that passes when it is told to.
#[derive(Debug, Default)]
struct Hours(AtomicU64);

#[async_trait]
impl Clock for Hours {
    fn now(&self) -> Timestamp {
        TestClock::START.plus(self.elapsed())
    }

    fn elapsed(&self) -> Duration {
        HOUR * u32::try_from(self.0.load(Ordering::SeqCst)).unwrap()
    }

    async fn sleep(&self, time: Duration) {
        let until = self.elapsed() + time;
        while self.elapsed() < until {
            tokio::task::yield_now().await;
        }
    }
}

const HOUR: Duration = Duration::from_secs(3600);

/// J19: a name is committed within 12 hours of its put or never, however long the caller waits and whatever is in doubt.
#[tokio::test]
async fn an_old_blob_is_never_named() {
    let clock = Arc::new(Hours::default());
    let journal = Arc::new(FaultyJournal::over(Arc::new(MapJournal::default()), Faults::NONE, 1));
    let options = StoreOptions::new(clock.clone(), Arc::new(SeededIds::new(1)));
    let store = Store::new(journal.clone(), options);
    let tenant = TenantId::new("acme").unwrap();
    let ada = Actor::User { tenant: tenant.clone(), id: UserId::new("ada").unwrap() };
    let caller = Caller::new(tenant, ada);
    let project = store.as_caller(&caller).create_project("p").await.unwrap();
    let thread =
        store.as_caller(&caller).create_thread(project, NewThread::titled("t")).await.unwrap();
    let session =
        store.as_caller(&caller).create_session(thread, NewSession::named("s")).await.unwrap();

    journal.set(Faults { lost_request: 1000, ..Faults::NONE });
    let large = "large".repeat(20_000);
    let patient = caller.within(20 * HOUR);
    let writer = store.clone();
    let mut waiting =
        tokio::spawn(async move { writer.as_caller(&patient).append(session, says(large)).await });
    for _ in 0..12 {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(!waiting.is_finished(), "in doubt, and the caller waits");
        clock.0.fetch_add(1, Ordering::SeqCst);
    }
    refused((&mut waiting).await.unwrap(), ErrorKind::Indeterminate);

    journal.set(Faults::NONE);
    let next = store.as_caller(&caller).append(session, says("small")).await.unwrap();
    let page = store.as_caller(&caller).entries(session).page(Paging::default()).await.unwrap();
    let ids: Vec<_> = page.items.iter().map(|entry| entry.id).collect();
    assert_eq!(ids, [next.first], "the batch in doubt was not sent again");
}
