//! What did each of ten tasks cost, worked on by many at once?
//!
//! A worker takes the next iteration of any task, makes it a run of the task's session, and books what it used. The store sums up
//! as it writes, so a sum is one look-up, and exact however many write at once.
//!
//! `cargo run -p sessile-examples --example many_workers -- sqlite:tasks.db` works on a file.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use sessile::{
    command::UsageScope,
    model::{Currency, RollUp, Tokens},
    prelude::*,
};

const TASKS: u64 = 10;
const WORKERS: usize = 8;

/// One iteration of one task.
struct Job {
    session: SessionId,
    task: u64,
    iteration: u64,
}

/// A task has 30 to 50 iterations.
const fn iterations(task: u64) -> u64 {
    30 + task * 20 / (TASKS - 1)
}

/// Carries out one iteration: a call of a model would stand here. The run ends with it, whatever way it ends.
async fn work(ann: &Handle, job: &Job, run: NewRun) -> Result<RunId> {
    let (task, n) = (job.task, job.iteration);
    ann.in_run(job.session, run, async |run| {
        let words = format!("iteration {n}");
        ann.append(job.session, assistant(words).in_run(run)).await?;
        let tokens = Tokens { input: 900, output: 10 * task, cache_read: 4000, cache_write: n };
        let used = Usage::new(tokens, 1).with_cost(Currency::new("USD")?, 1_200);
        ann.book_usage(run, "the only call", used).await?;
        Ok(run)
    })
    .await
}

/// Works on all tasks with several workers at once; answers what each task cost.
pub(crate) async fn tasks(store: &Store) -> Result<Vec<RollUp>> {
    let ann = store.caller("acme", Actor::user("ann"))?;
    let project = ann.create_project("website").await?;
    let thread = ann.create_thread(project, "ten tasks").await?;
    let mut jobs = Vec::new();
    for task in 0..TASKS {
        let worker = NewSession::named("worker").for_task(format!("task {task}"));
        let session = ann.create_session(thread, worker).await?;
        jobs.extend((0..iterations(task)).map(|iteration| Job { session, task, iteration }));
    }
    let (jobs, next) = (Arc::new(jobs), Arc::new(AtomicUsize::new(0)));
    let workers = (0..WORKERS).map(|_| {
        let (ann, jobs, next) = (ann.clone(), Arc::clone(&jobs), Arc::clone(&next));
        tokio::spawn(async move {
            while let Some(job) = jobs.get(next.fetch_add(1, Ordering::SeqCst)) {
                let run = work(&ann, job, NewRun::default()).await?;
                // The first of each task is tried twice.
                if job.iteration == 0 {
                    let again = NewRun { retry_of: Some(run), ..NewRun::default() };
                    work(&ann, job, again).await?;
                }
            }
            Ok::<_, Error>(())
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.map_err(|error| Error::failed(error.to_string()))??;
    }
    // A program calls this from time to time: what a dead worker left is ended. Here nothing is.
    let swept = store.sweep(ann.caller(), Sweep::silent_for(Duration::from_secs(3600))).await?;
    assert!(swept.is_empty(), "every worker came to its end");
    let mut costs = Vec::new();
    for task in 0..TASKS {
        costs.push(ann.usage(UsageScope::Task(thread, format!("task {task}"))).await?);
    }
    Ok(costs)
}

#[tokio::main]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "memory:".into());
    let store = sessile::open(&url).await?;
    println!("task  runs  iterations  retries  in/run  out/run  cached/run  tokens/run      USD");
    for (task, it) in tasks(&store).await?.iter().enumerate() {
        let per_run = it.per_run();
        let usd = it.totals.iter().flat_map(|totals| totals.cost.values()).sum::<u64>();
        println!(
            "{task:>4}  {:>4}  {:>10}  {:>7}  {:>6.0}  {:>7.1}  {:>10.1}  {:>10.1}  {:>7.4}",
            it.attempts,
            it.iterations,
            it.retries(),
            per_run.input.value(),
            per_run.output.value(),
            per_run.cache_read.value(),
            per_run.tokens.value(),
            usd as f64 / 1e6,
        );
    }
    store.close().await
}
