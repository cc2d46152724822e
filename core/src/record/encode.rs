//! Heads and entries, spelled as `serde_json` spells them: long texts by the run, not by the byte.

use serde::Serialize;

use super::{Event, KeyMark, RecordHeader};
use crate::{
    hash::hex128::Digits,
    model::{Actor, Binary, Message, Part, Text, encode_base64},
};

type Done = Result<(), serde_json::Error>;

/// Bytes looked at together: in long texts, and where a special one is near.
const LONG_RUN: usize = 64;
const RUN: usize = 16;

/// The header of a record.
pub(super) fn header(head: &RecordHeader) -> Result<String, serde_json::Error> {
    let mut out = String::with_capacity(384);
    number(&mut out, "{\"v\":", head.version);
    number(&mut out, ",\"s\":", head.stream.0);
    number(&mut out, ",\"r\":", head.reader.into());
    number(&mut out, ",\"at\":", head.at.millis());
    if let Some(time) = head.not_before {
        number(&mut out, ",\"t\":", time.millis());
    }
    hex128(&mut out, ",\"n\":\"", head.nonce);
    number(&mut out, "\",\"i\":", head.index.into());
    number(&mut out, ",\"of\":", head.of.into());
    out.push_str(",\"d\":\"");
    out.push_str(&head.digest.hex());
    out.push('"');
    if let Some(KeyMark { name, n, command }) = head.key {
        hex128(&mut out, ",\"key\":{\"p\":\"", name);
        out.push('"');
        n.into_iter().for_each(|n| number(&mut out, ",\"n\":", n));
        hex128(&mut out, ",\"h\":\"", command);
        out.push_str("\"}");
    }
    if let Some(count) = head.count {
        number(&mut out, ",\"k\":", count.into());
    }
    if let Some(lease) = head.lease {
        number(&mut out, ",\"l\":", lease);
    }
    if let Event::Entry { session, run, in_reply_to, copied_from, tokens, reported } = head.event {
        number(&mut out, ",\"is\":{\"entry\":{\"session\":", session);
        let fields = [
            (",\"run\":", run),
            (",\"in_reply_to\":", in_reply_to),
            (",\"copied_from\":", copied_from),
            (",\"tokens\":", tokens),
            (",\"reported\":", reported),
        ];
        for (name, value) in fields {
            value.into_iter().for_each(|value| number(&mut out, name, value));
        }
        out.push_str("}}");
    } else {
        field(&mut out, ",\"is\":", &head.event)?;
    }
    out.push('}');
    Ok(out)
}

fn number(out: &mut String, name: &str, number: u64) {
    out.push_str(name);
    out.push_str(itoa::Buffer::new().format(number));
}

/// A number of 128 bits behind an opening quote.
fn hex128(out: &mut String, name: &str, number: u128) {
    out.push_str(name);
    out.push_str(Digits::of(number).as_str());
}

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
fn length(part: &Part) -> usize {
    32 + match part {
        Part::Text(it) => it.text.len(),
        Part::Reasoning(it) => it.text.len(),
        Part::ToolResult(it) => it.as_text().map_or(64, str::len),
        Part::Binary(it) => it.bytes.len().div_ceil(3).saturating_mul(4),
        _ => 64,
    }
}

fn field(out: &mut String, name: &str, value: &impl Serialize) -> Done {
    out.push_str(name);
    out.push_str(&serde_json::to_string(value)?);
    Ok(())
}

/// What most entries consist of, and what is long, is spelled here; `serde_json` spells the rest.
fn part(out: &mut String, part: &Part) -> Done {
    match part {
        Part::Text(Text { text, signature: None, extra: None }) => {
            out.push_str("{\"text\":{\"text\":");
            self::text(out, text);
        }
        Part::Reasoning(it) if it.is_plain() => {
            out.push_str("{\"reasoning\":{\"text\":");
            self::text(out, &it.text);
        }
        Part::ToolResult(it) if it.is_plain() => {
            out.push_str("{\"tool_result\":{");
            if let Some(id) = &it.id {
                out.push_str("\"id\":");
                self::text(out, id);
                out.push(',');
            }
            field(out, "\"outcome\":", &it.outcome)?;
            out.push_str(",\"text\":");
            self::text(out, it.as_text().unwrap_or_default());
        }
        Part::Binary(Binary { media_type, bytes, name: None, extra: None }) => {
            out.push_str("{\"binary\":{\"media_type\":");
            self::text(out, media_type);
            out.push_str(",\"bytes\":\"");
            out.push_str(&encode_base64(bytes));
            out.push('"');
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
    let long = plain_runs::<LONG_RUN>(bytes);
    let runs = long + plain_runs::<RUN>(bytes.get(long..).unwrap_or_default());
    runs + bytes.iter().skip(runs).take_while(|byte| !is_special(**byte)).count()
}

/// Bytes in the runs of `N` before the first with a special one.
fn plain_runs<const N: usize>(bytes: &[u8]) -> usize {
    let has_none = |run: &&[u8; N]| !run.iter().fold(false, |any, byte| any | is_special(*byte));
    N * bytes.as_chunks().0.iter().take_while(has_none).count()
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
