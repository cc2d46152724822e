//! Every kind comes back equal; every damage shows.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{
    ActorBody, Body, ChangedValue, Consequence, Draft, EdgeStep, Effect, EntryReader, EntryText,
    Event, KIND_NAMES, KeyMark, Lane, RecordHeader, RunEndBody, SealedBody, StateBody, SummaryOf,
    ThreadBody, UsageBody, check_body, decode, encode, level_of, open, seal, seal_body,
};
use crate::{
    clock::Timestamp,
    error::ErrorKind,
    hash::{Hash, ShortHash},
    id::{AgentId, ProjectId, SubSessionId, TenantId, ThreadId, UserId},
    journal::{BlobName, Position, Record, RecordBody, Stream},
    json::Json,
    model::{
        Actor, Artifact, Autonomy, Binary, Budget, BudgetKind, CompletionMode, ContextLimit,
        Currency, FailureMode, Labels, MarkerKind, Message, NoteKind, Part, Priority, Reasoning,
        Role, RunOutcome, RunStatus, SessionStatus, SubSessionKind, SubSessionStatus,
        SummaryOutcome, Text, Tokens, ToolCall, ToolOutcome, ToolResult, Totals, Usage,
    },
};

fn actor() -> Actor {
    let tenant = TenantId::new("acme").unwrap();
    Actor::User { tenant, id: UserId::new("ada").unwrap() }
}

/// One of each kind, every optional field filled.
fn samples() -> Vec<Event> {
    let usage = Usage::new(Tokens { input: 1, output: 2, cache_read: 3, cache_write: u64::MAX }, 4)
        .with_cost(Currency::new("USD").unwrap(), 5);
    let mut totals = Totals::default();
    totals.book(&usage);
    let edge = Some(EdgeStep { edge: 3, to: SubSessionStatus::Failed });
    let then = Consequence { session: SessionStatus::AwaitingHitl, edge };
    let modes = (FailureMode::FailFast, CompletionMode::MergeBack);
    vec![
        Event::ProjectCreated {},
        Event::ProjectUpdated {},
        Event::ProjectArchived {},
        Event::ProjectReopened {},
        Event::ProjectDeleting {},
        Event::ProjectDeleteUndone {},
        Event::ThreadReserved { thread: ThreadId::from_bits(7), settled: vec![1, u64::MAX] },
        Event::SliceDrawn {
            thread: ThreadId::from_bits(7),
            opened: Some(3),
            amount: Budget::of_tokens(9),
            used_up: vec![(BudgetKind::Tokens, u64::MAX, 7)],
        },
        Event::SliceSettled {
            thread: ThreadId::from_bits(7),
            draw: u64::MAX,
            spent: totals.clone(),
        },
        Event::ExternalIdBound { external_id: ShortHash::of("chat"), to: u128::MAX - 1 },
        Event::ThreadCreated {
            project: ProjectId::from_bits(u128::MAX),
            reserved: 9,
            budget: Some(Budget::of_tokens(u64::MAX)),
        },
        Event::ThreadUpdated { budget: Some(Budget::of_tokens(1).warning()) },
        Event::ThreadArchived {},
        Event::ThreadReopened {},
        Event::EntriesErased { versions: vec![(2, 2), (4, u64::MAX)] },
        Event::SessionCreated {
            base: Some((2, u64::MAX)),
            budget: Some(Budget::of_cost(Currency::new("USD").unwrap(), 9)),
        },
        Event::SessionUpdated { session: 2, budget: Some(Budget::of_tokens(7)) },
        Event::SessionStatusSet { session: 2, then },
        Event::SessionReopened { session: 2 },
        Event::SessionDeleted { session: 2 },
        Event::EdgeCreated {
            parent: 2,
            child: 4,
            kind: SubSessionKind::Intervention,
            status: SubSessionStatus::Active,
            failure_mode: modes.0,
            completion_mode: modes.1,
            spawned_by_run: Some(8),
            caps: 1,
            broadcast: Some(9),
            answers: Some(SummaryOf { summary: 10, session: 2 }),
            share_of: Some(0),
        },
        Event::EdgeUpdated {
            edge: 5,
            failure_mode: modes.0,
            completion_mode: modes.1,
            answers: Some(SummaryOf { summary: 10, session: u64::MAX }),
        },
        Event::EdgeDeleted { edge: 5 },
        Event::Entry {
            session: 2,
            run: Some(6),
            in_reply_to: Some(7),
            copied_from: Some(8),
            tokens: Some(9),
            reported: None,
        },
        Event::Edit {
            session: 2,
            target: 3,
            run: Some(6),
            in_reply_to: Some(7),
            copied_from: Some(8),
            tokens: None,
            reported: Some(u64::MAX),
        },
        Event::Annotation {
            session: 2,
            target: 3,
            priority: Some(Priority::Pinned),
            run: Some(6),
            in_reply_to: Some(7),
            copied_from: Some(8),
        },
        Event::Compression {
            session: 2,
            first: 3,
            last: u64::MAX,
            run: Some(6),
            in_reply_to: Some(7),
            copied_from: Some(8),
            tokens: Some(0),
            reported: None,
        },
        Event::Note {
            session: 2,
            kind: NoteKind::Handoff,
            run: Some(6),
            in_reply_to: Some(7),
            copied_from: Some(8),
            tokens: Some(0),
            reported: None,
        },
        Event::Marker {
            session: 2,
            kind: MarkerKind::Spawned,
            to: 4,
            edge: Some(5),
            version: Some(u64::MAX),
        },
        Event::SummarySealed {
            session: 2,
            activity: u32::MAX,
            outcome: SummaryOutcome::Partial,
            previous: Some(3),
            above: Some(5),
            then: Consequence {
                session: SessionStatus::Idle,
                edge: Some(EdgeStep { edge: 5, to: SubSessionStatus::MergeConflict }),
            },
        },
        Event::CollapseProposed {
            session: 4,
            edge: 5,
            parent: 2,
            upto: u64::MAX,
            autonomy: Autonomy::Collaborative,
            parent_tail: Some(0),
            previous: Some(6),
            tokens: 7,
            source_tokens: Some(u64::MAX),
        },
        Event::CollapseRejected { session: 4, collapse: 7 },
        Event::Collapsed {
            session: 2,
            collapse: 7,
            child: 4,
            upto: u64::MAX,
            copied_from: Some(8),
            in_reply_to: Some(3),
            tokens: Some(0),
            reported: Some(1),
        },
        Event::HandoffLocked { session: 2, ttl_millis: u64::MAX },
        Event::HandoffReleased { session: 2 },
        Event::HandedOff { session: 2, owner_version: u64::MAX },
        Event::BroadcastSent { session: 2, owner_version: 1 },
        Event::BroadcastEnded { session: 2 },
        Event::SessionContinued { session: 2, successor: u64::MAX },
        Event::MergeStepped {
            session: 4,
            step: EdgeStep { edge: 5, to: SubSessionStatus::MergeRejected },
        },
        Event::FeedTrimmed { upto: 9 },
        Event::ForkMerged { session: 2, fork: 5, upto: u64::MAX },
        Event::ContextLimitSet { session: 2, limit: Some(ContextLimit::new(7)), tokens: u64::MAX },
        Event::ContextLimitSet { session: 2, limit: None, tokens: 0 },
        Event::BudgetUsedUp {
            session: Some(2),
            project: true,
            kind: BudgetKind::Cost(Currency::new("USD").unwrap()),
            used: u64::MAX,
            limit: 1,
        },
        Event::SlicesBegun {},
        Event::SlicesEnded {},
        Event::SliceCredited { draw: u64::MAX, opened: 3, amount: Budget::of_tokens(9) },
        Event::SliceReturned { draw: 4, spent: totals.clone() },
        Event::ContextMeasured { session: 2, tokens: 6, reached: Some(75), left: None },
        Event::RunStarted {
            session: 2,
            iteration: 1,
            retry_of: Some(3),
            external_id: Some(ShortHash::of("7c9e6679")),
            status: RunStatus::Queued,
            then,
        },
        Event::RunStatusSet {
            run: 6,
            session: 2,
            status: RunStatus::AwaitingHitlResolution,
            edges: Vec::new(),
            then,
        },
        Event::RunStatusSet {
            run: 6,
            session: 2,
            status: RunStatus::AwaitingSubsession,
            edges: vec![3, u64::MAX],
            then,
        },
        Event::RunEnded {
            run: 6,
            session: 2,
            iteration: 1,
            retry_of: Some(3),
            started_at: Timestamp::from_millis(1),
            status: RunStatus::Cancelled,
            totals: totals.clone(),
            then,
        },
        Event::UsageBooked { run: 6, session: 2, call: u128::MAX - 1, usage, running: totals },
        Event::LeaseGranted { session: 2, ttl_millis: 1000 },
        Event::LeaseRenewed { session: 2, ttl_millis: 1000 },
        Event::LeaseReleased { session: 2 },
        Event::LeasesExpired { sessions: vec![2, 9] },
        Event::StateSet { session: Some(2) },
        Event::WorkspaceReserved { session: Some(2), ttl_millis: 600_000 },
        Event::WorkspaceReady { workspace: 7, session: 2 },
        Event::WorkspaceChanged { workspace: 7, session: 2 },
        Event::WorkspaceSaved { workspace: 7, session: 2 },
        Event::WorkspaceLeaked { workspace: 7, force: true, session: None },
        Event::WorkspaceDisposed { workspace: 7, session: Some(2) },
        Event::ArchiveReserved { session: 2, ttl_millis: 600_000 },
        Event::ArchiveAbandoned { session: 2, archive: 9 },
        Event::SessionArchived {
            session: 2,
            archive: 9,
            records: 12,
            entries: u64::MAX,
            digest: Hash::of(&[b"bundle"]),
            then,
        },
        Event::EntriesEvicted { session: 2, archive: 9, after: 3, upto: 8, erased: vec![(5, 6)] },
        Event::EntriesReturned { session: 2, after: 3, upto: 8, replaces: Some(12) },
        Event::SessionRestored { session: 2, archive: 9, then },
    ]
}

/// The sample of this kind.
fn sample(name: &str) -> Event {
    samples().into_iter().find(|kind| kind.name() == name).unwrap()
}

fn draft(kind: Event, title: &str, key: Option<KeyMark>, lease: Option<u64>) -> Draft {
    let body = ThreadBody {
        external_id: None,
        title: title.to_owned(),
        labels: Labels::new().with("a", "b"),
        by: actor(),
    };
    let count = key.map(|_| 2);
    let at = Timestamp::from_millis(1_700_000_000_000);
    Draft {
        stream: Lane::Rest.of(2),
        event: kind,
        body: Body::Thread(body),
        sealed: None,
        salt: 99,
        key,
        count,
        lease,
        at,
        not_before: lease.map(|lease| Timestamp::from_millis(at.millis() + lease)),
    }
}

fn sealed(kind: Event) -> Record {
    let space = Position { version: 41, hash: Hash::of(&[b"before"]) };
    seal(Some(space), 77, vec![draft(kind, "title", None, None)]).unwrap().remove(0)
}

fn space() -> crate::id::Space {
    ThreadId::from_bits(1).space(&TenantId::new("acme").unwrap())
}

#[test]
fn the_samples_are_complete() {
    let named: BTreeSet<_> = samples().iter().map(Event::name).collect();
    assert_eq!(named, KIND_NAMES.iter().copied().collect());
}

#[test]
fn every_kind_comes_back_equal() {
    let key = Some(KeyMark { name: 1, n: Some(2), command: u128::MAX });
    for kind in samples() {
        for (key, lease) in [(None, None), (key, Some(40))] {
            let records =
                seal(None, 5, vec![draft(kind.clone(), "a\"\\\u{1F600}", key, lease)]).unwrap();
            let [record] = &records[..] else { panic!("one draft, one record") };
            assert!(record.follows(None));
            let opened = open(&space(), record).unwrap();
            assert_eq!(opened.header.event, kind);
            assert_eq!(
                decode::header(&record.header).as_ref(),
                Some(&opened.header),
                "the short cut"
            );
            assert_eq!(
                serde_json::from_str::<RecordHeader>(&record.header).unwrap(),
                opened.header
            );
            assert_eq!(*record.header, *serde_json::to_string(&opened.header).unwrap());
            assert_eq!(
                (opened.header.key, opened.header.lease, opened.header.version),
                (key, lease, 1)
            );
            let RecordBody::Inline(text) = &opened.body else { panic!("it is inline") };
            check_body(&space(), &opened, text.as_bytes()).unwrap();
        }
    }
}

#[test]
fn a_newer_record_is_named_and_an_unknown_one_is_damage() {
    let record = sealed(Event::ThreadArchived {});
    let rewrite = |from: &str, to: &str| {
        let head = record.header.replace(from, to);
        assert_ne!(*head, *record.header);
        let record = Record { header: head.into(), ..record.clone() };
        Record { sum: record.fitting_sum(), ..record }
    };
    let newer = rewrite("\"r\":1", "\"r\":7");
    assert_eq!(open(&space(), &newer).unwrap_err().kind(), ErrorKind::NewerFormat);
    let newer = Record { kind: "dreamt".into(), ..rewrite("\"r\":1", "\"r\":9") };
    assert_eq!(open(&space(), &newer).unwrap_err().kind(), ErrorKind::NewerFormat);
    let unknown = Record { kind: "dreamt".into(), ..rewrite("thread_archived", "dreamt") };
    assert_eq!(open(&space(), &unknown).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn a_moved_record_gives_itself_away() {
    let record = sealed(Event::ThreadArchived {});
    let stream = Lane::Log.of(2);
    for moved in [
        Record { version: 43, ..record.clone() },
        Record { stream, ..record.clone() },
        Record { kind: "entry".into(), ..record.clone() },
    ] {
        assert_eq!(open(&space(), &moved).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}

#[test]
fn a_page_reads_each_entry_as_if_it_were_alone() {
    let other =
        Actor::User { tenant: TenantId::new("acme").unwrap(), id: UserId::new("b\\ob").unwrap() };
    let agent = Actor::Agent {
        tenant: TenantId::new("acme").unwrap(),
        id: AgentId::new("a").unwrap(),
        parent: None,
    };
    let mut texts = Vec::new();
    for (by, author) in
        [(actor(), None), (other.clone(), None), (actor(), Some(&other)), (agent, Some(&other))]
    {
        let message = Message::text(Role::User, "a \"text\"}").with_name("n").into();
        texts.push(Body::encode_entry(&by, author, &message).unwrap());
        texts.push(texts.last().unwrap().replace(":{", ": {"));
    }
    texts.push(texts[0].replace("\"parts\"", "\"role\""));
    texts.push(format!("{}, \"more\": 1}}", texts[0].strip_suffix('}').unwrap()));
    let mut reader = EntryReader::default();
    for text in texts.iter().chain(&texts) {
        let read = reader.read(Effect::Message, text).map_err(|e| e.to_string());
        let alone = EntryReader::default().read(Effect::Message, text).map_err(|e| e.to_string());
        assert_eq!(read, alone, "{text}");
    }
}

/// What a record keeps beside its header, one bit at a time.
#[test]
fn any_flipped_bit_beside_the_head_shows() {
    let record = sealed(Event::ThreadArchived {});
    let RecordBody::Inline(text) = record.body.clone() else { panic!("it is inline") };
    let blob = BlobName("a-name".into());
    let sealed = SealedBody { body: RecordBody::Blob(blob.clone()), ..seal_body(5, &text) };
    let draft = Draft { sealed: Some(sealed), ..draft(Event::ThreadArchived {}, "", None, None) };
    let in_blob = seal(None, 7, vec![draft]).unwrap().remove(0);
    let mut damaged: Vec<Record> = Vec::new();
    for record in [&record, &in_blob] {
        open(&space(), record).unwrap();
        open(&space(), &Record { body: RecordBody::None, salt: [0; 16], ..record.clone() })
            .unwrap();
        for bit in 0..256 {
            let (at, bit) = (bit / 8, 1_u8 << (bit % 8));
            let mut link = *record.link.bytes();
            link[at] ^= bit;
            damaged.push(Record { link: Hash::from_bytes(link), ..record.clone() });
            let mut salt = record.salt;
            salt[at % 16] ^= bit;
            damaged.push(Record { salt, ..record.clone() });
            damaged.push(Record { sum: record.sum ^ 1 << (at * 2), ..record.clone() });
            damaged.push(Record { sum: record.sum ^ 2 << (at * 2), ..record.clone() });
        }
    }
    for at in 0..text.len() {
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] ^= 1;
        let body = RecordBody::Inline(String::from_utf8(bytes).unwrap().into());
        damaged.push(Record { body, ..record.clone() });
    }
    damaged.push(Record { body: RecordBody::Blob(BlobName("b-name".into())), ..in_blob.clone() });
    damaged.push(Record { body: RecordBody::Blob(blob), ..record });
    for record in damaged {
        let error = open(&space(), &record).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{record:?}");
    }
}

/// What [`Body::encode_entry`] must be equal to.
#[derive(serde::Serialize)]
struct Spelled<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<&'a Actor>,
    by: &'a Actor,
    message: &'a Message,
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z \"\\\\\n\r\t\u{0}-\u{1f}\u{7f}é\u{2028}\u{1F600}]{0,100}",
        "[a-z ]{20,100}[\n\"é]?[a-z]{0,40}",
        ".{0,40}",
    ]
}

fn maybe_text() -> impl Strategy<Value = Option<String>> {
    proptest::option::of(texts())
}

fn json() -> impl Strategy<Value = Json> {
    prop_oneof![
        3 => texts().prop_map(|text| Json::from_value(&[text]).unwrap()),
        1 => Just(Json::parse("null").unwrap()),
    ]
}

/// What comes with a part beside what it is: mostly nothing.
fn extra() -> impl Strategy<Value = (Option<String>, Option<Json>)> {
    prop_oneof![
        2 => Just((None, None)),
        1 => (maybe_text(), proptest::option::of(json())),
    ]
}

/// What a tool's answer may hold, too.
fn content() -> impl Strategy<Value = Part> {
    prop_oneof![
        (texts(), extra()).prop_map(|(text, (signature, extra))| Part::Text(Text {
            text,
            signature,
            extra
        })),
        (texts(), json()).prop_map(|(kind, value)| Part::Json { kind, value }),
        (texts(), maybe_text(), extra()).prop_map(|(reference, media_type, (_, extra))| {
            Part::Artifact(Artifact { media_type, extra, ..Artifact::new(reference) })
        }),
        (texts(), proptest::collection::vec(any::<u8>(), 0..70), extra()).prop_map(
            |(media_type, bytes, (name, extra))| {
                Part::Binary(Binary { media_type, bytes, name, extra })
            }
        ),
    ]
}

fn parts() -> impl Strategy<Value = Part> {
    let plain = proptest::bool::ANY;
    prop_oneof![
        content(),
        content(),
        (
            texts(),
            maybe_text(),
            proptest::collection::vec(texts(), 0..3),
            maybe_text(),
            extra(),
            plain
        )
            .prop_map(|(text, id, summaries, encrypted, (signature, extra), plain)| {
                if plain {
                    return Part::reasoning(text);
                }
                Part::Reasoning(Reasoning { text, id, summaries, signature, encrypted, extra })
            }),
        (maybe_text(), texts(), json(), extra()).prop_map(
            |(id, name, arguments, (signature, extra))| {
                Part::ToolCall(ToolCall { id, name, arguments, signature, extra })
            }
        ),
        (
            maybe_text(),
            any::<bool>(),
            texts(),
            proptest::collection::vec(content(), 0..3),
            extra(),
            plain
        )
            .prop_map(|(id, ok, text, content, (name, extra), plain)| {
                let outcome = if ok { ToolOutcome::Ok } else { ToolOutcome::Error };
                let content = if plain { vec![Part::text(text)] } else { content };
                ToolResult { id, name, outcome, content, extra }.into()
            }),
    ]
}

/// What has been written before there were signatures, names and binaries is read as ever, and written as then.
#[test]
fn parts_of_the_first_release_stay_as_they_were() {
    let parts = r#"[{"text":{"text":"a"}},{"reasoning":{"text":"b"}},{"tool_call":{"id":"c","name":"d","arguments":{"e":1}}},{"tool_result":{"id":"c","outcome":"ok","text":"f"}},{"tool_result":{"outcome":"error","text":""}},{"json":{"kind":"g","value":null}},{"artifact":{"reference":"h","media_type":"i"}}]"#;
    let read: Vec<Part> = serde_json::from_str(parts).unwrap();
    let result = ToolResult::text(ToolOutcome::Ok, "f").with_id("c");
    assert_eq!(read[3], Part::from(result));
    assert_eq!(serde_json::to_string(&read).unwrap(), parts);
    assert_eq!(level_of(&Message::new(Role::Tool, read).into()), 1);
}

/// A release that would drop or misread a part is told so by the level; others go on reading.
#[test]
fn what_older_releases_do_not_know_needs_level_3() {
    let json = Json::parse("1").unwrap();
    let text = || Text::new("a");
    let thought = || Reasoning::new("a");
    let result = || ToolResult::text(ToolOutcome::Ok, "a");
    let news: Vec<Part> = vec![
        text().with_signature("s").into(),
        text().with_extra(json.clone()).into(),
        thought().with_id("").into(),
        thought().with_summary("").into(),
        thought().with_signature("s").into(),
        thought().with_encrypted("s").into(),
        thought().with_extra(json.clone()).into(),
        ToolCall::new("t", json.clone()).with_signature("s").into(),
        ToolCall::new("t", json.clone()).with_extra(json.clone()).into(),
        result().with_name("t").into(),
        result().with_extra(json.clone()).into(),
        ToolResult::new(ToolOutcome::Ok, vec![]).into(),
        ToolResult::new(ToolOutcome::Ok, vec![Part::text("a"), Part::text("b")]).into(),
        ToolResult::new(ToolOutcome::Ok, vec![text().with_signature("s").into()]).into(),
        ToolResult::json(ToolOutcome::Ok, json.clone()).into(),
        Artifact::new("a").with_extra(json).into(),
        Part::binary("", []),
    ];
    for part in news {
        let message = Message::new(Role::Tool, vec![Part::text("old"), part]).into();
        assert_eq!(level_of(&message), 3, "{message:?}");
        let sealed = SealedBody { reader: level_of(&message), ..seal_body(5, "{}") };
        let draft = Draft { sealed: Some(sealed), ..draft(sample("entry"), "", None, None) };
        let record = seal(None, 7, vec![draft]).unwrap().remove(0);
        assert_eq!(open(&space(), &record).unwrap().header.reader, 3);
    }
}

#[test]
fn names_of_models_need_level_3() {
    for (model, provider, level) in [(None, None, 1), (Some("m"), None, 3), (None, Some("p"), 3)] {
        let [model, provider] = [model, provider].map(|name| name.map(str::to_owned));
        let body = UsageBody { call: "c".into(), model, provider, by: actor() };
        let draft = Draft {
            body: Body::Usage(body.clone()),
            ..draft(sample("usage_booked"), "", None, None)
        };
        let record = seal(None, 7, vec![draft]).unwrap().remove(0);
        let opened = open(&space(), &record).unwrap();
        assert_eq!(opened.header.reader, level);
        assert_eq!(opened.read_body(&space()).unwrap(), Body::Usage(body));
    }
}

/// Who waits for sub-sessions, or ended because of one or of a sweep, is nothing that an older release knows.
#[test]
fn runs_to_the_end_need_level_6() {
    let level = |draft: Draft| {
        let record = seal(None, 7, vec![draft]).unwrap().remove(0);
        let opened = open(&space(), &record).unwrap();
        opened.read_body(&space()).unwrap();
        opened.header.reader
    };
    let then = Consequence::default();
    for (status, edges, needs) in [
        (RunStatus::AwaitingHitl, vec![], 1),
        (RunStatus::AwaitingSubsession, vec![3], 6),
        (RunStatus::Running, vec![], 1),
    ] {
        let event = Event::RunStatusSet { run: 6, session: 2, status, edges, then };
        let body = Body::Actor(ActorBody { by: actor() });
        assert_eq!(level(Draft { body, ..draft(event, "", None, None) }), needs, "{status}");
    }
    let edge = SubSessionId::new(ThreadId::from_bits(1), 3);
    for (outcome, needs) in [
        (RunOutcome::Succeeded, 1),
        (RunOutcome::Failed { reason: "abandoned".into() }, 1),
        (RunOutcome::Cancelled, 1),
        (RunOutcome::Abandoned, 6),
        (RunOutcome::SubSessionFailed { edge }, 6),
    ] {
        let body = Body::RunEnd(RunEndBody {
            outcome: outcome.clone(),
            external_id: None,
            task: None,
            labels: Labels::new(),
            model: None,
            provider: None,
            by: actor(),
        });
        let draft = Draft { body: body.clone(), ..draft(sample("run_ended"), "", None, None) };
        assert_eq!(level(draft), needs, "{outcome}");
        let text = body.encode().unwrap();
        assert_eq!(Body::decode(&sample("run_ended"), &text).unwrap(), body);
    }
}

/// No text makes the decoder of bytes panic, and what is not base64 is an error.
#[test]
fn bytes_that_are_no_base64_are_refused() {
    for text in
        ["=", "A", "AA", "AAA", "AA==A", "A===", "====", "AA=A", "AB==", "A-_=", "\u{e9}\u{e9}"]
    {
        let part = format!(r#"{{"binary":{{"media_type":"a","bytes":"{text}"}}}}"#);
        assert!(serde_json::from_str::<Part>(&part).is_err(), "{text}");
    }
}

fn changes() -> impl Strategy<Value = StateBody> {
    let value =
        prop_oneof![Just(None), Just(Some(Json::parse("null").unwrap())), json().prop_map(Some),];
    let change = (texts(), value).prop_map(|(key, value)| ChangedValue { key, value });
    let others = proptest::collection::vec((texts(), json(), any::<u64>()), 0..4);
    (proptest::collection::vec(change, 0..4), proptest::option::of(others))
        .prop_map(|(changes, others)| StateBody { changes, others, by: actor() })
}

proptest! {
    #[test]
    fn changes_of_state_come_back_equal(body in changes(), session: Option<u64>) {
        let event = Event::StateSet { session };
        let draft = Draft { body: Body::State(body.clone()), ..draft(event.clone(), "", None, None) };
        let record = seal(None, 5, vec![draft.clone()]).unwrap().remove(0);
        let opened = open(&space(), &record).unwrap();
        prop_assert_eq!((&opened.header.event, opened.header.reader), (&event, 3));
        prop_assert_eq!(opened.fold_body(&space()).unwrap(), Body::State(body));
        let RecordBody::Inline(text) = &record.body else { panic!("it is inline") };
        prop_assert!(text.len() <= draft.weight() + 256, "{} of {text}", draft.weight());
    }

    #[test]
    fn entries_are_encoded_as_serde_json_does(
        parts in proptest::collection::vec(parts(), 0..4),
        name in proptest::option::of(texts()),
        metadata in proptest::option::of(texts()),
        other: bool,
    ) {
        let by = actor();
        let tenant = TenantId::new("acme").unwrap();
        let author = Actor::User { tenant, id: UserId::new("b\\\"ob").unwrap() };
        let mut message = Message::new(Role::Tool, parts);
        message.name = name;
        message.metadata = metadata.map(|text| Json::from_value(&[text]).unwrap());
        let author = if other { &author } else { &by };
        let text = Body::encode_entry(&by, Some(author), &message.clone().into()).unwrap();
        let right = Spelled { actor: other.then_some(author), by: &by, message: &message };
        prop_assert_eq!(&text, &serde_json::to_string(&right).unwrap());
        let read = EntryReader::default().read(Effect::Message, &text).unwrap();
        let want =
            EntryText { actor: author.clone(), message: Some(message), reason: None, note: None };
        prop_assert_eq!(read, want);
    }

    #[test]
    fn the_short_cut_reads_messages_as_the_decoder_does(
        parts in proptest::collection::vec(parts(), 0..3),
        role in prop_oneof![Just(Role::User), Just(Role::Assistant), Just(Role::Tool), Just(Role::System)],
        at: proptest::sample::Index,
        with in "[\"{}\\[\\],:a\\\\nu0\n]{0,2}",
        cut in 0_usize..3,
    ) {
        let text = serde_json::to_string(&Message::new(role, parts)).unwrap();
        let whole = |at: usize| (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap();
        let at = whole(at.index(text.len() + 1));
        let upto = whole((at + cut).min(text.len()));
        for text in [format!("{}{with}{}", &text[..at], &text[upto..]), text.clone()] {
            if let Some(short) = decode::message(&text) {
                prop_assert_eq!(serde_json::from_str::<Message>(&text).unwrap(), short);
            }
        }
    }

    #[test]
    fn headers_are_encoded_as_serde_json_does(
        numbers: [u64; 6], small: [u16; 4], wide: [u128; 3], shift in 0_u32..64, keyed: bool, run: bool,
        moved: bool, counted: bool,
    ) {
        let [version, stream, at, n, lease, session] = numbers.map(|n| n >> shift);
        let key = keyed.then_some(KeyMark { name: wide[0], n: run.then_some(n), command: wide[1] >> shift });
        let head = RecordHeader {
            version,
            stream: Stream(stream),
            reader: small[0],
            at: Timestamp::from_millis(at),
            not_before: run.then_some(Timestamp::from_millis(version)),
            nonce: wide[2],
            index: small[1] >> shift.min(15),
            of: small[2],
            digest: Hash::of(&[&n.to_be_bytes()]),
            key,
            count: keyed.then_some(small[3]),
            lease: run.then_some(lease),
            event: Event::Entry {
                session,
                run: run.then_some(n),
                in_reply_to: keyed.then_some(at),
                copied_from: moved.then_some(at),
                tokens: counted.then_some(n),
                reported: (!counted).then_some(at),
            },
        };
        let text = encode::header(&head).unwrap();
        prop_assert_eq!(&text, &serde_json::to_string(&head).unwrap());
        prop_assert_eq!(decode::header(&text).unwrap_or_else(|| serde_json::from_str(&text).unwrap()), head);
    }

    #[test]
    fn a_message_of_text_takes_the_short_cut(text in "[a-z \"\\\\\n\r\té\u{7f}]{0,100}", ok: bool) {
        let outcome = if ok { ToolOutcome::Ok } else { ToolOutcome::Error };
        let result = ToolResult { id: ok.then(|| text.clone()), ..ToolResult::text(outcome, &text) };
        let parts = vec![Part::text(&text), Part::reasoning(&text), result.into()];
        let message = Message::new(Role::Tool, parts);
        let encoded = serde_json::to_string(&message).unwrap();
        prop_assert_eq!(decode::message(&encoded), Some(message));
    }

    #[test]
    fn any_flipped_byte_of_a_head_shows(at in 0_usize..400, bit in 0_u8..7) {
        let record = sealed(samples().remove(16));
        let mut head = record.header.as_bytes().to_vec();
        let at = at % head.len();
        head[at] ^= 1 << bit;
        if let Ok(head) = String::from_utf8(head) {
            let damaged = Record { header: head.into(), ..record };
            prop_assert_eq!(open(&space(), &damaged).unwrap_err().kind(), ErrorKind::Corrupt);
        }
    }

    #[test]
    fn the_short_cut_reads_what_the_decoder_reads(
        kind in proptest::sample::select(samples()), entry: bool, keyed: bool, at in 0_usize..500, with in "[0-9a-f\"{},: kl\\\\é-]{0,2}", cut in 0_usize..3,
    ) {
        let key = keyed.then_some(KeyMark { name: 1, n: Some(2), command: u128::MAX });
        let kind = if entry { sample("entry") } else { kind };
        let head = seal(None, 5, vec![draft(kind, "", key, keyed.then_some(7))]).unwrap().remove(0).header;
        let at = at % head.len();
        let head = format!("{}{with}{}", &head[..at], &head[(at + cut).min(head.len())..]);
        if let Some(short) = decode::header(&head) {
            prop_assert_eq!(serde_json::from_str::<RecordHeader>(&head).unwrap(), short);
        }
    }

    #[test]
    fn no_head_makes_the_decoder_panic(head in ".{0,200}", kind in "[a-z_]{1,20}") {
        let record = sealed(Event::ThreadArchived {});
        let record = Record { header: head.into(), kind: kind.into(), ..record };
        let record = Record { sum: record.fitting_sum(), ..record };
        prop_assert!(open(&space(), &record).is_err());
    }

    #[test]
    fn no_body_makes_the_decoder_panic(text in ".{0,200}", kind in proptest::sample::select(samples())) {
        let _decoded_or_refused = Body::decode(&kind, &text);
    }
}
