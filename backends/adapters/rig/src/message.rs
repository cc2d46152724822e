//! Rig's messages as entries that people can read, and back.
//!
//! A block of a message becomes the part that says the same, so that every tool on the store shows it. What the part has no
//! field for stays beside it, as Rig spells it, under `rig` in its `extra`; a block without such a part is JSON of the kind
//! `rig`. The blocks are taken apart as JSON, because Rig's types drop what does not fit together yet.

use rig_core::completion::Message as RigMessage;
use serde_json::{Map, Value, json};
use sessile_core::{
    error::{Error, Result},
    json::Json,
    model::{Message, NewEntry, Part, Reasoning, Role, Text, ToolCall, ToolOutcome, ToolResult},
};

const RIG: &str = "rig";

/// The entry that holds a message.
pub(crate) fn to_entry(message: &RigMessage) -> Result<NewEntry> {
    let mut fields = object(serde_json::to_value(message).map_err(wrong)?)?;
    let blocks = match fields.remove("content") {
        Some(Value::Array(blocks)) => blocks,
        text => vec![json!({"type": "text", "text": text})],
    };
    let role = match string(fields.remove("role")).as_str() {
        "system" => Role::System,
        "assistant" => Role::Assistant,
        _ if !blocks.is_empty() && blocks.iter().all(is_result) => Role::Tool,
        _ => Role::User,
    };
    let mut entry = Message::new(role, blocks.into_iter().map(to_part).collect::<Result<_>>()?);
    entry.metadata = beside(fields)?;
    Ok(NewEntry::new(entry))
}

/// The message that an entry holds. Entries of other programs are read, too, if Rig has a block for each of their parts.
pub(crate) fn to_message(entry: Message) -> Result<RigMessage> {
    let mut fields = kept(entry.metadata)?;
    let blocks = entry.parts.into_iter().map(to_block).collect::<Result<Vec<_>>>()?;
    let text = blocks.first().and_then(|block| block.get("text")).filter(|_| blocks.len() == 1);
    let (role, content) = match (entry.role, text) {
        (Role::System, Some(text)) => ("system", text.clone()),
        (Role::Assistant, _) => ("assistant", blocks.into()),
        _ => ("user", blocks.into()),
    };
    fields.insert("role".into(), role.into());
    fields.insert("content".into(), content);
    serde_json::from_value(fields.into()).map_err(wrong)
}

fn to_part(block: Value) -> Result<Part> {
    let mut block = object(block)?;
    let kind = string(block.get("type").cloned());
    if !["text", "reasoning", "toolcall", "toolresult", "json"].contains(&kind.as_str()) {
        return Ok(Part::Json { kind: RIG.into(), value: Json::from_value(&block)? });
    }
    block.remove("type");
    Ok(match kind.as_str() {
        "text" => {
            let mut text = Text::new(string(block.remove("text")));
            text.extra = beside(block)?;
            text.into()
        }
        "reasoning" => {
            let mut thought = Reasoning::new(string(block.remove("text")));
            thought.extra = beside(block)?;
            thought.into()
        }
        "toolcall" => {
            let mut function = object(block.remove("function").unwrap_or_default())?;
            let arguments = Json::from_value(&function.remove("arguments"))?;
            let mut call = ToolCall::new(string(function.remove("name")), arguments);
            call.id = shown_id(block.get("id"));
            block.insert("function".into(), function.into());
            call.extra = beside(block)?;
            call.into()
        }
        "toolresult" => {
            let failed = block.remove("is_error") == Some(true.into());
            let outcome = if failed { ToolOutcome::Error } else { ToolOutcome::Ok };
            let Some(Value::Array(content)) = block.remove("content") else {
                return Err(unknown());
            };
            let content = content.into_iter().map(to_part).collect::<Result<_>>()?;
            let mut result = ToolResult::new(outcome, content);
            result.id = shown_id(block.get("call"));
            result.name = Some(string(block.remove("name")));
            result.extra = beside(block)?;
            result.into()
        }
        _ => Part::Json { kind: String::new(), value: Json::from_value(&block.remove("value"))? },
    })
}

fn to_block(part: Part) -> Result<Value> {
    let (kind, mut block) = match part {
        Part::Text(it) => ("text", with(kept(it.extra)?, "text", it.text)),
        Part::Reasoning(it) => ("reasoning", with(kept(it.extra)?, "text", it.text)),
        Part::ToolCall(it) => {
            let mut block = kept(it.extra)?;
            let function = object(block.remove("function").unwrap_or_else(|| json!({})))?;
            let function = with(function, "arguments", it.arguments.to::<Value>()?);
            block.insert("function".into(), with(function, "name", it.name).into());
            block.entry("id").or_insert_with(|| json!({"provider": it.id}));
            ("toolcall", block)
        }
        Part::ToolResult(it) => {
            let content = it.content.into_iter().map(to_block).collect::<Result<Vec<_>>>()?;
            let mut block = with(kept(it.extra)?, "content", content);
            block.insert("name".into(), it.name.into());
            block.insert("is_error".into(), (it.outcome == ToolOutcome::Error).into());
            block.entry("call").or_insert_with(|| json!({"provider": it.id}));
            ("toolresult", block)
        }
        Part::Json { kind, value } if kind == RIG => return value.to(),
        Part::Json { value, .. } => ("json", with(Map::new(), "value", value.to::<Value>()?)),
        _ => return Err(unknown()),
    };
    block.insert("type".into(), kind.into());
    Ok(block.into())
}

fn is_result(block: &Value) -> bool {
    block.get("type").is_some_and(|kind| kind == "toolresult")
}

/// What is left of a block, to stand beside its part.
fn beside(rest: Map<String, Value>) -> Result<Option<Json>> {
    (!rest.is_empty()).then(|| Json::from_value(&json!({ RIG: rest }))).transpose()
}

/// What stands beside a part; nothing beside those of other programs.
fn kept(beside: Option<Json>) -> Result<Map<String, Value>> {
    let beside = beside.map(|all| all.to::<Value>()).transpose()?;
    beside
        .and_then(|mut all| all.get_mut(RIG).map(Value::take))
        .map_or_else(|| Ok(Map::new()), object)
}

fn with(mut block: Map<String, Value>, field: &str, value: impl Into<Value>) -> Map<String, Value> {
    block.insert(field.into(), value.into());
    block
}

fn object(value: Value) -> Result<Map<String, Value>> {
    let Value::Object(fields) = value else { return Err(unknown()) };
    Ok(fields)
}

fn string(value: Option<Value>) -> String {
    if let Some(Value::String(text)) = value { text } else { String::new() }
}

/// What a person calls a call: the provider's id, or the one that Rig made.
fn shown_id(id: Option<&Value>) -> Option<String> {
    id?.as_object()?.values().next()?.as_str().map(str::to_owned)
}

fn wrong(error: serde_json::Error) -> Error {
    Error::invalid("messages", error.to_string())
}

fn unknown() -> Error {
    Error::invalid("messages", "the entry holds a part that Rig has no block for")
}
