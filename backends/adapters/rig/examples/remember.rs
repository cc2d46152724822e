//! How does my agent remember its conversations when it is started again?
//!
//! `cargo run -p sessile-rig --example remember`, again and again: each run answers one line and finds those of the runs
//! before. The model here is a stub; a real agent gets the memory with `.memory(memory)`, or loads and appends as this does.

use rig_core::{completion::Message, id::ConversationId, memory::ConversationMemory};
use sessile::prelude::*;
use sessile_rig::SessileMemory;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::temp_dir().join("sessile-rig-example.db");
    let store = sessile::open(&format!("sqlite:{}", file.display())).await?;
    let bot = store.caller("acme", Actor::user("ann"))?;
    let project = bot.create_project(NewProject::named("chat").with_external_id("chat")).await?;
    let memory = SessileMemory::new(bot, project);

    let conversation = ConversationId::from("ann/17");
    let history = memory.load(&conversation).await?;
    let question = Message::user("How often did I ask?");
    let answer = stub_model(&history, &question);
    memory.append(&conversation, vec![question, answer]).await?;

    for message in memory.load(&conversation).await? {
        println!("{message:?}");
    }
    store.close().await?;
    Ok(())
}

/// Stands in for a completion model: the history first, then the prompt.
fn stub_model(history: &[Message], _prompt: &Message) -> Message {
    Message::assistant(format!("{} times before.", history.len() / 2))
}
