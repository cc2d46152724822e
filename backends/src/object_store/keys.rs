//! Keys of objects below the prefix. All keys are made here.
//!
//! ```text
//! _sessile.json                                  the store's id and format
//! <tenant>/<kind>/<id>/journal/log/<version>     one batch, named by its first version
//! <tenant>/<kind>/<id>/journal/manifest/<n>      what is in segments, and where the log goes on
//! <tenant>/<kind>/<id>/journal/segment/<n>-<..>  batches, one after the other
//! <tenant>/<kind>/<id>/blob/<name>
//! <tenant>/<kind>/<id>/snapshot[-<erasure>]      after which erasure it was saved, if there was one
//! <tenant>/index/<scope>/<id>                    a mark for lists, empty
//! ```

use object_store::path::Path;
use sessile_core::id::{ProjectId, Space, SpaceKind, TenantId, Version};

use sessile_driver::lines::name;

/// Keys below a prefix.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    root: Path,
}

/// The keys of one space.
#[derive(Clone, Debug)]
pub(super) struct SpaceKeys {
    folder: Path,
}

const SNAPSHOT: &str = "snapshot";

fn kind_folder(kind: SpaceKind) -> &'static str {
    match kind {
        SpaceKind::Project => "projects",
        SpaceKind::Thread => "threads",
        SpaceKind::Tenant => "tenant",
    }
}

/// A tenant's part of a key: the name of a folder, without the percent sign that stores encode once more.
fn tenant_part(tenant: &TenantId) -> String {
    name::folder(tenant.as_str()).replace('%', "=")
}

fn number(n: u64) -> String {
    format!("{n:020}")
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self { root: prefix.split('/').filter(|part| !part.is_empty()).collect() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn meta(&self) -> Path {
        self.root.clone().join("_sessile.json")
    }

    /// A new key for a trial object.
    pub(super) fn trial(&self) -> Path {
        self.root.clone().join("_trial").join(format!("{:032x}", rand::random::<u128>()))
    }

    fn tenant(&self, tenant: &TenantId) -> Path {
        self.root.clone().join(tenant_part(tenant))
    }

    pub(super) fn space(&self, space: &Space) -> SpaceKeys {
        let kind = self.tenant(space.tenant()).join(kind_folder(space.kind()));
        SpaceKeys { folder: kind.join(space.characters()) }
    }

    /// The folder of the marks of a scope: a tenant's spaces of a kind, or a project's threads.
    pub(super) fn scope(
        &self,
        tenant: &TenantId,
        kind: SpaceKind,
        project: Option<ProjectId>,
    ) -> Path {
        let index = self.tenant(tenant).join("index");
        match project {
            Some(project) => index.join(project.to_string()),
            None => index.join(kind_folder(kind)),
        }
    }
}

impl SpaceKeys {
    /// The folder of a journal that a key lies in.
    pub(super) fn of_key(key: &Path) -> Option<Self> {
        let parts: Vec<_> = key.parts().collect();
        let at = parts.iter().rposition(|part| part.as_ref() == "journal")?;
        Some(Self { folder: parts.into_iter().take(at).collect() })
    }

    /// The space, if its tenant's name is short enough to be spelled out in keys.
    pub(super) fn space(&self) -> Option<Space> {
        let parts: Vec<_> = self.folder.parts().collect();
        let [.., tenant, kind, characters] = parts.as_slice() else { return None };
        let tenant = name::text(&tenant.as_ref().replace('=', "%"))?;
        let kind = match kind.as_ref() {
            "projects" => SpaceKind::Project,
            "threads" => SpaceKind::Thread,
            "tenant" => SpaceKind::Tenant,
            _ => return None,
        };
        let bits = super::lists::bits_of(characters.as_ref())?;
        Some(Space::new(TenantId::new(tenant).ok()?, kind, bits))
    }

    /// Whether these are keys of a space.
    fn is_space(&self) -> bool {
        let parts: Vec<_> = self.folder.parts().collect();
        let [.., kind, characters] = parts.as_slice() else { return false };
        ["projects", "threads"].contains(&kind.as_ref())
            && super::lists::bits_of(characters.as_ref()).is_some()
    }

    /// The name of the space within the store.
    pub(super) fn name(&self) -> &str {
        self.folder.as_ref()
    }

    /// Its marks, in each scope it is listed in: its tenant's spaces of its kind, and its project's.
    pub(super) fn marks(&self, project: Option<ProjectId>) -> Vec<Path> {
        let parts: Vec<_> = self.folder.parts().collect();
        let [tenant @ .., kind, characters] = parts.as_slice() else { return Vec::new() };
        let index = tenant.iter().cloned().collect::<Path>().join("index");
        std::iter::once(kind.as_ref().to_owned())
            .chain(project.map(|project| project.to_string()))
            .map(|scope| index.clone().join(scope).join(characters.clone()))
            .collect()
    }

    pub(super) fn journal(&self) -> Path {
        self.folder.clone().join("journal")
    }

    pub(super) fn log(&self, first: Version) -> Path {
        self.journal().join("log").join(number(first))
    }

    pub(super) fn manifest(&self, n: u64) -> Path {
        self.journal().join("manifest").join(number(n))
    }

    /// A new name for a segment that the manifest `n` is to name.
    pub(super) fn new_segment(n: u64) -> String {
        format!("{}-{:032x}", number(n), rand::random::<u128>())
    }

    pub(super) fn segment(&self, name: &str) -> Path {
        self.journal().join("segment").join(name)
    }

    pub(super) fn blobs(&self) -> Path {
        self.folder.clone().join("blob")
    }

    pub(super) fn blob(&self, name: &str) -> Path {
        self.blobs().join(name)
    }

    /// The snapshot saved after this erasure; 0: before any.
    pub(super) fn snapshot(&self, erasure: u64) -> Path {
        self.folder.clone().join(match erasure {
            0 => SNAPSHOT.to_owned(),
            _ => format!("{SNAPSHOT}-{}", number(erasure)),
        })
    }

    /// The space that a snapshot's key belongs to, and the erasure it was saved after.
    pub(super) fn of_snapshot(key: &Path) -> Option<(Self, u64)> {
        let parts: Vec<_> = key.parts().collect();
        let [folder @ .., name] = parts.as_slice() else { return None };
        let erasure = match name.as_ref().strip_prefix(SNAPSHOT)? {
            "" => 0,
            rest => rest.strip_prefix('-')?.parse().ok()?,
        };
        let keys = Self { folder: folder.iter().cloned().collect() };
        (keys.is_space() && keys.snapshot(erasure) == *key).then_some((keys, erasure))
    }
}

/// What a key below a journal's folder is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum JournalKey {
    Log(Version),
    Manifest(u64),
    /// With the number of the manifest it was made for.
    Segment(u64, String),
}

/// Parses the last two parts of a key; `None` if this crate writes no such key.
pub(super) fn part(key: &Path) -> Option<JournalKey> {
    let parts: Vec<_> = key.parts().collect();
    let [.., folder, name] = parts.as_slice() else { return None };
    let name = name.as_ref();
    match folder.as_ref() {
        "log" => name.parse().ok().map(JournalKey::Log),
        "manifest" => name.parse().ok().map(JournalKey::Manifest),
        "segment" => {
            let n = name.split_once('-')?.0.parse().ok()?;
            Some(JournalKey::Segment(n, name.to_owned()))
        }
        _ => None,
    }
}
