//! Mistakes on purpose, to test the tests.
//!
//! Each is one line at the place where somebody could really make it. They are compiled in by the feature `flaws`, which
//! only the conformance suite turns on, and are off until one is [set]; without the feature nothing of this remains.

macro_rules! flaws {
    ($($(#[$doc:meta])* $name:ident => $($id:literal)|+,)*) => {
        /// A mistake.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Flaw { $($(#[$doc])* $name,)* }

        impl Flaw {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The clauses it breaks, each of which must find it.
            pub const fn breaks(self) -> &'static [&'static str] {
                match self { $(Self::$name => &[$($id),+],)* }
            }
        }
    };
}

flaws! {
    /// Gives an answer that writes nothing without looking at the head.
    RefusesFromStaleCache => "LIN1" | "CLK2",
    /// Gives an answer that writes nothing before the batch it was decided behind is durable.
    RefusesFromOverlay => "CLK2",
    /// Takes a commit of unknown fate for one that did not happen.
    TrustsAbsent => "CLK2",
    /// Forgets the batch that a dropped leader had sent.
    ForgetsFlight => "CLK2",
    /// Answers questions from memory.
    ReadsFromCache => "LIN1",
    /// Compares the number of a head and not its hash: a restored backup that grew to the same number passes for the history
    /// it knows.
    MatchesNumbers => "CRS4",
    /// Decides every command of a batch on the state before the batch.
    DecidesOnBase => "LIN1",
    /// Lets only the leader answer: whoever waits behind one that was dropped waits for ever.
    StrandsFollowers => "J10",
    /// Forgets idempotency keys when a journal is read again.
    ForgetsKeys => "MSG4",
    /// Believes a snapshot without its digest.
    TrustsSnapshots => "J14",
    /// Takes a record of a newer release for one it knows.
    SkipsNewerRecords => "J17",
    /// Leaves out an entry where one page ends and the next begins.
    LeavesPageGap => "MSG7",
    /// Does not look at leases.
    IgnoresLeases => "LEA2" | "LEA6",
    /// Does not look at the expected tail.
    IgnoresTail => "MSG3" | "LIN1",
    /// Takes any expected version for the right one.
    IgnoresVersions => "THD3" | "SES5" | "PRJ2" | "SUB10",
    /// Books a call again.
    BooksTwice => "USE2",
    /// Takes an id for one of the caller's tenant.
    TrustsIds => "TEN1",
    /// Archives a thread whatever is at work in it.
    ArchivesAnything => "THD5",
    /// Does not look at caps.
    IgnoresCaps => "SUB7",
    /// Lets a session be its own ancestor.
    AllowsCycles => "SUB1",
}

#[cfg(feature = "flaws")]
static CURRENT: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(u8::MAX);

/// Makes this mistake from now on, in the whole process; `None` makes none.
#[cfg(feature = "flaws")]
pub fn set(flaw: Option<Flaw>) {
    let flaw = flaw.map_or(u8::MAX, |f| f as u8);
    CURRENT.store(flaw, std::sync::atomic::Ordering::SeqCst);
}

/// The mistake that is made in this process, if one is.
#[cfg(feature = "flaws")]
pub fn current() -> Option<Flaw> {
    Flaw::ALL.iter().copied().find(|flaw| is(*flaw))
}

/// Whether this mistake is to be made.
#[inline]
pub(crate) fn is(flaw: Flaw) -> bool {
    #[cfg(feature = "flaws")]
    return CURRENT.load(std::sync::atomic::Ordering::Relaxed) == flaw as u8;
    #[cfg(not(feature = "flaws"))]
    {
        let _ = flaw;
        false
    }
}
