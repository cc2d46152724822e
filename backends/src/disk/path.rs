//! Names of files and folders below the root. All paths are made here.

use std::path::{Path, PathBuf};

use sessile_core::id::{ProjectId, Space, SpaceKind, ThreadId};

pub(super) use sessile_driver::lines::name::{folder, text};

/// The store's own file; no tenant's folder begins with `_`.
pub(super) const META: &str = "_sessile.json";
/// The file whose lock the writer holds.
pub(super) const LOCK: &str = "_lock";
/// Temporary files begin with it: they are renamed when they are complete, or a crash left them.
pub(super) const TEMPORARY: &str = "_tmp-";
/// A tenant's own space is named with this and the characters of its bits.
const TENANT: &str = "tnt_";
/// The ending of the file with the records of a space.
const RECORDS: &str = ".jsonl";
/// The ending of the tombstone of a dropped space.
const DROPPED: &str = ".dropped";
/// The snapshot of a space.
pub(super) const SNAPSHOT: &str = "snapshot";
/// The folder of the blobs of a space.
pub(super) const BLOBS: &str = "blobs";

/// The paths of the files of one space.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// `<tenant>/threads/<first four>` or `<tenant>/projects`, with every folder above it, outermost first.
    folders: Vec<PathBuf>,
    /// `thd_<26>` or `prj_<26>`: all names of the space begin so.
    name: String,
    root: PathBuf,
}

impl Place {
    pub(super) fn new(root: &Path, space: &Space) -> Self {
        let tenant = root.join(folder(space.tenant().as_str()));
        let kind = tenant.join(kind_folder(space.kind()));
        let mut folders = vec![tenant, kind.clone()];
        let name = match space.kind() {
            SpaceKind::Project => ProjectId::from_bits(space.bits()).to_string(),
            SpaceKind::Thread => {
                folders.push(kind.join(shard(&space.characters())));
                ThreadId::from_bits(space.bits()).to_string()
            }
            SpaceKind::Tenant => format!("{TENANT}{}", space.characters()),
        };
        Self { folders, name, root: root.to_owned() }
    }

    /// The folder that holds the space's file, and others'.
    pub(super) fn parent(&self) -> &Path {
        self.folders.last().map_or(&self.root, PathBuf::as_path)
    }

    /// The folders from below the root down to that one.
    pub(super) fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    fn named(&self, ending: &str) -> PathBuf {
        self.parent().join(format!("{}{ending}", self.name))
    }

    pub(super) fn records(&self) -> PathBuf {
        self.named(RECORDS)
    }

    pub(super) fn dropped(&self) -> PathBuf {
        self.named(DROPPED)
    }

    /// The folder of the space, which exists if it has a blob or a snapshot.
    pub(super) fn folder(&self) -> PathBuf {
        self.named("")
    }

    pub(super) fn snapshot(&self) -> PathBuf {
        self.folder().join(SNAPSHOT)
    }

    pub(super) fn blobs(&self) -> PathBuf {
        self.folder().join(BLOBS)
    }

    /// A new temporary name beside the file of the space.
    pub(super) fn temporary(&self) -> PathBuf {
        let begin = format!("{TEMPORARY}{}-", self.name);
        self.parent().join(format!("{begin}{:032x}", rand::random::<u128>()))
    }

    /// The empty file that shows a person which threads a project has, and its folder.
    pub(super) fn marker(&self, space: &Space, project: ProjectId) -> (PathBuf, PathBuf) {
        let project = Self::new(&self.root, &project.space(space.tenant()));
        let folder = project.folder().join("threads");
        (folder.join(&self.name), folder)
    }
}

/// Which file or folder of a space a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Records,
    Dropped,
    Folder,
    /// A temporary file.
    Temporary,
}

/// The id in a name below the folder of a kind, as [`Place`] makes it, and what it is; `None` if it is not ours.
pub(super) fn role(kind: SpaceKind, name: &str) -> Option<(u128, Role)> {
    let (id, role) = if let Some(id) = name.strip_suffix(RECORDS) {
        (id, Role::Records)
    } else if let Some(id) = name.strip_suffix(DROPPED) {
        (id, Role::Dropped)
    } else if let Some(rest) = name.strip_prefix(TEMPORARY) {
        (rest.split_once('-')?.0, Role::Temporary)
    } else {
        (name, Role::Folder)
    };
    let bits = match kind {
        SpaceKind::Project => id.parse::<ProjectId>().ok()?.bits(),
        SpaceKind::Thread => id.parse::<ThreadId>().ok()?.bits(),
        SpaceKind::Tenant => {
            format!("prj_{}", id.strip_prefix(TENANT)?).parse::<ProjectId>().ok()?.bits()
        }
    };
    Some((bits, role))
}

/// A new temporary name in a folder.
pub(super) fn temporary(folder: &Path) -> PathBuf {
    folder.join(format!("{TEMPORARY}{:032x}", rand::random::<u128>()))
}

/// The folder of a tenant's projects, of its threads, or of its own space.
pub(super) fn kind_folder(kind: SpaceKind) -> &'static str {
    match kind {
        SpaceKind::Project => "projects",
        SpaceKind::Thread => "threads",
        SpaceKind::Tenant => "tenant",
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
            assert!(!sessile_driver::lines::name::RESERVED.contains(&stem), "{text:?}: {name}");
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
        assert_eq!(place.records(), PathBuf::from(format!("/r/acme/threads/{four}/{id}.jsonl")));
        let name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        for (path, is) in [
            (place.records(), Role::Records),
            (place.dropped(), Role::Dropped),
            (place.folder(), Role::Folder),
            (place.temporary(), Role::Temporary),
        ] {
            assert_eq!(role(SpaceKind::Thread, &name(path)), Some((1 << 100, is)));
        }
        assert_eq!(role(SpaceKind::Project, &name(place.records())), None);
        assert_eq!(role(SpaceKind::Thread, "_tmp-0"), None);
        let project = ProjectId::from_bits(7);
        let (marker, folder) = place.marker(&space, project);
        assert_eq!(folder, PathBuf::from(format!("/r/acme/projects/{project}/threads")));
        assert_eq!(marker, folder.join(id));
    }
}
