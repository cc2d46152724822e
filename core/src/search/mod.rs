//! Searching what people see in messages: pure, without a store.
//!
//! A text is found in another if its folded form is a substring of the other's: `STRASSE` finds `Straße`, and whatever
//! keyboard or program spelt an `é` finds every other `é`.
//!
//! - The **folded form** of a text is NFC(toCasefold(NFD(text))): full case folding without the foldings of Turkic languages,
//!   by the tables of Unicode 16 or later. Two texts have one form exactly where the Unicode Standard calls them a *canonical
//!   caseless match* (section 3.13, D145).
//! - **Substring**, of any length, at any place: no word boundaries, and no characters with a meaning of their own. `%`, `_`,
//!   `*` and quotes find themselves, and so do spaces, line breaks and NUL.
//! - A letter with a mark is another letter where Unicode has one character for the two: `e` does not find `é`. It has none for
//!   a `q` with a tilde, which `q` finds.
//! - Of a letter with more than 1,023 marks, each 1,024 characters have their form by themselves, as if they were two texts.
//!
//! Not promised: compatibility (`fi` finds the ligature `ﬁ`, as folding has it, but `2` not `²`), languages (`istanbul` does not
//! find `İstanbul`), words that are spelt in two ways, invisible characters passed over.

mod folded;
mod snippet;
#[cfg(test)]
mod tests;
mod visible;

use std::fmt;

use memchr::memmem::{self, Finder};

pub use snippet::Snippet;
pub use visible::VisibleTexts;

use crate::{
    error::{Error, Result},
    model::Message,
};

/// Bytes of a text that is searched for.
const TEXT_BYTES: usize = 1024;
/// Bytes of JSON that are looked at together.
const JSON_PIECE: usize = 16 << 10;
/// Bytes of a folded form that are kept at a time.
const WINDOW: usize = 64 << 10;

/// A text to search for; see the [module](self) for what it finds.
///
/// Cheap to use many times: what can be prepared is prepared once.
#[derive(Clone)]
pub struct SearchText {
    text: String,
    /// Of the folded form.
    finder: Finder<'static>,
}

impl SearchText {
    /// A text of 1 to 1,024 bytes; `Invalid` for any other.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        if text.len() > TEXT_BYTES {
            let reason = format!("{} bytes, where at most {TEXT_BYTES} are allowed", text.len());
            return Err(Error::invalid("text", reason));
        }
        let form = folded::folded(&text);
        if form.is_empty() {
            return Err(Error::invalid("text", "there is nothing to search for"));
        }
        Ok(Self { text, finder: Finder::new(&form).into_owned() })
    }

    /// The text as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it may be in one of the texts that this JSON encodes. Takes a look at the bytes; where escapes or characters
    /// beyond ASCII could hide it, it may.
    pub(crate) fn may_be_in_json(&self, json: &str) -> bool {
        let form = self.finder.needle();
        let plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\' | b'/');
        if !form.iter().all(plain)
            || !json.is_ascii()
            || memmem::find(json.as_bytes(), b"\\u").is_some()
        {
            return true;
        }
        let pieces = json.as_bytes().chunks(JSON_PIECE);
        let mut before = Vec::new();
        for piece in pieces {
            let keep = before.len().saturating_sub(form.len());
            before.drain(..keep);
            before.extend(piece.iter().map(u8::to_ascii_lowercase));
            if self.finder.find(&before).is_some() {
                return true;
            }
        }
        false
    }

    /// Whether a text holds it.
    pub fn is_in(&self, text: &str) -> bool {
        folded::find(&self.finder, text, WINDOW).is_some()
    }

    /// The first hit in a text.
    ///
    /// It takes time in proportion to the text, and memory for 64 KiB of it.
    pub fn find(&self, text: &str) -> Option<Snippet> {
        let form = folded::find(&self.finder, text, WINDOW)?;
        Some(Snippet::around(text, folded::original(text, &form)))
    }

    /// The first hit in the [visible texts](Message::visible_texts) of a message. No hit spans two of them.
    pub fn find_in(&self, message: &Message) -> Option<Snippet> {
        message.visible_texts().find_map(|text| self.find(&text))
    }
}

impl fmt::Debug for SearchText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SearchText").field(&self.text).finish()
    }
}

impl PartialEq for SearchText {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for SearchText {}
