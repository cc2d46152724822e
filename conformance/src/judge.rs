//! Judges one clause on one backend.

use std::{sync::mpsc, time::Duration};

use sessile_core::hash::Hash;

use crate::{
    Backend, Clause,
    clause::Verdict,
    failure::{self, Panics},
    internal::{ClauseContext, HookFailed},
};

/// A clause that takes longer has failed; twenty times this in the nightly and the proof profile. It is there to end what
/// hangs: a server on a machine that is busy with other things has been seen to need a minute for the longest clauses.
const LIMIT: Duration = Duration::from_secs(180);

/// How a clause ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It does not hold: what was expected and what came, file and line of the assertion, the sentence of the contract, and where
    /// to look first.
    Failed(String),
    /// The backend declares that it does not do this, and was seen to refuse; which refusal was seen.
    Unsupported(String),
    /// It could not be judged, and why: a hook is missing, or failed.
    NotJudged(String),
}

/// The outcome of a clause, and remarks.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The outcome.
    pub outcome: Outcome,
    /// What else the summary says: seeds, and what was judged in a weaker form.
    pub notes: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

impl Judged {
    /// A clause that was not judged, and why.
    pub(crate) fn not_judged(why: String) -> Self {
        Self { outcome: Outcome::NotJudged(why), notes: Vec::new(), took: Duration::ZERO }
    }
}

pub(crate) fn runtime(panics: Panics) -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .on_thread_start(move || panics.note_here())
        .build()
        .expect("a runtime starts")
}

/// Runs a clause on a fresh store of a backend, in a runtime of its own. Blocks until it has ended, for three minutes at most.
///
/// A clause may start the executable again: its `main` must call [`run_as_child`](crate::run_as_child) first.
pub fn judge(clause: &Clause, backend: &Backend) -> Judged {
    let _turn = backend.turn(clause);
    let (send, receive) = mpsc::channel();
    let (clause, backend) = (*clause, backend.clone());
    std::thread::spawn(move || {
        let panics = Panics::default();
        panics.note_here();
        let runtime = runtime(panics.clone());
        let judged = runtime.block_on(run(clause, backend, &panics));
        let _hung_up = send.send(judged);
        runtime.shutdown_background();
    });
    receive.recv_timeout(nightly(LIMIT)).unwrap_or_else(|_| Judged {
        outcome: Outcome::Failed("it did not end within its time".to_owned()),
        notes: Vec::new(),
        took: LIMIT,
    })
}

fn nightly(limit: Duration) -> Duration {
    if std::env::var("SESSILE_PROFILE").is_ok_and(|p| p == "nightly" || p == "proof") {
        limit * 20
    } else {
        limit
    }
}

async fn run(clause: Clause, backend: Backend, panics: &Panics) -> Judged {
    let start = tokio::time::Instant::now();
    let seed = Hash::of(&[backend.name().as_bytes(), b"/", clause.id.as_bytes()]).prefix_64();
    let mut notes = Vec::new();
    let fresh = tokio::spawn(async move { ClauseContext::fresh(&backend, seed).await });
    let ended = match fresh.await {
        Err(error) => Err(error),
        Ok(cx) => {
            let ended = tokio::spawn((clause.run)(cx.clone())).await;
            cx.clean().await;
            notes = cx.notes();
            ended
        }
    };
    let outcome = match ended {
        Ok(Verdict::Passed) => Outcome::Passed,
        Ok(Verdict::Unsupported(why)) => Outcome::Unsupported(why),
        Ok(Verdict::NotJudged(why)) => Outcome::NotJudged(why),
        Err(error) => match error.try_into_panic().map(|panic| panic.downcast::<HookFailed>()) {
            Ok(Ok(hook)) => Outcome::NotJudged(hook.0),
            Ok(Err(panic)) => Outcome::Failed(panics.tell(&clause, &failure::text(&*panic))),
            Err(error) => Outcome::Failed(panics.tell(&clause, &error.to_string())),
        },
    };
    Judged { outcome, notes, took: start.elapsed() }
}

/// What a panicking task said.
pub(crate) fn reason(error: tokio::task::JoinError) -> String {
    match error.try_into_panic() {
        Ok(panic) => failure::text(&*panic),
        Err(error) => error.to_string(),
    }
}
