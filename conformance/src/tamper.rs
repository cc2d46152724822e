//! Damage to a store, behind the back of its journal.

use async_trait::async_trait;
use sessile_core::id::{Space, Version};

/// What to do to a record where it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Change one bit of the header's text; leave the record's checksum and link as they are.
    FlipHeader,
    /// Change one bit of the inline body's text; leave the record's checksum and link as they are.
    FlipBody,
    /// Exchange the record with the one at this version: everything but the version number moves.
    Swap(Version),
    /// Remove the record; leave its neighbours as they are.
    Drop,
    /// Insert a copy of the record after it: the records that followed move up by one version, and so does the head.
    Insert,
}

/// Damages a store of one backend, as a bad disk or a person with an editor would.
///
/// The suite gets it from the `tamper` hook. It must change what is stored, not what a handle has cached: J12, J17, MSG13
/// and TEN4 open the store again and expect the damage to be found. Without the hook these clauses are *not judged*.
#[async_trait]
pub trait Tamper: Send + Sync {
    /// Damages the record at a version. The record exists, and no call is under way on any handle.
    async fn damage(&self, space: &Space, version: Version, damage: Damage);

    /// Makes the store look as if a later release had written it; `false` if it has no format on a medium. No handle is open.
    async fn newer_format(&self) -> bool;
}
