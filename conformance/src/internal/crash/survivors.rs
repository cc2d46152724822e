//! Judges what survived a stop of the machine.

use std::{fmt, sync::Arc, time::Duration};

use sessile_core::{
    Caller, ErrorKind, Key, Result,
    command::{Append, NewSession, SessionCommand, ThreadCommand},
    journal::Journal,
    model::{NewEntry, ProjectStatus, Role, ThreadStatus},
    store::Store,
};

use super::{
    expectation::{brief, compare_store, predict, send_and_compare},
    stop::Stop,
    workload::{self, Command, Sent, TENANTS},
};
use crate::{
    BoxFuture,
    internal::{TestClock, model::Model},
    medium::{SimDisk, Survives},
};

/// How a driver opens a journal on a simulated medium.
pub type OpenOn = dyn Fn(SimDisk) -> BoxFuture<'static, Result<Arc<dyn Journal>>> + Send + Sync;

/// A workload that ran to its end, and what is needed to judge what a stop would have left of it.
pub struct Harness {
    open: Arc<OpenOn>,
    seed: u64,
    disk: SimDisk,
    sent: Vec<Sent>,
    /// The model before each round.
    before: Vec<Model>,
}

impl fmt::Debug for Harness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Harness").field("sent", &self.sent.len()).finish_non_exhaustive()
    }
}

/// Whether a command takes several commits. One that was cut off between two is finished by repeating it.
fn takes_several_commits(command: &Command) -> bool {
    matches!(
        command,
        Command::Thread(
            ThreadCommand::CreateThread { .. }
                | ThreadCommand::DeleteProject { .. }
                | ThreadCommand::EraseEntries { .. }
        )
    )
}

impl Harness {
    /// Runs the workload once, undisturbed.
    ///
    /// # Errors
    /// What was wrong with an answer, although nothing was stopped.
    pub async fn new(open: Arc<OpenOn>, seed: u64) -> std::result::Result<Self, String> {
        let disk = SimDisk::default();
        let journal = open(disk.clone()).await.map_err(|e| format!("it does not open: {e}"))?;
        let sent = workload::run(Arc::clone(&journal), &disk, seed).await;
        let mut model = Model::new(Duration::from_secs(30));
        let mut before = Vec::new();
        for one in &sent {
            if before.len() == one.round {
                before.push(model.clone());
            }
            let want = predict(&mut model, one, one.answer.as_ref().and_then(|a| a.as_ref().ok()));
            let fine = match (&one.answer, &want) {
                (Some(Ok(got)), Ok(want)) => got == want,
                (Some(Err(error)), Err(refusal)) => refusal.differs(error).is_none(),
                _ => false,
            };
            if !fine {
                let (command, answer) = (brief(&one.command), brief(&one.answer));
                return Err(format!("{command} is answered {answer}, not {}", brief(&want)));
            }
        }
        before.push(model);
        journal.close().await.map_err(|e| format!("it does not close: {e}"))?;
        Ok(Self { open, seed, disk, sent, before })
    }

    /// Operations of the whole run.
    pub fn operations(&self) -> u64 {
        self.disk.operations()
    }

    /// The medium after the run.
    pub const fn disk(&self) -> &SimDisk {
        &self.disk
    }

    /// What was sent, with the answers.
    pub fn sent(&self) -> &[Sent] {
        &self.sent
    }

    /// Every way to stop after so many operations.
    pub fn ways(&self, after: u64) -> Vec<Stop> {
        let seed = self.seed ^ after.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let stop = |tear, survives| Stop { after, tear, survives, is_live: false };
        let mut ways = vec![
            stop(None, Survives::Some(seed)),
            stop(None, Survives::Flushed),
            stop(None, Survives::Written),
        ];
        if self.disk.is_write(after) {
            ways.push(stop(Some(seed), Survives::Written));
            ways.push(stop(Some(seed), Survives::Some(seed.rotate_left(9))));
        }
        ways.push(stop(None, Survives::Some(!seed)));
        ways
    }

    /// The stops during which the journal stays open: each with a part of the next write landing, and without.
    pub fn survived_stops(&self, after: u64) -> Vec<Stop> {
        let mut stops = self.ways(after);
        stops.retain(|stop| stop.survives != Survives::Flushed);
        stops.iter_mut().for_each(|stop| stop.is_live = true);
        stops
    }

    /// About `most` stops, evenly spread over the run, each in `ways` ways, which change from stop to stop. Every
    /// tenth is also judged with the journal open, which takes a run of its own.
    pub fn spread(&self, ways: usize, most: u64) -> Vec<Stop> {
        let step = self.operations().div_ceil(most.max(1)).max(1) as usize;
        let mut stops = Vec::new();
        for (n, after) in (0..=self.operations()).step_by(step).enumerate() {
            let some = |all: Vec<Stop>| {
                let ways = ways.min(all.len());
                (0..ways).map(move |way| all[(n + way) % all.len()]).collect::<Vec<_>>()
            };
            stops.extend(some(self.ways(after)));
            if ways > 1 || n % 10 == 0 {
                stops.extend(some(self.survived_stops(after)));
            }
        }
        stops
    }

    /// Stops the machine, starts it again, and judges what is there.
    ///
    /// # Errors
    /// What was promised and does not hold.
    pub async fn judge(self: &Arc<Self>, stop: Stop) -> std::result::Result<(), String> {
        let this = Arc::clone(self);
        // In a task of its own, so that a panic is a finding like any other.
        let judged = tokio::spawn(async move { this.judge_one(stop).await }).await;
        let judged = judged.unwrap_or_else(|panic| Err(crate::judge::reason(panic)));
        judged
            .map_err(|what| format!("{stop}; next was {}: {what}", self.disk.describe(stop.after)))
    }

    async fn judge_one(&self, stop: Stop) -> std::result::Result<(), String> {
        let (sent, left) = if stop.is_live { self.live(stop).await? } else { self.image(stop) };
        let open = |disk: SimDisk| async {
            (self.open)(disk).await.map_err(|error| format!("it does not open again: {error}"))
        };
        let journal = open(left.clone()).await?;
        let clock = Arc::new(TestClock::default());
        let store = workload::store(Arc::clone(&journal), &clock, !self.seed ^ stop.after);
        let mut model = self.find(&store, &sent).await?;

        let last = sent.last().map_or(TestClock::START, |one| one.at);
        clock.set(last.plus(Duration::from_secs(1)));
        let now = last.plus(Duration::from_secs(1));
        // Callers repeat what they have no answer to, and some of what they have.
        for one in sent.iter().rev().take(6).rev() {
            send_and_compare(&store, &mut model, &Sent { at: now, ..one.clone() })
                .await
                .map_err(|what| format!("asked again, {what}"))?;
        }
        self.write_afterwards(&store, &mut model, now).await?;

        // The machine stops once more, when nothing is under way.
        drop(store);
        if stop.after.is_multiple_of(2) {
            journal.close().await.map_err(|e| format!("it does not close: {e}"))?;
        }
        let survives = if stop.after.is_multiple_of(3) {
            Survives::Some(stop.after)
        } else {
            Survives::Flushed
        };
        let left = left.reboot(survives);
        drop(journal);
        let journal = open(left).await?;
        let store = workload::store(journal, &clock, self.seed);
        compare_store(&store, &model).await.map_err(|what| format!("after a second stop: {what}"))
    }

    /// What had been sent and answered by then, and what is left of the medium.
    fn image(&self, stop: Stop) -> (Vec<Sent>, SimDisk) {
        let mut sent: Vec<Sent> =
            self.sent.iter().filter(|one| one.began <= stop.after).cloned().collect();
        for one in &mut sent {
            if one.answered.is_some_and(|at| at > stop.after) {
                one.answer = None;
            }
        }
        // What was sent at once was sent before any of it was answered; a round begins when the one before is over.
        if let Some(open) = sent.iter().find(|one| one.answer.is_none()).map(|one| one.round) {
            sent.retain(|one| one.round <= open);
        }
        (sent, self.disk.stopped_at(stop.after, stop.tear, stop.survives))
    }

    /// What is sent and answered when the journal stays open during the stop.
    async fn live(&self, stop: Stop) -> std::result::Result<(Vec<Sent>, SimDisk), String> {
        let disk = SimDisk::default();
        disk.stop_after(stop.after, stop.tear);
        let mut sent = Vec::new();
        if let Ok(journal) = (self.open)(disk.clone()).await {
            sent = workload::run(Arc::clone(&journal), &disk, self.seed).await;
            let _off = tokio::time::timeout(Duration::from_millis(50), journal.close()).await;
        }
        for (one, before) in sent.iter().zip(&self.sent) {
            match (&one.answer, &before.answer) {
                (None, _) => {}
                (Some(Ok(now)), Some(Ok(then))) if now == then => {}
                (Some(Err(now)), Some(Err(then))) if now.kind() == then.kind() => {}
                (Some(Err(now)), _)
                    if disk.is_off()
                        && matches!(now.kind(), ErrorKind::Unavailable | ErrorKind::Contended) => {}
                (Some(now), then) => {
                    let (now, then) = (brief(now), brief(then));
                    return Err(format!("{} is answered {now}, not {then}", brief(&one.command)));
                }
            }
        }
        Ok((sent, disk.reboot(stop.survives)))
    }

    /// Finds the state of the model that the store shows: with all that was acknowledged, without what was refused, and each
    /// other command whole or not at all.
    async fn find(&self, store: &Store, sent: &[Sent]) -> std::result::Result<Model, String> {
        let round = sent.last().map_or(0, |one| one.round);
        let earlier = sent.iter().take_while(|one| one.round < round).count();
        let open: Vec<usize> =
            (earlier..sent.len()).filter(|at| sent[*at].answer.is_none()).collect();
        let with = |landed: u32| {
            let mut model = self.before[round].clone();
            for (at, one) in sent.iter().enumerate().skip(earlier) {
                let lands = match open.iter().position(|open| *open == at) {
                    Some(bit) => landed >> bit & 1 == 1,
                    None => matches!(one.answer, Some(Ok(_))),
                };
                if lands {
                    let then =
                        self.sent[at].answer.as_ref().and_then(|answer| answer.as_ref().ok());
                    let _predicted = predict(&mut model, one, then);
                }
            }
            model
        };
        let all = (1_u32 << open.len()) - 1;
        let mut reasons = Vec::new();
        for landed in (0..=all).rev() {
            let model = with(landed);
            match compare_store(store, &model).await {
                Ok(()) => return Ok(model),
                Err(what) => reasons.push(what),
            }
        }
        if let [at] = open[..]
            && takes_several_commits(&sent[at].command)
        {
            let mut model = with(0);
            send_and_compare(store, &mut model, &sent[at]).await?;
            compare_store(store, &model)
                .await
                .map_err(|what| format!("after it was repeated: {what}"))?;
            return Ok(model);
        }
        let unknown: Vec<_> = open.iter().map(|at| brief(&sent[*at].command)).collect();
        let reasons: Vec<String> =
            reasons.iter().map(|what| what.chars().take(4000).collect()).collect();
        Err(format!(
            "what is there is not what was acknowledged, with or without [{}]: {}",
            unknown.join(", "),
            reasons.join("\nor: ")
        ))
    }

    /// Writes a little of each kind, as new clients.
    async fn write_afterwards(
        &self,
        store: &Store,
        model: &mut Model,
        now: sessile_core::Timestamp,
    ) -> std::result::Result<(), String> {
        let mut n = 0;
        let mut next = |caller: Caller, command: Command| {
            n += 1;
            let caller = caller.with_key(Key::rising("afterwards", n));
            Sent { round: 0, caller, command, at: now, began: 0, answered: None, answer: None }
        };
        for tenant in TENANTS {
            let caller = workload::caller(tenant);
            let Some(known) = model.tenants.get(&caller.tenant) else { continue };
            let open = known.projects.iter().find(|(_, p)| p.status == ProjectStatus::Open);
            let open = open.map(|(id, _)| *id);
            let thread = known.threads.iter().find(|(_, t)| t.status == ThreadStatus::Open);
            let thread = thread.map(|(id, t)| (*id, t.head + 1));
            if let Some(project) = open {
                let thread = sessile_core::command::NewThread::titled("afterwards");
                let command = ThreadCommand::CreateThread { project, thread }.into();
                send_and_compare(store, model, &next(caller.clone(), command)).await?;
            }
            if let Some((thread, version)) = thread {
                let session = NewSession::named("afterwards");
                let command =
                    SessionCommand::CreateSession { thread, session: session.into() }.into();
                send_and_compare(store, model, &next(caller.clone(), command)).await?;
                let session = sessile_core::id::SessionId::new(thread, version);
                let large = if tenant == TENANTS[0] { 12_000 } else { 1 };
                let texts = ["afterwards".to_owned(), "large ".repeat(large)];
                let entries: Vec<_> =
                    texts.into_iter().map(|text| NewEntry::text(Role::User, text)).collect();
                let append = Append::from(entries);
                let command = SessionCommand::Append { session, append }.into();
                send_and_compare(store, model, &next(caller.clone(), command)).await?;
            }
        }
        Ok(())
    }
}

/// Judges these stops one after another, on one thread. Answers how many operations the run had, and how many stops.
///
/// # Errors
/// The first finding.
pub fn judge_all(
    open: Arc<OpenOn>,
    seed: u64,
    stops: impl FnOnce(&Harness) -> Vec<Stop>,
) -> std::result::Result<(u64, usize), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let harness = Arc::new(Harness::new(open, seed).await?);
        let stops = stops(&harness);
        for stop in &stops {
            harness.judge(*stop).await?;
        }
        Ok((harness.operations(), stops.len()))
    })
}
