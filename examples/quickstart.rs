//! How do I keep what my agent says, and get it back?

use sessile::prelude::*;

#[tokio::main]
async fn main() -> Result<()> {
    let store = sessile::open("memory:").await?; // or "sqlite:agents.db"
    let ann = store.caller("acme", Actor::user("ann"))?; // whose data it is, and who calls
    let project = ann.create_project("website").await?;
    let thread = ann.create_thread(project, "fix the login").await?;
    let coder = ann.create_session(thread, "coder").await?;
    ann.append(coder, [user("Why?"), assistant("A typo.")]).await?; // both or none, and durable
    for entry in ann.entries(coder).all().await? {
        println!("{entry}");
    }
    store.close().await
}
