//! A store of objects whose every request takes 20 ms: what is left of that latency, alone and in parallel.
//!
//! The bare engine is one PUT that creates an object in the same store; 64 writers are 64 of them under way at a time. Of
//! `append_64_over_1` the other side is one writer of our own.

use std::{sync::Arc, time::Duration};

use object_store::{
    ObjectStore, PutMode, PutOptions,
    memory::InMemory,
    path::Path,
    throttle::{ThrottleConfig, ThrottledStore},
};
use sessile::{
    Clock as _, SystemClock,
    object_store::{Objects, Options},
    store::Store,
};

use super::{
    Backend, Figure, Rounds,
    ours::{Ours, together},
    per_second,
    sizes::{BODY, ROUNDS, Sizes, WRITERS},
};
use crate::{
    fail::{Fail, Result},
    report::Out,
};

/// What each request takes.
const LATENCY: Duration = Duration::from_millis(20);

type Throttled = Arc<ThrottledStore<InMemory>>;

/// A store that is filled at full speed, and slow from then on.
async fn fill(objects: &Throttled) -> Result<Ours> {
    let journal = Objects::open(objects.clone(), "ours", Options::default()).await?;
    let ours = Ours::writers(Store::new(Arc::new(journal), sessile::options())).await?;
    objects.config_mut(|config| {
        *config = ThrottleConfig {
            wait_put_per_call: LATENCY,
            wait_get_per_call: LATENCY,
            wait_list_per_call: LATENCY,
            wait_list_with_delimiter_per_call: LATENCY,
            wait_delete_per_call: LATENCY,
            ..ThrottleConfig::default()
        };
    });
    Ok(ours)
}

/// Bare PUTs of one writer, one after the other.
async fn put(objects: Throttled, n: u64) -> sessile::Result<u64> {
    for _ in 0..n {
        let key = Path::from(format!("raw/{:032x}", rand::random::<u128>()));
        let mode = PutOptions::from(PutMode::Create);
        let put = objects.put_opts(&key, "x".repeat(BODY).into(), mode).await;
        put.map_err(|e| sessile::Error::unavailable("the bare store failed", e))?;
    }
    Ok(n)
}

async fn put_together(objects: &Throttled, each: u64) -> Result<u64> {
    let puts = (0..WRITERS).map(|_| put(objects.clone(), each));
    Ok(together(puts).await?.into_iter().sum())
}

pub(super) async fn measure(out: &mut Out, sizes: &Sizes) -> Result<Vec<Figure>> {
    let objects = Arc::new(ThrottledStore::new(InMemory::new(), ThrottleConfig::default()));
    let ours = fill(&objects).await?;
    let mut figures = Vec::new();
    /// Both sides in turns.
    macro_rules! workload {
        ($name:literal, $ours:expr, $raw:expr) => {{
            let mut rounds = Rounds::of($name);
            for _ in 0..ROUNDS {
                let begin = SystemClock.elapsed();
                rounds.ours.push(per_second($ours.await?, begin));
                let begin = SystemClock.elapsed();
                rounds.raw.push(per_second($raw.await?, begin));
            }
            figures.push(rounds.show(out, Backend::ObjectStore)?);
        }};
    }
    let (appends, each) = (sizes.slow_appends, sizes.slow_appends_each);
    let bare = || async { put(objects.clone(), appends).await.map_err(Fail::from) };
    workload!("append_1", ours.append(appends), bare());
    workload!("append_64", ours.append_together(each), put_together(&objects, each));
    if let [one, many] = figures.as_slice() {
        let mut beside = Rounds::of("append_64_over_1");
        (beside.ours, beside.raw) = (vec![many.ops_per_s], vec![one.ops_per_s]);
        figures.push(beside.show(out, Backend::ObjectStore)?);
    }
    Ok(figures)
}
