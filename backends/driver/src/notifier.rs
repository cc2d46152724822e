//! Wakes the tasks of this process that wait for a commit to a space.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    pin::pin,
    task::Poll,
    time::Duration,
};

use event_listener::{Event, EventListener};
use sessile_core::{error::Result, id::Space};

use crate::clock;

/// Tells waiting tasks that a space has a new commit.
///
/// Spaces share 64 events: a notification wakes all that wait for its space, and may wake some that wait for another.
/// Who is woken must look again.
#[derive(Debug)]
pub struct Notifier {
    events: Box<[Event]>,
}

const EVENTS: usize = 64;

impl Default for Notifier {
    fn default() -> Self {
        Self::new()
    }
}

impl Notifier {
    /// A notifier nobody waits for yet.
    pub fn new() -> Self {
        Self { events: (0..EVENTS).map(|_| Event::new()).collect() }
    }

    /// Registers for the next notification of a space. Register first, then look at the space: a commit in between is not missed.
    pub fn listen(&self, space: &Space) -> Option<EventListener> {
        self.of(space).map(Event::listen)
    }

    /// Wakes all that listen to this space. Call it after a commit can be read.
    pub fn notify(&self, space: &Space) {
        if let Some(event) = self.of(space) {
            event.notify(usize::MAX);
        }
    }

    /// Wakes all that listen to any space; for the close of a journal.
    pub fn notify_all(&self) {
        for event in &self.events {
            event.notify(usize::MAX);
        }
    }

    /// Waits until `is_past` answers `true`, for `time` at most; returns its last answer. It is called at first and after each
    /// notification of the space, so every writer must notify this notifier: other processes cannot.
    ///
    /// # Errors
    /// What `is_past` returns.
    pub async fn wait(
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
            notified(listener, left).await;
        }
    }

    fn of(&self, space: &Space) -> Option<&Event> {
        let mut hasher = DefaultHasher::new();
        space.hash(&mut hasher);
        self.events.get(hasher.finish() as usize % EVENTS)
    }
}

/// Waits for a notification, for `time` at most; returns whether there was one.
pub async fn notified(listener: Option<EventListener>, time: Duration) -> bool {
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
