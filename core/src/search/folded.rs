//! The form in which texts are compared, made bit by bit.
//!
//! `folded(x)` is NFC(toCasefold(NFD(x))). Of a text that is cut before characters that [begin a cluster](begins_cluster), the
//! form is the forms of the pieces one after the other, which is why a long text needs no copy and a place in the form leads
//! back to a place in the text. The tests see to that for each character there is.

use std::{iter, ops::Range, sync::LazyLock};

use caseless::Caseless as _;
use unicode_normalization::{
    IsNormalized, UnicodeNormalization as _, char::canonical_combining_class, is_nfc_quick,
};

/// Bytes of ASCII in one piece, at most.
const ASCII_RUN: usize = 16 << 10;
/// Characters of one cluster, at most: nobody writes so many marks on a letter, and what is normalised is held in memory.
const CLUSTER: usize = 1024;

/// What [`simple`] says of Latin, Greek and Cyrillic.
static SIMPLE: LazyLock<Vec<Option<char>>> =
    LazyLock::new(|| ('\0'..'\u{530}').map(look_up).collect());

/// Whether no character before it changes what it becomes in NFC: a starter, and allowed there wherever it stands.
pub(super) fn begins_cluster(c: char) -> bool {
    match c {
        // What most texts are made of: ASCII, Latin, Greek, Cyrillic, ideographs, syllables.
        '\0'..='\u{2ff}'
        | '\u{388}'..='\u{482}'
        | '\u{48a}'..='\u{52f}'
        | '\u{3400}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7a3}' => true,
        _ => canonical_combining_class(c) == 0 && is_nfc_quick(iter::once(c)) == IsNormalized::Yes,
    }
}

/// A run of ASCII, each character of which is a cluster, or one cluster.
#[derive(Clone, Copy, Debug)]
struct Piece<'a> {
    at: usize,
    text: &'a str,
    is_ascii: bool,
}

/// The pieces of a text, in order and without a gap.
struct Pieces<'a> {
    rest: &'a str,
    at: usize,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let run = ascii_prefix(self.rest.as_bytes());
        let follows = self.rest.get(run..).and_then(|rest| rest.chars().next());
        let run = match follows {
            Some(c) if !begins_cluster(c) => run.saturating_sub(1),
            _ => run,
        };
        let len = if run > 0 { run } else { cluster(self.rest) };
        let (text, rest) = self.rest.split_at_checked(len)?;
        let piece = Piece { at: self.at, text, is_ascii: run > 0 };
        (self.at, self.rest) = (self.at + len, rest);
        Some(piece)
    }
}

/// Bytes of ASCII that it begins with, at most [`ASCII_RUN`].
fn ascii_prefix(bytes: &[u8]) -> usize {
    let bytes = bytes.get(..ASCII_RUN).unwrap_or(bytes);
    if bytes.is_ascii() {
        return bytes.len();
    }
    bytes.iter().position(|byte| !byte.is_ascii()).unwrap_or(bytes.len())
}

/// Bytes of the cluster that it begins with.
fn cluster(text: &str) -> usize {
    let mut chars = text.char_indices().enumerate().skip(1);
    let next = chars.find(|(n, (_, c))| *n == CLUSTER || begins_cluster(*c));
    next.map_or(text.len(), |(_, (at, _))| at)
}

impl Piece<'_> {
    /// Appends its form.
    fn fold_into(self, out: &mut Vec<u8>) {
        if self.is_ascii {
            let from = out.len();
            out.extend_from_slice(self.text.as_bytes());
            out.get_mut(from..).unwrap_or_default().make_ascii_lowercase();
            return;
        }
        let mut push = |c: char| out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        let mut chars = self.text.chars();
        match (chars.next().and_then(simple), chars.next()) {
            (Some(c), None) => push(c),
            _ => self.text.nfd().default_case_fold().nfc().for_each(push),
        }
    }

    /// Bytes of its form.
    fn folded_len(self, scratch: &mut Vec<u8>) -> usize {
        if self.is_ascii {
            return self.text.len();
        }
        scratch.clear();
        self.fold_into(scratch);
        scratch.len()
    }
}

/// The form of a cluster of this one character, where that is one character in any normalisation.
fn simple(c: char) -> Option<char> {
    match c {
        '\0'..'\u{530}' => SIMPLE.get(c as usize).copied().flatten(),
        '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' => Some(c),
        _ => look_up(c),
    }
}

fn look_up(c: char) -> Option<char> {
    let mut folded = iter::once(c).default_case_fold();
    match (folded.next(), folded.next()) {
        (Some(folded), None) if begins_cluster(c) => Some(folded),
        _ => None,
    }
}

/// The form of a text.
pub(super) fn folded(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    Pieces { rest: text, at: 0 }.for_each(|piece| piece.fold_into(&mut out));
    out
}

/// Where `finder` finds its needle first in the form of a text. Of the form, `window` bytes and a piece are kept, no more.
pub(super) fn find(
    finder: &memchr::memmem::Finder<'_>,
    text: &str,
    window: usize,
) -> Option<Range<usize>> {
    let needle = finder.needle().len();
    let mut form = Vec::with_capacity(text.len().min(window + ASCII_RUN));
    let mut dropped = 0;
    for piece in (Pieces { rest: text, at: 0 }) {
        piece.fold_into(&mut form);
        if form.len() < window {
            continue;
        }
        if let Some(at) = finder.find(&form) {
            return Some(dropped + at..dropped + at + needle);
        }
        let seen = form.len().saturating_sub(needle.saturating_sub(1));
        form.drain(..seen);
        dropped += seen;
    }
    finder.find(&form).map(|at| dropped + at..dropped + at + needle)
}

/// The clusters of a text whose forms hold these bytes of its form.
pub(super) fn original(text: &str, form: &Range<usize>) -> Range<usize> {
    let mut scratch = Vec::new();
    let (mut from, mut start) = (0, None);
    for piece in (Pieces { rest: text, at: 0 }) {
        let upto = from + piece.folded_len(&mut scratch);
        let inside = |at: usize, whole: usize| if piece.is_ascii { at - from } else { whole };
        if start.is_none() && form.start < upto {
            start = Some(piece.at + inside(form.start, 0));
        }
        if let Some(start) = start.filter(|_| form.end <= upto) {
            return start..piece.at + inside(form.end, piece.text.len());
        }
        from = upto;
    }
    start.unwrap_or(text.len())..text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naive(text: &str) -> String {
        text.nfd().default_case_fold().nfc().collect()
    }

    /// What the cuts rest on: the form of a character that begins a cluster begins one, too, and has no more to do with what
    /// stands before it.
    #[test]
    fn forms_of_clusters_stand_for_themselves() {
        for c in '\0'..=char::MAX {
            let right = canonical_combining_class(c) == 0
                && is_nfc_quick(iter::once(c)) == IsNormalized::Yes;
            assert_eq!(begins_cluster(c), right, "{c:?}");
            let text = String::from(c);
            let form = naive(&text);
            assert_eq!(String::from_utf8(folded(&text)).unwrap(), form, "{c:?}");
            assert_eq!(naive(&form), form, "{c:?} folds once");
            if begins_cluster(c) {
                assert!(form.chars().next().is_some_and(begins_cluster), "{c:?} as {form:?}");
                for before in ["\u{1100}\u{1161}", "e\u{323}", "\u{3b1}\u{345}"] {
                    let both = naive(&format!("{before}{c}"));
                    assert_eq!(both, format!("{}{form}", naive(before)), "{c:?} after {before:?}");
                }
            }
        }
    }
}
