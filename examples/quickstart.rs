//! How do I keep what my agent says, and get it back?

use sessile::store::{SessionStoreExt, ThreadStoreExt};
use sessile::{Caller, command::*, id::*, journal::Direction, model::*};

#[tokio::main]
async fn main() -> sessile::Result<()> {
    let store = sessile::open("memory:").await?; // or "sqlite:agents.db"
    let tenant = TenantId::new("acme")?;
    let caller = Caller::new(tenant.clone(), Actor::user(tenant, UserId::new("ann")?));

    let project = store.create_project(&caller, "website", ProjectConfig::default()).await?;
    let thread = store.create_thread(&caller, project, NewThread::titled("fix the login")).await?;
    let (session, _) = store.create_session(&caller, thread, NewSession::named("coder")).await?;

    let turn = vec![NewEntry::text(Role::User, "Why?"), NewEntry::text(Role::Assistant, "A typo.")];
    store.append(&caller, session, turn).await?; // both or none, and durable when it returns
    for entry in store.entries(&caller, session, Direction::Forward, Paging::default()).await?.items
    {
        println!("{:?}", entry.message);
    }
    store.close().await
}
