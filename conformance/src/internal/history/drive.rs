//! Clients that call a store at once and record the answers.

use std::{
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};
use sessile_core::{
    Caller, Error, ErrorKind, Key,
    command::{Append, NewSession, NewSubSession, Paging},
    error::Counter,
    id::{AgentId, SessionId, ThreadId},
    model::{Actor, NewEntry, NewSummary, Role, SummaryOutcome},
    store::AnyStore,
};

use super::{
    HistoryThread, Invocation, Recorded,
    spec::{Answer, Call},
};

/// What a history is made of.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Clients at once.
    pub clients: usize,
    /// Calls of each.
    pub calls: usize,
    /// Decides what they call.
    pub seed: u64,
    /// Thousandths of the calls that are dropped at one of their first awaits, also while they carry
    /// out the calls of others.
    pub dropped: u16,
    /// Thousandths of the calls before which a client pauses for a millisecond or two, so that others come between.
    pub pauses: u16,
}

/// Runs the clients on one thread, as tasks, each with its store, and returns what they recorded.
pub async fn record(
    stores: &[Arc<dyn AnyStore>],
    caller: &Caller,
    target: HistoryThread,
    plan: Plan,
) -> Recorded {
    let recorded = Arc::new(Mutex::new(Recorded::new()));
    let counter = Arc::new(AtomicU64::new(0));
    let mut clients = Vec::new();
    for number in 0..plan.clients {
        let client = Client {
            number,
            store: Arc::clone(&stores[number % stores.len()]),
            caller: caller.clone(),
            target,
            plan,
        };
        let (recorded, counter) = (Arc::clone(&recorded), Arc::clone(&counter));
        clients.push(tokio::spawn(async move {
            let tick = || counter.fetch_add(1, Ordering::SeqCst);
            let note = |n, invocation| {
                recorded.lock().unwrap().insert((number, n), invocation);
            };
            client.play(tick, note).await;
        }));
    }
    for client in clients {
        client.await.expect("a client panicked");
    }
    std::mem::take(&mut *recorded.lock().unwrap())
}

/// One client of a history.
pub(super) struct Client {
    pub(super) number: usize,
    pub(super) store: Arc<dyn AnyStore>,
    pub(super) caller: Caller,
    pub(super) target: HistoryThread,
    pub(super) plan: Plan,
}

impl Client {
    /// Makes its calls one after the other. Notes each twice: as open when it begins, and with its answer when it ends.
    pub(super) async fn play(
        self,
        tick: impl Fn() -> u64 + Send,
        note: impl Fn(u64, Invocation) + Send,
    ) {
        let Self {
            number: client,
            store,
            caller,
            target: HistoryThread { thread, sessions },
            plan,
        } = self;
        let mut rng = StdRng::seed_from_u64(plan.seed.wrapping_mul(1_000_003) + client as u64);
        let mut tails = [0; 2];
        for n in 0..plan.calls as u64 {
            let at = rng.random_range(0..sessions.len());
            let call = choose(&mut rng, client, n, sessions[at], tails[at]);
            let polls = if rng.random_range(0..1000) < plan.dropped {
                rng.random_range(1..12)
            } else {
                u32::MAX
            };
            if rng.random_range(0..1000) < plan.pauses {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let began = tick();
            let open =
                Invocation { client, call: call.clone(), answer: None, began, ended: u64::MAX };
            note(n, open.clone());
            let answer = polled(polls, carry_out(&*store, &caller, thread, &call)).await.flatten();
            let ended = tick();
            match (&call, &answer) {
                (Call::Append { count, .. }, Some(Answer::At(first))) => {
                    tails[at] = first + count - 1
                }
                (Call::Append { .. }, Some(Answer::Stale(tail)))
                | (_, Some(Answer::Seen(tail, _))) => tails[at] = *tail,
                _ => {}
            }
            if answer.is_some() {
                note(n, Invocation { answer, ended, ..open });
            }
        }
    }
}

/// Polls a future so many times and then drops it; `None` if it was not ready by then.
pub async fn polled<T>(mut polls: u32, future: impl Future<Output = T>) -> Option<T> {
    let mut future = Box::pin(future);
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(answer) => Poll::Ready(Some(answer)),
        Poll::Pending if polls <= 1 => Poll::Ready(None),
        Poll::Pending => {
            polls -= 1;
            Poll::Pending
        }
    })
    .await
}

fn choose(rng: &mut StdRng, client: usize, n: u64, session: u64, tail: u64) -> Call {
    match rng.random_range(0..100) {
        0..45 => Call::Append {
            session,
            count: rng.random_range(1..4),
            expected: rng.random_bool(0.4).then_some(tail),
            key: rng.random_bool(0.5).then_some((client, n + 1)),
        },
        45..50 => Call::Create,
        50..51 => Call::Spawn(session),
        51..52 => Call::HandOff(session, u64::from(rng.random_bool(0.3))),
        52..54 => Call::Delete(session),
        54..56 => Call::Claim(session),
        56..64 => Call::Archive,
        64..76 => Call::Reopen,
        76..82 => Call::Seal(session),
        82..92 => Call::Look(session),
        _ => Call::Count,
    }
}

/// One call, and its answer in the words of the spec; `None` when the outcome is unknown. A refusal that the spec
/// does not know counts as unknown too.
async fn carry_out(
    store: &dyn AnyStore,
    caller: &Caller,
    thread: ThreadId,
    call: &Call,
) -> Option<Answer> {
    let id = |version: u64| SessionId::new(thread, version);
    let answer = match call {
        Call::Append { session, count, expected, key } => {
            let entries: Vec<_> =
                (0..*count).map(|i| NewEntry::text(Role::User, i.to_string())).collect();
            let mut append = Append::from(entries);
            if let Some(tail) = expected {
                append = append.expecting_tail(*tail);
            }
            let caller = match key {
                Some((producer, n)) => {
                    caller.with_key(Key::rising(format!("client {producer}"), *n))
                }
                None => caller.clone(),
            };
            store
                .as_caller(&caller)
                .append(id(*session), append)
                .await
                .map(|a| Answer::At(a.first.version()))
        }
        Call::Create => store
            .as_caller(caller)
            .create_session(thread, NewSession::default())
            .await
            .map(|id| Answer::At(id.version())),
        Call::Spawn(session) => store
            .as_caller(caller)
            .spawn(NewSubSession::under(id(*session)), NewSession::default())
            .await
            .map(|made| Answer::At(made.id.version())),
        Call::HandOff(session, expected) => {
            let (tenant, next) = (caller.tenant.clone(), AgentId::new("next").expect("an id"));
            let next = Actor::Agent { tenant, id: next, parent: None };
            let recipient = NewSession::default().owned_by(next);
            let handle = store.as_caller(caller);
            let handed = handle.hand_off(id(*session), *expected, recipient).await;
            handed.map(|made| Answer::At(made.id.version()))
        }
        Call::Seal(session) => {
            let summary = NewSummary::new(SummaryOutcome::Succeeded, "done");
            let sealed = store.as_caller(caller).seal_summary(id(*session), summary).await;
            sealed.map(|summary| Answer::At(summary.version()))
        }
        Call::Delete(session) => {
            store.as_caller(caller).delete_session(id(*session)).await.map(|()| Answer::Nothing)
        }
        Call::Claim(session) => store
            .as_caller(caller)
            .claim_lease(id(*session), Duration::from_secs(3600))
            .await
            .map(Answer::At),
        Call::Archive => {
            store.as_caller(caller).archive_thread(thread).await.map(|_| Answer::Nothing)
        }
        Call::Reopen => {
            store.as_caller(caller).reopen_thread(thread).await.map(|_| Answer::Nothing)
        }
        Call::Look(session) => store
            .as_caller(caller)
            .session(id(*session))
            .await
            .map(|s| s.map_or(Answer::Absent, |s| Answer::Seen(s.tail, s.entries))),
        Call::Count => store
            .as_caller(caller)
            .sessions(thread)
            .page(Paging::first(1000))
            .await
            .map(|page| Answer::Sessions(page.items.len() as u64)),
    };
    match answer {
        Ok(answer) => Some(answer),
        Err(error) => refusal(&error),
    }
}

fn refusal(error: &Error) -> Option<Answer> {
    match (error.kind(), error) {
        (ErrorKind::NotFound, _) => Some(Answer::Absent),
        (ErrorKind::Closed, _) => Some(Answer::Closed),
        (ErrorKind::Fenced, _) => Some(Answer::Fenced),
        (_, Error::ThreadNotEmpty { .. }) => Some(Answer::NotEmpty),
        (_, Error::SessionLinked { .. }) => Some(Answer::Linked),
        (_, Error::NothingToSummarise { .. }) => Some(Answer::NothingDone),
        (ErrorKind::Capacity, _) => Some(Answer::Full),
        (_, Error::Stale { counter: Counter::Tail | Counter::OwnerVersion, actual, .. }) => {
            Some(Answer::Stale(*actual))
        }
        (ErrorKind::Indeterminate | ErrorKind::Unavailable | ErrorKind::Contended, _) => None,
        _ => panic!("no call of a history is refused like this: {error}"),
    }
}
