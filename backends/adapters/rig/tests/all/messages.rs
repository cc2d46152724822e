//! Every form of a message comes back equal, and stands in the store so that people can read it.

use rig_core::{
    completion::Message,
    message::{
        AssistantContent, AssistantMessage, CallId, Opaque, Origin, ProviderCallId, Reasoning,
        StopReason, Text, ToolCall, ToolFunction, ToolName, ToolResultContent, UserContent,
    },
};
use serde_json::json;
use sessile::{
    json::Json,
    model::{Part, ToolOutcome, ToolResult},
    prelude::*,
};

use crate::{append, load, memory_on};

fn call(id: CallId, arguments: serde_json::Value) -> ToolCall {
    ToolCall::new(id, ToolFunction::new(ToolName::new("search").unwrap(), arguments))
}

fn provider(id: &str) -> CallId {
    CallId::from(ProviderCallId::new(id).unwrap())
}

/// One of each, and the odd ones.
fn messages() -> Vec<Message> {
    let found =
        call(provider("call_1"), json!({"q": "\u{1F600}\0\"", "n": 1.0e-7, "deep": [[{}]]}));
    let local = call(CallId::from_wire(""), json!({}));
    let broken = call(provider("call_2"), json!([1, 2]));
    let cut = ToolFunction::parse(ToolName::new("search").unwrap(), "{\"q\": \"ab");
    let results = vec![
        found.result(vec![
            ToolResultContent::text("two hits"),
            ToolResultContent::Json { value: json!({"hits": [1.5, null, "x"]}) },
            ToolResultContent::image_base64("AAAA", None, None),
        ]),
        local.error_result(Vec::new()),
    ];
    let mut origin = Origin::new("openai.chat", "openai", "gpt");
    origin.response_id = Some("resp_1".into());
    let native = |text: &str| {
        AssistantContent::Text(Text::new(text)).with_native(json!({"type": "text", "text": text}))
    };
    let assistant = AssistantMessage::new(vec![
        AssistantContent::Reasoning(Reasoning::new("hm")),
        AssistantContent::Reasoning(Reasoning { redacted: true, ..Reasoning::default() })
            .with_native(json!({"encrypted": "zzz", "n": 0.1})),
        native("An answer."),
        AssistantContent::text(""),
        AssistantContent::ToolCall(found.clone()),
        AssistantContent::ToolCall(local).with_native(json!({"thought_signature": "s"})),
        AssistantContent::ToolCall(broken),
        AssistantContent::ToolCall(ToolCall::new(provider("call_3"), cut)),
        AssistantContent::image_base64("iVBOR", None, None),
        AssistantContent::Opaque(Opaque {
            item: json!({"type": "web_search", "id": 7}),
            replay: true,
        }),
    ]);
    vec![
        Message::system("Be brief."),
        Message::system(""),
        Message::user("Why?"),
        Message::User { content: Vec::new() },
        Message::User {
            content: vec![
                UserContent::text("look"),
                UserContent::image_raw(vec![0, 255, 1], None, None),
                UserContent::image_url("https://example.com/a.png", None, None),
                UserContent::audio_raw(vec![1, 2], None),
                UserContent::document_text("# a", None),
            ],
        },
        Message::tool_results(results),
        Message::Assistant(AssistantMessage::new(Vec::new())),
        Message::Assistant(assistant.with_origin(origin).with_stop(StopReason::ToolUse)),
        Message::Assistant(AssistantMessage::aborted(
            None,
            vec![AssistantContent::text("half")],
            "cancelled",
        )),
    ]
}

#[tokio::test]
async fn every_message_comes_back_equal() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("sqlite:{}", folder.path().join("rig.db").display());
    let (memory, _, store) = memory_on(&address).await;
    let messages = messages();
    append(&memory, "a", messages.clone()).await;
    assert_eq!(load(&memory, "a").await, messages);
    store.close().await.unwrap();
    let (memory, ..) = memory_on(&address).await;
    let again = load(&memory, "a").await;
    assert_eq!(again, messages);
    // Not by accident of a lenient comparison: a native item that lost its fingerprint would not replay.
    let Message::Assistant(answer) = &again[7] else { panic!() };
    assert!(answer.content[2].native_item().is_some());
}

async fn entries(bot: &Handle, conversation: &str) -> Vec<Entry> {
    let project = bot.project_by_external_id("chat").await.unwrap().unwrap();
    let thread = bot.thread_by_external_id(project.id, conversation).await.unwrap().unwrap();
    let session = bot.session_by_external_id(thread.id, "rig").await.unwrap().unwrap();
    bot.entries(session.id).all().await.unwrap()
}

#[tokio::test]
async fn people_can_read_what_is_stored() {
    let (memory, bot, _) = memory_on("memory:").await;
    append(&memory, "a", messages()).await;
    let shown: Vec<_> = entries(&bot, "a").await.iter().map(ToString::to_string).collect();
    assert_eq!(shown[0], "system: Be brief.");
    assert_eq!(shown[2], "user: Why?");
    assert!(shown[5].starts_with("tool: two hits {\"hits\":[1.5,null,\"x\"]}"), "{}", shown[5]);
    assert!(shown[7].contains("hm") && shown[7].contains("An answer. "), "{}", shown[7]);
    assert!(shown[7].contains("search({\"q\":"), "{}", shown[7]);
}

#[tokio::test]
async fn entries_of_other_programs_are_read_as_far_as_rig_has_words() {
    let (memory, bot, _) = memory_on("memory:").await;
    append(&memory, "a", vec![Message::user("Why?")]).await;
    let session = entries(&bot, "a").await[0].session;
    let call = sessile::model::ToolCall::new("search", Json::parse("{\"q\":1}").unwrap());
    let call = NewEntry::new(sessile::model::Message::new(
        Role::Assistant,
        vec![
            Part::reasoning("hm"),
            call.with_id("call_9").with_extra(Json::parse("[3]").unwrap()).into(),
        ],
    ));
    let answer = ToolResult::text(ToolOutcome::Ok, "found").with_id("call_9").with_name("search");
    let answer = NewEntry::new(sessile::model::Message::new(Role::Tool, vec![answer.into()]));
    bot.append(session, [assistant("A typo."), call, answer]).await.unwrap();
    let loaded = load(&memory, "a").await;
    assert_eq!(loaded[1], Message::assistant("A typo."));
    let asked = call_of(&loaded[2]);
    assert_eq!(
        (asked.id.to_string(), asked.function.arguments["q"].clone()),
        ("call_9".into(), 1.into())
    );
    let expected = asked.result(vec![ToolResultContent::text("found")]);
    assert_eq!(loaded[3], Message::tool_results(vec![expected]));

    // A part without a word in Rig is an error, not a gap in what the model is told.
    let artifact = sessile::model::Message::new(Role::User, vec![Part::artifact("s3://x")]);
    bot.append(session, NewEntry::new(artifact)).await.unwrap();
    use rig_core::memory::ConversationMemory;
    let error = memory.load(&"a".into()).await.unwrap_err().to_string();
    assert!(error.contains("no block"), "{error}");
}

fn call_of(message: &Message) -> ToolCall {
    let Message::Assistant(answer) = message else { panic!("{message:?}") };
    answer.tool_calls().next().unwrap().clone()
}
