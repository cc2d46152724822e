//! The location of one store.

use std::{
    any::Any,
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

/// The location of one store: a directory of its own, and a shelf for values that are not files.
///
/// `open` and `tamper` of one store get the same `Dir`. A journal in memory [keeps](Self::keep) itself there, so that
/// `tamper` finds it.
#[derive(Clone)]
pub struct Dir {
    path: Arc<Path>,
    kept: Arc<Mutex<BTreeMap<&'static str, Arc<dyn Any + Send + Sync>>>>,
}

impl Dir {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path: path.into(), kept: Arc::default() }
    }

    /// The directory. It exists, is empty at first, and is removed when the clause has ended.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps a value for as long as the location exists; a later one of the same type replaces it.
    pub fn keep<T: Any + Send + Sync>(&self, value: Arc<T>) {
        self.kept.lock().expect("no panic inside").insert(std::any::type_name::<T>(), value);
    }

    /// The value of this type that was kept, if there is one.
    pub fn kept<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let kept = self.kept.lock().expect("no panic inside");
        Arc::clone(kept.get(std::any::type_name::<T>())?).downcast().ok()
    }
}

impl fmt::Debug for Dir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.path, f)
    }
}
