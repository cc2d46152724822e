//! The state of the medium: what an operation meets, and what is left after a stop.

use std::{
    io,
    path::{Component, Path},
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{Stat, State, Survives};
use crate::{
    internal::TestClock,
    medium::tree::{Fate, Ino, Node, Op, ROOT, Tree},
};

pub(super) fn survivors(tree: &Tree, survives: Survives) -> Tree {
    match survives {
        Survives::Written => tree.kill(),
        Survives::Flushed => tree.lose_power(Fate::Lost),
        Survives::Some(seed) => {
            tree.lose_power(Fate::Chance(Box::new(StdRng::seed_from_u64(seed))))
        }
    }
}

/// The part of a write that lands when it is cut off.
pub(super) fn torn(op: &Op, seed: u64) -> Option<Op> {
    let Op::Write { ino, at, bytes } = op else { return None };
    let some = StdRng::seed_from_u64(seed ^ at.rotate_left(17)).random_range(0..bytes.len().max(1));
    Some(Op::Write { ino: *ino, at: *at, bytes: bytes[..some].to_vec() })
}

impl State {
    /// The folder of a path's last part, and that part.
    pub(super) fn place(&self, path: &Path) -> io::Result<(Ino, String)> {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        let dir = self.dir(path.parent().unwrap_or(Path::new("")))?;
        Ok((dir, name))
    }

    pub(super) fn dir(&self, path: &Path) -> io::Result<Ino> {
        let mut at = ROOT;
        for part in path.components() {
            let name = match part {
                Component::Normal(name) => name.to_str().ok_or(io::ErrorKind::InvalidInput)?,
                Component::RootDir | Component::CurDir => continue,
                _ => return Err(io::ErrorKind::InvalidInput.into()),
            };
            at = self.lookup(at, name).ok_or(io::ErrorKind::NotFound)?;
            if self.tree.folder(at).is_none() {
                return Err(io::ErrorKind::NotADirectory.into());
            }
        }
        Ok(at)
    }

    pub(super) fn lookup(&self, dir: Ino, name: &str) -> Option<Ino> {
        self.tree.folder(dir)?.live.get(name).copied()
    }

    pub(super) fn stat(&self, ino: Ino) -> Stat {
        let start = TestClock::START.millis();
        let (len, touched, is_dir) = match self.tree.nodes.get(&ino) {
            Some(Node::File(file)) => (file.live.len() as u64, file.touched, false),
            _ => (0, 0, true),
        };
        Stat { len, is_dir, modified: Duration::from_millis(start + touched) }
    }

    /// What an operation does where the medium is full, read-only or fails to flush, and its answer.
    pub(super) fn restricted(&mut self, op: Op) -> (Op, io::Result<()>) {
        let flush = match &op {
            Op::Sync { ino } | Op::SyncDir { ino } => Some(*ino),
            _ => None,
        };
        if let Some(ino) = flush {
            if let Some(left) = &mut self.fail_flush {
                if *left == 0 {
                    self.fail_flush = None;
                    let error = io::Error::other("the flush failed");
                    return (Op::LoseSync { ino }, Err(error));
                }
                *left -= 1;
            }
            return (op, Ok(()));
        }
        if self.read_only {
            return (Op::Nothing, Err(io::ErrorKind::ReadOnlyFilesystem.into()));
        }
        let Some(room) = self.room.map(|room| room.saturating_sub(self.tree.bytes())) else {
            return (op, Ok(()));
        };
        let full = || Err(io::ErrorKind::StorageFull.into());
        match op {
            Op::Write { ino, at, mut bytes } => {
                let len = self.tree.file(ino).map_or(0, |file| file.live.len() as u64);
                let fits = (len + room).saturating_sub(at);
                if bytes.len() as u64 <= fits {
                    return (Op::Write { ino, at, bytes }, Ok(()));
                }
                bytes.truncate(fits as usize);
                (Op::Write { ino, at, bytes }, full())
            }
            Op::PutObject { ref bytes, .. } if bytes.len() as u64 > room => (Op::Nothing, full()),
            Op::SetLen { ino, len } => {
                let now = self.tree.file(ino).map_or(0, |file| file.live.len() as u64);
                if len <= now + room { (op, Ok(())) } else { (Op::Nothing, full()) }
            }
            Op::Make { .. } if room == 0 => (Op::Nothing, full()),
            op => (op, Ok(())),
        }
    }
}
