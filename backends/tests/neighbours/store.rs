//! A store in SQLite, as a new program would use it.

use std::{env, error::Error, path::PathBuf};

use sessile::prelude::*;

/// The folder given as the only argument.
pub fn folder() -> Result<PathBuf, Box<dyn Error>> {
    Ok(env::args().nth(1).ok_or("say in which folder")?.into())
}

/// Makes a store, appends to it and reads it.
pub async fn append_and_read() -> Result<(), Box<dyn Error>> {
    let path = folder()?.join("agents.db");
    let store = sessile::open(&format!("sqlite:{}", path.display())).await?;
    let ann = store.caller("acme", Actor::user("ann"))?;
    let project = ann.create_project("website").await?;
    let thread = ann.create_thread(project, "fix the login").await?;
    let coder = ann.create_session(thread, "coder").await?;
    ann.append(coder, [user("Why?"), assistant("A typo.")]).await?;
    let entries = ann.entries(coder).all().await?;
    assert_eq!(entries.len(), 2);
    store.close().await?;
    Ok(())
}
