//! Entries, spelled as `serde_json` spells them: long texts by the run, not by the byte.

use serde::Serialize;

use crate::model::{Actor, Message, Part};

type Done = Result<(), serde_json::Error>;

/// Bytes looked at together.
const RUN: usize = 32;

/// The body of an entry. `actor` is the author, where it is not the caller.
pub(super) fn entry(
    by: &Actor,
    actor: Option<&Actor>,
    message: &Message,
) -> Result<String, serde_json::Error> {
    let mut out = String::with_capacity(192 + message.parts.iter().map(length).sum::<usize>());
    out.push('{');
    if let Some(actor) = actor {
        field(&mut out, "\"actor\":", actor)?;
        out.push(',');
    }
    field(&mut out, "\"by\":", by)?;
    field(&mut out, ",\"message\":{\"role\":", &message.role)?;
    if let Some(name) = &message.name {
        out.push_str(",\"name\":");
        text(&mut out, name);
    }
    out.push_str(",\"parts\":[");
    for (at, part) in message.parts.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        self::part(&mut out, part)?;
    }
    out.push(']');
    if let Some(metadata) = &message.metadata {
        out.push_str(",\"metadata\":");
        out.push_str(metadata.get());
    }
    out.push_str("}}");
    Ok(out)
}

/// Bytes it takes, about.
const fn length(part: &Part) -> usize {
    32 + match part {
        Part::Text { text } | Part::Reasoning { text } | Part::ToolResult { text, .. } => {
            text.len()
        }
        _ => 64,
    }
}

fn field(out: &mut String, name: &str, value: &impl Serialize) -> Done {
    out.push_str(name);
    out.push_str(&serde_json::to_string(value)?);
    Ok(())
}

fn part(out: &mut String, part: &Part) -> Done {
    match part {
        Part::Text { text } => {
            out.push_str("{\"text\":{\"text\":");
            self::text(out, text);
        }
        Part::Reasoning { text } => {
            out.push_str("{\"reasoning\":{\"text\":");
            self::text(out, text);
        }
        Part::ToolResult { id, outcome, text } => {
            out.push_str("{\"tool_result\":{");
            if let Some(id) = id {
                out.push_str("\"id\":");
                self::text(out, id);
                out.push(',');
            }
            field(out, "\"outcome\":", outcome)?;
            out.push_str(",\"text\":");
            self::text(out, text);
        }
        other => return field(out, "", other),
    }
    out.push_str("}}");
    Ok(())
}

fn text(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while !rest.is_empty() {
        let (run, from) = rest.split_at(plain(rest.as_bytes()));
        out.push_str(run);
        let mut from = from.chars();
        if let Some(special) = from.next() {
            escape(out, special);
        }
        rest = from.as_str();
    }
    out.push('"');
}

/// Whether JSON escapes it; such bytes are characters of their own.
const fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Bytes before the first special one: where it is, a text may be cut.
pub(super) fn plain(bytes: &[u8]) -> usize {
    let has_none = |run: &&[u8]| !run.iter().fold(false, |any, byte| any | is_special(*byte));
    let runs = RUN * bytes.chunks_exact(RUN).take_while(has_none).count();
    runs + bytes.iter().skip(runs).take_while(|byte| !is_special(**byte)).count()
}

fn escape(out: &mut String, special: char) {
    match special {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        other => out.push_str(&format!("\\u{:04x}", u32::from(other))),
    }
}
