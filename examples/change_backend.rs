//! How do I change where it is kept?
//!
//! By another address, and nothing else: run this twice with each of `sqlite:notes.db`, `disk:notes`, `redb:notes.redb`,
//! `file://objects` and `memory:`.

use sessile::prelude::*;

#[tokio::main]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "memory:".into());
    let store = sessile::open(&url).await?; // the one line that knows
    let info = store.journal().info();
    println!("{}: survives {:?}, shared by {:?}", info.backend, info.durability, info.sharing);
    let visits = visit(&store).await?;
    println!("visit {visits} of this store");
    store.close().await
}

/// Notes a visit in a thread of its own, and counts them all.
pub(crate) async fn visit(store: &Store) -> Result<usize> {
    let ann = store.caller("acme", Actor::user("ann"))?;

    // Under one external id it is created once, however often this runs.
    let project =
        ann.create_project(NewProject::named("visits").with_external_id("visits")).await?;
    let visitor = NewSession::named("visitor").with_turn([user("I was here")]);
    ann.begin_thread(project, "a visit", visitor).await?;

    Ok(ann.threads(project).all().await?.len())
}
