//! How do I change where it is kept?
//!
//! By another address, and nothing else: run this twice with each of `sqlite:notes.db`, `disk:notes`, `redb:notes.redb`,
//! `file://objects` and `memory:`.

use sessile::store::{SessionStoreExt, Store, ThreadStoreExt};
use sessile::{Caller, command::*, id::*, model::*};

#[tokio::main]
async fn main() -> sessile::Result<()> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "memory:".into());
    let store = sessile::open(&url).await?; // the one line that knows
    let info = store.journal().info();
    println!("{}: survives {:?}, shared by {:?}", info.backend, info.durability, info.sharing);
    let visits = visit(&store).await?;
    println!("visit {visits} of this store");
    store.close().await
}

/// Notes a visit in a thread of its own, and counts them all.
pub(crate) async fn visit(store: &Store) -> sessile::Result<usize> {
    let tenant = TenantId::new("acme")?;
    let caller = Caller::new(tenant.clone(), Actor::User { tenant, id: UserId::new("ann")? });

    // Under one key it is created once, however often this runs.
    let once = caller.with_key(Key::new("change_backend", 1));
    let project = store.create_project(&once, "visits", ProjectConfig::default()).await?;
    let thread = store.create_thread(&caller, project, NewThread::titled("a visit")).await?;
    let (session, _) = store.create_session(&caller, thread, NewSession::named("visitor")).await?;
    store.append(&caller, session, NewEntry::text(Role::User, "I was here")).await?;

    let (mut visits, mut paging) = (0, Paging::default());
    loop {
        let page =
            store.threads(&caller, ThreadFilter::of(ThreadScope::Project(project)), paging).await?;
        visits += page.items.len();
        if page.next.is_none() {
            return Ok(visits);
        }
        paging = paging.after(page.next);
    }
}
