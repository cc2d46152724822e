//! The pieces of a message: what models, tools and people send one another.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use super::{ToolOutcome, ToolResult, bytes, shown::Shown};
use crate::{
    error::{Error, Result},
    json::Json,
};

/// One piece of a message. What it holds comes back equal: each text, each byte, each JSON in its spelling.
///
/// Most kinds have two fields for what a model's provider wants back with the next request. The store does not look into them:
/// `signature` is what proves that the provider made this piece; `extra` is whatever else came with it - annotations,
/// citations, fields of a provider's own - as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Part {
    /// Text a person sees.
    Text(Text),
    /// What the model thought.
    Reasoning(Reasoning),
    /// The model asks for a tool.
    ToolCall(ToolCall),
    /// What a tool answered.
    ToolResult(ToolResult),
    /// A value of the agent program's own.
    Json {
        /// What the value is; any text, the empty one included.
        kind: String,
        /// The value.
        value: Json,
    },
    /// A reference to something kept elsewhere.
    Artifact(Artifact),
    /// An image, a sound, a document: the bytes themselves.
    Binary(Binary),
}

/// Text a person sees.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Text {
    /// The text; any, the empty one included.
    pub text: String,
    /// The provider's proof of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// Whatever else the provider sent with it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub extra: Option<Json>,
}

/// What the model thought. A thought that the provider withholds has an empty text and stands in `encrypted`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Reasoning {
    /// The text, as far as the provider shows it.
    pub text: String,
    /// The provider's id of the thought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Summaries of the text, where the provider makes some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub summaries: Vec<String>,
    /// The provider's proof of the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// The thought in a form that the provider alone can read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encrypted: Option<String>,
    /// Whatever else the provider sent with it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub extra: Option<Json>,
}

/// The model asks for a tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ToolCall {
    /// The model's id of the call, which the answer repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Which tool.
    pub name: String,
    /// Its arguments.
    pub arguments: Json,
    /// The provider's proof of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// Whatever else the provider sent with it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub extra: Option<Json>,
}

/// A reference to something kept elsewhere: a file of the provider's, an object, a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Artifact {
    /// Where; opaque to the store.
    pub reference: String,
    /// What, as a media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Whatever else came with it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub extra: Option<Json>,
}

/// Bytes with their media type. They are stored in the body of the entry, in base64, and count as they are: with all
/// else of the entry at most 32 MiB.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Binary {
    /// What they are, such as `image/png`; any text, not compared with the bytes.
    pub media_type: String,
    /// The bytes; any, also none.
    #[serde(with = "bytes")]
    pub bytes: Vec<u8>,
    /// A name or an address for people, such as that of the file they came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whatever else came with them.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub extra: Option<Json>,
}

/// What is there is `Some`, be it `null`.
pub(super) fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

/// `with_*` methods of a part, and its way into a [`Part`].
macro_rules! part {
    ($name:ident { $($(#[$doc:meta])* $with:ident($field:ident: $type:ty);)* }) => {
        impl $name {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $with(mut self, $field: impl Into<$type>) -> Self {
                    self.$field = Some($field.into());
                    self
                }
            )*
        }

        impl From<$name> for Part {
            fn from(part: $name) -> Self {
                Self::$name(part)
            }
        }
    };
}
pub(super) use part;

part!(Text {
    /// With the provider's proof.
    with_signature(signature: String);
    /// With what else the provider sent.
    with_extra(extra: Json);
});
part!(Reasoning {
    /// With the provider's id.
    with_id(id: String);
    /// With the provider's proof.
    with_signature(signature: String);
    /// With the form that the provider alone can read.
    with_encrypted(encrypted: String);
    /// With what else the provider sent.
    with_extra(extra: Json);
});
part!(ToolCall {
    /// With the model's id of the call.
    with_id(id: String);
    /// With the provider's proof.
    with_signature(signature: String);
    /// With what else the provider sent.
    with_extra(extra: Json);
});
part!(Artifact {
    /// With a media type.
    with_media_type(media_type: String);
    /// With what else came with it.
    with_extra(extra: Json);
});
part!(Binary {
    /// With a name for people.
    with_name(name: String);
    /// With what else came with them.
    with_extra(extra: Json);
});

impl Text {
    /// A text alone.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

impl Reasoning {
    /// A thought that is shown.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Whether it is nothing but a text.
    pub(crate) const fn is_plain(&self) -> bool {
        matches!(
            self,
            Self { text: _, id: None, summaries, signature: None, encrypted: None, extra: None }
                if summaries.is_empty()
        )
    }

    /// With one more summary.
    #[must_use]
    pub fn with_summary(mut self, summary: impl Into<String>) -> Self {
        self.summaries.push(summary.into());
        self
    }
}

impl ToolCall {
    /// A call of this tool.
    pub fn new(name: impl Into<String>, arguments: Json) -> Self {
        Self { id: None, name: name.into(), arguments, signature: None, extra: None }
    }
}

impl Artifact {
    /// A reference to this.
    pub fn new(reference: impl Into<String>) -> Self {
        Self { reference: reference.into(), media_type: None, extra: None }
    }
}

impl Binary {
    /// These bytes.
    pub fn new(media_type: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { media_type: media_type.into(), bytes: bytes.into(), name: None, extra: None }
    }
}

impl Part {
    /// Text a person sees.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(Text::new(text))
    }

    /// What the model thought.
    pub fn reasoning(text: impl Into<String>) -> Self {
        Self::Reasoning(Reasoning::new(text))
    }

    /// The model asks for a tool.
    pub fn tool_call(name: impl Into<String>, arguments: Json) -> Self {
        Self::ToolCall(ToolCall::new(name, arguments))
    }

    /// A reference to something kept elsewhere.
    pub fn artifact(reference: impl Into<String>) -> Self {
        Self::Artifact(Artifact::new(reference))
    }

    /// Bytes with their media type, such as `image/png`.
    pub fn binary(media_type: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self::Binary(Binary::new(media_type, bytes))
    }

    /// Whether releases that knew level 1 of records read it right: what they knew of parts, and no more.
    pub(crate) fn is_of_level_1(&self) -> bool {
        match self {
            Self::Text(it) => it.signature.is_none() && it.extra.is_none(),
            Self::Reasoning(it) => it.is_plain(),
            Self::ToolCall(it) => it.signature.is_none() && it.extra.is_none(),
            Self::ToolResult(it) => it.is_plain(),
            Self::Json { .. } => true,
            Self::Artifact(it) => it.extra.is_none(),
            Self::Binary(_) => false,
        }
    }

    /// The text, where it is nothing but a text.
    pub(crate) fn plain_text(&self) -> Option<&str> {
        match self {
            Self::Text(Text { text, signature: None, extra: None }) => Some(text),
            _ => None,
        }
    }

    /// `Invalid` if a result holds what only a message may hold.
    pub(crate) fn check(&self) -> Result<()> {
        let Self::ToolResult(result) = self else { return Ok(()) };
        let found = result.content.iter().find_map(|part| match part {
            Self::Reasoning(_) => Some("reasoning"),
            Self::ToolCall(_) => Some("a tool call"),
            Self::ToolResult(_) => Some("a tool result"),
            Self::Text(_) | Self::Json { .. } | Self::Artifact(_) | Self::Binary(_) => None,
        });
        found.map_or(Ok(()), |found| {
            let reason = format!(
                "a tool result holds {found}, where text, JSON, artifacts and binaries are allowed"
            );
            Err(Error::invalid("entries", reason))
        })
    }

    /// Bytes of what it holds, before encoding.
    pub(crate) fn bytes(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let json = |json: &Option<Json>| json.as_ref().map_or(0, |json| json.get().len());
        match self {
            Self::Text(it) => it.text.len() + text(&it.signature) + json(&it.extra),
            Self::Reasoning(it) => {
                let summaries = it.summaries.iter().map(String::len).sum::<usize>();
                let provider = text(&it.id) + text(&it.signature) + text(&it.encrypted);
                it.text.len() + summaries + provider + json(&it.extra)
            }
            Self::ToolCall(it) => {
                let provider = text(&it.id) + text(&it.signature) + json(&it.extra);
                it.name.len() + it.arguments.get().len() + provider
            }
            Self::ToolResult(it) => {
                let content = it.content.iter().map(Self::bytes).sum::<usize>();
                content + text(&it.id) + text(&it.name) + json(&it.extra)
            }
            Self::Json { kind, value } => kind.len() + value.get().len(),
            Self::Artifact(it) => it.reference.len() + text(&it.media_type) + json(&it.extra),
            Self::Binary(it) => {
                it.media_type.len() + it.bytes.len() + text(&it.name) + json(&it.extra)
            }
        }
    }
}

/// The bytes stand for themselves by their number: nobody reads megabytes of them.
impl fmt::Debug for Binary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Binary")
            .field("media_type", &self.media_type)
            .field("bytes", &format_args!("{}", bytes::Size(self.bytes.len())))
            .field("name", &self.name)
            .field("extra", &self.extra)
            .finish()
    }
}

/// For a person to read; see [`Entry`](super::Entry)'s. A binary is shown as its media type and size, a thought that is
/// withheld as such.
impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(it) => write!(f, "{}", Shown(&it.text)),
            Self::Reasoning(it) if it.text.is_empty() && it.encrypted.is_some() => {
                f.write_str("<reasoning, withheld>")
            }
            Self::Reasoning(it) => write!(f, "{}", Shown(&it.text)),
            Self::ToolCall(it) => {
                write!(f, "{}({})", Shown(&it.name), Shown(it.arguments.get()))
            }
            Self::ToolResult(it) => {
                if it.outcome == ToolOutcome::Error {
                    f.write_str("error: ")?;
                }
                for (at, part) in it.content.iter().enumerate() {
                    let space = if at == 0 { "" } else { " " };
                    write!(f, "{space}{part}")?;
                }
                Ok(())
            }
            Self::Json { kind, value } if kind.is_empty() => write!(f, "{}", Shown(value.get())),
            Self::Json { kind, value } => write!(f, "{} {}", Shown(kind), Shown(value.get())),
            Self::Artifact(it) => write!(f, "<{}>", Shown(&it.reference)),
            Self::Binary(it) => {
                write!(f, "<{}, {}>", Shown(&it.media_type), bytes::Size(it.bytes.len()))
            }
        }
    }
}
