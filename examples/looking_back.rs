//! How do I change what the model sees, try something else, and find out what it saw before?

use sessile::{
    command::Expect,
    model::{ContextLimit, Message},
    prelude::*,
    search::SearchText,
};

#[tokio::main]
async fn main() -> Result<()> {
    let store = sessile::open("memory:").await?;
    for line in look_back(&store).await? {
        println!("{line}");
    }
    store.close().await
}

/// What a coder's model sees, step by step.
pub(crate) async fn look_back(store: &Store) -> Result<Vec<String>> {
    let ann = store.caller("acme", Actor::user("ann"))?;
    let project = ann.create_project("website").await?;
    let thread = ann.create_thread(project, "fix the login").await?;
    let coder = ann.create_session(thread, "coder").await?;
    ann.append(coder, system("Be brief.")).await?;
    let why = ann.append(coder, user("Why?")).await?.first;
    let typo = ann.append(coder, assistant("A typo.")).await?.first;
    let place = ann.append(coder, user("Where?")).await?.first;
    let before = ann.context(coder).await?;

    // Nothing is overwritten: an edit is one more entry, and so is what undoes it.
    let better = Message::text(Role::Assistant, "A typo in the form.");
    ann.append(coder, [edit(typo, better), annotate(place, Priority::Skip)]).await?;
    let edited = ann.context(coder).await?;

    // Another way is tried in a fork, in one record however long the log; what came of it is brought back.
    let fork = NewSession::named("another way").fork_of(coder, before.version);
    let fork = ann.create_session(thread, fork).await?;
    ann.append(fork, assistant("In login.html, line 7.")).await?;
    ann.merge_fork(fork, Expect::Any).await?;

    // One message for many; the system message is pinned and stays.
    let short = Message::text(Role::User, "It was a typo in the form.");
    ann.append(coder, compress(why, typo, short)).await?;
    let now = ann.context(coder).await?;

    // The feed says when what the model takes is nearly used up.
    ann.set_context_limit(coder, ContextLimit::new(40)).await?;
    let size = ann.context_size(coder).await?;

    assert_eq!(ann.context_at(coder, before.version).await?, before);
    let hits = ann.timeline(thread).containing(SearchText::new("LOGIN.HTML")?).all().await?;
    let lines = |context: &Context| -> Vec<String> {
        context.messages.iter().filter_map(|it| Some(it.message.as_ref()?.to_string())).collect()
    };
    Ok([
        lines(&before).join(" | "),
        lines(&edited).join(" | "),
        lines(&now).join(" | "),
        format!("{} differ, {} hits", before.diff(&now).added.len(), hits.len()),
        format!("{} tokens, {:.0} %", size.tokens.total(), size.share().unwrap_or(0.0) * 100.0),
    ]
    .into())
}
