//! Archives: where sessions go that are over. [`ArchiveFolder`] keeps their bundles in a folder, [`ArchiveObjects`] in any store
//! of objects; [`open_archive`](crate::open_archive) opens either by its address.
//!
//! ```no_run
//! # async fn example(ann: sessile::Handle, session: sessile::id::SessionId) -> sessile::Result<()> {
//! use sessile::{Store, archive::ArchiveBackends, command::Archiving};
//!
//! let cold = sessile::open_archive("/srv/archive").await?;
//! let archives = ArchiveBackends::default().with("cold", cold)?;
//! let journal = sessile::open_journal("agents.db").await?;
//! let store = Store::new(journal, sessile::options().with_archives(archives));
//! ann.archive_session(session, Archiving::new().to("cold")).await?;
//! ann.restore_session(session).await?;
//! # Ok(())
//! # }
//! ```

mod folder;
#[cfg(feature = "object_store")]
mod objects;

pub use folder::ArchiveFolder;
#[cfg(feature = "object_store")]
pub use objects::ArchiveObjects;
#[doc(inline)]
pub use sessile_core::archive::*;
