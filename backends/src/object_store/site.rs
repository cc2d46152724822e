//! A space as a call of the journal uses it: its keys, its cache, and its name in errors.

use std::sync::Arc;

use sessile_core::{
    error::Error,
    id::{Space, Version},
};

use super::{Inner, keys::SpaceKeys, view::SpaceCell};

/// One space of the store.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub(super) keys: SpaceKeys,
    pub(super) cell: Arc<SpaceCell>,
    /// `None` where its keys are all there is, and its tenant's name is too long to be spelled out in them.
    space: Option<Space>,
}

impl Site {
    /// The error for a damaged record.
    pub(super) fn damaged(&self, version: Version, reason: &str) -> Error {
        match &self.space {
            Some(space) => Error::corrupt(space, version, reason),
            None => Error::CorruptFile {
                file: self.keys.name().to_owned(),
                reason: format!("version {version}: {reason}"),
            },
        }
    }

    /// The error when other processes were faster too often.
    pub(super) fn contended(&self) -> Error {
        match &self.space {
            Some(space) => Error::contended(space),
            None => Error::failed("other processes were folding the same log; try again"),
        }
    }
}

impl Inner {
    pub(super) fn site(&self, space: &Space) -> Site {
        let keys = self.keys.space(space);
        let cell = self.kept.cell(&keys);
        Site { keys, cell, space: Some(space.clone()) }
    }

    /// A space that a listing came by.
    pub(super) fn site_of(&self, keys: SpaceKeys) -> Site {
        let (space, cell) = (keys.space(), self.kept.cell(&keys));
        Site { keys, cell, space }
    }
}
