//! Names of files: those of the operating system, and those that are a driver's own.

use std::{borrow::Cow, ffi::OsStr};

use sessile_core::{
    error::{Error, Result},
    workspace::FilePath,
};

/// Begins the name of a file that is being written: `.sessile-tmp-` and 32 hexadecimal digits. A kill may leave one.
pub(crate) const TEMPORARY: &str = ".sessile-tmp-";

/// A new name for a file that is being written.
pub(crate) fn temporary() -> String {
    format!("{TEMPORARY}{:032x}", rand::random::<u128>())
}

/// Whether a name is one of [`temporary`], in any case of letters: media without case know no other.
pub(crate) fn is_temporary(name: &[u8]) -> bool {
    let lower = name.to_ascii_lowercase();
    lower
        .strip_prefix(TEMPORARY.as_bytes())
        .is_some_and(|rest| rest.len() == 32 && rest.iter().all(u8::is_ascii_hexdigit))
}

/// A name of a path as the operating system takes it.
#[cfg(unix)]
pub(crate) fn os_name<'a>(_: &FilePath, name: &'a [u8]) -> Result<Cow<'a, OsStr>> {
    use std::os::unix::ffi::OsStrExt;
    Ok(Cow::Borrowed(OsStr::from_bytes(name)))
}

/// A name of a path as the operating system takes it; `Invalid` if it is not UTF-8, or means something else there.
#[cfg(not(unix))]
pub(crate) fn os_name<'a>(path: &FilePath, name: &'a [u8]) -> Result<Cow<'a, OsStr>> {
    use std::path::{Component, Path};
    let plain = |text: &&str| {
        let mut parts = Path::new(*text).components();
        let one =
            matches!(parts.next(), Some(Component::Normal(part)) if part == OsStr::new(*text));
        one && parts.next().is_none() && !text.contains([':', '\\']) && !text.ends_with(['.', ' '])
    };
    let text = std::str::from_utf8(name).ok().filter(plain).ok_or_else(|| {
        Error::invalid("path", format!("{path} has a name that this system does not take"))
    })?;
    Ok(Cow::Borrowed(OsStr::new(text)))
}

/// The bytes of a name.
#[cfg(unix)]
pub(crate) fn os_bytes(name: &OsStr) -> Option<Cow<'_, [u8]>> {
    use std::os::unix::ffi::OsStrExt;
    Some(Cow::Borrowed(name.as_bytes()))
}

/// The bytes of a name; `None` if it is not Unicode.
#[cfg(not(unix))]
pub(crate) fn os_bytes(name: &OsStr) -> Option<Cow<'_, [u8]>> {
    name.to_str().map(|text| Cow::Borrowed(text.as_bytes()))
}

/// The path of a name in a folder, the top with `None`.
pub(crate) fn path_of(folder: Option<&FilePath>, name: &OsStr) -> Result<FilePath> {
    let bytes = os_bytes(name).ok_or_else(|| {
        Error::invalid("path", format!("a folder holds the name {name:?}, which is not Unicode"))
    })?;
    folder.map_or_else(|| FilePath::new(&bytes), |folder| folder.join(&bytes))
}

/// Whether git, on any file system that it knows, would take a name for `.git`.
///
/// Besides the case of letters: HFS+ ignores some code points inside of names, NTFS ignores spaces and dots at the end, has a
/// short name for it, and names streams behind a colon; and a backslash ends a name on Windows.
pub(crate) fn is_dot_git(name: &[u8]) -> bool {
    name.split(|b| *b == b'\\').any(|part| is_ntfs_dot_git(part) || is_hfs_dot_git(part))
}

fn is_ntfs_dot_git(name: &[u8]) -> bool {
    let lower = name.to_ascii_lowercase();
    [&b".git"[..], b"git~1"].iter().any(|begin| {
        lower.strip_prefix(*begin).is_some_and(|rest| {
            let stream = rest.iter().position(|b| *b == b':').unwrap_or(rest.len());
            rest.iter().take(stream).all(|b| *b == b' ' || *b == b'.')
        })
    })
}

fn is_hfs_dot_git(name: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(name) else { return false };
    let ignored = |c: &char| matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}');
    text.chars().filter(|c| !ignored(c)).flat_map(char::to_lowercase).eq(".git".chars())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twins_of_git_are_known() {
        for twin in [
            ".git",
            ".GIT",
            ".Git",
            "git~1",
            "GIT~1",
            ".git ",
            ".git.",
            ".git . .",
            ".git::$INDEX_ALLOCATION",
            ".git...:x",
            ".g\u{200c}it",
            "\u{feff}.GIT",
            ".gi\u{202a}t",
            "a\\.git",
            ".git\\config",
            "git~1.",
        ] {
            assert!(is_dot_git(twin.as_bytes()), "{twin:?}");
        }
        for other in [
            ".gitignore",
            ".gitmodules",
            "git",
            "git~2",
            ".gi",
            "a.git",
            ".git-",
            ".git.x",
            "x:.git",
            ".gıt",
        ] {
            assert!(!is_dot_git(other.as_bytes()), "{other:?}");
        }
        assert!(!is_dot_git(b".git\xff"));
    }

    #[test]
    fn temporary_names_are_known() {
        assert!(is_temporary(temporary().as_bytes()));
        assert!(is_temporary(temporary().to_uppercase().as_bytes()));
        assert!(!is_temporary(TEMPORARY.as_bytes()));
        assert_ne!(temporary(), temporary());
    }
}
