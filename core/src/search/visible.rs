//! What of a message a person sees.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

use crate::model::{Message, Piece, Pieces};

impl Message {
    /// The texts that a person sees, in their order: what a search looks into.
    ///
    /// - The speaker's name.
    /// - Texts; thoughts as far as they are shown, and their summaries.
    /// - Of a tool call, the name of the tool and each string in the arguments; of an answer, what it holds.
    /// - Of JSON, each string that is a value, decoded: `"a\"b\n"` is `a"b` and a line break. Keys and numbers are not among
    ///   them, nor is what kind the value is.
    /// - References of artifacts, and names of binaries.
    ///
    /// Not: metadata, ids, signatures, `extra`, encrypted thoughts, media types, bytes. Each text stands for itself; two that
    /// follow one another are not one.
    pub fn visible_texts(&self) -> VisibleTexts<'_> {
        VisibleTexts { pieces: Pieces::of(self), strings: JsonStrings { rest: "" } }
    }
}

/// The texts of a message that a person sees; see [`Message::visible_texts`]. It borrows all but JSON strings with escapes,
/// which it decodes one at a time.
#[derive(Clone, Debug)]
pub struct VisibleTexts<'a> {
    pieces: Pieces<'a>,
    strings: JsonStrings<'a>,
}

impl<'a> Iterator for VisibleTexts<'a> {
    type Item = Cow<'a, str>;

    fn next(&mut self) -> Option<Cow<'a, str>> {
        loop {
            if let Some(text) = self.strings.next() {
                return Some(text);
            }
            match self.pieces.next()? {
                Piece::Text(text) => return Some(Cow::Borrowed(text)),
                Piece::Json(json) => self.strings = JsonStrings { rest: json.get() },
                Piece::Binary => {}
            }
        }
    }
}

/// The strings of a valid JSON text that are values.
#[derive(Clone, Debug)]
struct JsonStrings<'a> {
    rest: &'a str,
}

impl<'a> Iterator for JsonStrings<'a> {
    type Item = Cow<'a, str>;

    fn next(&mut self) -> Option<Cow<'a, str>> {
        loop {
            let string = self.rest.get(memchr(b'"', self.rest.as_bytes())?..)?;
            let (close, escaped) = closing_quote(string)?;
            let (string, rest) = string.split_at_checked(close + 1)?;
            self.rest = rest;
            if rest.trim_start_matches([' ', '\t', '\n', '\r']).starts_with(':') {
                continue;
            }
            let plain = string.get(1..close)?;
            // A lone surrogate that an older release let through is nothing a string can hold: the text as it is spelt.
            let decoded = escaped.then(|| serde_json::from_str(string).ok()).flatten();
            return Some(decoded.map_or(Cow::Borrowed(plain), Cow::Owned));
        }
    }
}

/// Where a string that begins with its quote ends, and whether it has escapes.
fn closing_quote(string: &str) -> Option<(usize, bool)> {
    let (mut at, mut escaped) = (1, false);
    loop {
        let rest = string.as_bytes().get(at..)?;
        let found = memchr2(b'"', b'\\', rest)?;
        at += found;
        if rest.get(found) == Some(&b'"') {
            return Some((at, escaped));
        }
        (at, escaped) = (at + 2, true);
    }
}
