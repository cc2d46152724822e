//! What a person would type instead.

use std::{path::Path, process::Command};

use sessile::{Clock, SystemClock};

use super::{BYTES, Ground, Steps, content, name};
use crate::fail::{Fail, Result};

pub(super) fn program(folder: &Path, name: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(name).current_dir(folder).args(arguments).output();
    let output = output.map_err(Fail::io(format!("cannot run {name}")))?;
    // `diff` says with its status that there are differences.
    if output.status.success() || (name == "diff" && output.status.code() == Some(1)) {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Fail::input(format!("{name} {} failed: {said}", arguments.join(" "))))
}

/// Bytes in use on the file system of a folder, once all is written; `None` where that cannot be told.
pub(super) fn used(folder: &Path) -> Option<f64> {
    program(folder, "sync", &["--file-system", "."]).ok()?;
    let output = Command::new("df").current_dir(folder).args(["-k", "--output=used", "."]).output();
    let text = String::from_utf8(output.ok()?.stdout).ok()?;
    text.lines().last()?.trim().parse().ok().map(|kib: f64| kib * 1024.0)
}

fn change(folder: &Path, round: usize) -> Result<()> {
    (0..10).try_for_each(|i| {
        let i = i * 10;
        std::fs::write(folder.join(name(i)), content(i, round, BYTES))
            .map_err(Fail::io("cannot write a file"))
    })
}

pub(super) fn raw_worktree(ground: &Ground, round: usize, steps: &mut Steps) -> Result<()> {
    let path = ground.folder.join("plain");
    let (shown, branch) = (path.display().to_string(), format!("plain{round}"));
    let add = ["worktree", "add", "--quiet", "-b", &branch, &shown];
    let begin = SystemClock.elapsed();
    program(&ground.repository, "git", &add)?;
    steps.add("create", begin);
    steps.add("branch", begin);
    change(&path, round)?;
    let begin = SystemClock.elapsed();
    program(&path, "git", &["diff", "--name-only"])?;
    steps.add("diff", begin);
    let begin = SystemClock.elapsed();
    program(&ground.repository, "git", &["worktree", "remove", "--force", &shown])?;
    steps.add("dispose", begin);
    program(&ground.repository, "git", &["branch", "--quiet", "-D", &branch])
}

/// Copies a folder beside the others, every byte of it.
pub(super) fn copy(
    folder: &Path,
    from: &str,
    steps: &mut Steps,
    named: &[&'static str],
) -> Result<()> {
    let begin = SystemClock.elapsed();
    program(folder, "cp", &["-r", "--reflink=never", from, "plain"])?;
    named.iter().for_each(|step| steps.add(step, begin));
    Ok(())
}

pub(super) fn raw_copy(ground: &Ground, round: usize, steps: &mut Steps) -> Result<()> {
    copy(&ground.folder, "template", steps, &["create_first", "create", "branch"])?;
    change(&ground.folder.join("plain"), round)?;
    let begin = SystemClock.elapsed();
    program(&ground.folder, "diff", &["-rq", "template", "plain"])?;
    steps.add("diff", begin);
    let begin = SystemClock.elapsed();
    program(&ground.folder, "rm", &["-rf", "plain"])?;
    steps.add("dispose", begin);
    Ok(())
}
