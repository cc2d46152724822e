//! How fast is ADK's session service on Sessile, beside ADK's own on SQLite?
//!
//! `cargo run --release`, in this folder, on a machine that does nothing else; `cargo run --release -- 10` measures 10 seconds
//! instead of 3 at a time. All files are in one temporary folder (`TMPDIR`); on a file system in memory the figures say nothing.
//!
//! Every service acknowledges what survives loss of power: SQLite with `synchronous=FULL`. ADK's own comes twice, as
//! `SqliteSessionService::new` makes it (a rollback journal), and on a pool with a write-ahead log, which is kinder to it. All
//! are measured in turns, three times; the table has the medians. Errors are counted and not retried.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use adapter::SessileSessionService;
use adk_core::{
    Content,
    identity::{AdkIdentity, AppName, SessionId, UserId},
};
use adk_session::{
    AppendEventRequest, CreateRequest, Event, GetRequest, SessionService, SqliteSessionService,
};
use sessile::model::Actor;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

type Failure = Box<dyn std::error::Error>;
type Service = Arc<dyn SessionService>;

const NAMES: [&str; 3] = ["adk", "adk, WAL", "sessile"];
const ROUNDS: usize = 3;
/// Events of the session whose end is read.
const LONG: usize = 10_000;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let seconds = std::env::args().nth(1).map_or(Ok(3.0), |it| it.parse())?;
    let time = Duration::from_secs_f64(seconds);
    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name);

    let url = format!("sqlite://{}?mode=rwc", file("adk.db").display());
    let plain = SqliteSessionService::new(&url).await?;
    plain.migrate().await?;
    let options = SqliteConnectOptions::new()
        .filename(file("adk-wal.db"))
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    // As many connections as a pool has by default.
    let wal = SqlitePoolOptions::new().max_connections(10).connect_with(options).await?;
    let wal = SqliteSessionService::from_pool(wal);
    wal.migrate().await?;
    let store = sessile::open(&format!("sqlite:{}", file("sessile.db").display())).await?;
    let ours = SessileSessionService::new(store.caller("acme", Actor::user("runner"))?);
    let services: [Service; 3] = [Arc::new(plain), Arc::new(wal), Arc::new(ours)];

    println!("{:34}{:>18}{:>18}{:>18}{:>9}{:>9}", "", NAMES[0], NAMES[1], NAMES[2], "ratio", "WAL");
    for (writers, delta) in [(1, false), (64, false), (1, true), (64, true)] {
        let mut figures = [const { Vec::new() }; 3];
        for round in 0..ROUNDS {
            for (service, figures) in services.iter().zip(&mut figures) {
                let app = format!("app-{writers}-{delta}-{round}");
                figures.push(append(service, &app, writers, delta, time).await?);
            }
        }
        let what = if delta { "events and deltas a second" } else { "events a second" };
        row(&format!("{writers} writer(s), {what}"), figures, |ours, theirs| ours / theirs);
    }
    for service in &services {
        seed(service).await?;
    }
    let mut figures = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        for (service, figures) in services.iter().zip(&mut figures) {
            figures.push(read(service).await?);
        }
    }
    row("last 50 of 10,000, ms", figures, |ours, theirs| theirs / ours);
    store.close().await?;
    Ok(())
}

/// Prints the median of each service with the errors of all rounds, and how many times better the last is than the others.
fn row(what: &str, figures: [Vec<(f64, u64)>; 3], better: fn(f64, f64) -> f64) {
    let [plain, wal, ours] = figures.map(|mut figures| {
        figures.sort_by(|a, b| a.0.total_cmp(&b.0));
        (figures[ROUNDS / 2].0, figures.iter().map(|figure| figure.1).sum::<u64>())
    });
    let cell = |(figure, errors)| format!("{figure:.2} ({errors} err)");
    let (to_plain, to_wal) = (better(ours.0, plain.0), better(ours.0, wal.0));
    let cells = [cell(plain), cell(wal), cell(ours)];
    println!(
        "{what:34}{:>18}{:>18}{:>18}{to_plain:>9.1}{to_wal:>9.1}",
        cells[0], cells[1], cells[2]
    );
}

/// Events a second that were acknowledged to writers with a user and a session each, and how many were not.
async fn append(
    service: &Service,
    app: &str,
    writers: usize,
    delta: bool,
    time: Duration,
) -> Result<(f64, u64), Failure> {
    for n in 0..writers {
        create(service, app, n).await?;
    }
    let errors = Arc::new(AtomicU64::new(0));
    let begin = Instant::now();
    let tasks: Vec<_> = (0..writers)
        .map(|n| {
            let (service, app, errors) = (service.clone(), app.to_owned(), errors.clone());
            tokio::spawn(async move {
                let mut done = 0_u64;
                while begin.elapsed() < time {
                    let mut event = event();
                    if delta {
                        let counter = done.into();
                        event.actions.state_delta.insert("done".into(), counter);
                        event.actions.state_delta.insert("user:last".into(), app.clone().into());
                    }
                    let identity = identity(&app, n);
                    let request = AppendEventRequest { identity, event };
                    match service.append_event_for_identity(request).await {
                        Ok(()) => done += 1,
                        Err(_) => drop(errors.fetch_add(1, Ordering::Relaxed)),
                    }
                }
                done
            })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += task.await?;
    }
    Ok((done as f64 / begin.elapsed().as_secs_f64(), errors.load(Ordering::Relaxed)))
}

async fn seed(service: &Service) -> Result<(), Failure> {
    create(service, "long", 0).await?;
    for _ in 0..LONG {
        let request = AppendEventRequest { identity: identity("long", 0), event: event() };
        service.append_event_for_identity(request).await?;
    }
    Ok(())
}

/// Milliseconds, the median of 21 reads.
async fn read(service: &Service) -> Result<(f64, u64), Failure> {
    let mut times = Vec::new();
    for _ in 0..21 {
        let begin = Instant::now();
        let session = service
            .get(GetRequest {
                app_name: "long".into(),
                user_id: "user-0".into(),
                session_id: "session-0".into(),
                num_recent_events: Some(50),
                after: None,
            })
            .await?;
        times.push(begin.elapsed().as_secs_f64() * 1e3);
        assert_eq!(session.events().len(), 50);
    }
    times.sort_by(f64::total_cmp);
    Ok((times[times.len() / 2], 0))
}

async fn create(service: &Service, app: &str, n: usize) -> Result<(), Failure> {
    let (app_name, user_id) = (app.to_owned(), format!("user-{n}"));
    let (session_id, state) = (Some(format!("session-{n}")), HashMap::new());
    service.create(CreateRequest { app_name, user_id, session_id, state }).await?;
    Ok(())
}

fn identity(app: &str, n: usize) -> AdkIdentity {
    AdkIdentity::new(
        AppName::new_unchecked(app),
        UserId::new_unchecked(format!("user-{n}")),
        SessionId::new_unchecked(format!("session-{n}")),
    )
}

/// An answer of 1 KiB of text.
fn event() -> Event {
    let mut event = Event::new("invocation");
    event.author = "agent".into();
    event.set_content(Content::new("model").with_text("x".repeat(1024)));
    event
}
