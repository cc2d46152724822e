//! Archives: where sessions go that are over.
//!
//! An archived session takes nothing more and counts for no cap; it is read as before, and
//! [restored](crate::command::SessionCommand::RestoreSession) as what it was. Archiving writes a *bundle* beside the journal, to
//! an [`ArchiveBackend`]: the session's records - entries, runs, usage, summaries, all else - with the bodies they have in
//! blobs, in *parts*, and a *manifest* that names the parts, says what is in them and how its workspace was called, and is
//! written last. The journal says which bundle it is, and holds its digest: what is incomplete or altered, or of another
//! session or tenant, is never restored.
//!
//! A record claims a bundle before its first byte is written, and a second one says that the session is archived. So whatever a
//! crash leaves is claimed, or is found by [`Store::collect_bundles`](crate::store::Store::collect_bundles).
//!
//! A bundle is a second copy, unless the entries of the session are
//! [evicted](crate::command::Archiving::evict): then they stand in the bundle only, until the session is restored.
//!
//! Not in a bundle: the files of workspaces; what a fork shares with the session that it continues; the text of entries that
//! were erased, before or after.
//!
//! The laws are numbered ARC1 to ARC7 in `CONTRACT.md` of the conformance suite.

mod backend;
mod bundle;
mod collect;
mod registry;
mod retain;

pub use backend::ArchiveBackend;
pub(crate) use bundle::{
    BundleName, BundleWriter, Kept, Manifest, ManifestBody, PARTS_FROM, Part, SavedWorkspace,
};
pub use collect::{CollectBundles, CollectOutcome, CollectedBundle, Unclaimed};
pub use registry::ArchiveBackends;
pub(crate) use registry::check_name;
pub use retain::{Retain, RetainOutcome, Retained, RetentionReason};
