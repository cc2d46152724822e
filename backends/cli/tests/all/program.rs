//! Runs the program.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

/// What a command said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

pub(crate) fn sessile<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Said {
    let done = Command::new(env!("CARGO_BIN_EXE_sessile"))
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Said {
        status: done.status.code().unwrap_or(-1),
        out: String::from_utf8(done.stdout).unwrap(),
        err: String::from_utf8(done.stderr).unwrap(),
    }
}

/// A folder with a store's address in it.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn store(&self) -> String {
        format!("sqlite:{}", self.path("store.db"))
    }

    /// Writes a file below the folder `name`s first part.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn import(&self, path: &str) -> Said {
        sessile(["import", &self.store(), &self.path(path), "--json"])
    }

    /// The sessions of the store, all threads, by name.
    pub(crate) fn session(&self, name: &str) -> Value {
        let tree = sessile(["tree", &self.store(), "--json"]).json();
        let sessions = tree["projects"].as_array().unwrap().iter();
        let sessions = sessions.flat_map(|p| p["threads"].as_array().unwrap());
        let mut sessions = sessions.flat_map(|t| t["sessions"].as_array().unwrap());
        let found =
            sessions.find(|s| s["name"] == name).unwrap_or_else(|| panic!("no {name}: {tree}"));
        sessile(["show", &self.store(), found["id"].as_str().unwrap(), "--json"]).json()
    }
}

/// The workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}
