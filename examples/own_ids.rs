//! How do I use the ids that my program has already?

use sessile::prelude::*;

/// Says something in the chat that the program knows as `app/ann/chat-17`, and counts what was said there.
pub(crate) async fn say(store: &Store, words: &str) -> Result<usize> {
    let ann = store.caller("acme", Actor::user("ann"))?;
    let website = NewProject::named("website").with_external_id("website");
    let project = ann.create_project(website).await?;
    let chat = NewThread::titled("fix the login").with_external_id("app/ann/chat-17");
    let coder = NewSession::named("coder").with_external_id("coder").with_turn([user(words)]);
    let begun = ann.begin_thread(project, chat, coder).await?;
    if !begun.session.created {
        ann.append(begun.session.id, user(words)).await?;
    }
    Ok(ann.entries(begun.session.id).all().await?.len())
}

#[tokio::main]
async fn main() -> Result<()> {
    let store = sessile::open("memory:").await?;
    let said = say(&store, "Why?").await?;
    println!("{said} entries");
    store.close().await
}
