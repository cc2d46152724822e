//! One message of a transcript as one entry. Nothing of it is lost: what has no place of its own becomes metadata.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;
use sessile::{
    id::{AgentId, TenantId},
    json::{Json, mend},
    model::{Actor, Message, NewEntry, Part, Role, ToolCall, ToolOutcome, ToolResult},
};

/// The bytes of text an entry may have; the store's own limit.
const ENTRY_BYTES: usize = 32 << 20;

/// Reads the messages of one transcript, in order.
pub(super) struct Reader {
    tenant: TenantId,
    /// Whether the last message was an action of the assistant; then a user message is its tool's answer.
    acted: bool,
    /// How many lone surrogates were replaced by U+FFFD.
    pub(super) replaced: u64,
}

impl Reader {
    pub(super) const fn new(tenant: TenantId) -> Self {
        Self { tenant, acted: false, replaced: 0 }
    }

    /// Makes the entry of a message, or says what is wrong with it.
    pub(super) fn read(&mut self, text: &str) -> Result<NewEntry, String> {
        let mended = mend(text).map_err(reason)?;
        let mut fields: Fields<'_> = serde_json::from_str(&mended.text).map_err(|e| plain(&e))?;
        let entry = self.entry(&mut fields)?;
        let bytes = entry.message().map_or(0, weight);
        if bytes > ENTRY_BYTES {
            return Err(format!(
                "the message has {bytes} bytes, where at most {ENTRY_BYTES} are allowed"
            ));
        }
        self.replaced += mended.surrogates;
        Ok(entry)
    }

    fn entry(&mut self, fields: &mut Fields<'_>) -> Result<NewEntry, String> {
        let role = fields.text("role").ok_or("a message without a role")?;
        let role = match role.as_str() {
            "system" => Role::System,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "tool" => Role::Tool,
            other => {
                let other: String = other.chars().take(32).collect();
                return Err(format!("unknown role {other:?}"));
            }
        };
        let mut parts = fields.take("content").map_or(Ok(Vec::new()), content)?;
        match role {
            Role::Assistant => {
                let calls = fields.calls()?;
                let action = if calls.is_empty() { fields.action()? } else { None };
                self.acted = action.is_some();
                parts.extend(calls.into_iter().chain(action));
            }
            Role::Tool => {
                self.acted = false;
                let outcome = match fields.peek("is_error").map(RawValue::get) {
                    Some("true") => ToolOutcome::Error,
                    _ => ToolOutcome::Ok,
                };
                answer(&mut parts, fields.call_id(), outcome);
            }
            Role::User if std::mem::take(&mut self.acted) => {
                answer(&mut parts, None, ToolOutcome::Ok)
            }
            _ => {}
        }
        let mut message = Message::new(role, parts);
        message.name = fields.text("name");
        let agent = fields.peek("agent").and_then(string).and_then(|id| AgentId::new(id).ok());
        if agent.is_some() {
            fields.take("agent");
        }
        message.metadata = fields.rest()?;
        let mut entry = NewEntry::new(message);
        entry.actor =
            agent.map(|id| Actor::Agent { tenant: self.tenant.clone(), id, parent: None });
        Ok(entry)
    }
}

/// Content as parts: a text, or a list of parts; parts that are no text are kept as JSON.
fn content(raw: &RawValue) -> Result<Vec<Part>, String> {
    if raw.get() == "null" {
        return Ok(Vec::new());
    }
    if let Some(text) = string(raw) {
        return Ok(vec![Part::text(text)]);
    }
    let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) else {
        return Ok(vec![json("content", raw)?]);
    };
    let mut parts = Vec::with_capacity(items.len());
    for item in items {
        if let Some(text) = string(item) {
            parts.push(Part::text(text));
            continue;
        }
        let Ok(mut fields) = serde_json::from_str::<Fields<'_>>(item.get()) else {
            parts.push(json("content", item)?);
            continue;
        };
        let kind = fields.text("type");
        match (kind.as_deref(), fields.text("text")) {
            (Some("text"), Some(text)) => {
                parts.push(Part::text(text));
                for (key, raw) in fields.unused() {
                    parts.push(json(key, raw)?);
                }
            }
            (kind, _) => parts.push(json(kind.unwrap_or("content"), item)?),
        }
    }
    Ok(parts)
}

/// Makes the first text the answer of a tool; the other parts follow it.
fn answer(parts: &mut Vec<Part>, id: Option<String>, outcome: ToolOutcome) {
    let first = parts.iter_mut().find_map(|part| match part {
        Part::Text(it) => Some((std::mem::take(&mut it.text), part)),
        _ => None,
    });
    let result = |text| {
        let result = ToolResult::text(outcome, text);
        Part::from(id.into_iter().fold(result, ToolResult::with_id))
    };
    match first {
        Some((text, part)) => *part = result(text),
        None => parts.insert(0, result(String::new())),
    }
}

/// The fields of an object in order, repeated ones included, each with whether it was used.
struct Fields<'a>(Vec<(String, &'a RawValue, bool)>);

impl<'a> Fields<'a> {
    /// The value of a key; of a repeated key, the last.
    fn peek(&self, key: &str) -> Option<&'a RawValue> {
        self.0.iter().rev().find(|(k, ..)| k == key).map(|&(_, raw, _)| raw)
    }

    fn take(&mut self, key: &str) -> Option<&'a RawValue> {
        let (_, raw, used) = self.0.iter_mut().rev().find(|(k, ..)| k == key)?;
        *used = true;
        Some(raw)
    }

    /// Takes a field that is a string.
    fn text(&mut self, key: &str) -> Option<String> {
        let text = string(self.peek(key)?)?;
        self.take(key);
        Some(text)
    }

    fn unused(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().filter(|(.., used)| !used).map(|(key, raw, _)| (key.as_str(), *raw))
    }

    /// Takes `tool_calls`. They stay in the metadata too if a call holds more than a part can.
    fn calls(&mut self) -> Result<Vec<Part>, String> {
        let raw = self.peek("tool_calls").filter(|raw| raw.get() != "null");
        let Some(calls) =
            raw.and_then(|raw| serde_json::from_str::<Vec<&RawValue>>(raw.get()).ok())
        else {
            return Ok(Vec::new());
        };
        let mut whole = !calls.is_empty();
        let parts = calls.into_iter().map(|raw| match call(raw) {
            Some((part, all)) => {
                whole &= all;
                Ok(part)
            }
            None => json("tool_call", raw),
        });
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        if whole {
            self.take("tool_calls");
        }
        Ok(parts)
    }

    /// Takes `action`, if it is not empty: the command of an agent whose only tool is a shell.
    fn action(&mut self) -> Result<Option<Part>, String> {
        let says = |raw: &&RawValue| string(raw).is_some_and(|text| !text.trim().is_empty());
        let Some(raw) = self.peek("action").filter(says) else { return Ok(None) };
        self.take("action");
        let arguments = Json::parse(raw.get()).map_err(reason)?;
        Ok(Some(Part::tool_call("action", arguments)))
    }

    /// The call that a tool message answers: `tool_call_id`, or the only one of `tool_call_ids`.
    fn call_id(&mut self) -> Option<String> {
        if let Some(id) = self.text("tool_call_id") {
            return Some(id);
        }
        let ids = self.peek("tool_call_ids")?;
        if let Ok([id]) = serde_json::from_str::<[String; 1]>(ids.get()) {
            self.take("tool_call_ids");
            return Some(id);
        }
        None
    }

    /// The fields that were not used, as an object in their original spelling.
    fn rest(&self) -> Result<Option<Json>, String> {
        let fields: Vec<_> = self
            .unused()
            .map(|(key, raw)| {
                Ok(format!("{}:{}", Json::from_value(&key).map_err(reason)?.get(), raw.get()))
            })
            .collect::<Result<_, String>>()?;
        if fields.is_empty() {
            return Ok(None);
        }
        Json::parse(&format!("{{{}}}", fields.join(","))).map(Some).map_err(reason)
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some((key, raw)) = map.next_entry::<String, &'de RawValue>()? {
                    fields.push((key, raw, false));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// One of `tool_calls`, `{"id", "type": "function", "function": {"name", "arguments"}}`, and whether that was all of it.
fn call(raw: &RawValue) -> Option<(Part, bool)> {
    let mut call: Fields<'_> = serde_json::from_str(raw.get()).ok()?;
    let mut function: Fields<'_> = serde_json::from_str(call.take("function")?.get()).ok()?;
    let name = function.text("name")?;
    let arguments = Json::parse(function.take("arguments")?.get()).ok()?;
    let id = call.text("id");
    let usual = call.peek("type").is_none_or(|kind| kind.get() == "\"function\"");
    call.take("type");
    let all = usual && call.unused().next().is_none() && function.unused().next().is_none();
    let call = id.into_iter().fold(ToolCall::new(name, arguments), ToolCall::with_id);
    Some((call.into(), all))
}

fn string(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

fn json(kind: &str, raw: &RawValue) -> Result<Part, String> {
    let value = Json::parse(raw.get()).map_err(reason)?;
    Ok(Part::Json { kind: kind.to_owned(), value })
}

/// The reason of an `Invalid`, without the field name, which means nothing to the reader of a transcript.
fn reason(error: sessile::Error) -> String {
    match error {
        sessile::Error::Invalid { reason, .. } => reason,
        other => other.to_string(),
    }
}

/// The parser's message without its position, which is one in a text that the user cannot see.
pub(super) fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(what, _)| what.to_owned())
}

fn weight(message: &Message) -> usize {
    let parts = message.parts.iter().map(|part| match part {
        Part::Text(it) => it.text.len(),
        Part::ToolResult(it) => it.as_text().map_or(0, str::len),
        Part::ToolCall(it) => it.arguments.get().len(),
        Part::Json { value, .. } => value.get().len(),
        _ => 0,
    });
    parts.sum::<usize>() + message.metadata.as_ref().map_or(0, |m| m.get().len())
}
