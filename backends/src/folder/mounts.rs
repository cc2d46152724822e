//! Mount points: what is mounted in a workspace is somebody else's, and is not removed with it.

use std::{io, path::Path};

/// Fails if anything is mounted in a folder, or is the folder. Its path must be without links.
///
/// What is mounted after the look is not seen, nor what only other namespaces see, which no removal from here reaches.
#[cfg(target_os = "linux")]
pub(crate) fn refuse_mounts(folder: &Path) -> io::Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let mounts = match std::fs::read("/proc/self/mountinfo") {
        // Without /proc nothing can be known.
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        mounts => mounts?,
    };
    let folder = folder.as_os_str().as_bytes();
    for line in mounts.split(|b| *b == b'\n') {
        // The fifth field is the mount point.
        let Some(point) = line.split(|b| *b == b' ').nth(4) else { continue };
        let point = unescape(point);
        let is_in = point.strip_prefix(folder).is_some_and(|rest| matches!(rest, [] | [b'/', ..]));
        if is_in {
            let shown = String::from_utf8_lossy(&point);
            return Err(io::Error::other(format!(
                "something is mounted at {shown}; unmount it first"
            )));
        }
    }
    Ok(())
}

/// Fails if anything is mounted in a folder: not known on this system.
#[cfg(not(target_os = "linux"))]
pub(crate) fn refuse_mounts(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Spaces, tabs, line ends and backslashes are written as a backslash and three octal digits.
#[cfg(target_os = "linux")]
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        rest = match rest {
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..] => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                tail
            }
            _ => {
                out.push(*first);
                tail
            }
        };
    }
    out
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_read_back() {
        assert_eq!(unescape(b"/a\\040b\\134c"), b"/a b\\c");
        assert_eq!(unescape(b"/plain\\9\\04"), b"/plain\\9\\04");
    }

    #[test]
    fn what_is_mounted_is_refused() {
        assert!(refuse_mounts(Path::new("/proc")).is_err());
        let folder = tempfile::tempdir().unwrap();
        assert!(refuse_mounts(folder.path()).is_ok());
    }
}
