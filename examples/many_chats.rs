//! How long does it take to find one conversation among many?
//!
//! `cargo run --release -p sessile-examples --example many_chats -- sqlite:many.db 10 10000 100000` fills a new store up to each of
//! these numbers and then looks for 1,000 conversations by the program's own ids, with nothing in memory.

use sessile::{Clock, Error, SystemClock, prelude::*};

const LOOKS: usize = 1000;

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let url = args.next().unwrap_or_else(|| "memory:".into());
    let sizes: Vec<usize> = args.filter_map(|size| size.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![10, 1000] } else { sizes };
    let store = sessile::open(&url).await?;
    let ann = store.caller("acme", Actor::user("ann"))?;
    let chats = NewProject::named("chats").with_external_id("chats");
    let project = ann.create_project(chats).await?;
    let mut made = 0;
    for size in sizes {
        while made < size {
            let some = (made..size.min(made + 64)).map(|n| {
                let ann = ann.clone();
                tokio::spawn(async move { ann.create_thread(project, chat(n)).await })
            });
            for made in some.collect::<Vec<_>>() {
                made.await.map_err(|error| Error::failed(error.to_string()))??;
            }
            made = size.min(made + 64);
        }
        let begin = SystemClock.elapsed();
        for look in 0..LOOKS {
            // A store of its own for each, so that none remembers what another saw.
            let cold = Store::new(store.journal().clone(), sessile::options());
            let ann = cold.caller("acme", Actor::user("ann"))?;
            let wanted = name(look * 7919 % size);
            let found = ann.thread_by_external_id(project, wanted).await?;
            assert!(found.is_some(), "it is there");
        }
        let took = SystemClock.elapsed().saturating_sub(begin);
        let micros = took.as_secs_f64() * 1e6 / LOOKS as f64;
        println!("{size:>8} conversations: {micros:>7.1} us to find one");
    }
    store.close().await
}

fn name(n: usize) -> String {
    format!("app/ann/{n}")
}

fn chat(n: usize) -> NewThread {
    NewThread::titled("a chat").with_external_id(name(n))
}
