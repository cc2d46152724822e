//! Heads and messages as this release writes them, read in one pass.
//!
//! A short cut and no second format: what is spelled in any other way - other order, white space, escapes, fields of
//! another release - is left to the decoder of JSON, which reads the same from what is read here.

use super::{Event, KeyMark, RecordHeader, encode::plain};
use crate::{
    clock::Timestamp,
    hash::{Hash, hex128},
    journal::Stream,
    model::{Message, Part, Role, ToolOutcome, ToolResult},
};

/// A text that is read from its beginning.
struct Scan<'a>(&'a str);

impl<'a> Scan<'a> {
    /// Goes past these characters, if they come next.
    fn past(&mut self, text: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    /// A number as JSON spells it, without sign, fraction or exponent.
    fn number(&mut self) -> Option<u64> {
        let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = self.0.split_at_checked(digits)?;
        if digits == 0 || digits > 19 || (digits > 1 && number.starts_with('0')) {
            return None;
        }
        self.0 = rest;
        Some(number.bytes().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
    }

    /// The number of a field that may be absent.
    fn field(&mut self, name: &str) -> Option<Option<u64>> {
        match self.past(name) {
            None => Some(None),
            Some(()) => self.number().map(Some),
        }
    }

    fn small(&mut self) -> Option<u16> {
        u16::try_from(self.number()?).ok()
    }

    /// So many characters.
    fn take(&mut self, bytes: usize) -> Option<&'a str> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    fn hex128(&mut self) -> Option<u128> {
        hex128::parse(self.take(32)?)
    }

    /// A text behind its opening quote, and the closing one; by the run, not by the byte.
    fn text(&mut self) -> Option<String> {
        let mut text = String::new();
        loop {
            let run = self.take(plain(self.0.as_bytes()))?;
            if text.is_empty() && self.0.starts_with('"') {
                text = run.to_owned();
            } else {
                text.reserve(run.len() + 32);
                text.push_str(run);
            }
            if self.past("\"").is_some() {
                return Some(text);
            }
            self.past("\\")?;
            let escaped = match self.take(1)? {
                "n" => '\n',
                "\"" => '"',
                "\\" => '\\',
                "t" => '\t',
                "r" => '\r',
                _ => return None,
            };
            text.push(escaped);
        }
    }
}

/// The header, if it is spelled as we spell it.
pub(super) fn header(text: &str) -> Option<RecordHeader> {
    let mut scan = Scan(text);
    scan.past("{\"v\":")?;
    let version = scan.number()?;
    scan.past(",\"s\":")?;
    let stream = Stream(scan.number()?);
    scan.past(",\"r\":")?;
    let reader = scan.small()?;
    scan.past(",\"at\":")?;
    let at = Timestamp::from_millis(scan.number()?);
    let not_before = match scan.past(",\"t\":") {
        None => None,
        Some(()) => Some(Timestamp::from_millis(scan.number()?)),
    };
    scan.past(",\"n\":\"")?;
    let nonce = scan.hex128()?;
    scan.past("\",\"i\":")?;
    let index = scan.small()?;
    scan.past(",\"of\":")?;
    let of = scan.small()?;
    scan.past(",\"d\":\"")?;
    let digest = Hash::parse(scan.take(64)?)?;
    scan.past("\",\"")?;
    let key = match scan.past("key\":{\"p\":\"") {
        None => None,
        Some(()) => {
            let name = scan.hex128()?;
            scan.past("\"")?;
            let n = match scan.past(",\"n\":") {
                None => None,
                Some(()) => Some(scan.number()?),
            };
            scan.past(",\"h\":\"")?;
            let command = scan.hex128()?;
            scan.past("\"},\"")?;
            Some(KeyMark { name, n, command })
        }
    };
    let count = match scan.past("k\":") {
        None => None,
        Some(()) => Some(scan.small()?),
    };
    if count.is_some() {
        scan.past(",\"")?;
    }
    let lease = match scan.past("l\":") {
        None => None,
        Some(()) => Some(scan.number()?),
    };
    if lease.is_some() {
        scan.past(",\"")?;
    }
    scan.past("is\":")?;
    let event = event(scan.0.strip_suffix('}')?)?;
    Some(RecordHeader {
        version,
        stream,
        reader,
        at,
        not_before,
        nonce,
        index,
        of,
        digest,
        key,
        count,
        lease,
        event,
    })
}

/// Entries are read here, as pages consist of them.
fn event(text: &str) -> Option<Event> {
    entry(text).or_else(|| serde_json::from_str(text).ok())
}

fn entry(text: &str) -> Option<Event> {
    let mut scan = Scan(text);
    scan.past("{\"entry\":{\"session\":")?;
    let session = scan.number()?;
    let run = scan.field(",\"run\":")?;
    let in_reply_to = scan.field(",\"in_reply_to\":")?;
    let copied_from = scan.field(",\"copied_from\":")?;
    let tokens = scan.field(",\"tokens\":")?;
    let reported = scan.field(",\"reported\":")?;
    scan.past("}}")?;
    let event = Event::Entry { session, run, in_reply_to, copied_from, tokens, reported };
    scan.0.is_empty().then_some(event)
}

/// A message of plain texts, thoughts and results alone, without name and metadata.
pub(super) fn message(text: &str) -> Option<Message> {
    let mut scan = Scan(text);
    scan.past("{\"role\":\"")?;
    let roles = [
        ("assistant", Role::Assistant),
        ("user", Role::User),
        ("tool", Role::Tool),
        ("system", Role::System),
    ];
    let role = roles.into_iter().find_map(|(name, role)| scan.past(name).map(|()| role))?;
    scan.past("\",\"parts\":[")?;
    let mut parts = Vec::with_capacity(1);
    if scan.past("]}").is_none() {
        loop {
            parts.push(part(&mut scan)?);
            if scan.past(",").is_none() {
                break;
            }
        }
        scan.past("]}")?;
    }
    scan.0.is_empty().then(|| Message::new(role, parts))
}

fn part(scan: &mut Scan<'_>) -> Option<Part> {
    let part = if scan.past("{\"text\":{\"text\":\"").is_some() {
        Part::text(scan.text()?)
    } else if scan.past("{\"reasoning\":{\"text\":\"").is_some() {
        Part::reasoning(scan.text()?)
    } else {
        scan.past("{\"tool_result\":{\"")?;
        let id = match scan.past("id\":\"") {
            None => None,
            Some(()) => Some(scan.text()?),
        };
        if id.is_some() {
            scan.past(",\"")?;
        }
        scan.past("outcome\":\"")?;
        let outcome = match scan.past("ok") {
            Some(()) => ToolOutcome::Ok,
            None => scan.past("error").map(|()| ToolOutcome::Error)?,
        };
        scan.past("\",\"text\":\"")?;
        Part::ToolResult(ToolResult { id, ..ToolResult::text(outcome, scan.text()?) })
    };
    scan.past("}}")?;
    Some(part)
}
