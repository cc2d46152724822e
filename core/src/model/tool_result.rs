//! What tools answer.

use serde::{Deserialize, Serialize, Serializer};

use super::{
    Part,
    part::{part, present},
};
use crate::json::Json;

/// Whether a tool did what it was called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ToolOutcome {
    /// It did.
    Ok,
    /// It did not.
    Error,
}

/// What a tool answered: one text most of the time, or any number of texts, JSON values, binaries and artifacts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "ReadResult")]
#[non_exhaustive]
pub struct ToolResult {
    /// The call it answers.
    pub id: Option<String>,
    /// Which tool.
    pub name: Option<String>,
    /// Whether it worked.
    pub outcome: ToolOutcome,
    /// The answer, in order; may be nothing. To append one that holds reasoning, a call or a result is `Invalid`.
    pub content: Vec<Part>,
    /// Whatever else came with it.
    pub extra: Option<Json>,
}

part!(ToolResult {
    /// As the answer to this call.
    with_id(id: String);
    /// With the name of the tool.
    with_name(name: String);
    /// With what else came with it.
    with_extra(extra: Json);
});
impl ToolResult {
    /// An answer of these parts.
    pub const fn new(outcome: ToolOutcome, content: Vec<Part>) -> Self {
        Self { id: None, name: None, outcome, content, extra: None }
    }

    /// An answer of one text.
    pub fn text(outcome: ToolOutcome, text: impl Into<String>) -> Self {
        Self::new(outcome, vec![Part::text(text)])
    }

    /// An answer of one JSON value.
    pub fn json(outcome: ToolOutcome, value: Json) -> Self {
        Self::new(outcome, vec![Part::Json { kind: String::new(), value }])
    }

    /// Whether it is one text, the call it answers, and how that went.
    pub(crate) fn is_plain(&self) -> bool {
        self.name.is_none() && self.extra.is_none() && self.as_text().is_some()
    }

    /// The answer, where it is one text and nothing else.
    pub fn as_text(&self) -> Option<&str> {
        match self.content.as_slice() {
            [part] => part.plain_text(),
            _ => None,
        }
    }
}

/// As it is stored: an answer of one text as `text`, as all releases write and read it, any other as `content`.
#[derive(Serialize)]
struct WrittenResult<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: &'a Option<String>,
    outcome: ToolOutcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a [Part]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra: &'a Option<Json>,
}

impl Serialize for ToolResult {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { id, name, outcome, content, extra } = self;
        let text = self.as_text();
        let content = text.is_none().then_some(content.as_slice());
        WrittenResult { id, name, outcome: *outcome, text, content, extra }.serialize(serializer)
    }
}

#[derive(Deserialize)]
struct ReadResult {
    id: Option<String>,
    name: Option<String>,
    outcome: ToolOutcome,
    text: Option<String>,
    #[serde(default)]
    content: Vec<Part>,
    #[serde(default, deserialize_with = "present")]
    extra: Option<Json>,
}

impl From<ReadResult> for ToolResult {
    fn from(read: ReadResult) -> Self {
        let ReadResult { id, name, outcome, text, content, extra } = read;
        let content = text.map(Part::text).into_iter().chain(content).collect();
        Self { id, name, outcome, content, extra }
    }
}
