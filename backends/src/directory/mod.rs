//! Workspaces that are copies of a folder.
//!
//! ```no_run
//! # fn main() -> sessile_core::error::Result<()> {
//! use sessile::directory::Directory;
//!
//! let driver = Directory::new("/srv/workspaces")? // where all of it lies
//!     .with_template("/srv/skeleton") // what each workspace begins as; without one they begin empty
//!     .without_ignored(); // but for what its `.gitignore` files name
//! # Ok(())
//! # }
//! ```
//!
//! ```text
//! <root>/workspaces/<name>                                  a workspace, for any program to work in
//! <root>/making/<name>/<32 digits>                          one that is being copied; moved to its place when it is whole
//! <root>/trash/<name>/<32 digits>                           one that is being removed
//! <root>/index/<name>/index                                 what it began with, or its last snapshot, with times and inodes
//! <root>/snapshots/<store>.<thread>/objects/<2>/<62 digits> a file of a thread's snapshots, named by its BLAKE3 digest
//! <root>/snapshots/<store>.<thread>/folders/<2>/<62 digits> a folder of them, in JSON
//! <root>/templates/<key>.<32 digits>/objects, folders       files and folders of a template, as those of a thread's snapshots
//! <root>/templates/<key>.<32 digits>/index                  what the template held when a copy was last made, as that of a workspace
//! <root>/templates/<key>.<32 digits>/threads/<store>.<thread> says that this thread's snapshots build upon it
//! <root>/templates/<key>.<32 digits>/whole/<digest>/files, index  what it held then as a whole, for workspaces to begin as
//! ```
//!
//! Names are those of [`WorkspaceName`](sessile_core::workspace::WorkspaceName). What has another name, or lies elsewhere in
//! the root, is never touched.
//!
//! # What holds
//!
//! - A workspace is in its place when all of it is, and no sooner. What a kill leaves stands in `list`, and `dispose` takes it.
//! - Disposing moves it into the trash in one step: that is when it is decided. Before, a kill leaves it whole; after, nothing
//!   that anybody would miss.
//! - It is dirty if its content - names, bytes, links, whether a file may be run - is not that of its index. Times and inodes
//!   only save reading: a file whose times are not older than the index is read, and compared by digest.
//! - A snapshot reads what has changed since the last, and keeps each content once for a thread. A workspace begins with
//!   one, so that what it began with can be restored and compared.
//! - What a template holds is read when it is first seen, and kept once for all threads. Later a file of it is read only if
//!   its times or inode are others, or its times are not older than the look at them. What is kept of it goes with the snapshots
//!   of the last thread that has a workspace which began as it; what a template has been meanwhile stays until then.
//! - What is kept is what its digest says, or is never given out: a damaged copy is told, or another one is taken.
//! - Files are copied by sharing their blocks where the file system can (btrfs, XFS, bcachefs), else byte by byte.
//! - On btrfs a workspace of 256 files, links and folders or more is a subvolume, made by the program `btrfs`, and one that begins
//!   as a template which is what it was when another began so is a copy of that one as a whole, in one step. Where a subvolume
//!   cannot be had - no such program, no right, a quota, a root that hands its group down - it is a folder, and files are copied one
//!   by one; nothing fails for it. Which it is `stat -c %i` tells of a workspace's folder: 256 is a subvolume.
//! - No link is followed, neither in a workspace nor in the template: it is copied, kept and removed as a link.
//! - Processes may share a root.
//!
//! # What it costs
//!
//! - Creating looks at the metadata of the template and of the copy, and shares or copies each file: three calls that take
//!   long, and no byte read of what is known. The first time it reads each file and keeps it, which shares or copies it again.
//!   Branching is the same with the index of its source in the place of the template's; into another thread it keeps all anew.
//!   A branch of a snapshot reads all it copies.
//! - Where a subvolume is copied as a whole, creating looks at the metadata of the template and writes an index; what it takes of
//!   the disk is that index, until somebody writes. The first time, and the first time after a change of the template, it copies
//!   file by file, and keeps that whole. A branch is always copied file by file. A subvolume is removed in one step where the user may
//!   do that (root, or by the mount option `user_subvol_rm_allowed`) and has none within, else file by file.
//! - Where blocks are shared a copy of single files takes the room of their names and inodes: on btrfs a thousandth of files of
//!   1 MiB, a third of files of 4 KiB. Where they are not it takes its bytes, and the first of a template takes them twice.
//! - `inspect`, `snapshot`, `restore`, `diff` and an unforced `dispose` look at the metadata of all files, and read those that
//!   have changed. The index is read whole: about 150 bytes a file.
//!
//! # Not promised
//!
//! - Flushing. What is acknowledged survives the end of the process; what a loss of power takes is up to the file system. A
//!   snapshot that was damaged so is never given out as whole: the digests tell.
//! - Owners, times, extended attributes, hard links, holes, sockets, pipes and devices: they are not copied. A snapshot keeps
//!   of the rights whether the owner may run a file; creating and branching keep all, but those of set-user-ID and its like.
//! - A whole picture of a workspace in which somebody writes meanwhile, or that what a program writes between the look
//!   and the removal of an unforced `dispose` is seen.
//! - That a write through a memory map is seen before the system has brought the file's times up to date.
//! - A root on which clocks of several machines set the times of files; and a root that somebody moves, or changes by hand
//!   but for removing workspaces. A template may lie on another file system: a change within the same moment of its clock as the
//!   look before, to as many bytes, may be missed if that clock is more than three seconds behind the root's.
//! - That a workspace is on the same file system as its root in the eyes of other programs: no file can be moved or hard linked into
//!   a subvolume or out of it, only copied, and no snapshot that somebody takes of the volume around it holds what is in it.
//! - What a folder hands down to those made in it, such as access control lists: a subvolume takes over nothing.
//! - That a template is kept once if threads use it for the first time in the same moment: each may keep it for itself then.

mod copy;
mod dispose;
mod driver;
mod index;
mod make;
mod objects;
mod restore;
mod root;
mod save;
mod shelf;
mod subvolumes;
mod templates;
#[cfg(all(test, unix))]
mod tests;
mod whole;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use sessile_core::error::Result;

use self::root::Root;

/// Makes workspaces that are copies of a folder, and keeps their snapshots. What it promises stands at the
/// [module](self).
///
/// Its kind is `directory`. A clone is the same driver. All calls do their work where blocking work is done
/// ([`blocking::run`](sessile_driver::blocking::run)); a future that is dropped stops it at the next file.
#[derive(Clone, Debug)]
pub struct Directory {
    root: Root,
    template: Option<Arc<Template>>,
}

/// What workspaces begin as.
#[derive(Clone, Debug)]
struct Template {
    path: PathBuf,
    without_ignored: bool,
}

impl Directory {
    /// A driver with all it has in a folder, which is made if it is missing. Links in the path are resolved now.
    ///
    /// # Errors
    /// `Invalid` if the path is something else than a folder; `Unavailable` if it cannot be made or read.
    pub fn new(root: impl AsRef<Path>) -> Result<Self> {
        Ok(Self { root: Root::new(root.as_ref())?, template: None })
    }

    /// Lets each workspace begin as a copy of this folder, as it is at that time. It is looked at when a workspace is made:
    /// `create` answers `Invalid` if it is no folder, or if the root lies in it.
    #[must_use]
    pub fn with_template(mut self, folder: impl Into<PathBuf>) -> Self {
        let template = Template { path: folder.into(), without_ignored: self.ignores() };
        self.template = Some(Arc::new(template));
        self
    }

    /// Leaves out of the copy what `.gitignore` files in the template name, and its `.git/info/exclude`; not what those above
    /// it or the user's own settings of git name. Comes after [`with_template`](Self::with_template), and is nothing without
    /// one. Branches and snapshots hold all files.
    #[must_use]
    pub fn without_ignored(mut self) -> Self {
        self.template = self.template.map(|template| {
            let path = template.path.clone();
            Arc::new(Template { path, without_ignored: true })
        });
        self
    }

    fn ignores(&self) -> bool {
        self.template.as_ref().is_some_and(|template| template.without_ignored)
    }
}
