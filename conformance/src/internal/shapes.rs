//! Every shape that a part of a message can have, made of one text.

use sessile_core::{
    json::Json,
    model::{Artifact, Binary, Part, Reasoning, Text, ToolCall, ToolOutcome, ToolResult},
};

/// Each kind bare, and with every field it can have.
pub fn parts(text: &str) -> Vec<Part> {
    let json = || Json::from_value(&[text]).expect("JSON");
    let null = || Json::parse("null").expect("JSON");
    let content = vec![
        Part::text(text),
        Text::new(text).with_signature(text).with_extra(json()).into(),
        Part::Json { kind: text.into(), value: json() },
        Part::artifact(text),
        Artifact::new(text).with_media_type(text).with_extra(null()).into(),
        Part::binary("", []),
        Binary::new(text, text.as_bytes()).with_name(text).with_extra(json()).into(),
    ];
    let mut all = content.clone();
    all.extend([
        Part::reasoning(text),
        Reasoning::new(text)
            .with_id(text)
            .with_summary(text)
            .with_summary("")
            .with_signature(text)
            .with_encrypted(text)
            .with_extra(json())
            .into(),
        Reasoning::new("").with_encrypted(text).into(),
        Part::tool_call(text, json()),
        ToolCall::new(text, null()).with_id(text).with_signature(text).with_extra(null()).into(),
        ToolResult::text(ToolOutcome::Ok, text).into(),
        ToolResult::text(ToolOutcome::Error, text).with_id(text).into(),
        ToolResult::json(ToolOutcome::Ok, json()).with_name(text).into(),
        ToolResult::new(ToolOutcome::Error, vec![]).into(),
        ToolResult::new(ToolOutcome::Ok, content)
            .with_id(text)
            .with_name(text)
            .with_extra(json())
            .into(),
    ]);
    all
}

/// Results of a tool that hold what only a message may hold.
pub fn not_for_results(text: &str) -> Vec<Part> {
    let content = [
        Part::reasoning(text),
        Part::tool_call(text, Json::parse("{}").expect("JSON")),
        ToolResult::text(ToolOutcome::Ok, text).into(),
    ];
    let held = |part| ToolResult::new(ToolOutcome::Ok, vec![Part::text(text), part]).into();
    content.into_iter().map(held).collect()
}

/// Whether a part may be appended.
pub fn is_well_formed(part: &Part) -> bool {
    let Part::ToolResult(result) = part else { return true };
    let only_in_messages =
        |part: &Part| matches!(part, Part::Reasoning(_) | Part::ToolCall(_) | Part::ToolResult(_));
    !result.content.iter().any(only_in_messages)
}
