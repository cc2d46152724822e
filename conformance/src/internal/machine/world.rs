//! One case: the model beside the store, step by step.

use std::{sync::Arc, time::Duration};

use sessile_core::{
    Caller, Clock, Error, Key,
    command::SessionOutcome,
    id::TenantId,
    store::{SessionStore, Store, ThreadStore},
};

use super::{
    compare,
    known::{Known, Names},
    resolve::Command,
    step::{KeyUse, Step, Token, Who},
};
use crate::internal::{
    ClauseContext, TestClock,
    model::{Model, Refusal},
};

const HANDLES: usize = 3;

/// The handles to the store, which outlive a case.
pub(super) struct Handles {
    cx: ClauseContext,
    stores: Vec<Store>,
    clocks: Vec<Arc<TestClock>>,
    cases: u64,
    /// Commands, and those that were carried out.
    pub(super) commands: (u64, u64),
}

impl Handles {
    pub(super) async fn open(cx: &ClauseContext) -> Self {
        let clocks: Vec<Arc<TestClock>> = (0..HANDLES).map(|_| Arc::default()).collect();
        let mut handles =
            Self { cx: cx.clone(), stores: Vec::new(), clocks, cases: 0, commands: (0, 0) };
        handles.reopen().await;
        handles
    }

    async fn reopen(&mut self) {
        self.stores.clear();
        self.cx.close_all().await;
        for clock in &self.clocks {
            self.stores.push(self.cx.store_with(clock.clone(), |options| options).await);
        }
    }
}

/// A case under way.
pub(super) struct World<'a> {
    handles: &'a mut Handles,
    model: Model,
    tenants: Vec<TenantId>,
    known: Vec<Known>,
    /// The greatest number of each producer.
    keys: [u64; 2],
    keyed: Vec<(usize, Caller, Command)>,
    trace: Vec<String>,
}

/// Runs a case from the beginning; the commands so far and what was wrong.
pub(super) async fn run(
    handles: &mut Handles,
    steps: &[Step],
    seen: impl Fn(),
) -> Result<(), (Vec<String>, String)> {
    handles.cases += 1;
    handles.clocks.iter().for_each(|clock| clock.set(TestClock::START));
    // Names that begin with one another, of tenants nobody had before.
    let base = format!("t{}", handles.cases);
    let tenants: Vec<_> = [base.clone(), format!("{base}-"), format!("{base}.a")]
        .iter()
        .map(|name| TenantId::new(name).expect("a tenant"))
        .collect();
    let known = vec![Known::default(); tenants.len()];
    let mut world = World {
        handles,
        model: Model::new(Duration::from_secs(30)),
        tenants,
        known,
        keys: [0; 2],
        keyed: Vec::new(),
        trace: Vec::new(),
    };
    for step in steps {
        seen();
        if let Err(what) = world.step(step).await {
            return Err((world.trace, what));
        }
    }
    let last = world.look(steps.len() % HANDLES).await;
    last.map_err(|what| (world.trace, what))
}

impl World<'_> {
    async fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Do(who, act) => {
                let tenant = usize::from(who.tenant) % self.tenants.len();
                let caller =
                    self.handles.cx.caller_of(self.tenants[tenant].as_str(), user(who.user));
                let foreign = (tenant + 1) % self.tenants.len();
                let names = Names {
                    caller: &caller,
                    own: &self.known[tenant],
                    foreign: &self.known[foreign],
                    model: &self.model,
                };
                let command = names.command(act);
                let caller = self.caller(&names, caller.clone(), who, &command);
                if let Some(key) = &caller.key {
                    if let Key::Rising { producer: of, n } = key {
                        let producer = usize::from(of == producer(1));
                        self.keys[producer] = self.keys[producer].max(*n);
                    }
                    self.keyed.push((tenant, caller.clone(), command.clone()));
                }
                self.carry_out(tenant, &caller, command, usize::from(who.handle) % HANDLES).await
            }
            Step::Again(which, handle) => {
                if self.keyed.is_empty() {
                    return Ok(());
                }
                let which = usize::from(*which) % self.keyed.len();
                let (tenant, caller, command) = self.keyed[which].clone();
                self.carry_out(tenant, &caller, command, usize::from(*handle) % HANDLES).await
            }
            Step::Jump(handle, seconds) => {
                let clock = &self.handles.clocks[usize::from(*handle) % HANDLES];
                let caller = Duration::from_millis(u64::from(seconds.unsigned_abs()) * 1000 + 1);
                if *seconds < 0 {
                    clock.rewind(caller)
                } else {
                    clock.advance(caller)
                }
                self.trace.push(format!("clock {handle} jumps by {seconds} s"));
                Ok(())
            }
            Step::Reopen => {
                self.handles.reopen().await;
                self.trace.push("reopen".into());
                Ok(())
            }
            Step::Look(handle) => self.look(usize::from(*handle) % HANDLES).await,
        }
    }

    fn caller(
        &self,
        names: &Names<'_>,
        mut caller: Caller,
        who: &Who,
        command: &Command,
    ) -> Caller {
        let session = if let Command::Session(_, session) = command { *session } else { None };
        let right = session.and_then(|session| names.token_of(session));
        caller.lease = match who.token {
            Token::Right => right,
            Token::Missing => None,
            Token::WrongJournal(n) => Some(right.unwrap_or(0).wrapping_add(n.into()).max(1)),
        };
        caller.key = match who.key {
            KeyUse::None => None,
            KeyUse::Next(p) => Some(Key::rising(producer(p), self.keys[usize::from(p) % 2] + 1)),
            KeyUse::Earlier(p, back) => {
                let n = self.keys[usize::from(p) % 2].saturating_sub(back.into());
                Some(Key::rising(producer(p), n))
            }
            // The names of the producers are texts too, and mean something else.
            KeyUse::Text(n @ 0..2) => Some(producer(n).into()),
            KeyUse::Text(n) => Some(Key::text(format!("message {n}"))),
        };
        caller
    }

    async fn carry_out(
        &mut self,
        tenant: usize,
        caller: &Caller,
        command: Command,
        handle: usize,
    ) -> Result<(), String> {
        let now = self.handles.clocks[handle].now();
        let store = &self.handles.stores[handle];
        match command {
            Command::Thread(command) => {
                if self.model.forgotten(caller, &command) {
                    return Ok(());
                }
                let got = store.apply_thread(caller, command.clone()).await;
                self.trace.push(line(handle, caller, &command, &got));
                let want = self.model.thread_command(caller, &command, now, got.as_ref().ok());
                compare(&got, &want)?;
                count(&mut self.handles.commands, &got);
                got.iter().for_each(|outcome| self.known[tenant].learn_thread(outcome));
            }
            Command::Session(command, _) => {
                let got = store.apply(caller, (*command).clone()).await;
                self.trace.push(line(handle, caller, &command, &got));
                let want = self.model.session_command(caller, &command, now);
                compare(&got, &want)?;
                count(&mut self.handles.commands, &got);
                got.iter().for_each(|outcome| self.known[tenant].learn_session(outcome));
                let asks = self.handles.cx.caller_of(caller.tenant.as_str(), user(0));
                if let Ok(SessionOutcome::RunStarted(run)) = got
                    && let Ok(Some(run)) = store.as_caller(&asks).run(run).await
                {
                    self.model.learn_external_id(&caller.tenant, run.id, &run.external_id);
                }
            }
        }
        Ok(())
    }

    async fn look(&mut self, handle: usize) -> Result<(), String> {
        self.trace.push(format!("look through handle {handle}"));
        for tenant in &self.tenants {
            let caller = self.handles.cx.caller_of(tenant.as_str(), user(0));
            compare::compare_tenant(&self.handles.stores[handle], &caller, &self.model).await?;
        }
        Ok(())
    }
}

const fn count<T>((commands, done): &mut (u64, u64), got: &Result<T, Error>) {
    *commands += 1;
    *done += got.is_ok() as u64;
}

fn user(n: u8) -> &'static str {
    ["ada", "bob", "' or 1=1 --"][usize::from(n) % 3]
}

fn producer(n: u8) -> &'static str {
    ["a worker", "\u{e9}"][usize::from(n) % 2]
}

fn line<C: std::fmt::Debug, O: std::fmt::Debug>(
    handle: usize,
    caller: &Caller,
    command: &C,
    got: &Result<O, Error>,
) -> String {
    let (lease, key) = (caller.lease, caller.key.as_ref().map(Key::to_string));
    let text = format!("{command:?} -> {got:?}");
    let cut: String = text.chars().take(1000).collect();
    format!(
        "handle {handle}, {} of {}, lease {lease:?}, key {key:?}: {cut}",
        caller.actor.name(),
        caller.tenant
    )
}

fn compare<O: PartialEq + std::fmt::Debug>(
    got: &Result<O, Error>,
    want: &Result<O, Refusal>,
) -> Result<(), String> {
    match (got, want) {
        (Ok(got), Ok(want)) if got == want => Ok(()),
        (Err(error), Err(refusal)) => refusal.differs(error).map_or(Ok(()), Err),
        (Ok(got), Ok(want)) => Err(format!("answered {got:?}, not {want:?}")),
        (Ok(got), Err(refusal)) => Err(format!("answered {got:?}, where it is refused: {refusal}")),
        (Err(error), Ok(want)) => {
            Err(format!("refused with {error:?}, where the answer is {want:?}"))
        }
    }
}
