//! Plain files: lines appended, each flushed; one file a thread.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use super::{BODY, LOG, Raw, SESSIONS, SHORT, WRITERS};
use crate::{
    bench::sizes::Sizes,
    fail::{Fail, Result},
};

pub(super) struct Disk {
    folder: PathBuf,
    made: u64,
}

fn engine(error: io::Error) -> Fail {
    Fail::input(format!("the bare files: {error}"))
}

fn line(length: usize) -> String {
    let mut line = "x".repeat(length);
    line.push('\n');
    line
}

fn append(path: &Path, lines: &str, n: u64) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    for _ in 0..n {
        file.write_all(lines.as_bytes())?;
        file.sync_data()?;
    }
    Ok(())
}

/// The lines of a file's last bytes.
fn read(path: &Path, bytes: usize) -> io::Result<()> {
    use io::{Read as _, Seek as _};
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(io::SeekFrom::Start(length.saturating_sub(bytes as u64)))?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    std::hint::black_box(lines);
    Ok(())
}

impl Disk {
    pub(super) fn new(folder: PathBuf, sizes: &Sizes) -> Result<Self> {
        let fill = || -> io::Result<()> {
            std::fs::create_dir_all(&folder)?;
            std::fs::write(folder.join("0"), line(BODY).repeat(LOG))?;
            let thread = line(SHORT).repeat(SESSIONS + 1);
            (1..=sizes.threads)
                .try_for_each(|i| std::fs::write(folder.join(i.to_string()), &thread))
        };
        fill().map_err(engine)?;
        Ok(Self { folder, made: 0 })
    }

    fn file(&self, name: impl ToString) -> PathBuf {
        self.folder.join(name.to_string())
    }
}

impl Raw for Disk {
    fn create(&mut self, n: u64) -> Result<u64> {
        let line = line(SHORT);
        for _ in 0..n {
            self.made += 1;
            let path = self.file(format!("new-{}", self.made));
            let make = || -> io::Result<()> {
                let mut file = File::create_new(path)?;
                file.write_all(line.as_bytes())?;
                file.sync_all()?;
                File::open(&self.folder)?.sync_all()
            };
            make().map_err(engine)?;
        }
        Ok(n)
    }

    fn append(&mut self, n: u64) -> Result<u64> {
        append(&self.file("alone"), &line(BODY), n).map_err(engine)?;
        Ok(n)
    }

    /// Each file is flushed by a thread of its own.
    fn append_together(&mut self, each: u64) -> Result<u64> {
        let files = (0..WRITERS).map(|writer| self.file(format!("writer-{writer}")));
        std::thread::scope(|scope| {
            let writers: Vec<_> =
                files.map(|path| scope.spawn(move || append(&path, &line(BODY), each))).collect();
            writers.into_iter().try_for_each(|writer| match writer.join() {
                Ok(done) => done.map_err(engine),
                Err(_) => Err(Fail::input("a writer of the bare files failed")),
            })
        })?;
        Ok(each * WRITERS as u64)
    }

    fn append_batches(&mut self, n: u64) -> Result<u64> {
        let lines = line(BODY).repeat(WRITERS);
        append(&self.file("alone"), &lines, n).map_err(engine)?;
        Ok(n * WRITERS as u64)
    }

    fn tail(&mut self, n: u64) -> Result<u64> {
        let log = self.file(0);
        (0..n).try_for_each(|_| read(&log, 50 * (BODY + 1))).map_err(engine)?;
        Ok(n)
    }

    fn list(&mut self, n: u64) -> Result<u64> {
        let thread = self.file(1);
        (0..n).try_for_each(|_| read(&thread, usize::MAX)).map_err(engine)?;
        Ok(n)
    }

    fn threads(&mut self, n: usize) -> Result<u64> {
        (1..=n).try_for_each(|i| read(&self.file(i), usize::MAX)).map_err(engine)?;
        Ok(n as u64)
    }

    fn open(&mut self, n: u64) -> Result<u64> {
        for _ in 0..n {
            let file = File::open(self.file(0)).map_err(engine)?;
            std::hint::black_box(file.metadata().map_err(engine)?);
        }
        Ok(n)
    }
}
