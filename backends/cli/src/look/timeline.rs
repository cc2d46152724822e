//! `log`, `timeline`, `search`.

use sessile::{
    command::{TimelineFilter, TimelineRow, TimelineScope},
    handle::Handle,
    journal::Direction,
    model::Actor,
    search::SearchText,
};

use super::Which;
use crate::{
    address::Scope,
    fail::Result,
    find, lists,
    report::{Out, clean, encode, stamp},
    show::message,
};

/// `log`.
pub(super) async fn log(out: &mut Out, reader: &Handle, session: &str, limit: usize) -> Result<()> {
    let session = find::session(reader, session).await?;
    let mut entries = reader.entries(session).backward();
    for _ in 0..limit {
        let Some(entry) = entries.try_next().await? else { break };
        if out.json {
            out.line(encode(&entry)?)?;
        } else {
            message::print(out, &entry, Some(message::LINES))?;
        }
    }
    Ok(())
}

/// `timeline`, and `search` where there is a text.
pub(super) async fn show(
    out: &mut Out,
    scope: &Scope,
    reader: &Handle,
    which: &Which,
    text: Option<&str>,
) -> Result<()> {
    let mut filter = TimelineFilter::default();
    if which.forward {
        filter.direction = Direction::Forward;
    }
    filter.actor = which.by.as_deref().map(|user| reader.actor(Actor::user(user))).transpose()?;
    filter.kind = which.kind.map(Into::into);
    filter.since = which.since.as_deref().map(find::time).transpose()?;
    filter.until = which.until.as_deref().map(find::time).transpose()?;
    filter.text = text.map(SearchText::new).transpose()?;
    let scopes = match &which.within {
        Some(id) => vec![within(reader, id).await?],
        None => {
            let projects = lists::projects(reader, scope.project.as_deref()).await?;
            projects.into_iter().map(|project| project.id.into()).collect()
        }
    };
    let mut left = which.limit;
    for scope in scopes {
        let mut rows = reader.timeline(scope).matching(filter.clone());
        while left > 0 {
            let Some(row) = rows.try_next().await? else { break };
            left -= 1;
            print(out, &row)?;
        }
    }
    Ok(())
}

async fn within(reader: &Handle, id: &str) -> Result<TimelineScope> {
    Ok(match id.split_once('_').map(|(kind, _)| kind) {
        Some("prj") => find::project(reader, id).await?.into(),
        Some("thd") => find::thread(reader, id).await?.into(),
        Some("ses") => find::session(reader, id).await?.into(),
        _ => match find::project(reader, id).await {
            Ok(project) => project.into(),
            Err(_) => match find::thread(reader, id).await {
                Ok(thread) => thread.into(),
                Err(_) => find::session(reader, id).await?.into(),
            },
        },
    })
}

fn print(out: &mut Out, row: &TimelineRow) -> Result<()> {
    if out.json {
        return out.line(encode(row)?);
    }
    let Some(snippet) = &row.snippet else {
        out.line("")?;
        out.line(out.faint(&row.entry.session.to_string()))?;
        return message::print_below(out, &row.entry, Some(message::LINES));
    };
    let (before, hit, after) = snippet.split();
    let cut = |is_cut: bool| if is_cut { "…" } else { "" };
    let about = format!("{}  {}", row.entry.id, stamp(row.entry.at));
    out.line("")?;
    out.line(out.faint(&about))?;
    out.line(format!(
        "  {}{}{}{}{}",
        cut(snippet.cut_before),
        clean(before),
        out.strong(&clean(hit)),
        clean(after),
        cut(snippet.cut_after)
    ))
}
