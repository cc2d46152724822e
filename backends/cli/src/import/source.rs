//! What a transcript is known by, wherever its folder is moved to.

use std::{ffi::OsStr, path::Path};

use sessile::{hash::Hash, id::TenantId};

use crate::report::clean;

/// A folder or a file under the folder that was named on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// The name of the folder given on the command line, then the path below it (empty for the folder itself).
    identity: Vec<Vec<u8>>,
    /// Its name, made fit for a title.
    pub(super) title: String,
}

impl Source {
    pub(super) fn new(root: &OsStr, below: &Path, name: &OsStr) -> Self {
        let below = below.components().map(|c| c.as_os_str());
        let identity = std::iter::once(root).chain(below);
        Self {
            identity: identity.map(|part| part.as_encoded_bytes().to_vec()).collect(),
            title: title(&name.to_string_lossy()),
        }
    }

    /// The digest of tenant, kind of thing, folder name and relative path: the producer of its keys. Each part follows
    /// its length, so that no two sources give the same text.
    pub(super) fn digest(&self, kind: &str, tenant: &TenantId) -> String {
        let outer = [tenant.as_str().as_bytes(), kind.as_bytes()];
        let mut text = Vec::new();
        for part in outer.into_iter().chain(self.identity.iter().map(Vec::as_slice)) {
            text.extend_from_slice(&(part.len() as u64).to_be_bytes());
            text.extend_from_slice(part);
        }
        Hash::of(&[&text]).to_string()
    }
}

/// A title has at most 256 bytes and no control characters.
fn title(name: &str) -> String {
    let mut title = clean(name);
    if title.len() > 256 {
        let fits = (0..=253).rev().find(|&at| title.is_char_boundary(at)).unwrap_or(0);
        title.truncate(fits);
        title.push('…');
    }
    title
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_tell_sources_apart() {
        let tenant = TenantId::new("local").unwrap();
        let digest = |root: &str, below: &str| {
            Source::new(OsStr::new(root), Path::new(below), OsStr::new("x")).digest("file", &tenant)
        };
        assert_eq!(digest("a", "b/c.traj"), digest("a", "b/c.traj"));
        assert_ne!(digest("a", "b/c.traj"), digest("ab", "c.traj"));
        assert_ne!(digest("a", "b/c.traj"), digest("a", "bc.traj"));
        assert_ne!(digest("a", "c.traj"), digest("b", "c.traj"));
    }

    #[test]
    fn titles_fit() {
        assert_eq!(title("plain"), "plain");
        assert_eq!(title("a\nb"), "a\\nb");
        assert!(title(&"é".repeat(200)).len() <= 256);
    }
}
