//! The text of a collapse: the caller's, the summarizer's, or that of the draft that is accepted.

use crate::{
    command::{Caller, Description, Needs, SessionCommand, SessionOutcome},
    error::{Error, Result},
    id::{CollapseId, SessionId, Space, SubSessionId, ThreadId},
    model::{Message, NewCollapse, NewEntry, Role, check_collapse_text},
    rules::{
        decision::{Drafted, Gathering, ReadChild, Reply, Request},
        thread::ContextFold,
    },
    store::{commands::session_outcome, inner::StoreInner},
    summarizer::SummaryRequest,
};

/// Whether it writes the text of a collapse.
pub(super) const fn brings_text(command: &SessionCommand) -> bool {
    matches!(
        command,
        SessionCommand::ProposeCollapse { .. } | SessionCommand::AcceptCollapse { .. }
    )
}

impl StoreInner {
    /// Proposes or accepts. Where the summarizer is asked for the text, everything else is decided before, and again with it.
    pub(super) async fn apply_collapse(
        &self,
        caller: &Caller,
        space: &Space,
        command: SessionCommand,
        Description { target, needs, caps }: Description<ThreadId>,
    ) -> Result<SessionOutcome> {
        let caps = if caps {
            let found = self.within(self.patience(caller), self.caps(caller, space)).await?;
            Some(found.ok_or_else(|| Error::not_found(target))?)
        } else {
            None
        };
        let submit = async |drafted: Option<Drafted>| {
            let said = |it: &Drafted| NewEntry::text(Role::User, it.text.clone());
            let entries = drafted.iter().map(said).collect();
            let gathering = Gathering { drafted, entries, ..Gathering::default() };
            let request = (Request::Session(command.clone()), Needs::clone(&needs));
            let mut call = self.prepare(caller, space, request, Some(Box::new(gathering))).await?;
            call.caps.clone_from(&caps);
            self.submit(space, call).await
        };
        let (given, asked) = match &command {
            SessionCommand::ProposeCollapse { edge, collapse } => {
                if collapse.text.is_none() && self.options().summarizer.is_none() {
                    let reason = "it is left out, and the store has no summarizer";
                    return Err(Error::invalid("text", reason));
                }
                (collapse.text.clone(), Some((*edge, collapse)))
            }
            SessionCommand::AcceptCollapse { collapse, text: None } => {
                let read = self.draft_text(caller, *collapse);
                (self.within(self.patience(caller), read).await?, None)
            }
            SessionCommand::AcceptCollapse { text, .. } => (text.clone(), None),
            _ => (None, None),
        };
        let reply = submit(given.map(|text| self.drafted(text))).await?;
        let reply = match (reply, asked) {
            (Reply::Proceed { .. }, Some((edge, new))) => {
                let drafted = self.summarized(caller, edge, new).await?;
                submit(Some(drafted)).await?
            }
            (reply, _) => reply,
        };
        session_outcome(reply)
    }

    fn drafted(&self, text: String) -> Drafted {
        let tokens = self.options().tokens.count(&Message::text(Role::User, text.as_str()));
        Drafted { text, tokens, read: None }
    }

    /// The text that a draft proposes; none if it was erased, or there is no such draft, which the decision says.
    async fn draft_text(&self, caller: &Caller, id: CollapseId) -> Result<Option<String>> {
        let at = self.at_head(caller, id.thread()).await?;
        let space = at.id().space(&caller.tenant);
        let known = at.state()?.collapses.contains_key(&id.version());
        let Some(opened) = (if known { self.record_at(&space, id.version()).await? } else { None })
        else {
            return Ok(None);
        };
        let text = self.collapse_body(&at, &space, &opened).await?;
        Ok(text.map(|body| body.text))
    }

    /// The text that the summarizer makes of the child's context.
    async fn summarized(
        &self,
        caller: &Caller,
        edge: SubSessionId,
        new: &NewCollapse,
    ) -> Result<Drafted> {
        let Some(summarizer) = &self.options().summarizer else {
            return Err(Error::failed("the store has no summarizer"));
        };
        let read = async {
            let at = self.at_head(caller, edge.thread()).await?;
            let state = at.state()?;
            let of = state.edge(edge.version()).ok_or_else(|| Error::not_found(edge))?;
            let child = SessionId::new(at.id(), of.child);
            let session = state.session(of.child).ok_or_else(|| Error::not_found(child))?;
            let last = if session.tail == 0 { of.child } else { session.tail };
            let upto = new.upto.map_or(last, |upto| upto.version());
            let context = |fold: &mut ContextFold| fold.context(child, upto, upto);
            let context = self.with_fold(caller, &at, child, upto, context).await?;
            let parent_tail = state.session(of.parent).map_or(0, |parent| parent.tail);
            let tokens = context.tokens.total();
            let read = ReadChild { upto, tokens, parent_tail };
            Ok((read, of.purpose.as_deref().map(str::to_owned), context))
        };
        let (read, purpose, context) = self.within(self.patience(caller), read).await?;
        let request = SummaryRequest {
            tenant: caller.tenant.clone(),
            purpose,
            context,
            target_tokens: new.target_tokens,
            instructions: new.instructions.clone(),
        };
        let time = caller.deadline.unwrap_or(self.options().summary_time);
        let answer = async {
            let answer = summarizer.summarize(&request).await;
            answer.map_err(|e| Error::Unavailable {
                reason: "the summarizer failed".into(),
                operation: None,
                source: Some(e.into()),
            })
        };
        let text = self.within(time, answer).await?;
        check_collapse_text(&text)?;
        Ok(Drafted { read: Some(read), ..self.drafted(text) })
    }
}
