//! The mistakes that the journal can be opened with.

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    None,
    /// Answers before the flush.
    AcknowledgesBeforeFlush,
    /// Leaves a torn frame at the end of its log and writes after it.
    KeepsTornTail,
    /// Does not check the checksum of a frame.
    TrustsTail,
    /// Renames the new log over the old one and does not flush the name.
    LosesRename,
    /// Renames the new log before it is flushed.
    RenamesBeforeFlush,
    /// Does not flush the name of a new file.
    LosesNames,
    /// Writes each record of a batch in a frame of its own.
    TearsBatches,
    /// Does not flush blobs.
    LosesBlobs,
    /// Answers after a failed flush that nothing was written.
    DeniesFlushes,
    /// Takes writes after a failed flush, as if the next flush made up for it.
    ForgivesFlushes,
    /// Leaves the part of a failed write that was written.
    LeavesHalves,
    /// Takes no write after the disk was full, also when it has room again.
    StaysFull,
    /// Forgets when it is opened which spaces were dropped.
    ForgetsDrops,
}

impl Mistake {
    /// Those that stops of the machine find.
    pub(crate) const SHOWN_BY_STOPS: &[Self] = &[
        Self::AcknowledgesBeforeFlush,
        Self::KeepsTornTail,
        Self::TrustsTail,
        Self::LosesRename,
        Self::RenamesBeforeFlush,
        Self::LosesNames,
        Self::TearsBatches,
        Self::LosesBlobs,
        Self::DeniesFlushes,
        Self::ForgetsDrops,
    ];

    /// Those that a full medium and failing flushes find.
    pub(crate) const SHOWN_BY_FAILURES: &[Self] =
        &[Self::DeniesFlushes, Self::ForgivesFlushes, Self::LeavesHalves, Self::StaysFull];
}
