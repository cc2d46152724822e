//! Large files: what sharing blocks saves is the bytes.

use std::{path::Path, sync::Arc};

use sessile::{directory::Directory, workspace::WorkspaceDrivers};

use super::{
    Figure, ROUNDS, Steps,
    by_hand::{copy, program, used},
    ground, write_files,
};
use crate::fail::{Fail, Result};

/// Files of the template, and bytes of each.
const FILES: usize = 1_000;
const BYTES: usize = 1 << 20;

/// Measures making copies of a folder of large files; answers how many those are.
pub(super) async fn measure(
    folder: &Path,
    quick: bool,
    figures: &mut Vec<Figure>,
) -> Result<usize> {
    let files = if quick { FILES / 20 } else { FILES };
    let template = folder.join("large");
    write_files(&template, files, BYTES)?;
    let copies = Directory::new(folder.join("large-copies"))?.with_template(&template);
    let drivers = WorkspaceDrivers::default().with(Arc::new(copies))?;
    let (store, ground) = ground(folder, "large", drivers, files * BYTES).await?;
    let (mut ours, mut raw) = (Steps::default(), Steps::default());
    ground.create_first("large_first", &mut ours).await?;
    for _ in 0..ROUNDS {
        let made = ground.create("large", "directory", &mut ours).await?;
        ground.ann.dispose_of_workspace(made, true).await?;
        // So that nobody writes what the other has left to be written.
        used(folder);
        copy(folder, "large", &mut raw, &["large_first", "large"])?;
        program(folder, "rm", &["-rf", "plain"])?;
    }
    store.close().await?;
    figures.extend(ours.figures("directory", &raw));
    std::fs::remove_dir_all(&template).map_err(Fail::io("cannot remove a folder"))?;
    Ok(files)
}
