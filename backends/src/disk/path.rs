//! Where things lie below the root. Every name is made here; no id becomes a path without passing through.

use std::path::{Path, PathBuf};

use sessile_core::id::{ProjectId, Space, SpaceKind, ThreadId};

pub(super) use crate::lines::name::{folder, text};

/// The store's own file; no tenant's folder begins with `_`.
pub(super) const META: &str = "_sessile.json";
/// The file whose lock the writer holds.
pub(super) const LOCK: &str = "_lock";
/// Files whose name begins so are on their way to another name, or left over.
pub(super) const TEMPORARY: &str = "_tmp-";
/// The records of a space.
pub(super) const RECORDS: &str = "records.jsonl";
/// The snapshot of a space.
pub(super) const SNAPSHOT: &str = "snapshot";
/// The folder of the blobs of a space.
pub(super) const BLOBS: &str = "blobs";
/// The mark of a dropped space.
pub(super) const DROPPED: &str = "dropped";

/// The folder of one space and what lies in it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// `<tenant>/threads/<first four>/thd_<26>` or `<tenant>/projects/prj_<26>`, with every folder above it, outermost
    /// first, the space's own last.
    folders: Vec<PathBuf>,
    root: PathBuf,
}

impl Place {
    pub(super) fn new(root: &Path, space: &Space) -> Self {
        let tenant = root.join(folder(space.tenant().as_str()));
        let kind = tenant.join(kind_folder(space.kind()));
        let mut folders = vec![tenant, kind.clone()];
        match space.kind() {
            SpaceKind::Project => {
                folders.push(kind.join(ProjectId::from_bits(space.bits()).to_string()));
            }
            SpaceKind::Thread => {
                let shard = kind.join(shard(&space.characters()));
                let thread = shard.join(ThreadId::from_bits(space.bits()).to_string());
                folders.extend([shard, thread]);
            }
        }
        Self { folders, root: root.to_owned() }
    }

    /// The space's own folder.
    pub(super) fn folder(&self) -> &Path {
        self.folders.last().map_or(&self.root, PathBuf::as_path)
    }

    /// The folders from below the root down to the space's own.
    pub(super) fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn records(&self) -> PathBuf {
        self.folder().join(RECORDS)
    }

    pub(super) fn snapshot(&self) -> PathBuf {
        self.folder().join(SNAPSHOT)
    }

    pub(super) fn dropped(&self) -> PathBuf {
        self.folder().join(DROPPED)
    }

    pub(super) fn blobs(&self) -> PathBuf {
        self.folder().join(BLOBS)
    }

    /// A name in the space's own folder that was never used.
    pub(super) fn temporary(&self) -> PathBuf {
        temporary(self.folder())
    }

    /// The empty file that shows a person which threads a project has, and its folder.
    pub(super) fn marker(&self, space: &Space, project: ProjectId) -> (PathBuf, PathBuf) {
        let project = Self::new(&self.root, &project.space(space.tenant()));
        let folder = project.folder().join("threads");
        let name = self.folder().file_name().unwrap_or_default();
        (folder.join(name), folder)
    }
}

/// A name in a folder that was never used.
pub(super) fn temporary(folder: &Path) -> PathBuf {
    folder.join(format!("{TEMPORARY}{:032x}", rand::random::<u128>()))
}

/// The folder of a tenant's projects or threads.
pub(super) fn kind_folder(kind: SpaceKind) -> &'static str {
    match kind {
        SpaceKind::Project => "projects",
        SpaceKind::Thread => "threads",
    }
}

/// The first four characters of an id: about twelve days.
fn shard(characters: &str) -> &str {
    characters.get(..4).unwrap_or(characters)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sessile_core::id::TenantId;

    use super::*;

    #[test]
    fn hostile_texts_become_different_harmless_names() {
        let long = "a".repeat(255);
        let longer = format!("{}b", "a".repeat(254));
        let texts = [
            "a",
            "A",
            "b",
            "B",
            "aB",
            "Ab",
            "ab",
            "AB",
            "..",
            ".",
            "",
            "...",
            "a..",
            "a.",
            "a",
            ".a",
            "a.b",
            "a_b",
            "a-b",
            "_a",
            "-a",
            "a_",
            "a-",
            "_lock",
            "_sessile.json",
            "_tmp-1",
            "con",
            "con.txt",
            "nul",
            "nul.a.b",
            "Con",
            "com1",
            "com1.",
            "com10",
            "\0",
            "a\0",
            "a\0b",
            "%",
            "%%",
            "%2F",
            "%2f",
            "/",
            "a/b",
            "a%2fb",
            "a\\b",
            "a:b",
            "é",
            "e\u{301}",
            "a b",
            " a",
            "a ",
            "a*",
            "a?",
            "$HOME",
            "~",
            "\n",
            "threads",
            "projects",
            &long,
            &longer,
        ];
        let mut names: BTreeMap<String, &str> = BTreeMap::new();
        for text in texts {
            let name = folder(text);
            assert!((1..=255).contains(&name.len()), "{text:?}: {name}");
            let harmless =
                |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"%.-_".contains(&b);
            assert!(name.bytes().all(harmless), "{text:?}: {name}");
            assert!(!name.starts_with(['.', '_', '-']) && !name.ends_with('.'), "{text:?}: {name}");
            let stem = name.split('.').next().unwrap();
            assert!(!crate::lines::name::RESERVED.contains(&stem), "{text:?}: {name}");
            if text.len() < 60 && !text.is_empty() {
                assert_eq!(super::text(&name).as_deref(), Some(text), "{name}");
            }
            if let Some(other) = names.insert(name.clone(), text) {
                assert_eq!(other, text, "{name} is two");
            }
        }
    }

    #[test]
    fn a_tenant_of_128_bytes_has_room() {
        let tenant = "a".repeat(128);
        assert_eq!(folder(&tenant), tenant);
        let tenant = TenantId::new(format!("a{}.", "_-".repeat(63))).unwrap();
        assert!(folder(tenant.as_str()).len() <= 255);
    }

    #[test]
    fn spaces_lie_where_the_page_says() {
        let space = Space::new(TenantId::new("acme").unwrap(), SpaceKind::Thread, 1 << 100);
        let place = Place::new(Path::new("/r"), &space);
        let id = ThreadId::from_bits(1 << 100).to_string();
        let four = &id[4..8];
        assert_eq!(
            place.records(),
            PathBuf::from(format!("/r/acme/threads/{four}/{id}/records.jsonl"))
        );
        let project = ProjectId::from_bits(7);
        let (marker, folder) = place.marker(&space, project);
        assert_eq!(folder, PathBuf::from(format!("/r/acme/projects/{project}/threads")));
        assert_eq!(marker, folder.join(id));
    }
}
