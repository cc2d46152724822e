//! What do forks, contexts, timelines and searches cost in long histories?
//!
//! `cargo run --release -p sessile-examples --example long_histories -- sqlite:long.db session 100000` fills a session and measures
//! appends, contexts and forks; `... -- sqlite:long.db project 1000 10000 100000 1000000` fills 1,000 threads up to each of these
//! numbers of entries and measures a page of the project's timeline and a search for a word that stands in one entry.

use std::time::Duration;

use sessile::{
    Clock, SystemClock,
    command::{Expect, TimelineRow, TimelineScope},
    handle::{Handle, List},
    id::SessionId,
    model::Message,
    prelude::*,
    search::SearchText,
};

const ROUNDS: usize = 5;
const APPENDS: usize = 200;

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let url = args.next().unwrap_or_else(|| "memory:".into());
    let what = args.next().unwrap_or_else(|| "session".into());
    let numbers: Vec<usize> = args.filter_map(|number| number.parse().ok()).collect();
    let store = sessile::open(&url).await?;
    let ann = store.caller("acme", Actor::user("ann"))?;
    match (what.as_str(), numbers.as_slice()) {
        ("project", [threads, sizes @ ..]) => project(&ann, *threads, sizes).await?,
        (_, sizes) => session(&store, &ann, sizes.first().copied().unwrap_or(1000)).await?,
    }
    store.close().await
}

/// A message of about 200 bytes.
fn message(n: usize) -> NewEntry {
    user(format!("{n}: {}", "the quick brown fox jumps over the lazy dog ".repeat(4)))
}

async fn fill(ann: &Handle, session: SessionId, from: usize, to: usize) -> Result<()> {
    let mut at = from;
    while at < to {
        let end = to.min(at + 500);
        ann.append(session, (at..end).map(message).collect::<Vec<_>>()).await?;
        at = end;
    }
    Ok(())
}

async fn timed<T>(doing: impl Future<Output = Result<T>>) -> Result<(T, f64)> {
    let begin = SystemClock.elapsed();
    let done = doing.await?;
    Ok((done, SystemClock.elapsed().saturating_sub(begin).as_secs_f64() * 1e6))
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}

async fn session(store: &Store, ann: &Handle, size: usize) -> Result<()> {
    let project = ann.create_project("long").await?;
    let (small_thread, thread) =
        (ann.create_thread(project, "short").await?, ann.create_thread(project, "long").await?);
    let small = ann.create_session(small_thread, "short").await?;
    let long = ann.create_session(thread, "long").await?;
    fill(ann, small, 0, 100).await?;
    fill(ann, long, 0, size).await?;
    let (mut of_small, mut of_long) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for (session, times) in [(small, &mut of_small), (long, &mut of_long)] {
            let appends = async {
                for n in 0..APPENDS {
                    ann.append(session, message(n)).await?;
                }
                Ok(())
            };
            times.push(timed(appends).await?.1 / APPENDS as f64);
        }
    }
    let (of_small, of_long) = (median(of_small), median(of_long));
    println!(
        "append to 100 and to {size} messages: {of_small:.1} and {of_long:.1} us, ratio {:.2}",
        of_long / of_small
    );

    let (context, cold) = timed(ann.context(long)).await?;
    let mut warm = Vec::new();
    for n in 0..ROUNDS {
        ann.append(long, message(n)).await?;
        warm.push(timed(ann.context(long)).await?.1);
    }
    println!(
        "context of {} messages: {cold:.0} us from the log, {:.0} us after one more entry",
        context.messages.len(),
        median(warm)
    );

    let before = ann.thread(thread).await?.map_or(0, |thread| thread.head);
    let fork = NewSession::named("fork").fork_of(long, None);
    let (fork, took) = timed(ann.create_session(thread, fork)).await?;
    let records = ann.changes(thread).after(before).page(Duration::ZERO).await?.records;
    let bytes: usize = records
        .iter()
        .map(|it| it.facts.get().len() + it.body.as_ref().map_or(0, |body| body.get().len()))
        .sum();
    println!("a fork: {took:.0} us, {} record, {bytes} bytes of facts and body", records.len());
    let (mut of_source, mut of_fork) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS * 20 {
        for (session, times) in [(long, &mut of_source), (fork, &mut of_fork)] {
            times.push(timed(ann.entries(session).page(Paging::first(50))).await?.1);
        }
    }
    let (of_source, of_fork) = (median(of_source), median(of_fork));
    println!(
        "first page of 50: {of_source:.0} us of the session, {of_fork:.0} us of its fork, ratio {:.2}",
        of_fork / of_source
    );
    let turn: Vec<_> = (0..1000).map(message).collect();
    ann.append(fork, turn).await?;
    let head = ann.thread(thread).await?.map_or(0, |thread| thread.head);
    let (merged, took) = timed(ann.merge_fork(fork, Expect::Any)).await?;
    let after = ann.thread(thread).await?.map_or(0, |thread| thread.head);
    println!(
        "merge of {} entries: {took:.0} us, {} records in one commit",
        merged.map_or(0, |it| it.count),
        after - head
    );
    ann.delete_session(long).await?;
    let cold = Store::new(store.journal().clone(), sessile::options());
    let whole = cold.caller("acme", Actor::user("ann"))?.context(fork).await?;
    println!("the fork after its source was deleted: {} messages", whole.messages.len());
    Ok(())
}

async fn page(rows: List<TimelineRow>) -> Result<usize> {
    Ok(rows.page(Paging::first(50)).await?.items.len())
}

async fn project(ann: &Handle, threads: usize, sizes: &[usize]) -> Result<()> {
    let project = ann.create_project("many").await?;
    let mut sessions = Vec::new();
    for n in 0..threads {
        let thread = ann.create_thread(project, n.to_string().as_str()).await?;
        sessions.push(ann.create_session(thread, "session").await?);
    }
    let rare = Message::text(Role::User, "here stands a xylophone, once");
    let word = SearchText::new("XYLOPHONE")?;
    let mut filled = 0;
    println!("entries, newest 50, oldest 50, rare word in the project, in one thread (ms)");
    for (n, size) in sizes.iter().enumerate() {
        let each = size / threads;
        for session in &sessions {
            if n == 0 && sessions.get(threads / 2) == Some(session) {
                ann.append(*session, NewEntry::new(rare.clone())).await?;
            }
            fill(ann, *session, filled, each).await?;
        }
        filled = each;
        let thread: TimelineScope =
            sessions.get(threads / 2).map_or(project.into(), |session| session.thread().into());
        let (_, newest) = timed(page(ann.timeline(project))).await?;
        let (_, oldest) = timed(page(ann.timeline(project).forward())).await?;
        let (hits, rare) = timed(ann.timeline(project).containing(word.clone()).all()).await?;
        let (_, inside) = timed(ann.timeline(thread).containing(word.clone()).all()).await?;
        assert_eq!(hits.len(), 1, "it stands in one entry");
        let millis = [newest, oldest, rare, inside].map(|micros| format!("{:.1}", micros / 1e3));
        println!("{size}, {}", millis.join(", "));
    }
    Ok(())
}
