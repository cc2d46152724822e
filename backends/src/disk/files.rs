//! Open files, the least recently used closed first.

use std::{
    hash::RandomState,
    io,
    path::Path,
    sync::{Arc, Mutex},
};

use hashlink::LinkedHashMap;
use sessile_core::id::Space;

use super::medium::{File, Medium, Mode};
use sessile_driver::lock;

/// The files of records that are kept open between calls, at most so many.
#[derive(Debug)]
pub(super) struct Files {
    open: Mutex<LinkedHashMap<Space, Arc<dyn File>, RandomState>>,
    most: usize,
    mode: Mode,
}

impl Files {
    pub(super) fn new(most: usize, mode: Mode) -> Self {
        Self { open: Mutex::default(), most: most.max(1), mode }
    }

    /// The file of a space, opened if it is not.
    pub(super) fn get(
        &self,
        medium: &dyn Medium,
        space: &Space,
        path: &Path,
    ) -> io::Result<Arc<dyn File>> {
        if let Some(file) = lock(&self.open).to_back(space) {
            return Ok(Arc::clone(file));
        }
        let file = medium.open(path, self.mode)?;
        self.put(space, &file);
        Ok(file)
    }

    /// Keeps a file that was just opened.
    pub(super) fn put(&self, space: &Space, file: &Arc<dyn File>) {
        let mut open = lock(&self.open);
        open.insert(space.clone(), Arc::clone(file));
        let mut closing = Vec::new();
        while open.len() > self.most {
            closing.extend(open.pop_front());
        }
        drop(open);
    }

    /// Forgets the file of a space: another lies at its path, or none.
    pub(super) fn forget(&self, space: &Space) {
        let file = lock(&self.open).remove(space);
        drop(file);
    }

    pub(super) fn close(&self) {
        let open = std::mem::take(&mut *lock(&self.open));
        drop(open);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        lock(&self.open).len()
    }
}
