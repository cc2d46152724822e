//! Histories of concurrent clients, and whether they could have happened one after another.
//!
//! Clients record when each call began and ended and what it answered; refusals count as answers, and a call whose
//! outcome is unknown stays open for ever. [`check`](check::linearisable) then looks for one order of the calls, each
//! between its beginning and its end, in which a plain sequential thread ([`spec::Spec`]) gives exactly those answers.

pub mod check;
pub mod drive;
pub mod spec;

/// One call of one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// Which client.
    pub client: usize,
    /// What it asked.
    pub call: spec::Call,
    /// What it heard; `None` when that is unknown: it may have happened at any time after it began, or never.
    pub answer: Option<spec::Answer>,
    /// When it began, on a counter all clients share.
    pub began: u64,
    /// When it ended; never, while the outcome is unknown.
    pub ended: u64,
}
