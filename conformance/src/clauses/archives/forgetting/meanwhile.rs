//! What others do between two steps of forgetting, and forgetting between two steps of theirs.

use std::{future::Future, sync::Arc};

use sessile_core::{
    Error, ErrorKind, Handle, Result, Store,
    command::{Expect, ForgetOutcome, Inheritance, NewSession, NewSubSession},
    id::{CollapseId, SessionId, SubSessionId, ThreadId},
    journal::Journal,
    model::{Autonomy, NewCollapse, NewSummary, SummaryOutcome, assistant, edit},
};

use super::{
    super::place::Place,
    everything::Everything,
    forget, of_ann,
    people::{People, SECRET},
};
use crate::internal::{
    fault::{Call, InterruptedJournal},
    shorthand::says,
};

/// A thread with a child, and with what all who talk in it wrote before.
struct Talk {
    people: People,
    root: SessionId,
    edge: SubSessionId,
    child: SessionId,
}

impl Talk {
    async fn new(place: &Place, tenant: &str) -> Self {
        let people = People::of(place, &place.lab.store, tenant);
        let root = people.session(people.project().await).await;
        people.say(root).await;
        let child = people.bob.spawn(NewSubSession::under(root), "child").await.expect("a child");
        people.bob.append(child.id, [says("work")]).await.expect("an entry");
        Self { root, edge: child.edge.expect("an edge"), child: child.id, people }
    }

    async fn draft(&self) -> CollapseId {
        let new = NewCollapse::of(SECRET).with_autonomy(Autonomy::Collaborative);
        self.people.ann.propose_collapse(self.edge, new).await.expect("a draft").id
    }

    fn thread(&self) -> ThreadId {
        self.root.thread()
    }

    async fn all(&self) -> Everything {
        self.people.all_of(&[self.thread()]).await
    }

    /// Nothing of ann's is left, whatever was written since; what was there before and is not hers is as it was.
    async fn is_clean(&self, before: &Everything) {
        self.all().await.has_forgotten(before, &self.people.ann.caller().actor);
    }
}

/// A store over a journal in which something happens before its first commit.
fn interrupted(
    place: &Place,
    below: Arc<dyn Journal>,
    event: impl Future<Output = Result<()>> + Send + 'static,
) -> (Store, Arc<InterruptedJournal>) {
    let journal = InterruptedJournal::before(below, Call::Commit, event);
    let clock = Arc::clone(&place.lab.clock);
    (place.lab.cx.store_over(Arc::clone(&journal) as _, clock, |options| options), journal)
}

pub(super) async fn all(place: &Place) {
    taken_while_forgetting(place).await;
    forgotten_while_taking(place).await;
    edit_forgotten_while_inherited(place).await;
    writers(place).await;
}

/// Somebody takes what is hers after it was found and before it is erased: it goes in the same call; or in the next, if this one
/// comes no further than to say that it is erased.
async fn taken_while_forgetting(place: &Place) {
    for (way, fails) in [(0, false), (1, false), (2, false), (0, true), (1, true), (2, true)] {
        let talk = Talk::new(place, &format!("taken-{way}-{fails}")).await;
        let draft = talk.draft().await;
        let before = talk.all().await;
        let (bob, root) = (talk.people.bob.clone(), talk.root);
        let event = async move {
            // Of the message that he accepts he is the author.
            if way == 0 {
                bob.accept_collapse(draft, None).await?;
                return Ok(());
            }
            let mut heir = root;
            for _ in 0..way {
                heir = inheriting_child(&bob, heir).await?;
            }
            Ok(())
        };
        let mut below = place.lab.cx.journal().await;
        if fails {
            let fails = async { Err(Error::failed("the engine fails for now")) };
            below = InterruptedJournal::before(below, Call::Erase, fails);
        }
        let (store, journal) = interrupted(place, below, event);
        let mut told = forget(&store, &talk.people, of_ann()).await;
        assert!(journal.is_over(), "it happened");
        if fails {
            assert!(told.iter().all(|it| it.outcome != ForgetOutcome::Erased), "{told:?}");
            told = forget(&store, &talk.people, of_ann()).await;
        }
        assert!(told.iter().all(|it| it.outcome == ForgetOutcome::Erased), "{told:?}");
        talk.is_clean(&before).await;
    }
}

async fn inheriting_child(by: &Handle, parent: SessionId) -> Result<SessionId> {
    let inherit = Inheritance::HeadSnapshot { max_tokens: None };
    Ok(by.spawn(NewSubSession::under(parent).inheriting(inherit), "heir").await?.id)
}

/// All that a child inherits of hers is an edit of somebody else's message, and she is forgotten after it was read.
async fn edit_forgotten_while_inherited(place: &Place) {
    let people = People::of(place, &place.lab.store, "edited-only");
    let root = people.session(people.project().await).await;
    let said = people.bob.append(root, [says("open words")]).await.expect("an entry").first;
    let hers = says(SECRET).message().expect("a message").clone();
    people.ann.append(root, [edit(said, hers)]).await.expect("an edit");
    let (store, caller) = (place.lab.another_store().await, people.ada.caller().clone());
    let event = async move { store.forget(&caller, of_ann()).await.map(drop) };
    let (store, journal) = interrupted(place, place.lab.cx.journal().await, event);
    let bob = store.as_caller(people.bob.caller());
    let child = inheriting_child(&bob, root).await.expect("a child");
    assert!(journal.is_over(), "it happened");
    let entries = bob.entries(child).all().await.expect("a log");
    assert!(!format!("{entries:?}").contains(SECRET), "it came back: {entries:?}");
}

/// She is forgotten after somebody read what is hers, to put it elsewhere, and before that is written: it does not come back.
async fn forgotten_while_taking(place: &Place) {
    for way in 0..5 {
        let talk = Talk::new(place, &format!("taking-{way}")).await;
        let draft = talk.draft().await;
        let summary = NewSummary::new(SummaryOutcome::Succeeded, SECRET);
        talk.people.ann.seal_summary(talk.child, summary).await.expect("a summary");
        let log = talk.people.bob.entries(talk.root).all().await.expect("a log");
        let hers = log.iter().find(|it| it.actor.as_ref() == Some(&talk.people.ann.caller().actor));
        let hers = hers.expect("she wrote").id;
        let elsewhere = talk.people.bob.create_session(talk.thread(), "elsewhere").await;
        let elsewhere = elsewhere.expect("a session");
        let fork = NewSession::named("fork").fork_of(talk.root, None);
        let fork = talk.people.bob.create_session(talk.thread(), fork).await.expect("a fork");
        talk.people.ann.append(fork, [says(SECRET)]).await.expect("an entry");
        talk.people.bob.append(fork, [says("what stays")]).await.expect("an entry");
        let before = talk.all().await;
        let (store, caller) = (place.lab.another_store().await, talk.people.ada.caller().clone());
        let event = async move {
            let told = store.forget(&caller, of_ann()).await?;
            assert!(told.iter().all(|it| it.outcome == ForgetOutcome::Erased), "{told:?}");
            Ok(())
        };
        let (store, journal) = interrupted(place, place.lab.cx.journal().await, event);
        let bob = store.as_caller(talk.people.bob.caller());
        let done: Result<()> = match way {
            0 => bob.accept_collapse(draft, None).await.map(drop),
            1 => inheriting_child(&bob, talk.root).await.map(drop),
            2 => {
                let edge = NewSubSession::under(talk.root);
                let edge = edge.inheriting(Inheritance::Summary(talk.child));
                bob.spawn(edge, "heir").await.map(drop)
            }
            3 => bob.merge_fork(fork, Expect::Any).await.map(|merged| {
                let merged = merged.expect("what is not hers");
                assert_eq!(merged.count, 1, "the rest of the fork");
            }),
            _ => bob.copy_entries(elsewhere, [hers], Expect::Any).await.map(drop),
        };
        assert!(journal.is_over(), "it happened");
        if let Err(error) = done {
            assert!(way != 1 && way != 3, "he named nothing that was erased: {error}");
            let is_said = matches!(error.kind(), ErrorKind::Invalid | ErrorKind::NotFound);
            assert!(is_said, "{error}");
        }
        talk.is_clean(&before).await;
    }
}

/// While others write all the time nothing of theirs is lost; what is hers from before goes.
async fn writers(place: &Place) {
    let talk = Talk::new(place, "writers").await;
    talk.draft().await;
    let before = talk.all().await;
    let writer = async {
        for i in 0..place.lab.cx.times(12) {
            talk.people.bot.append(talk.root, [assistant(format!("bot {i}"))]).await?;
            inheriting_child(&talk.people.bob, talk.root).await?;
        }
        Ok::<(), Error>(())
    };
    let store = place.lab.another_store().await;
    let caller = talk.people.ada.caller();
    let (wrote, told) = tokio::join!(writer, store.forget(caller, of_ann()));
    wrote.expect("nobody is in the way");
    told.expect("an answer");
    let last = forget(&store, &talk.people, of_ann()).await;
    assert!(last.iter().all(|it| it.outcome == ForgetOutcome::Erased), "{last:?}");
    talk.is_clean(&before).await;
    let log = talk.people.bob.entries(talk.root).all().await.expect("a log");
    let bots = log.iter().filter(|it| format!("{it:?}").contains("bot ")).count();
    assert_eq!(bots, place.lab.cx.times(12), "all of theirs is there");
}
