//! ADK's events as entries that people can read, and back.
//!
//! A part of an event becomes the part that says the same; one that holds more is JSON of the kind `adk`. The rest of the event
//! stands under `adk` in the entry's metadata, as ADK spells it.

use std::{collections::BTreeMap, mem};

use adk_core::{Content, FunctionResponseData, Part as AdkPart};
use adk_session::Event;
use serde_json::Value;
use sessile_core::{
    error::Result,
    json::Json,
    model::{
        Binary, Content as EntryContent, Entry, Message, NewEntry, Part, Reasoning, Role, ToolCall,
        ToolOutcome, ToolResult,
    },
};

use crate::state::time;

const ADK: &str = "adk";

/// The entry that holds an event.
pub(crate) fn to_entry(mut event: Event) -> Result<NewEntry> {
    let content = event.llm_response.content.as_mut();
    let role = match content.as_ref().map(|content| content.role.as_str()) {
        Some("user") => Role::User,
        Some("function" | "tool") => Role::Tool,
        Some("system") => Role::System,
        _ => Role::Assistant,
    };
    let parts = content.map(|content| mem::take(&mut content.parts)).unwrap_or_default();
    let parts = parts.into_iter().map(to_part).collect::<Result<_>>()?;
    let rest = Json::from_value(&BTreeMap::from([(ADK, event)]))?;
    Ok(NewEntry::new(Message::new(role, parts).with_metadata(rest)))
}

/// The event that an entry holds, `None` if it was erased. What another program wrote is an event of its role.
pub(crate) fn to_event(entry: Entry) -> Result<Option<Event>> {
    let (id, at) = (entry.id, entry.at);
    let Some(message) = entry.content.and_then(EntryContent::into_message) else {
        return Ok(None);
    };
    let rest = message.metadata.map(|all| all.to::<BTreeMap<String, Value>>());
    let rest = rest.and_then(Result::ok).and_then(|mut all| all.remove(ADK));
    let parts = message.parts.into_iter().map(from_part).collect::<Result<_>>()?;
    if let Some(rest) = rest {
        let mut event: Event = Json::from_value(&rest)?.to()?;
        if let Some(content) = &mut event.llm_response.content {
            content.parts = parts;
        }
        return Ok(Some(event));
    }
    let role =
        if message.role == Role::Assistant { "model".into() } else { message.role.to_string() };
    let mut event = Event::with_id(id.to_string(), "");
    event.timestamp = time(at);
    event.author.clone_from(&role);
    event.llm_response.content = Some(Content { role, parts });
    Ok(Some(event))
}

fn to_part(part: AdkPart) -> Result<Part> {
    Ok(match part {
        AdkPart::Text { text } => Part::text(text),
        AdkPart::Thinking { thinking, signature } => {
            let mut thought = Reasoning::new(thinking);
            thought.signature = signature;
            thought.into()
        }
        AdkPart::FunctionCall { name, args, id, thought_signature } => {
            let mut call = ToolCall::new(name, Json::from_value(&args)?);
            (call.id, call.signature) = (id, thought_signature);
            call.into()
        }
        AdkPart::FunctionResponse { function_response: answer, id, annotations: None }
            if answer.inline_data.is_empty() && answer.file_data.is_empty() =>
        {
            let answered = Json::from_value(&answer.response)?;
            let mut result = ToolResult::json(ToolOutcome::Ok, answered).with_name(answer.name);
            result.id = id;
            result.into()
        }
        AdkPart::InlineData { mime_type, data, uri, annotations: None } => {
            let mut binary = Binary::new(mime_type, data);
            binary.name = uri;
            binary.into()
        }
        other => Part::Json { kind: ADK.into(), value: Json::from_value(&other)? },
    })
}

fn from_part(part: Part) -> Result<AdkPart> {
    Ok(match part {
        Part::Text(it) => AdkPart::Text { text: it.text },
        Part::Reasoning(it) => AdkPart::Thinking { thinking: it.text, signature: it.signature },
        Part::ToolCall(it) => AdkPart::FunctionCall {
            name: it.name,
            args: it.arguments.to()?,
            id: it.id,
            thought_signature: it.signature,
        },
        Part::ToolResult(it) => {
            let response = match it.content.as_slice() {
                [Part::Json { value, .. }] => value.to()?,
                parts => {
                    parts.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n").into()
                }
            };
            let function_response =
                FunctionResponseData::new(it.name.unwrap_or_default(), response);
            AdkPart::FunctionResponse { function_response, id: it.id, annotations: None }
        }
        Part::Binary(it) => AdkPart::InlineData {
            mime_type: it.media_type,
            data: it.bytes,
            uri: it.name,
            annotations: None,
        },
        Part::Json { kind, value } if kind == ADK => value.to()?,
        other => AdkPart::Text { text: other.to_string() },
    })
}
