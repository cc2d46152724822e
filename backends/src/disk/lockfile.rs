//! The lock that lets one process write, and the name of its holder.

use std::{io, path::Path, sync::Arc};

use serde::{Deserialize, Serialize};
use sessile_core::error::{Error, Result};

use super::{
    failed,
    medium::{File, Medium, Mode},
    path::LOCK,
};

/// The content of the lock file while a process has the lock.
#[derive(Serialize, Deserialize)]
struct Holder {
    pid: u32,
    host: String,
}

/// The lock on a store. The operating system ends it with the process.
#[derive(Debug)]
pub(super) struct Lock {
    file: Arc<dyn File>,
}

impl Lock {
    /// Takes the lock; `Unavailable` names the process that has it.
    pub(super) fn take(medium: &dyn Medium, root: &Path) -> Result<Self> {
        let path = root.join(LOCK);
        let file = medium.open(&path, Mode::Create).map_err(|e| failed("open", &path, e))?;
        let unlocked = |e: io::Error| failed("lock", &path, e);
        if !file.try_lock().map_err(unlocked)? {
            let reason = format!(
                "{} is open for writing {}, and one process may write; close it there, or open it to read only",
                root.display(),
                who(&*file)
            );
            return Err(Error::failed(reason));
        }
        let holder = Holder { pid: std::process::id(), host: host_name() };
        let told = serde_json::to_vec(&holder).map_err(io::Error::from);
        let told = told.and_then(|json| {
            file.truncate(0)?;
            file.write_at(&json, 0)
        });
        told.map_err(|e| failed("write", &path, e))?;
        Ok(Self { file })
    }

    /// Gives the lock up.
    pub(super) fn release(&self) {
        // Failures do not matter: the lock ends with the handle, and its next holder writes its own name.
        let _told = self.file.truncate(0);
        let _free = self.file.unlock();
    }
}

impl Drop for Lock {
    /// Unlocks explicitly: a child process that was just forked may have the same open file, and with it the lock.
    fn drop(&mut self) {
        let _free = self.file.unlock();
    }
}

#[cfg(unix)]
fn host_name() -> String {
    let system = nix::sys::utsname::uname();
    system.map(|system| system.nodename().to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(not(unix))]
fn host_name() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_default()
}

fn who(file: &dyn File) -> String {
    let mut bytes = vec![0; 1024];
    let read = file.read_at(&mut bytes, 0).unwrap_or_default();
    match serde_json::from_slice(bytes.get(..read).unwrap_or_default()) {
        Ok(Holder { pid, host }) => format!("in process {pid} on host {host}"),
        Err(_) => "in a process that has not written its name yet".to_owned(),
    }
}
