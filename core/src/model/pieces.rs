//! What of a message a person sees and a model reads, piece by piece.

use std::slice;

use super::{Message, Part};
use crate::json::Json;

/// One piece of what a message says.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Piece<'a> {
    Text(&'a str),
    Json(&'a Json),
    /// Bytes; the name they have is a text after them.
    Binary,
}

/// The pieces of a message in their order, and its speaker's name before them: all that is said, without what programs and
/// providers tell one another (ids, signatures, encrypted thoughts, `extra`, metadata).
#[derive(Clone, Debug)]
pub(crate) struct Pieces<'a> {
    /// Lists of parts that are not finished, the innermost last.
    parts: Vec<slice::Iter<'a, Part>>,
    /// What comes before the next part.
    pending: Option<Piece<'a>>,
    summaries: slice::Iter<'a, String>,
}

impl<'a> Pieces<'a> {
    pub(crate) fn of(message: &'a Message) -> Self {
        Self {
            parts: vec![message.parts.iter()],
            pending: message.name.as_deref().map(Piece::Text),
            summaries: [].iter(),
        }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if let Some(piece) = self.pending.take() {
            return Some(piece);
        }
        if let Some(summary) = self.summaries.next() {
            return Some(Piece::Text(summary));
        }
        loop {
            let Some(part) = self.parts.last_mut()?.next() else {
                self.parts.pop();
                continue;
            };
            return Some(match part {
                Part::Text(it) => Piece::Text(&it.text),
                Part::Reasoning(it) => {
                    self.summaries = it.summaries.iter();
                    Piece::Text(&it.text)
                }
                Part::ToolCall(it) => {
                    self.pending = Some(Piece::Json(&it.arguments));
                    Piece::Text(&it.name)
                }
                Part::ToolResult(it) => {
                    self.parts.push(it.content.iter());
                    continue;
                }
                Part::Json { value, .. } => Piece::Json(value),
                Part::Artifact(it) => Piece::Text(&it.reference),
                Part::Binary(it) => {
                    self.pending = it.name.as_deref().map(Piece::Text);
                    Piece::Binary
                }
            });
        }
    }
}
