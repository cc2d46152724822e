//! How much is measured.

/// Sizes of the fixtures, and operations of a round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// Threads created.
    pub(super) creates: u64,
    /// Appends of one writer.
    pub(super) appends: u64,
    /// Appends of each of the 64 writers, and batches of 64.
    pub(super) appends_each: u64,
    /// Threads of the large store, 100 sessions each.
    pub(super) threads: usize,
    /// Reads.
    pub(super) reads: u64,
    /// Threads opened cold.
    pub(super) opens: usize,
    /// Stores opened.
    pub(super) stores: u64,
    /// Appends of one writer where each takes 20 ms, and of each of 64.
    pub(super) slow_appends: u64,
    pub(super) slow_appends_each: u64,
}

impl Sizes {
    /// Seconds.
    pub(super) const QUICK: Self = Self {
        creates: 50,
        appends: 200,
        appends_each: 10,
        threads: 50,
        reads: 50,
        opens: 25,
        stores: 3,
        slow_appends: 20,
        slow_appends_each: 5,
    };
    /// A minute or two; the large store has 100,000 sessions.
    pub(super) const FULL: Self = Self {
        creates: 500,
        appends: 4000,
        appends_each: 200,
        threads: 1000,
        reads: 500,
        opens: 200,
        stores: 10,
        slow_appends: 200,
        slow_appends_each: 50,
    };
}

/// Rounds of each side, in turns; the median counts.
pub(super) const ROUNDS: usize = 5;
/// Writers at the same time.
pub(super) const WRITERS: usize = 64;
/// Entries of the session whose end is read.
pub(super) const LOG: usize = 10_000;
/// Sessions of a thread of the large store.
pub(super) const SESSIONS: usize = 100;
/// Bytes of a message.
pub(super) const BODY: usize = 1024;
