//! What a thread has of its project's budget: a slice, drawn in the project's journal before it is spent here.

use serde::{Deserialize, Serialize};

use super::state::ThreadState;
use crate::{
    id::Version,
    model::{Budget, Totals, Usage},
    record::Event,
    rules::event::Evolved,
};

/// Slices of a thread; versions of draws are those of the project's journal.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Slices {
    /// It draws before it spends.
    pub(crate) is_on: bool,
    /// The newest draw that it knows of. An older one is never credited.
    pub(crate) draw: Version,
    /// What it has.
    pub(crate) slice: Option<Slice>,
    /// What was spent since there was none.
    pub(crate) used: Totals,
    /// What was spent of the one that was given back last, and the record that did so.
    pub(crate) returned: Totals,
    pub(crate) returned_at: Version,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Slice {
    /// The draw that it began with.
    pub(crate) opened: Version,
    /// How large it is, with all that it was enlarged by.
    pub(crate) amount: Budget,
}

impl Slices {
    /// Whether something is left of all that the project's budget bounds.
    pub(crate) fn is_left(&self) -> bool {
        self.slice.as_ref().is_some_and(|slice| {
            slice.amount.limits().all(|(kind, limit)| self.used.of(&kind) < limit)
        })
    }

    /// Whether nothing is to be given back or to be accounted for, as far as the thread knows.
    pub(crate) fn is_settled(&self) -> bool {
        self.slice.is_none() && self.used == Totals::default()
    }
}

impl ThreadState {
    pub(super) fn spend_slice(&mut self, usage: &Usage) {
        if let Some(slices) = self.slices.as_mut().filter(|slices| slices.is_on) {
            std::sync::Arc::make_mut(slices).used.book(usage);
        }
    }

    pub(super) fn apply_slice(&mut self, event: &Event, version: Version) -> Evolved {
        let slices = std::sync::Arc::make_mut(self.slices.get_or_insert_default());
        match event {
            Event::SlicesBegun {} => slices.is_on = true,
            Event::SlicesEnded {} => {
                let Slices { draw, returned_at, .. } = *slices;
                *slices = Slices { draw, returned_at, ..Slices::default() };
            }
            Event::SliceCredited { draw, opened, amount } => {
                slices.draw = *draw;
                slices.slice = Some(Slice { opened: *opened, amount: amount.clone() });
            }
            Event::SliceReturned { .. } => {
                slices.slice = None;
                slices.returned = std::mem::take(&mut slices.used);
                slices.returned_at = version;
            }
            _ => return Err("is no record of a slice"),
        }
        Ok(())
    }
}
