//! Processes that share a store of objects, each with a cache of its own; and a server that lies to one.
//!
//! In a folder always; on servers where their variables say where they are (`servers.sh` beside this).
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod child;
mod place;

use std::{
    collections::BTreeMap,
    process::ExitCode,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use libtest_mimic::{Arguments, Failed, Trial};
use sessile::{id::SessionId, store::Store};
use sessile_conformance::internal::process::{self, Child};

use child::{Appended, Order, Stop};
use place::{Place, caller, entries};

/// A child that has not done what is waited for by then has hung.
const LIMIT: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(order) = process::child_order(&arguments) {
        let order = serde_json::from_str(order).expect("an order");
        process::finish(block_on(child::play(order)));
        return ExitCode::SUCCESS;
    }
    let run = format!("processes/{:016x}", rand::random::<u64>());
    let mut trials = Vec::new();
    let mut places = vec![("folder", None, None)];
    places.push(("s3", Some("SESSILE_TEST_S3"), Some(Place::S3(format!("{run}-")))));
    places.push(("azure", Some("SESSILE_TEST_AZURE"), Some(Place::Azure(format!("{run}-")))));
    let figures = Arc::new(Mutex::new(Vec::new()));
    let mut absent = Vec::new();
    for (name, variable, place) in places {
        if let Some(variable) = variable.filter(|variable| std::env::var_os(variable).is_none()) {
            absent.push((name, variable));
            continue;
        }
        for (test, run) in TESTS {
            let (place, figures) = (place.clone(), Arc::clone(&figures));
            trials.push(Trial::test(format!("{name}::{test}"), move || {
                let folder = tempfile::tempdir()?;
                let place = match place {
                    None => Place::Folder(folder.path().to_owned()),
                    Some(Place::S3(prefix)) => Place::S3(prefix + test),
                    Some(Place::Azure(prefix)) => Place::Azure(prefix + test),
                    Some(folder) => folder,
                };
                let said = block_on(run(place));
                let mut figures = figures.lock().expect("no panic inside");
                figures.push(format!("{name}::{test}: {said}"));
                Ok(())
            }));
        }
    }
    match std::env::var("SESSILE_TEST_LYING_S3") {
        Ok(endpoint) => {
            trials.push(Trial::test("rclone::is_refused", move || refused(&endpoint)));
        }
        Err(_) => absent.push(("rclone", "SESSILE_TEST_LYING_S3")),
    }
    let mut arguments = Arguments::from_iter(arguments);
    arguments.test_threads.get_or_insert(1);
    let conclusion = libtest_mimic::run(&arguments, trials);
    figures.lock().expect("no panic inside").iter().for_each(|figure| println!("{figure}"));
    for (name, variable) in absent {
        eprintln!(
            "NOT ASSESSED {name}: {variable} is not set; backends/tests/servers.sh COMMAND starts servers"
        );
    }
    conclusion.exit_code()
}

type Test = fn(Place) -> std::pin::Pin<Box<dyn Future<Output = String>>>;

const TESTS: [(&str, Test); 2] = [
    ("two_append", |place| Box::pin(two_append(place))),
    ("killed_in_folds", |place| Box::pin(killed_in_folds(place))),
];

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime starts");
    runtime.block_on(future)
}

fn spawn(order: &Order) -> Child {
    Child::spawn(&mut process::child_command(
        &serde_json::to_string(order).expect("an order is JSON"),
    ))
}

/// A store that has nothing in memory, and a new session in it.
async fn session(place: &Place) -> SessionId {
    let (store, _) = place.open(64).await;
    let ada = store.as_caller(&caller());
    let project = ada.create_project("shared").await.expect("a project");
    let thread = ada.create_thread(project, "shared").await.expect("a thread");
    ada.create_session(thread, "shared").await.expect("a session")
}

async fn reader(place: &Place) -> Store {
    place.open(64).await.0
}

async fn verify(store: &Store, session: SessionId) {
    let verified =
        store.as_caller(&caller()).verify(session.thread(), None).await.expect("a verification");
    assert_eq!(verified.problems, []);
}

/// Two processes append 1,000 entries each to one thread: each stands there once, in the order of its writer, and all
/// three readers agree on one order.
async fn two_append(place: Place) -> String {
    let each = 1000;
    let session = session(&place).await;
    let began = Instant::now();
    let children: Vec<Child> = ["a", "b"]
        .iter()
        .map(|name| {
            let (place, name) = (place.clone(), (*name).to_owned());
            spawn(&Order::Append { place, session, name, entries: each, total: 2 * each })
        })
        .collect();
    let mut answers = Vec::new();
    for child in children {
        let answer = child.wait().await;
        answers.push(serde_json::from_str::<Appended>(&answer).expect("an answer"));
    }
    let took = began.elapsed();
    let store = reader(&place).await;
    let read = entries(&store, session).await;
    assert_eq!(read.len(), 2 * each, "nothing lost, nothing doubled");
    for name in ["a", "b"] {
        let own = read.iter().filter_map(|(_, text)| text.strip_prefix(name));
        let numbers: Vec<usize> = own.map(|n| n.trim().parse().expect("a number")).collect();
        assert_eq!(numbers, (0..each).collect::<Vec<_>>(), "each of {name} once, in order");
    }
    for answer in &answers {
        assert!(answer.read == read, "both writers and a third reader agree on one order");
    }
    verify(&store, session).await;
    let turns = read.windows(2).filter(|pair| pair[0].1[..1] != pair[1].1[..1]).count();
    let mut micros: Vec<u64> = answers.into_iter().flat_map(|answer| answer.micros).collect();
    micros.sort_unstable();
    let at = |thousandths: usize| micros[(micros.len() - 1) * thousandths / 1000] / 1000;
    format!(
        "2 processes, {each} entries each in {:.1} s, {turns} changes of writer, ms p50 {} p99 {} p99.9 {}",
        took.as_secs_f64(),
        at(500),
        at(990),
        at(999)
    )
}

/// Waits until a child has said this, or so many lines.
async fn until(child: &Child, what: &str, is_said: impl Fn(&[String]) -> bool) {
    let began = Instant::now();
    while !is_said(&child.reports()) {
        assert!(began.elapsed() < LIMIT, "{what}: after {} lines", child.reports().len());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A process is killed while it folds, at each request of a fold in turn; another goes on appending, and folding. All that
/// either was told is there once, and the chain is whole.
async fn killed_in_folds(place: Place) -> String {
    let session = session(&place).await;
    let writer = |name: &str, stop| {
        let (place, name) = (place.clone(), name.to_owned());
        spawn(&Order::AppendOn { place, session, name, stop })
    };
    let other = writer("other", None);
    let mut acknowledged = BTreeMap::new();
    for stop in Stop::ALL {
        let name = format!("{stop:?}");
        let child = writer(&name, Some(stop));
        until(&child, &name, |said| said.last().is_some_and(|last| last == "folding")).await;
        let goes_on = other.reports().len() + 20;
        let mut said = child.kill().await;
        assert_eq!(said.pop().as_deref(), Some("folding"));
        acknowledged.insert(name, said);
        until(&other, "the other goes on", |said| said.len() >= goes_on).await;
    }
    acknowledged.insert("other".into(), other.kill().await);
    let store = reader(&place).await;
    let read = entries(&store, session).await;
    let told: usize = acknowledged.values().map(Vec::len).sum();
    for (name, said) in acknowledged {
        let of_it = |text: &&String| text.split_once(' ').is_some_and(|(caller, _)| caller == name);
        let own: Vec<&String> = read.iter().map(|(_, text)| text).filter(of_it).collect();
        assert!(own.len() <= said.len() + 1, "{name}: at most the last was in doubt");
        for (i, text) in own.iter().enumerate() {
            assert_eq!(**text, format!("{name} {i}"), "each once, in order");
        }
        assert_eq!(own.iter().map(|s| s.as_str()).take(said.len()).collect::<Vec<_>>(), said);
    }
    verify(&store, session).await;
    format!("{} processes killed in folds, {told} acknowledged entries", Stop::ALL.len())
}

/// A server that answers 200 to a second create of a key.
fn refused(endpoint: &str) -> Result<(), Failed> {
    let order = Order::Open { address: "s3://sessile/lying".into() };
    let order = serde_json::to_string(&order).expect("an order is JSON");
    let child = Child::spawn(process::child_command(&order).env("AWS_ENDPOINT", endpoint));
    let said = block_on(child.wait());
    let is_named = said.starts_with("Unsupported")
        && said.contains("does not create an object only if it is absent");
    if is_named { Ok(()) } else { Err(said.into()) }
}
