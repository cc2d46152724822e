//! Listing the files of spaces, and removing files that a crash left.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

use sessile_core::{
    error::Result,
    id::{Space, SpaceKind, TenantId},
    journal::Scrub,
};

use super::{
    DiskShared, failed,
    lookup::{list, remove},
    path::{self, Place, Role, TEMPORARY},
};

/// A space that has a name in a folder, and what the name is for.
type FoundName = (Space, Role);

impl DiskShared {
    /// Removes what crashes left: temporary files, and files of dropped spaces. Other erased, replaced or dropped content was
    /// removed when the call returned.
    pub(super) fn scrub(&self) -> Result<Scrub> {
        let swept = self.remove_temporary_in(&self.root).and_then(|()| {
            for tenant in list(self, &self.root)?.into_iter().filter(|entry| entry.is_dir) {
                let Some(id) = path::text(&tenant.name).and_then(|id| TenantId::new(id).ok())
                else {
                    continue;
                };
                let tenant = self.root.join(&tenant.name);
                for kind in SpaceKind::ALL {
                    for parent in self.parents(&tenant.join(path::kind_folder(kind)), kind)? {
                        self.scrub_parent(&parent, &id, kind)?;
                    }
                }
            }
            Ok(())
        });
        swept.map_err(|e| failed("scrub", &self.root, e))?;
        Ok(Scrub::Done)
    }

    fn scrub_parent(&self, parent: &Path, tenant: &TenantId, kind: SpaceKind) -> io::Result<()> {
        let found = self.found(parent, tenant, kind)?;
        let roles = |role| found.iter().filter(move |found| found.1 == role).map(|found| &found.0);
        let dropped: BTreeSet<u128> = roles(Role::Dropped).map(Space::bits).collect();
        let temporary: BTreeSet<u128> = roles(Role::Temporary).map(Space::bits).collect();
        for (space, role) in &found {
            let cell = self.cells.get(&self.root, space);
            let is_dropped = dropped.contains(&space.bits());
            let is_left = match role {
                Role::Records => is_dropped,
                Role::Folder => is_dropped || self.has_left(&cell.place.folder())?,
                Role::Dropped => false,
                Role::Temporary => true,
            };
            if is_left {
                // A temporary file may be in use by the holder of the guard.
                let guard = cell.work.lock_arc_blocking();
                if is_dropped {
                    self.try_clear(&cell)?;
                }
                self.remove_temporary_in(&cell.place.folder())?;
                for entry in list(self, parent)? {
                    if path::role(kind, &entry.name) == Some((space.bits(), Role::Temporary)) {
                        remove(self, &parent.join(entry.name))?;
                    }
                }
                drop(guard);
            }
        }
        if temporary.is_empty() { Ok(()) } else { self.medium.sync_dir(parent) }
    }

    fn has_left(&self, folder: &Path) -> io::Result<bool> {
        Ok(list(self, folder)?.iter().any(|entry| entry.name.starts_with(TEMPORARY)))
    }

    fn remove_temporary_in(&self, folder: &Path) -> io::Result<()> {
        let mut swept = false;
        for entry in list(self, folder)? {
            if !entry.is_dir && entry.name.starts_with(TEMPORARY) {
                remove(self, &folder.join(&entry.name))?;
                swept = true;
            }
        }
        if swept { self.medium.sync_dir(folder) } else { Ok(()) }
    }

    /// The spaces that have a file of records, in no order.
    pub(super) fn spaces(
        &self,
        folder: &Path,
        tenant: &TenantId,
        kind: SpaceKind,
    ) -> io::Result<Vec<Space>> {
        let mut spaces = Vec::new();
        for parent in self.parents(folder, kind)? {
            let found = self.found(&parent, tenant, kind)?.into_iter();
            spaces.extend(found.filter(|found| found.1 == Role::Records).map(|found| found.0));
        }
        Ok(spaces)
    }

    /// The folders that hold files of a kind of spaces.
    fn parents(&self, folder: &Path, kind: SpaceKind) -> io::Result<Vec<PathBuf>> {
        Ok(match kind {
            SpaceKind::Project | SpaceKind::Tenant => vec![folder.to_owned()],
            SpaceKind::Thread => {
                let shards = list(self, folder)?.into_iter().filter(|entry| entry.is_dir);
                shards.map(|shard| folder.join(shard.name)).collect()
            }
        })
    }

    /// The spaces with names in a folder.
    fn found(
        &self,
        parent: &Path,
        tenant: &TenantId,
        kind: SpaceKind,
    ) -> io::Result<Vec<FoundName>> {
        let entries = list(self, parent)?.into_iter().filter_map(|entry| {
            let (bits, role) = path::role(kind, &entry.name)?;
            let space = Space::new(tenant.clone(), kind, bits);
            // A file that was copied to another folder is ignored.
            let is_here = Place::new(&self.root, &space).parent() == parent;
            (is_here && entry.is_dir == (role == Role::Folder)).then_some((space, role))
        });
        Ok(entries.collect())
    }
}
