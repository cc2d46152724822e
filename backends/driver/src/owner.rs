//! Who has a file locked, so that an open that is refused can say it.

use std::path::Path;

/// The process that has locked a file with `flock`, as [`File::lock`](std::fs::File::lock) does, in words; `None` if there is
/// none, and outside Linux.
#[cfg(target_os = "linux")]
pub fn of(path: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    let inode = format!(":{}", std::fs::metadata(path).ok()?.ino());
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|lock| {
        let mut words = lock.split_whitespace().skip(1);
        let (kind, pid, file) = (words.next()?, words.nth(2)?, words.next()?);
        let pid: u32 = pid.parse().ok().filter(|pid| *pid > 0)?;
        if kind != "FLOCK" || !file.ends_with(&inode) {
            return None;
        }
        let own = pid == std::process::id();
        Some(if own { "this process".into() } else { format!("process {pid}") })
    })
}

#[cfg(not(target_os = "linux"))]
pub(super) fn of(_path: &Path) -> Option<String> {
    None
}
