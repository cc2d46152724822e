//! Points to look back to.

use crate::{clock::Timestamp, id::Version};

/// A point in the life of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum At {
    /// When this version was the head. One past the head is `NotFound`, as is 0.
    Version(Version),
    /// The newest version whose record is not later than this, by [`Entry::at`](crate::model::Entry::at). A time after the
    /// last record is the head; one from before the thread is `NotFound`.
    Time(Timestamp),
}

impl From<Version> for At {
    fn from(version: Version) -> Self {
        Self::Version(version)
    }
}

impl From<Timestamp> for At {
    fn from(time: Timestamp) -> Self {
        Self::Time(time)
    }
}
