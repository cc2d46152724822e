//! Wakes those who wait for a space, in this process.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    pin::pin,
    task::Poll,
    time::Duration,
};

use event_listener::{Event, EventListener};
use sessile_core::{error::Result, id::Space};

use crate::clock;

/// A fixed number of events, shared by spaces: a ring may wake a neighbour, never miss its own.
#[derive(Debug)]
pub(crate) struct Bell {
    events: Box<[Event]>,
}

const EVENTS: usize = 64;

impl Bell {
    pub(crate) fn new() -> Self {
        Self { events: (0..EVENTS).map(|_| Event::new()).collect() }
    }

    /// From now on, a ring for this space ends the wait.
    pub(crate) fn listen(&self, space: &Space) -> Option<EventListener> {
        self.of(space).map(Event::listen)
    }

    pub(crate) fn ring(&self, space: &Space) {
        if let Some(event) = self.of(space) {
            event.notify(usize::MAX);
        }
    }

    pub(crate) fn ring_all(&self) {
        for event in &self.events {
            event.notify(usize::MAX);
        }
    }

    /// Waits until `is_past` says so, but no longer than `time`; answers what it said last. It is asked again whenever
    /// the space rings, which is enough where every writer has this bell.
    pub(crate) async fn wait(
        &self,
        space: &Space,
        time: Duration,
        is_past: impl Fn() -> Result<bool>,
    ) -> Result<bool> {
        let until = clock::deadline(time);
        loop {
            let listener = self.listen(space);
            if is_past()? {
                return Ok(true);
            }
            let left = until.saturating_duration_since(clock::instant());
            if left.is_zero() {
                return Ok(false);
            }
            rung(listener, left).await;
        }
    }

    fn of(&self, space: &Space) -> Option<&Event> {
        let mut hasher = DefaultHasher::new();
        space.hash(&mut hasher);
        self.events.get(hasher.finish() as usize % EVENTS)
    }
}

/// Waits for the ring, but no longer than `time`; answers whether it rang.
pub(crate) async fn rung(listener: Option<EventListener>, time: Duration) -> bool {
    let mut sleep = pin!(clock::sleep(time));
    let mut listener = listener;
    std::future::poll_fn(|cx| {
        if let Some(listener) = &mut listener
            && std::pin::Pin::new(listener).poll(cx).is_ready()
        {
            return Poll::Ready(true);
        }
        sleep.as_mut().poll(cx).map(|()| false)
    })
    .await
}
