//! What queries use, and what people read.

use super::*;

#[test]
fn lists_and_heads_use_their_indexes() {
    let folder = folder();
    block_on(open_in(&folder));
    let conn = plain(&folder);
    for (sql, index) in [
        ("kind = 'x' AND live = 1 AND name > 'x' ORDER BY name", "space_name"),
        (
            "kind = 'x' AND live = 1 AND (updated, name) < (1, 'x') ORDER BY updated DESC, name DESC",
            "space_updated",
        ),
        (
            "kind = 'x' AND live = 1 AND project = 'x' AND (updated, name) < (1, 'x') \
             ORDER BY updated DESC, name DESC",
            "space_project_updated",
        ),
        (
            "kind = 'x' AND live = 1 AND project = 'x' AND name > 'x' ORDER BY name",
            "space_project ",
        ),
    ] {
        let sql =
            format!("EXPLAIN QUERY PLAN SELECT * FROM space WHERE tenant = 'x' AND {sql} LIMIT 9");
        let plan: Vec<String> = conn
            .prepare(&sql)
            .unwrap()
            .query_map([], |row| row.get(3))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert!(plan.len() == 1 && plan[0].contains(&format!("INDEX {index}")), "{plan:?}");
    }
}

/// The heads and bodies of a thread as the core writes them: two sessions with state, one of them deleted.
#[test]
fn people_read_the_views() {
    use sessile_core::{
        clock::Timestamp,
        id::{EntryId, ProjectId, SessionId, ThreadId},
        record::{Event, RecordHeader},
    };
    let folder = folder();
    let text = |text: &str| {
        format!(
            "{{\"message\":{{\"role\":\"user\",\"parts\":[{{\"text\":{{\"text\":\"{text}\"}}}}]}}}}"
        )
    };
    let answer = r#"{"message":{"role":"tool","parts":[{"tool_result":{"outcome":"ok","text":"plain"}},{"tool_result":{"name":"t","outcome":"ok","content":[{"text":{"text":"two"}},{"binary":{"media_type":"image/png","bytes":"AAAA"}},{"json":{"kind":"","value":{"a":1}}}]}},{"reasoning":{"text":"hidden"}},{"artifact":{"reference":"s3://x"}}]}}"#;
    let entry = |session| Event::Entry {
        session,
        run: None,
        in_reply_to: None,
        copied_from: None,
        tokens: None,
        reported: None,
    };
    let collapsed = Event::Collapsed {
        session: 2,
        collapse: 5,
        child: 3,
        upto: 5,
        copied_from: None,
        in_reply_to: None,
        tokens: None,
        reported: None,
    };
    let set = |session| Event::StateSet { session };
    let changes = |changes: &str| format!("{{\"changes\":[{changes}]}}");
    let events = [
        (
            3,
            Event::ThreadCreated { project: ProjectId::from_bits(7), reserved: 1, budget: None },
            "{\"external_id\":\"chat-17\",\"title\":\"A title\"}".to_owned(),
        ),
        (
            11,
            Event::SessionCreated { base: None, budget: None },
            "{\"external_id\":\"main\",\"name\":\"First\"}".to_owned(),
        ),
        (15, Event::SessionCreated { base: None, budget: None }, "{}".to_owned()),
        (8, entry(2), text("hello")),
        (12, entry(3), text("gone")),
        (8, entry(2), answer.to_owned()),
        (15, set(Some(3)), changes(r#"{"key":"k","value":"gone"}"#)),
        (15, Event::SessionDeleted { session: 3 }, "{}".to_owned()),
        (11, set(Some(2)), changes(r#"{"key":"k","value":1},{"key":"x","value":[1]}"#)),
        (3, set(None), changes(r#"{"key":"k","value":null},{"key":"y","value":1.0e0}"#)),
        (
            11,
            set(Some(2)),
            changes(r#"{"key":"k","value":{"a":"b"}},{"key":"x"},{"key":"\"é\u0001"}"#),
        ),
        (11, set(Some(2)), changes(r#"{"key":"\"é\u0001","value":"\n"}"#)),
        (3, Event::ThreadArchived {}, "{}".to_owned()),
        (11, Event::HandoffLocked { session: 2, ttl_millis: 1 }, "{}".to_owned()),
        (8, collapsed, text("it works")),
    ];
    block_on(async {
        let journal = open_in(&folder).await;
        let blob = journal.put_blob(&space(5), text("large").as_bytes()).await.unwrap();
        let mut records = Vec::new();
        for (version, (stream, event, body)) in (1..).zip(events) {
            let header = RecordHeader {
                version,
                stream: Stream(stream),
                reader: 1,
                at: Timestamp::from_millis(1_700_000_000_123),
                not_before: None,
                nonce: 1,
                index: 0,
                of: 1,
                digest: Hash::ZERO,
                key: None,
                count: None,
                lease: None,
                event,
            };
            let kind = header.event.name().into();
            let header = serde_json::to_string(&header).unwrap().into();
            records.push(Record { kind, header, ..record(version, stream, &body) });
        }
        let header = records[3].header.clone();
        records.push(Record {
            kind: "entry".into(),
            header,
            body: RecordBody::Blob(blob),
            ..record(16, 8, "")
        });
        let entry = text("hello");
        let body =
            format!(r#"{{"entries":[{{"version":4,"salt":"00","body":{entry}}}],"by":{{}}}}"#);
        let pack = Event::EntriesReturned { session: 2, after: 3, upto: 4, replaces: None };
        let (kind, header) = ("entries_returned".into(), serde_json::to_string(&pack).unwrap());
        records.push(Record { kind, header: header.into(), ..record(17, 3, &body) });
        let mut commit = carded(records, 1_700_000_000_123, Some(7));
        commit.card.as_mut().unwrap().json = r#"{"status":"archived"}"#.into();
        assert!(is_done(&journal.commit(&space(5), None, &commit).await.unwrap()));
    });
    let conn = plain(&folder);
    let rows = |sql: &str| -> Vec<String> {
        let mut statement = conn.prepare(sql).unwrap();
        let columns = statement.column_count();
        let row = |row: &rusqlite::Row<'_>| {
            let value = |at| row.get::<_, Option<String>>(at).map(Option::unwrap_or_default);
            (0..columns).map(value).collect::<Result<Vec<_>, _>>()
        };
        statement.query_map([], row).unwrap().map(|row| row.unwrap().join("|")).collect()
    };
    let thread = ThreadId::from_bits(5);
    let session = SessionId::new(thread, 2);
    let at = "2023-11-14T22:13:20.123Z";
    assert_eq!(
        rows("SELECT id, external_id, title, status, updated_at FROM thread"),
        [format!("{thread}|chat-17|A title|archived|{at}")]
    );
    assert_eq!(
        rows(
            "SELECT id, external_id, name, status, created_at, CAST(entries AS TEXT) FROM session"
        ),
        [format!("{session}|main|First|locked|{at}|4")]
    );
    let message = |version| EntryId::new(thread, version);
    // An entry that was evicted and is back stands elsewhere.
    block_on(async { open_in(&folder).await.erase(&space(5), &[4]).await.unwrap() });
    assert_eq!(rows("SELECT body FROM record WHERE version = 4"), [""]);
    assert_eq!(
        rows("SELECT id, session, at, role, text FROM message ORDER BY version"),
        [
            format!("{}|{session}|{at}|user|hello", message(4)),
            format!(
                "{}|{session}|{at}|tool|plain\ntwo\n<image/png>\n{{\"a\":1}}\n<s3://x>",
                message(6)
            ),
            format!("{}|{session}|{at}|user|it works", message(15)),
            format!("{}|{session}|{at}|user|large", message(16)),
        ]
    );
    assert_eq!(
        rows(
            "SELECT thread, session, tenant, key, value, CAST(version AS TEXT) FROM state ORDER BY session, key"
        ),
        [
            format!("{thread}||t|k|null|10"),
            format!("{thread}||t|y|1.0e0|10"),
            format!("{thread}|{session}|t|\"é\u{1}|\"\\n\"|12"),
            format!("{thread}|{session}|t|k|{{\"a\":\"b\"}}|11"),
        ]
    );
}

#[test]
fn ids_in_views_are_the_real_ones() {
    use sessile_core::id::{SessionId, ThreadId};
    let conn = rusqlite::Connection::open_in_memory().unwrap();
    let thread = ThreadId::from_bits(5);
    for version in
        [1_i64, 31, 32, 1023, 1024, 1 << 30, (1 << 45) - 1, 1 << 45, 1 << 50, (1 << 60) - 1]
    {
        let end = crate::sqlite::schema::end_of_id("?2");
        let sql = format!("SELECT 'ses_' || ?1 || '_' || {end}");
        let id: String =
            conn.query_row(&sql, (space(5).characters(), version), |row| row.get(0)).unwrap();
        assert_eq!(id, SessionId::new(thread, version.cast_unsigned()).to_string());
    }
}
