//! What the memory promises, on stores in memory and in SQLite files.

#![cfg(test)]

mod conversations;
mod crash;
mod messages;

use rig_core::{completion::Message, id::ConversationId, memory::ConversationMemory};
use sessile::{Store, prelude::*};
use sessile_rig::SessileMemory;

/// A memory on a store; the store, to look below it.
async fn memory_on(address: &str) -> (SessileMemory, Handle, Store) {
    let store = sessile::open(address).await.unwrap();
    let bot = store.caller("acme", Actor::user("bot")).unwrap();
    let project = bot.create_project(NewProject::named("chat").with_external_id("chat"));
    let memory = SessileMemory::new(bot.clone(), project.await.unwrap());
    (memory, bot, store)
}

async fn load(memory: &SessileMemory, conversation: &str) -> Vec<Message> {
    memory.load(&ConversationId::from(conversation)).await.unwrap()
}

async fn append(memory: &SessileMemory, conversation: &str, messages: Vec<Message>) {
    memory.append(&ConversationId::from(conversation), messages).await.unwrap();
}
