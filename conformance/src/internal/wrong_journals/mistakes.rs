//! The mistakes that a journal can have, and the clauses that find them.

macro_rules! mistakes {
    ($($(#[$doc:meta])* $name:ident => $($id:literal)|+,)*) => {
        /// A mistake that a journal can have.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mistake { $($(#[$doc])* $name,)* }

        impl Mistake {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The clauses it breaks: the suite must fail each.
            pub const fn breaks(self) -> &'static [&'static str] {
                match self { $(Self::$name => &[$($id),+],)* }
            }
        }
    };
}

mistakes! {
    /// Applies a batch in two halves.
    TearsBatches => "J1",
    /// Takes any batch, whatever head it expects.
    IgnoresExpected => "J2",
    /// Compares the number of the head and not its hash: a restored backup matches.
    MatchesNumbers => "J2",
    /// Says that a stale write diverged.
    ConfusesDiverged => "J2",
    /// Answers a commit before it is applied.
    AcknowledgesEarly => "J4",
    /// Answers for the head from a cache.
    RemembersHeads => "J4",
    /// Puts a batch at the head, whatever versions its records have.
    TakesGaps => "J3",
    /// Reads backward in forward order.
    ReadsForwardOnly => "J3",
    /// Reads stream by stream.
    ReadsInPieces => "J5",
    /// Answers that a commit was not applied, although it was.
    DeniesCommits => "J7",
    /// Cuts bodies at 64 KiB.
    CutsBodies => "J8",
    /// Reads all that is asked for, however much that is.
    ReadsWithoutBound => "J8",
    /// Takes batches above its limits, piece by piece.
    TakesTooMuch => "J8",
    /// Tells tenants apart by their first character only.
    LeaksPrefixes => "J9",
    /// Lets every later commit wait for ever after a commit was dropped half way.
    StrandsWaiters => "J10",
    /// Keeps the connection of a commit that was dropped half way for five seconds.
    HoldsOn => "J10",
    /// Forgets what was dropped.
    ForgetsTombstones => "J11" | "J20",
    /// Lists what was dropped, by a head it remembers.
    ListsTwice => "J15",
    /// Leaves out of a list what is locked by a commit under way.
    SkipsLocked => "J15",
    /// Leaves one row out between two pages.
    SkipsRows => "J15",
    /// Answers after it was closed.
    StaysOpen => "J16",
    /// Reads one byte too few of a blob's range.
    ShortensRanges => "J18",
    /// Gives two blobs one name.
    ReusesNames => "J18",
    /// Answers an erasure as done and erases nothing.
    KeepsErased => "J13",
    /// Erases what readers see, keeps it on its medium, and says of a scrub that it is done.
    LiesOnScrub => "J13",
    /// Collects blobs that records name.
    CollectsNamed => "J19",
    /// Blocks in a way that only some threads of some runtimes allow.
    BlocksInPlace => "J21",
}
