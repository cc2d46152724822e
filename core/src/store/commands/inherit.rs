//! Reading what a child inherits: messages of its parent's context.

use std::sync::Arc;

use crate::{
    command::{Caller, ContextSelection, Inheritance, NewSession},
    error::Result,
    id::{SessionId, ThreadId},
    model::{Context, ContextMessage, Message, NewEntry, Priority, Role, TokenCount},
    record::{Effect, EntryHeader},
    rules::{
        decision::{ChildGathering, Gathered},
        thread::ContextFold,
    },
    store::{answers::ThreadAtHead, inner::StoreInner},
};

impl StoreInner {
    /// The messages that a new session begins with; none where it inherits none, and where the parent is archived or not there,
    /// which the decision says.
    pub(super) async fn gather_inherited(
        &self,
        caller: &Caller,
        thread: ThreadId,
        new: &NewSession,
    ) -> Result<ChildGathering> {
        let reading = new.parent.as_ref().filter(|edge| edge.inherit.is_gathered());
        let Some(edge) = reading.filter(|edge| edge.parent.thread() == thread) else {
            return Ok(ChildGathering::default());
        };
        let at = self.at_head(caller, thread).await?;
        let (parent, version) = (edge.parent, at.state()?.version());
        let session = at.state()?.session(parent.version());
        let Some(session) = session.filter(|it| it.archived.is_none()) else {
            return Ok(ChildGathering::default());
        };
        if let Inheritance::Summary(of) = edge.inherit {
            return self.gather_summary(caller, &at, of).await;
        }
        let tail = session.tail;
        let mut gathered = Gathered { tail, ..Gathered::default() };
        let context = |fold: &mut ContextFold| fold.context(parent, version, tail);
        let mut context = self.with_fold(caller, &at, parent, version, context).await?;
        if let Inheritance::Selective(selection) = &edge.inherit {
            let is_shown = |entry| context.messages.iter().any(|it| it.id == entry);
            let missing = selection.entries.iter().find(|entry| !is_shown(**entry));
            gathered.missing = missing.copied();
        }
        // What was erased is nothing to inherit, and takes no room.
        context.messages.retain(|it| it.message.is_some());
        let chosen = match &edge.inherit {
            Inheritance::HeadSnapshot { max_tokens: None } => context.messages,
            Inheritance::HeadSnapshot { max_tokens: Some(limit) } => fitting(context, *limit),
            Inheritance::Selective(selection) => selected(context, selection),
            Inheritance::Empty | Inheritance::FullHistory | Inheritance::Summary(_) => Vec::new(),
        };
        let mut entries = Vec::with_capacity(chosen.len());
        for it in chosen {
            let (Some(message), Some(actor)) = (&it.message, &it.actor) else { continue };
            let header = message_of(parent, it.tokens);
            gathered.edits.extend(it.edited_by.map(|edit| edit.version()));
            gathered.entries.push((it.id.version(), header, Some(actor.clone())));
            entries.push(NewEntry::new((**message).clone()).authored_by(actor.clone()));
        }
        Ok(ChildGathering { inherited: gathered, entries, workspace: None })
    }

    /// The newest summary of a session, as a message.
    async fn gather_summary(
        &self,
        caller: &Caller,
        at: &ThreadAtHead,
        of: SessionId,
    ) -> Result<ChildGathering> {
        let mut gathered = Gathered::default();
        let session = at.state()?.session(of.version()).filter(|_| of.thread() == at.id());
        let newest = session.map_or(0, |session| session.activity.summary);
        let mut entries = Vec::new();
        if newest != 0
            && let Some((summary, _)) = self.summary_at(caller, at, newest).await?
        {
            gathered.summary = Some((of, newest));
            // What was erased is nothing to inherit.
            if let (Some(content), Some(by)) = (summary.content, summary.created_by) {
                let message = Message::text(Role::User, content.to_string());
                let tokens = TokenCount::Counted(self.options().tokens.count(&message));
                gathered.entries.push((0, message_of(of, Some(tokens)), Some(by.clone())));
                entries.push(NewEntry::new(message).authored_by(by));
            }
        }
        Ok(ChildGathering { inherited: gathered, entries, workspace: None })
    }
}

const fn message_of(session: SessionId, tokens: Option<TokenCount>) -> EntryHeader {
    EntryHeader {
        session: session.version(),
        run: None,
        in_reply_to: None,
        copied_from: None,
        tokens,
        effect: Effect::Message,
    }
}

/// The pinned ones that fit, the oldest first; then the newest of the others, without a gap.
fn fitting(context: Context, limit: u64) -> Vec<Arc<ContextMessage>> {
    let tokens = |it: &ContextMessage| it.tokens.map_or(0, |tokens| tokens.number());
    let is_pinned = |it: &ContextMessage| it.priority == Priority::Pinned;
    let mut left = limit;
    let mut fits = |it: &ContextMessage| {
        let fits = tokens(it) <= left;
        left -= if fits { tokens(it) } else { 0 };
        fits
    };
    let messages = context.messages;
    let mut keep: Vec<bool> = messages.iter().map(|it| is_pinned(it) && fits(it)).collect();
    let mut first = messages.len();
    for (index, it) in messages.iter().enumerate().rev().filter(|(_, it)| !is_pinned(it)) {
        if !fits(it) {
            break;
        }
        first = index;
        keep.get_mut(index).into_iter().for_each(|keep| *keep = true);
    }
    // An answer whose call was left out says nothing.
    for (it, keep) in messages.iter().zip(&mut keep).skip(first).filter(|(it, _)| !is_pinned(it)) {
        if it.role() != Some(Role::Tool) {
            break;
        }
        *keep = false;
    }
    messages.into_iter().zip(keep).filter(|(_, keep)| *keep).map(|(it, _)| it).collect()
}

fn selected(context: Context, selection: &ContextSelection) -> Vec<Arc<ContextMessage>> {
    let ContextSelection { roles, entries, pinned_only, last } = selection;
    let mut messages = context.messages;
    messages.retain(|it| {
        (roles.is_empty() || it.role().is_some_and(|role| roles.contains(&role)))
            && (entries.is_empty() || entries.contains(&it.id))
            && (!pinned_only || it.priority == Priority::Pinned)
    });
    let surplus = last.map_or(0, |last| messages.len().saturating_sub(last));
    messages.split_off(surplus)
}
