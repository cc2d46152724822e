//! Tables, and views for people.

/// "Sesl": says that a database is ours.
pub(super) const APPLICATION_ID: i32 = 0x5365_736c;

/// The format number, kept as `user_version`.
pub(super) const FORMAT: u32 = 1;

/// `space.live`: blobs wait for a first commit.
pub(super) const PROSPECT: i64 = 0;
/// `space.live`: there is a commit.
pub(super) const LIVE: i64 = 1;
/// `space.live`: a tombstone.
pub(super) const DROPPED: i64 = 2;

/// Everything but the views.
///
/// `space.name` is the 26 characters of the id, which sort as its bits do. `space.updated` is the card's time, moved down
/// by 2^63 so that every time fits and sorts. `stream` and `sum` are unsigned, kept bit for bit.
///
/// Records are appended to one table in the order of commits, because a table in the order of spaces would touch a page of
/// its own for each of many writers. For the same reason no index of streams has a row for each record: a record names the
/// one before it in its stream (`prev`), `stream` knows the newest, and every 16th (`nth`) is in an index. So a stream is read from near
/// any version, and a record that is gone leaves a name that leads nowhere.
pub(super) const TABLES: &str = "
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE space(
  id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, project TEXT,
  live INTEGER NOT NULL, head INTEGER NOT NULL, hash BLOB, updated INTEGER NOT NULL, card TEXT
) STRICT;
CREATE UNIQUE INDEX space_name ON space(tenant, kind, name);
CREATE INDEX space_updated ON space(tenant, kind, updated, name) WHERE live = 1;
CREATE INDEX space_project ON space(project, name) WHERE live = 1 AND project IS NOT NULL;
CREATE INDEX space_project_updated ON space(project, updated, name) WHERE live = 1 AND project IS NOT NULL;
CREATE TABLE record(
  id INTEGER PRIMARY KEY, space INTEGER NOT NULL, version INTEGER NOT NULL, stream INTEGER NOT NULL,
  nth INTEGER NOT NULL, prev INTEGER NOT NULL, kind TEXT NOT NULL, head TEXT NOT NULL, body TEXT, blob TEXT,
  sum INTEGER NOT NULL, link BLOB NOT NULL, salt BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX record_version ON record(space, version);
CREATE INDEX record_mark ON record(space, stream, version) WHERE nth % 16 = 0;
CREATE TABLE stream(
  space INTEGER NOT NULL, stream INTEGER NOT NULL, nth INTEGER NOT NULL, version INTEGER NOT NULL,
  PRIMARY KEY (space, stream)
) STRICT, WITHOUT ROWID;
CREATE TABLE snapshot(
  space INTEGER PRIMARY KEY, version INTEGER NOT NULL, hash BLOB NOT NULL, bytes BLOB NOT NULL
) STRICT;
CREATE TABLE blob(
  id INTEGER PRIMARY KEY, space INTEGER NOT NULL, name TEXT NOT NULL, put INTEGER NOT NULL,
  content BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX blob_name ON blob(space, name);
";

/// The end of an id inside a thread, in SQL: the version in base32 behind its length.
pub(super) fn end_of_id(version: &str) -> String {
    format!(
        "(WITH RECURSIVE digits(rest, text) AS (
    SELECT {version}, ''
    UNION ALL SELECT rest >> 5, substr('0123456789abcdefghjkmnpqrstvwxyz', (rest & 31) + 1, 1) || text FROM digits WHERE rest > 0
  ) SELECT printf('%x', length(text)) || text FROM digits WHERE rest = 0)"
    )
}

/// An id of something inside the space `s`, in SQL: prefix, the thread's characters, its end.
fn derived_id(prefix: &str, version: &str) -> String {
    format!(
        "'{prefix}_' || s.name || '_' || (SELECT e.text FROM id_end e WHERE e.space = s.id AND e.version = {version})"
    )
}

/// Whether a session of the space `s` was deleted, in SQL: then no record follows that in the last of its four streams.
fn deleted(version: &str) -> String {
    format!(
        "EXISTS (SELECT 1 FROM stream t JOIN record d ON d.space = t.space AND d.version = t.version
  WHERE t.space = s.id AND t.stream = 4 * {version} + 3 AND d.kind = 'session_deleted')"
    )
}

/// Milliseconds since 1970 as ISO 8601, in SQL.
fn iso(millis: &str) -> String {
    format!("strftime('%Y-%m-%dT%H:%M:%fZ', ({millis}) / 1000.0, 'unixepoch')")
}

/// A part of a message as a person sees it, in SQL; NULL where it is meant for models and programs.
fn shown(part: &str) -> String {
    format!(
        "coalesce(json_extract({part}.value, '$.text.text'),
        '<' || coalesce(json_extract({part}.value, '$.binary.media_type'), json_extract({part}.value, '$.artifact.reference')) || '>',
        json_extract({part}.value, '$.json.value'))"
    )
}

/// The records of some streams of the space `s`, newest first, in SQL: `what` of the first of these kinds.
fn newest(what: &str, first: &str, last: &str, kinds: &str) -> String {
    format!(
        "(WITH RECURSIVE chain(at) AS (
    SELECT t.version FROM stream t WHERE t.space = s.id AND t.stream BETWEEN {first} AND {last}
    UNION ALL SELECT p.prev FROM chain JOIN record p ON p.space = s.id AND p.version = chain.at
  ) SELECT {what} FROM chain JOIN record r ON r.space = s.id AND r.version = chain.at WHERE r.kind IN ({kinds}) ORDER BY r.version DESC LIMIT 1)"
    )
}

/// `thread`, `session`, `message` and `state`: what a person looks for with `sqlite3`. Read-only, slow on large stores, and no part
/// of the format: a later release may show more.
///
/// Every open parses all of them, so that a short text is worth more than a fast one; `id_end` holds what would stand in
/// each id, and `returned` the bodies of entries that were evicted and are back. One that is evicted has no text.
pub(super) fn views() -> String {
    let ses = |version| derived_id("ses", version);
    let said = "coalesce(r.body, CAST(b.content AS TEXT), (SELECT t.body FROM returned t WHERE t.space = r.space AND t.version = r.version))";
    let message_session = "coalesce(json_extract(r.head, '$.is.entry.session'), json_extract(r.head, '$.is.collapsed.session'))";
    format!(
        "
CREATE VIEW id_end AS SELECT r.space AS space, r.version AS version, {end} AS text FROM record r;

CREATE VIEW returned AS SELECT r.space AS space, e.value ->> '$.version' AS version, e.value -> '$.body' AS body
FROM record r LEFT JOIN blob b ON b.space = r.space AND b.name = r.blob,
  json_each(coalesce(r.body, CAST(b.content AS TEXT)), '$.entries') e WHERE r.kind = 'entries_returned';

CREATE VIEW thread AS SELECT
  'thd_' || s.name AS id, s.tenant AS tenant, 'prj_' || s.project AS project,
  (SELECT json_extract(r.body, '$.external_id') FROM record r WHERE r.space = s.id AND r.version = 1) AS external_id,
  {title} AS title,
  s.card ->> '$.status' AS status,
  s.head AS head, {updated} AS updated_at, s.card AS card
FROM space s WHERE s.kind = 'thread' AND s.live = 1;

CREATE VIEW session AS SELECT
  {session_id} AS id, 'thd_' || s.name AS thread, s.tenant AS tenant,
  json_extract(c.body, '$.external_id') AS external_id, {name} AS name,
  coalesce({session_status}, 'idle') AS status,
  coalesce((SELECT t.nth FROM stream t WHERE t.space = s.id AND t.stream = 4 * c.version), 0) AS entries,
  {created} AS created_at, c.version AS version
FROM space s JOIN record c ON c.space = s.id AND c.kind = 'session_created'
WHERE s.kind = 'thread' AND s.live = 1 AND NOT {created_deleted};

CREATE VIEW message AS SELECT
  {message_id} AS id, {message_session_id} AS session, 'thd_' || s.name AS thread, s.tenant AS tenant,
  r.version AS version, {at} AS at,
  json_extract({said}, '$.message.role') AS role,
  (SELECT group_concat(coalesce({part}, json_extract(p.value, '$.tool_result.text'),
      (SELECT group_concat({answer}, char(10)) FROM json_each(p.value, '$.tool_result.content') a)), char(10))
    FROM json_each({said}, '$.message.parts') p) AS text,
  {said} AS body
FROM space s JOIN record r ON r.space = s.id AND r.kind IN ('entry', 'collapsed')
LEFT JOIN blob b ON b.space = r.space AND b.name = r.blob
WHERE s.kind = 'thread' AND s.live = 1 AND NOT {message_deleted};

CREATE VIEW state AS SELECT
  'thd_' || s.name AS thread, {state_session_id} AS session, s.tenant AS tenant,
  k.key ->> '$' AS key, k.value AS value, k.version AS version
FROM space s JOIN (
  SELECT r.space AS space, json_extract(r.head, '$.is.state_set.session') AS session,
    c.value -> '$.key' AS key, c.value -> '$.value' AS value, max(r.version) AS version
  FROM record r, json_each(r.body, '$.changes') c WHERE r.kind = 'state_set'
  GROUP BY r.space, r.stream, c.value -> '$.key'
) k ON k.space = s.id
WHERE s.kind = 'thread' AND s.live = 1 AND k.value IS NOT NULL AND NOT {state_deleted};
",
        end = end_of_id("r.version"),
        title = newest("json_extract(r.body, '$.title')", "0", "3", "'thread_created', 'thread_updated'"),
        // Everything about a session but its log, its ledger and its runs is in the last of its four streams.
        name = newest(
            "json_extract(r.body, '$.name')",
            "4 * c.version + 3",
            "4 * c.version + 3",
            "'session_created', 'session_updated'",
        ),
        session_status = newest(
            "CASE r.kind WHEN 'session_reopened' THEN 'active' WHEN 'handoff_locked' THEN 'locked' WHEN 'broadcast_sent' THEN 'awaiting_merge'
  WHEN 'handoff_released' THEN 'idle' WHEN 'handed_off' THEN 'idle' WHEN 'broadcast_ended' THEN 'idle'
  ELSE json_extract(r.head, '$.is.' || r.kind || '.then.session') END",
            "4 * c.version + 2",
            "4 * c.version + 3",
            "'session_status_set', 'session_reopened', 'run_started', 'run_status_set', 'run_ended', 'summary_sealed', 'handoff_locked',
  'handoff_released', 'handed_off', 'broadcast_sent', 'broadcast_ended', 'session_archived', 'session_restored'",
        ),
        part = shown("p"),
        answer = shown("a"),
        updated = iso("s.updated + 9223372036854775807 + 1"),
        session_id = ses("c.version"),
        created = iso("json_extract(c.head, '$.at')"),
        created_deleted = deleted("c.version"),
        message_id = derived_id("msg", "r.version"),
        message_session_id = ses(message_session),
        at = iso("coalesce(json_extract(r.head, '$.t'), json_extract(r.head, '$.at'))"),
        message_deleted = deleted(message_session),
        state_session_id = ses("k.session"),
        state_deleted = deleted("k.session"),
    )
}
