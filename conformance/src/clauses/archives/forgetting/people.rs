//! People who work in the threads of a tenant, and what one of them writes there.

use std::sync::Arc;

use sessile_core::{
    Handle, Store,
    archive::ArchiveBackend,
    command::{Archiving, Expect, Inheritance, NewProject, NewSession, NewSubSession},
    id::{ProjectId, SessionId, ThreadId},
    journal::Journal,
    model::{
        Actor, Autonomy, Content, Entry, Message, NewCollapse, NewSummary, Note, NoteKind,
        Priority, Role, SummaryOutcome, annotate, assistant, compress, edit, note,
    },
};

use super::super::place::{Place, config};
use crate::internal::shorthand::says;

/// Is in all that Ann writes, and in nothing else.
pub(super) const SECRET: &str = "only-ann-knows";

fn secret() -> Message {
    Message::text(Role::User, format!("{SECRET}, and says it"))
}

/// The people of a tenant.
pub(super) struct People {
    pub(super) store: Store,
    pub(super) ada: Handle,
    pub(super) ann: Handle,
    pub(super) bob: Handle,
    pub(super) bot: Handle,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) archive: Arc<dyn ArchiveBackend>,
}

impl People {
    pub(super) fn of(place: &Place, store: &Store, tenant: &str) -> Self {
        let user = |name| store.caller(tenant, Actor::user(name)).expect("a valid name");
        Self {
            store: store.clone(),
            ada: user("ada"),
            ann: user("ann"),
            bob: user("bob"),
            bot: store.caller(tenant, Actor::agent("bot")).expect("a valid name"),
            journal: Arc::clone(store.journal()),
            archive: place.archive(),
        }
    }

    pub(super) async fn project(&self) -> ProjectId {
        let new = NewProject::named("project").with_config(config());
        self.ada.create_project(new).await.expect("a project")
    }

    pub(super) async fn session(&self, project: ProjectId) -> SessionId {
        let thread = self.ada.create_thread(project, "thread").await.expect("a thread");
        self.ada.create_session(thread, "root").await.expect("a session")
    }

    /// A thread in which they talk.
    pub(super) async fn talk(&self) -> ThreadId {
        let session = self.session(self.project().await).await;
        self.say(session).await;
        session.thread()
    }

    /// Some entries of each of them: messages, one in a blob, an edit, an annotation, a note, a compression.
    pub(super) async fn say(&self, session: SessionId) {
        let first = self.bob.append(session, [says("what bob says")]).await.expect("it").first;
        let long = format!("{SECRET} {}", "at length ".repeat(10_000));
        let by_ann = self.ann.caller().actor.clone();
        self.ann.append(session, [says(SECRET), says(long)]).await.expect("entries");
        // Said for her, and what she brings of others.
        self.bob.append(session, [says(SECRET).authored_by(by_ann)]).await.expect("an entry");
        let by_bot = self.bot.caller().actor.clone();
        let one = assistant("one").authored_by(by_bot);
        let one = self.ann.append(session, [one]).await.expect("an entry").first;
        let two = self.bot.append(session, [assistant("two")]).await.expect("an entry").first;
        let hers = [
            edit(first, secret()),
            annotate(first, Priority::Normal).because(SECRET),
            note(NoteKind::Checkpoint, Note::new(SECRET)),
        ];
        self.ann.append(session, hers).await.expect("entries");
        self.ann.append(session, [compress(one, two, secret())]).await.expect("a compression");
    }

    /// A thread with an archived session, in which they talked.
    pub(super) async fn archived_talk(&self) -> ThreadId {
        let session = self.session(self.project().await).await;
        self.say(session).await;
        let summary = NewSummary::new(SummaryOutcome::Succeeded, SECRET);
        self.ann.seal_summary(session, summary).await.expect("a summary");
        self.ada.archive_session(session, Archiving::new()).await.expect("it is archived");
        session.thread()
    }

    /// A thread in which somebody accepted a draft of hers, and took it elsewhere.
    pub(super) async fn drafted_talk(&self) -> ThreadId {
        let session = self.session(self.project().await).await;
        self.ann.append(session, [says(SECRET)]).await.expect("an entry");
        self.collapse(session).await;
        session.thread()
    }

    /// All that they do: threads of several projects, archived and not.
    pub(super) async fn work(&self) -> Vec<ThreadId> {
        let project = self.project().await;
        let (first, second) = (self.session(project).await, self.session(project).await);
        self.say(first).await;
        self.copy(first).await;
        self.collapse(first).await;
        self.end(second).await;
        let closed = self.talk().await;
        self.ada.archive_thread(closed).await.expect("it is archived");
        let ended = self.archived_talk().await;
        let project = self.ada.thread(ended).await.expect("an answer").expect("it").project;
        self.ada.archive_thread(ended).await.expect("it is archived");
        self.ada.archive_project(project).await.expect("it is archived");
        vec![first.thread(), second.thread(), closed, ended]
    }

    /// Copies: a fork that is merged, entries taken elsewhere, children that inherit.
    async fn copy(&self, root: SessionId) {
        let thread = root.thread();
        let new = NewSession::named("fork").fork_of(root, None);
        let fork = self.bob.create_session(thread, new).await.expect("a fork");
        self.say(fork).await;
        self.bob.merge_fork(fork, Expect::Any).await.expect("it is merged");
        let elsewhere = self.bob.create_session(thread, "elsewhere").await.expect("a session");
        let log = self.bob.entries(root).all().await.expect("a log");
        let is_message = |it: &&Entry| matches!(it.content, Some(Content::Message(_)));
        let messages: Vec<_> = log.iter().filter(is_message).map(|it| it.id).collect();
        self.bob.copy_entries(elsewhere, messages, Expect::Any).await.expect("copies");
        // What bob said says what ann made of it, and is a copy of his.
        let inherit = Inheritance::HeadSnapshot { max_tokens: None };
        let under = |parent| NewSubSession::under(parent).inheriting(inherit.clone());
        let child = self.bob.spawn(under(root), "child").await.expect("a child").id;
        let below = self.bot.spawn(under(child), "below").await.expect("a child").id;
        let log = self.bob.entries(below).all().await.expect("a log");
        let taken = log.iter().find(|it| {
            it.copied_from.is_some()
                && format!("{it:?}").contains(SECRET)
                && it.actor.as_ref() == Some(&self.bob.caller().actor)
        });
        let taken = taken.expect("bob seems to say what ann said").id;
        self.bob.copy_entries(elsewhere, [taken], Expect::Any).await.expect("a copy");
        let summary = NewSummary::new(SummaryOutcome::Succeeded, SECRET);
        self.ann.append(child, [says(SECRET)]).await.expect("an entry");
        self.ann.seal_summary(child, summary).await.expect("a summary");
        let heir = NewSubSession::under(root).inheriting(Inheritance::Summary(child));
        self.bob.spawn(heir, "heir").await.expect("a child");
    }

    /// Drafts: hers that others accept, reject or leave; others' that she accepts with words of her own.
    async fn collapse(&self, root: SessionId) {
        let child = self.bob.spawn(NewSubSession::under(root), "drafts").await.expect("a child");
        let edge = child.edge.expect("an edge");
        let draft = |text: &str| NewCollapse::of(text).with_autonomy(Autonomy::Collaborative);
        let propose = async |by: &Handle, text: &str| {
            self.bob.append(child.id, [assistant("more")]).await.expect("an entry");
            by.propose_collapse(edge, draft(text)).await.expect("a draft").id
        };
        let taken = propose(&self.ann, SECRET).await;
        let entry = self.bob.accept_collapse(taken, None).await.expect("it is accepted");
        let elsewhere = self.bob.create_session(root.thread(), "taken").await.expect("a session");
        self.bob.copy_entries(elsewhere, [entry], Expect::Any).await.expect("a copy");
        let changed = propose(&self.ann, SECRET).await;
        let other = Some("bob's own words".to_owned());
        self.bob.accept_collapse(changed, other).await.expect("it is accepted");
        let rejected = propose(&self.ann, SECRET).await;
        self.bob.reject_collapse(rejected).await.expect("it is rejected");
        let theirs = propose(&self.bob, "bob's draft").await;
        self.ann.accept_collapse(theirs, Some(SECRET.into())).await.expect("it is accepted");
        propose(&self.ann, SECRET).await;
        propose(&self.bob, "bob's open draft").await;
        let at_once = NewCollapse::of(SECRET).with_autonomy(Autonomy::Manual);
        self.ann.propose_collapse(edge, at_once).await.expect("it is in the parent");
    }

    /// Sessions that are over: handed over, archived, restored, deleted.
    async fn end(&self, root: SessionId) {
        let thread = root.thread();
        self.say(root).await;
        let owned = NewSession::named("owned").owned_by(self.ann.caller().actor.clone());
        let owned = self.ann.create_session(thread, owned).await.expect("a session");
        self.ann.append(owned, [says(SECRET)]).await.expect("an entry");
        self.ann.append(owned, [note(NoteKind::End, Note::new(SECRET))]).await.expect("a note");
        let edge =
            NewSubSession::under(owned).inheriting(Inheritance::HeadSnapshot { max_tokens: None });
        let recipient =
            NewSession::named("next").owned_by(self.bob.caller().actor.clone()).under(edge);
        self.ann.hand_off(owned, 0, recipient).await.expect("it is handed over");
        for name in ["archived", "restored", "deleted"] {
            let session = self.ada.create_session(thread, name).await.expect("a session");
            self.say(session).await;
            let summary = NewSummary::new(SummaryOutcome::Succeeded, SECRET);
            self.ann.seal_summary(session, summary).await.expect("a summary");
            match name {
                "deleted" => self.ada.delete_session(session).await.expect("it is gone"),
                _ => drop(self.ada.archive_session(session, Archiving::new()).await.expect("it")),
            }
            if name == "restored" {
                self.ada.restore_session(session).await.expect("it is restored");
            }
        }
    }
}
