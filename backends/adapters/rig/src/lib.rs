//! Conversation memory for [Rig](https://docs.rs/rig-core) agents, kept by [Sessile](https://docs.rs/sessile): every turn is
//! durable when it is acknowledged, on any of its backends, shared by tasks and - where the backend is - by processes.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use rig_core::{completion::Message, memory::ConversationMemory};
//! use sessile::{command::NewProject, model::Actor};
//! use sessile_rig::SessileMemory;
//!
//! let store = sessile::open("sqlite:agents.db").await?;
//! let bot = store.caller("acme", Actor::user("ann"))?;
//! let project = bot.create_project(NewProject::named("chat").with_external_id("chat")).await?;
//! let memory = SessileMemory::new(bot, project);
//!
//! memory.append(&"ann/17".into(), vec![Message::user("Why?"), Message::assistant("A typo.")]).await?;
//! assert_eq!(memory.load(&"ann/17".into()).await?.len(), 2);
//! # Ok(()) }
//! ```

mod message;

use rig_core::{
    completion::Message,
    id::ConversationId,
    memory::{ConversationMemory, MemoryError},
};
use sessile_core::{
    command::{NewSession, NewThread},
    error::{ErrorKind, Result},
    handle::Handle,
    id::{ProjectId, ThreadId},
};

/// The external id of the one session of a conversation.
const SESSION: &str = "rig";

/// A [`ConversationMemory`] on a store.
///
/// A conversation is a thread of the project with the conversation's id as its external id, and in it one session with the
/// external id `rig`; a message is an entry. Messages come back equal, and every tool on the store shows them. Cheap to clone.
///
/// - `append` is one commit, at most 1,000 messages: all of them or none. Appends of tasks and processes at one time follow one
///   another whole. After an error that is [`Indeterminate`](ErrorKind::Indeterminate) the messages may be there.
/// - `clear` deletes the thread for ever, with what others may have put into it.
/// - An id that is empty, has more than 512 bytes or a control character is refused, never shortened.
///
/// Errors are [`MemoryError::Backend`] with Sessile's [`Error`](sessile_core::error::Error) inside. Not promised: what happens to a conversation that is
/// cleared while it is loaded; the load may find a part of it, or an error.
#[derive(Clone, Debug)]
pub struct SessileMemory {
    handle: Handle,
    project: ProjectId,
}

impl SessileMemory {
    /// The conversations of a project, as the caller of the handle.
    pub const fn new(handle: Handle, project: ProjectId) -> Self {
        Self { handle, project }
    }

    async fn thread(&self, conversation: &ConversationId) -> Result<Option<ThreadId>> {
        let thread = self.handle.thread_by_external_id(self.project, conversation.as_str());
        Ok(thread.await?.map(|thread| thread.id))
    }

    async fn read(&self, conversation: &ConversationId) -> Result<Vec<Message>> {
        let Some(thread) = self.thread(conversation).await? else { return Ok(Vec::new()) };
        let session = self.handle.session_by_external_id(thread, SESSION).await?;
        let Some(session) = session else { return Ok(Vec::new()) };
        let context = self.handle.context(session.id).await?;
        // An erased message is no part of what is said to a model.
        let messages = context.messages.iter().filter_map(|message| message.message.as_deref());
        messages.cloned().map(message::to_message).collect()
    }

    async fn write(&self, conversation: &ConversationId, messages: &[Message]) -> Result<()> {
        if messages.is_empty() {
            return Ok(());
        }
        let entries = messages.iter().map(message::to_entry).collect::<Result<Vec<_>>>()?;
        // 64 characters have at most the 256 bytes of a title.
        let title: String = conversation.as_str().chars().take(64).collect();
        let thread = NewThread::titled(title).with_external_id(conversation.as_str());
        let session = NewSession::named(SESSION).with_external_id(SESSION);
        loop {
            let session = session.clone().with_turn(entries.clone());
            let begun = self.handle.begin_thread(self.project, thread.clone(), session).await?;
            if begun.session.created {
                return Ok(());
            }
            match self.handle.append(begun.session.id, entries.clone()).await {
                // Cleared since it was found: it begins anew.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                other => return other.map(|_| ()),
            }
        }
    }

    async fn purge(&self, conversation: &ConversationId) -> Result<()> {
        match self.thread(conversation).await? {
            Some(thread) => self.handle.purge_thread(thread).await,
            None => Ok(()),
        }
    }
}

type Answer<'a, T> =
    std::pin::Pin<Box<dyn Future<Output = std::result::Result<T, MemoryError>> + Send + 'a>>;

impl ConversationMemory for SessileMemory {
    fn load<'a>(&'a self, conversation_id: &'a ConversationId) -> Answer<'a, Vec<Message>> {
        Box::pin(async { self.read(conversation_id).await.map_err(MemoryError::backend) })
    }

    fn append<'a>(
        &'a self,
        conversation_id: &'a ConversationId,
        messages: Vec<Message>,
    ) -> Answer<'a, ()> {
        Box::pin(async move {
            self.write(conversation_id, &messages).await.map_err(MemoryError::backend)
        })
    }

    fn clear<'a>(&'a self, conversation_id: &'a ConversationId) -> Answer<'a, ()> {
        Box::pin(async { self.purge(conversation_id).await.map_err(MemoryError::backend) })
    }
}
