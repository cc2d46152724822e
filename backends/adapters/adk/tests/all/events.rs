//! Every form of an event comes back equal, and stands in the store so that people can read it.

use adk_core::{
    Content, EmbeddedResource, EventCompaction, FileDataPart, FunctionResponseData, InlineDataPart,
    Part, TextResourceContents,
};
use adk_session::Event;
use serde_json::{Value, json};
use sessile::{
    model::{self, Part as Stored},
    prelude::{Entry, Handle, NewEntry, Role, assistant, tool},
};

use crate::{append, create, event, get, service_on};

fn parts() -> Vec<Part> {
    let answer = FunctionResponseData::new("search", json!({"n": 0.1, "none": null}));
    let with_files = FunctionResponseData {
        name: "plot".into(),
        response: json!("done"),
        inline_data: vec![InlineDataPart {
            mime_type: "image/png".into(),
            data: vec![0, 255],
            uri: None,
            annotations: Some(json!({"a": 1})),
        }],
        file_data: vec![FileDataPart {
            mime_type: "text/csv".into(),
            file_uri: "gs://b/c".into(),
            annotations: None,
        }],
    };
    let response = |function_response, id: Option<&str>, annotations| Part::FunctionResponse {
        function_response,
        id: id.map(Into::into),
        annotations,
    };
    let thinking = |thinking: &str, signature: Option<&str>| Part::Thinking {
        thinking: thinking.into(),
        signature: signature.map(Into::into),
    };
    let call = |id: Option<&str>, thought_signature: Option<&str>| Part::FunctionCall {
        name: "search".into(),
        args: json!({"q": "\u{1F600}\0\"", "deep": [[1e-7]]}),
        id: id.map(Into::into),
        thought_signature: thought_signature.map(Into::into),
    };
    let inline = |uri: Option<&str>, annotations| Part::InlineData {
        mime_type: "image/png".into(),
        data: vec![137, 80, 0, 255],
        uri: uri.map(Into::into),
        annotations,
    };
    vec![
        Part::Text { text: "An answer.".into() },
        Part::Text { text: String::new() },
        thinking("hm", None),
        thinking("hm", Some("proof")),
        call(None, None),
        call(Some("call_1"), Some("proof")),
        response(answer.clone(), None, None),
        response(answer.clone(), Some("call_1"), None),
        response(answer, Some("call_1"), Some(json!([1]))),
        response(with_files, None, None),
        inline(None, None),
        inline(Some("file:///a.png"), None),
        inline(None, Some(json!({"a": 1}))),
        Part::FileData { mime_type: "a/b".into(), file_uri: "gs://b/c".into(), annotations: None },
        Part::ServerToolCall { server_tool_call: json!({"x": [1]}) },
        Part::ServerToolResponse { server_tool_response: json!(null) },
        Part::EmbeddedResource {
            resource: EmbeddedResource::Text(TextResourceContents::new("file:///a", None, "hi")),
        },
    ]
}

/// One of each, and the odd ones.
fn events() -> Vec<Event> {
    let mut full = event("inv-1", &[("own", json!({"a": [1, 2.5]})), ("user:u", json!(null))]);
    full.branch = "root.child".into();
    full.llm_request = Some("{\"model\":\"m\"}".into());
    full.provider_metadata.insert("gcp".into(), "x".into());
    full.long_running_tool_ids = vec!["call_1".into()];
    full.actions.transfer_to_agent = Some("other".into());
    full.actions.escalate = true;
    full.actions.artifact_delta.insert("a.png".into(), -1);
    full.actions.route = Some(vec!["n1".into()]);
    full.actions.compaction = Some(EventCompaction {
        start_timestamp: full.timestamp,
        end_timestamp: full.timestamp,
        compacted_content: Content::new("model").with_text("short"),
    });
    full.llm_response.turn_complete = true;
    full.llm_response.error_message = Some("\u{0}".into());
    full.llm_response.provider_metadata = Some(json!({"adk": {"content": 1}}));
    full.llm_response.content = Some(Content { role: "model".into(), parts: parts() });
    let said = |role: &str| {
        let mut event = event("inv-2", &[]);
        event.llm_response.content = Some(Content { role: role.into(), parts: parts() });
        event
    };
    let mut empty = event("", &[]);
    empty.llm_response.content = Some(Content::new(""));
    let mut same_id = event("inv-3", &[]);
    same_id.id = full.id.clone();
    let all = [full, said("user"), said("function"), said("tool"), said("system"), empty, same_id];
    all.into_iter().chain([event("inv-4", &[])]).collect()
}

fn as_json(events: &[Event]) -> Vec<Value> {
    events.iter().map(|event| serde_json::to_value(event).unwrap()).collect()
}

#[tokio::test]
async fn every_event_comes_back_equal() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("sqlite:{}", folder.path().join("adk.db").display());
    let (service, _, store) = service_on(&address).await;
    create(&service, "app/ann/1", &[]).await.unwrap();
    let events = events();
    for event in &events {
        append(&service, "app/ann/1", event.clone()).await.unwrap();
    }
    store.close().await.unwrap();
    let (service, ..) = service_on(&address).await;
    let found = get(&service, "app/ann/1").await.unwrap().events().all();
    assert_eq!(as_json(&found), as_json(&events));
    assert_eq!(found[0].llm_response.content.as_ref().unwrap().parts, parts());
}

async fn entries(runner: &Handle) -> Vec<Entry> {
    let project = runner.project_by_external_id("app").await.unwrap().unwrap();
    let thread = runner.thread_by_external_id(project.id, "ann").await.unwrap().unwrap();
    let session = runner.session_by_external_id(thread.id, "1").await.unwrap().unwrap();
    runner.entries(session.id).all().await.unwrap()
}

#[tokio::test]
async fn people_can_read_what_is_stored() {
    let (service, runner, _) = service_on("memory:").await;
    create(&service, "app/ann/1", &[]).await.unwrap();
    for event in events() {
        append(&service, "app/ann/1", event).await.unwrap();
    }
    let entries = entries(&runner).await;
    let shown = entries[0].to_string();
    for part in ["assistant: An answer.", "hm", "search({\"", "<image/png, 4 bytes>"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    assert!(entries[1].to_string().starts_with("user: An answer."));
    assert!(entries[2].to_string().starts_with("tool: "));
}

#[tokio::test]
async fn entries_of_other_programs_are_events_and_erased_ones_are_not() {
    let (service, runner, _) = service_on("memory:").await;
    create(&service, "app/ann/1", &[]).await.unwrap();
    append(&service, "app/ann/1", event("a", &[])).await.unwrap();
    append(&service, "app/ann/1", event("b", &[])).await.unwrap();
    let first = entries(&runner).await.remove(0);
    let artifact =
        model::Message::new(Role::User, vec![Stored::artifact("s3://x"), Stored::text("y")]);
    let foreign = [assistant("A typo."), tool("call_1", "found"), NewEntry::new(artifact)];
    runner.append(first.session, foreign).await.unwrap();
    runner.erase_entries(first.session.thread(), [first.id]).await.unwrap();
    let found = get(&service, "app/ann/1").await.unwrap().events().all();
    assert_eq!(found.len(), 4, "the erased one is gone");
    assert_eq!(found[0].invocation_id, "b");
    assert_eq!(found[1].author, "model");
    let content = |event: &Event| event.llm_response.content.clone().unwrap();
    assert_eq!(content(&found[1]).parts, [Part::Text { text: "A typo.".into() }]);
    assert_eq!(found[2].tool_results()[0].response, &json!("found"));
    assert_eq!(content(&found[3]).parts[0], Part::Text { text: "<s3://x>".into() });
    assert!(found[3].timestamp > found[0].timestamp - chrono::Duration::seconds(60));
}
