//! What of a text is shown around a hit.

use std::{fmt, ops::Range};

use serde::{Deserialize, Serialize};
use unicode_normalization::char::is_combining_mark;

use super::folded::begins_cluster;
use crate::model::Shown;

/// Characters on each side of a hit.
const AROUND: usize = 80;

/// The piece of a text around a hit: the hit, and up to 80 characters on each side of it, as they stand in the text.
///
/// It never begins or ends between a letter and its marks, or inside an emoji that is joined of several. [`Display`](fmt::Display)
/// writes it in a form that is safe on a terminal, with `...` where it was cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Snippet {
    /// The piece.
    pub text: String,
    /// Where in it the hit stands, in bytes. It covers whole characters with their marks, also where what was searched for is
    /// less: `s` hits the whole of `ß`.
    pub hit: Range<usize>,
    /// Whether the text has more before it.
    pub cut_before: bool,
    /// Whether the text has more after it.
    pub cut_after: bool,
}

impl Snippet {
    /// Of a text, around these bytes.
    pub(super) fn around(text: &str, hit: Range<usize>) -> Self {
        let (start, end) = (before(text, hit.start), after(text, hit.end));
        Self {
            text: text.get(start..end).unwrap_or_default().to_owned(),
            hit: hit.start - start..hit.end - start,
            cut_before: start > 0,
            cut_after: end < text.len(),
        }
    }

    /// The three pieces of its text: before the hit, the hit, after it.
    pub fn split(&self) -> (&str, &str, &str) {
        let piece = |range: Range<usize>| self.text.get(range).unwrap_or_default();
        let Range { start, end } = self.hit;
        (piece(0..start), piece(start..end), piece(end..self.text.len()))
    }
}

/// Where a snippet begins whose hit begins at `hit`.
fn before(text: &str, hit: usize) -> usize {
    let side = text.get(..hit).unwrap_or_default();
    let Some((from, _)) = side.char_indices().rev().nth(AROUND - 1) else { return 0 };
    let rest = side.get(from..).unwrap_or_default();
    let mut places = rest.char_indices().map(|(at, _)| from + at);
    places.find(|at| may_cut(text, *at)).unwrap_or(hit)
}

/// Where a snippet ends whose hit ends at `hit`.
fn after(text: &str, hit: usize) -> usize {
    let side = text.get(hit..).unwrap_or_default();
    if side.chars().nth(AROUND).is_none() {
        return text.len();
    }
    let places = side.char_indices().map(|(at, _)| hit + at);
    places.take(AROUND + 1).filter(|at| may_cut(text, *at)).last().unwrap_or(hit)
}

/// Whether a person sees no character in two pieces when a text is cut here.
fn may_cut(text: &str, at: usize) -> bool {
    let Some((before, after)) = text.split_at_checked(at) else { return false };
    let joined = |c: char| {
        !begins_cluster(c)
            || is_combining_mark(c)
            // Joiner, skin tones, the letters of a flag of a region.
            || matches!(c, '\u{200d}' | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0020}'..='\u{e007f}')
    };
    before.is_empty() || !after.chars().next().is_some_and(joined) && !before.ends_with('\u{200d}')
}

/// For a person to read; escaped as [`Entry`](crate::model::Entry)'s is.
impl fmt::Display for Snippet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = |cut: bool| if cut { "..." } else { "" };
        write!(f, "{}{}{}", cut(self.cut_before), Shown(&self.text), cut(self.cut_after))
    }
}
