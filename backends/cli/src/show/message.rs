//! A message as people read it.

use sessile::model::{Content, Entry, Message, Part, ToolOutcome};

use crate::{
    fail::Result,
    report::{Out, clean, plural, short, stamp},
};

/// Lines of a message in a list of many.
pub(crate) const LINES: usize = 12;
/// Columns of a line in a list of many.
const COLUMNS: usize = 160;

/// Prints an entry after an empty line, at most `lines` lines of each part of it.
pub(crate) fn print(out: &mut Out, entry: &Entry, lines: Option<usize>) -> Result<()> {
    out.line("")?;
    print_below(out, entry, lines)
}

/// Prints an entry below what was printed before.
pub(crate) fn print_below(out: &mut Out, entry: &Entry, lines: Option<usize>) -> Result<()> {
    let by = entry.actor.as_ref().map_or(String::new(), |by| format!("  by {},", clean(by.name())));
    let about = format!("{}{by} {}", entry.id, stamp(entry.at));
    let copied = entry.copied_from.map_or(String::new(), |from| format!(", copied from {from}"));
    let title = match &entry.content {
        None if entry.evicted => "archived".to_owned(),
        None => "erased".to_owned(),
        Some(Content::Message(message)) => {
            let from = entry.collapsed_from.map(|from| format!(", what {} came to", from.child));
            format!("{}{}", voice(message), from.unwrap_or_default())
        }
        Some(Content::Edit { target, message }) => {
            format!("{}, in the place of {target}", voice(message))
        }
        Some(Content::Compression { first, last, message }) => {
            format!("{}, for {first} to {last}", voice(message))
        }
        Some(Content::Annotation { target, priority, reason }) => {
            let priority = priority.map_or_else(|| "as it was".to_owned(), |it| it.to_string());
            let reason = reason.as_deref().map_or(String::new(), |it| format!(": {}", clean(it)));
            format!("{target} is {priority}{reason}")
        }
        Some(Content::Note { kind, .. }) => format!("note, {kind}"),
        Some(Content::Marker(marker)) => format!("{} {}", marker.kind, marker.session),
        Some(_) => "another entry".to_owned(),
    };
    out.line(format!("{}  {}", out.strong(&title), out.faint(&format!("{about}{copied}"))))?;
    if let Some(Content::Note { note, .. }) = &entry.content {
        return block(out, "", &note.to_string(), lines);
    }
    let Some(message) = entry.message() else { return Ok(()) };
    body(out, message, lines)
}

/// Whose voice a message is in.
pub(crate) fn voice(message: &Message) -> String {
    let name = message.name.as_deref().map_or(String::new(), |name| format!(" {}", clean(name)));
    format!("{}{name}", message.role)
}

/// Prints what a message says, at most `lines` lines of each part of it.
pub(crate) fn body(out: &mut Out, message: &Message, lines: Option<usize>) -> Result<()> {
    for part in &message.parts {
        print_part(out, part, lines)?;
    }
    if let Some(metadata) = &message.metadata {
        block(out, "metadata ", metadata.get(), lines.map(|_| 1))?;
    }
    Ok(())
}

fn print_part(out: &mut Out, part: &Part, lines: Option<usize>) -> Result<()> {
    match part {
        Part::Text(it) => block(out, "", &it.text, lines),
        Part::Reasoning(_) => block(out, "reasoning ", &part.to_string(), lines),
        Part::ToolCall(call) => {
            // Arguments that are a string are a command, or JSON in JSON: shown as the text they are.
            let text = call.arguments.to::<String>();
            let text = text.unwrap_or_else(|_| call.arguments.get().to_owned());
            block(out, &format!("call {} ", clean(&call.name)), text.trim_end(), lines)
        }
        Part::ToolResult(result) => {
            let lead = if result.outcome == ToolOutcome::Error { "error " } else { "result " };
            let content: Vec<_> = result.content.iter().map(shown).collect();
            block(out, lead, &content.join("\n"), lines)
        }
        Part::Json { kind, value } => block(out, &format!("{} ", clean(kind)), value.get(), lines),
        Part::Artifact(it) => block(out, "artifact ", &it.reference, lines),
        Part::Binary(_) => block(out, "", &part.to_string(), lines),
        _ => block(out, "", "(a part this release does not know)", lines),
    }
}

/// A piece of a tool's answer; a text as it is, as `block` cleans it.
fn shown(part: &Part) -> String {
    if let Part::Text(it) = part { it.text.clone() } else { part.to_string() }
}

/// Indented text. Each line is cleaned on its own, so that none can leave the margin.
fn block(out: &mut Out, lead: &str, text: &str, lines: Option<usize>) -> Result<()> {
    let total = text.lines().count();
    for (i, line) in text.lines().take(lines.unwrap_or(usize::MAX)).enumerate() {
        let line = clean(&line.replace('\t', "    "));
        let line = if lines.is_some() { short(&line, COLUMNS) } else { line };
        let lead = if i == 0 { out.faint(lead) } else { String::new() };
        out.line(format!("  │ {lead}{line}"))?;
    }
    match lines {
        Some(shown) if total > shown => {
            let more = plural((total - shown) as u64, "more line", "more lines");
            out.line(out.faint(&format!("  │ … {more}")))
        }
        _ => Ok(()),
    }
}
