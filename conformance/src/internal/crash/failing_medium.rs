//! A medium that is full, is read-only or fails to flush: what is answered then, and what is there afterwards.

use std::{sync::Arc, time::Duration};

use sessile_core::{
    ErrorKind, Key, Result,
    command::ThreadOutcome,
    command::{
        Append, Created, NewProject, NewSession, NewThread, SessionCommand, SessionOutcome,
        ThreadCommand,
    },
    id::SessionId,
    journal::Journal,
    model::{NewEntry, Role},
    store::Store,
};

use super::{
    expectation::{compare_store, predict, send_and_compare},
    survivors::OpenOn,
    workload::{self, Command, Outcome, Sent, TENANTS},
};
use crate::{
    internal::{TestClock, model::Model},
    medium::{SimDisk, Survives},
};

type CheckResult<T> = std::result::Result<T, String>;

/// Appends until it must have failed.
const MANY: usize = 200;

/// A store on a medium, and what it should show.
struct Scenario {
    open: Arc<OpenOn>,
    disk: SimDisk,
    journal: Arc<dyn Journal>,
    store: Store,
    model: Model,
    session: SessionId,
    n: u64,
}

impl Scenario {
    async fn new(open: &Arc<OpenOn>, seed: u64) -> CheckResult<Self> {
        let disk = SimDisk::default();
        let journal = open(disk.clone()).await.map_err(|e| format!("it does not open: {e}"))?;
        let store = workload::store(Arc::clone(&journal), &Arc::<TestClock>::default(), seed);
        let mut model = Model::new(Duration::from_secs(30));
        let mut send = async |n: u64, command: Command| {
            let sent = sent(n, command);
            let got = workload::send(&store, &sent.caller, &sent.command).await;
            let got = got.map_err(|e| format!("{:?}: {e}", sent.command))?;
            let _same = predict(&mut model, &sent, Some(&got));
            Ok::<_, String>(got)
        };
        let project = NewProject::named("project");
        let created = send(1, ThreadCommand::CreateProject { project }.into()).await?;
        let Outcome::Thread(ThreadOutcome::ProjectCreated(Created { id: project, .. })) = created
        else {
            return Err(format!("a project was asked for, not {created:?}"));
        };
        let thread = NewThread::titled("thread");
        let created = send(2, ThreadCommand::CreateThread { project, thread }.into()).await?;
        let Outcome::Thread(ThreadOutcome::ThreadCreated(Created { id: thread, .. })) = created
        else {
            return Err(format!("a thread was asked for, not {created:?}"));
        };
        let session = NewSession::named("session");
        let created =
            send(3, SessionCommand::CreateSession { thread, session: session.into() }.into())
                .await?;
        let Outcome::Session(SessionOutcome::SessionCreated(session)) = created else {
            return Err(format!("a session was asked for, not {created:?}"));
        };
        Ok(Self { open: Arc::clone(open), disk, journal, store, model, session: session.id, n: 3 })
    }

    /// The next append: of this many bytes.
    fn next(&mut self, bytes: usize) -> Sent {
        self.n += 1;
        let text = format!("{} ", self.n).repeat(bytes / 2).chars().take(bytes).collect::<String>();
        let append = Append::from(NewEntry::text(Role::User, text));
        sent(self.n, SessionCommand::Append { session: self.session, append }.into())
    }

    async fn send(&mut self, sent: &Sent) -> Result<Outcome> {
        let answer = workload::send(&self.store, &sent.caller, &sent.command).await;
        if let Ok(outcome) = &answer {
            let _same = predict(&mut self.model, sent, Some(outcome));
        }
        answer
    }

    /// Appends until one is refused, and answers that one.
    async fn until_refused(&mut self, bytes: usize) -> Option<(Sent, ErrorKind)> {
        for _ in 0..MANY {
            let sent = self.next(bytes);
            if let Err(error) = self.send(&sent).await {
                return Some((sent, error.kind()));
            }
        }
        None
    }

    /// Uses up what the journal may have in hand: by blobs that nobody names, smaller and smaller.
    async fn fill(&self) -> CheckResult<()> {
        let space = self.session.thread().space(&workload::caller(TENANTS[0]).tenant);
        for bytes in [1 << 20, 64 << 10, 4 << 10] {
            let mut blobs = 0;
            while let Ok(name) = self.journal.put_blob(&space, &vec![7; bytes]).await {
                blobs += 1;
                if blobs > 64 {
                    return Err(format!("blob {} of {bytes} bytes is taken", name.0));
                }
            }
        }
        Ok(())
    }

    async fn unavailable(&mut self, why: &str) -> CheckResult<()> {
        // By another client, so that the first can repeat what was refused.
        let mut sent = self.next(900);
        sent.caller = sent.caller.with_key(Key::rising("another client", self.n));
        self.n -= 1;
        match self.send(&sent).await {
            Err(error) if error.kind() == ErrorKind::Unavailable => Ok(()),
            other => Err(format!("{why}, a write is answered {other:?}")),
        }
    }

    /// Opened again by another process.
    async fn open_again(&mut self) -> CheckResult<()> {
        let left = self.disk.reboot(Survives::Written);
        let journal = (self.open)(left.clone()).await;
        let journal = journal.map_err(|e| format!("it does not open again: {e}"))?;
        (self.disk, self.journal) = (left, Arc::clone(&journal));
        self.store = workload::store(journal, &Arc::<TestClock>::default(), self.n);
        Ok(())
    }

    async fn shows(&self, when: &str) -> CheckResult<()> {
        compare_store(&self.store, &self.model).await.map_err(|what| format!("{when}: {what}"))
    }

    async fn takes(&mut self, sent: &Sent, when: &str) -> CheckResult<()> {
        let done = send_and_compare(&self.store, &mut self.model, sent).await;
        done.map_err(|what| format!("{when}: {what}"))
    }

    /// If the machine stopped now, all that was acknowledged would be there; what is unknown, whole or not at all.
    async fn survives(&self, unknown: Option<&Sent>, when: &str) -> CheckResult<()> {
        for survives in [Survives::Written, Survives::Flushed, Survives::Some(self.n)] {
            let left = self.disk.stopped_at(self.disk.operations(), None, survives);
            let journal = (self.open)(left).await;
            let journal = journal.map_err(|e| format!("{when}, {survives:?}: no open: {e}"))?;
            let store = workload::store(journal, &Arc::<TestClock>::default(), self.n);
            let mut seen = compare_store(&store, &self.model).await;
            if let (Err(_), Some(unknown)) = (&seen, unknown) {
                let mut with = self.model.clone();
                let _landed = predict(&mut with, unknown, None);
                seen = compare_store(&store, &with).await;
            }
            seen.map_err(|what| format!("{when}, {survives:?}: {what}"))?;
        }
        Ok(())
    }
}

fn sent(n: u64, command: Command) -> Sent {
    let caller = workload::caller(TENANTS[0])
        .with_key(Key::rising("client", n))
        .within(Duration::from_secs(2));
    let at = TestClock::START;
    Sent { round: 0, caller, command, at, began: 0, answered: None, answer: None }
}

/// A full medium: refused as unavailable, readable, and usable again once there is room.
///
/// # Errors
/// What was not so.
pub async fn full(open: &Arc<OpenOn>, seed: u64) -> CheckResult<()> {
    let mut scenario = Scenario::new(open, seed).await?;
    for (room, bytes) in [(0, 900), (1, 200_000), (700, 900), (9_000, 200_000), (60_000, 200_000)] {
        scenario.disk.leave_room(Some(room));
        let when = format!("with room for {room} bytes");
        if bytes == 900 {
            scenario.fill().await.map_err(|what| format!("{when}, {what}"))?;
            // The last blob that did not fit used up the room.
            scenario.disk.leave_room(Some(room));
        }
        let Some((refused, kind)) = scenario.until_refused(bytes).await else {
            return Err(format!("{when}, {MANY} writes of {bytes} bytes are all acknowledged"));
        };
        if kind != ErrorKind::Unavailable {
            return Err(format!("{when}, a write is refused as {kind:?}"));
        }
        scenario.unavailable(&when).await.or_else(|what| {
            // A smaller one may still fit.
            if what.contains("Ok(") { Ok(()) } else { Err(what) }
        })?;
        scenario.shows(&when).await?;
        scenario.survives(None, &when).await?;
        scenario.disk.leave_room(None);
        scenario.takes(&refused, "with room again").await?;
        scenario.shows("with room again").await?;
    }
    scenario.survives(None, "with room again").await
}

/// A medium that takes no writes: refused as unavailable, readable, and usable again afterwards. Answers whether a write
/// under an open handle was in doubt, and whether the store had to be opened again.
///
/// # Errors
/// What was not so.
pub async fn read_only(open: &Arc<OpenOn>, seed: u64) -> CheckResult<(bool, bool)> {
    let mut scenario = Scenario::new(open, seed).await?;
    let (mut in_doubt, mut reopened) = (false, false);
    for bytes in [900, 70_000] {
        scenario.disk.set_read_only(true);
        let when = "on a read-only medium";
        let Some((refused, kind)) = scenario.until_refused(bytes).await else {
            return Err(format!("{when}, {MANY} writes are acknowledged"));
        };
        // Where the engine does not say which error it met, a write that was tried is in doubt.
        let again = scenario.send(&refused).await.map_err(|error| error.kind());
        let kinds = [kind, again.err().unwrap_or(ErrorKind::Invalid)];
        let known = |kind| matches!(kind, ErrorKind::Unavailable | ErrorKind::Indeterminate);
        if !kinds.into_iter().all(known) {
            return Err(format!("{when}, a write is answered {kinds:?}"));
        }
        let unknown = kinds.contains(&ErrorKind::Indeterminate).then_some(&refused);
        in_doubt |= unknown.is_some();
        scenario.survives(unknown, when).await?;
        scenario.disk.set_read_only(false);
        // What could not even be cut off may ask for the store to be opened again.
        if scenario.send(&refused).await.is_err_and(|error| error.is_retryable()) {
            reopened = true;
            scenario.open_again().await?;
        }
        scenario.takes(&refused, "writable again").await?;
        scenario.shows("writable again").await?;
    }
    // A store that is opened on such a medium says so at once, or at the first write.
    let left = scenario.disk.reboot(Survives::Written);
    left.set_read_only(true);
    match open(left.clone()).await {
        Err(error) if error.kind() == ErrorKind::Unavailable => {}
        Err(error) => return Err(format!("opened on a read-only medium, it says {error}")),
        Ok(journal) => {
            scenario.store = workload::store(journal, &Arc::<TestClock>::default(), seed);
            scenario.unavailable("opened on a read-only medium").await?;
        }
    }
    left.set_read_only(false);
    scenario.disk = left;
    scenario.open_again().await?;
    let next = scenario.next(900);
    scenario.takes(&next, "writable again").await?;
    scenario.survives(None, "writable again").await?;
    Ok((in_doubt, reopened))
}

/// Flushes that fail, each in turn: the handle takes no more until it is opened again, and nothing acknowledged is lost.
/// Answers how many were heard of.
///
/// # Errors
/// What was not so.
pub async fn failed_flush(open: &Arc<OpenOn>, seed: u64) -> CheckResult<u64> {
    let mut heard = 0;
    for (after, bytes) in (0..8).flat_map(|after| [(after, 900), (after, 70_000)]) {
        let mut scenario = Scenario::new(open, seed).await?;
        if scenario.disk.flushes() == 0 {
            return Ok(0);
        }
        let first = scenario.next(bytes);
        scenario.takes(&first, "before").await?;
        scenario.disk.fail_flush(after);
        let when = format!("after {after} flushes, one failed, and");
        let mut unknown = None;
        for _ in 0..6 {
            let sent = scenario.next(bytes);
            match scenario.send(&sent).await.map_err(|error| error.kind()) {
                Ok(_) => continue,
                Err(ErrorKind::Indeterminate) => unknown = Some(sent),
                Err(ErrorKind::Unavailable) => {}
                Err(kind) => return Err(format!("{when} a write is refused as {kind:?}")),
            }
            heard += 1;
            let poisoned = unknown.is_some();
            let next = scenario.next(900);
            match scenario.send(&next).await {
                Err(error) if error.kind() == ErrorKind::Unavailable => {}
                Err(error) if error.kind() == ErrorKind::Indeterminate && poisoned => {}
                // What was refused for certain may leave the handle as it was: then this one is on the medium.
                Ok(_) if !poisoned => {}
                other => return Err(format!("{when} the next write is answered {other:?}")),
            }
            break;
        }
        scenario.survives(unknown.as_ref(), &when).await?;
        scenario.open_again().await?;
        if let Some(unknown) = &unknown {
            scenario.takes(unknown, "opened again").await?;
        }
        let next = scenario.next(bytes);
        scenario.takes(&next, "opened again").await?;
        scenario.shows("opened again").await?;
        scenario.survives(None, "opened again").await?;
    }
    Ok(heard)
}
