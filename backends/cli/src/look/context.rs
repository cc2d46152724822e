//! `context`, `diff`, `fork`.

use std::sync::Arc;

use serde::Serialize;
use sessile::{
    command::NewSession,
    handle::Handle,
    id::SessionId,
    model::{Context, ContextMessage, EntryKind, Priority},
};

use crate::{
    fail::Result,
    find,
    report::{Out, count, plural, stamp},
    show::message,
};

async fn read(reader: &Handle, session: SessionId, at: Option<&str>) -> Result<Context> {
    Ok(match at {
        Some(at) => reader.context_at(session, find::point(at)?).await?,
        None => reader.context(session).await?,
    })
}

/// `context`.
pub(super) async fn show(
    out: &mut Out,
    reader: &Handle,
    session: &str,
    at: Option<&str>,
) -> Result<()> {
    let session = find::session(reader, session).await?;
    let context = read(reader, session, at).await?;
    if out.json {
        return out.value(&context);
    }
    let messages = plural(context.messages.len() as u64, "message", "messages");
    let tokens = context.tokens;
    let from = match (tokens.counted, tokens.reported) {
        (_, 0) => "counted",
        (0, _) => "reported",
        _ => "counted and reported",
    };
    let mut title = format!("{messages}, {} tokens ({from})", count(tokens.total()));
    let size = if at.is_none() { Some(reader.context_size(session).await?) } else { None };
    if let Some(size) = size
        && let (Some(limit), Some(share)) = (&size.limit, size.share())
    {
        title += &format!(", {:.0} % of {}", share * 100.0, count(limit.tokens));
    }
    let about = format!("{} at version {}", context.session, context.version);
    out.line(format!("{}  {}", out.strong(&title), out.faint(&about)))?;
    context.messages.iter().try_for_each(|shown| print(out, "", shown))
}

/// One message of a context.
fn print(out: &mut Out, mark: &str, shown: &ContextMessage) -> Result<()> {
    let title = match &shown.message {
        Some(message) => message::voice(message),
        None => "erased".to_owned(),
    };
    let mut about = format!("{}  {}", shown.id, stamp(shown.at));
    if shown.kind == EntryKind::Compression {
        about += ", compressed";
    }
    if let Some(edit) = shown.edited_by {
        about += &format!(", edited by {edit}");
    }
    if shown.priority == Priority::Pinned {
        about += ", pinned";
    }
    if let Some(tokens) = shown.tokens {
        about += &format!(", {}", plural(tokens.number(), "token", "tokens"));
    }
    out.line("")?;
    out.line(format!("{mark}{}  {}", out.strong(&title), out.faint(&about)))?;
    shown.message.as_ref().map_or(Ok(()), |it| message::body(out, it, Some(message::LINES)))
}

#[derive(Serialize)]
struct Difference<'a> {
    added: Vec<&'a ContextMessage>,
    removed: Vec<&'a ContextMessage>,
    edited: Vec<[&'a ContextMessage; 2]>,
    reprioritised: Vec<[&'a ContextMessage; 2]>,
}

/// `diff`.
pub(super) async fn diff(out: &mut Out, reader: &Handle, from: &str, to: &str) -> Result<()> {
    let mut contexts = Vec::new();
    for text in [from, to] {
        let (session, at) = text.split_once('@').map_or((text, None), |(s, at)| (s, Some(at)));
        contexts.push(read(reader, find::session(reader, session).await?, at).await?);
    }
    let [before, after] = contexts.as_slice() else { return Ok(()) };
    let diff = before.diff(after);
    if out.json {
        fn flat(all: &[Arc<ContextMessage>]) -> Vec<&ContextMessage> {
            all.iter().map(|it| &**it).collect()
        }
        fn pairs(all: &[(Arc<ContextMessage>, Arc<ContextMessage>)]) -> Vec<[&ContextMessage; 2]> {
            all.iter().map(|(old, new)| [&**old, &**new]).collect()
        }
        return out.value(&Difference {
            added: flat(&diff.added),
            removed: flat(&diff.removed),
            edited: pairs(&diff.edited),
            reprioritised: pairs(&diff.reprioritised),
        });
    }
    if diff.is_empty() {
        return out.line("the same context");
    }
    for shown in &diff.removed {
        print(out, "- ", shown)?;
    }
    for (old, new) in &diff.edited {
        print(out, "- ", old)?;
        print(out, "+ ", new)?;
    }
    for (old, new) in &diff.reprioritised {
        out.line("")?;
        out.line(format!("{} was {} and is {}", new.id, old.priority, new.priority))?;
    }
    diff.added.iter().try_for_each(|shown| print(out, "+ ", shown))
}

#[derive(Serialize)]
struct Forked {
    fork: SessionId,
    of: SessionId,
}

/// `fork`.
pub(super) async fn fork(
    out: &mut Out,
    reader: &Handle,
    session: &str,
    at: Option<u64>,
    name: Option<&str>,
) -> Result<()> {
    let of = find::session(reader, session).await?;
    let new = name.map_or_else(NewSession::default, NewSession::named).fork_of(of, at);
    let fork = reader.create_session(of.thread(), new).await?;
    if out.json {
        return out.value(&Forked { fork, of });
    }
    out.line(fork.to_string())
}
