CREATE TABLE meta(key text PRIMARY KEY, value text NOT NULL);
CREATE TABLE space(
  id bigint GENERATED ALWAYS AS IDENTITY, tenant text COLLATE "C" NOT NULL, kind text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL, project text COLLATE "C", live smallint NOT NULL, head bigint NOT NULL,
  hash bytea, updated bigint NOT NULL, card bytea, UNIQUE (tenant, kind, name)
);
CREATE INDEX space_updated ON space(tenant, kind, updated, name) WHERE live = 1;
CREATE INDEX space_project ON space(project, name) WHERE live = 1 AND project IS NOT NULL;
CREATE INDEX space_project_updated ON space(project, updated, name) WHERE live = 1 AND project IS NOT NULL;
CREATE TABLE record(
  space bigint NOT NULL, version bigint NOT NULL, stream bigint NOT NULL, prev bigint NOT NULL, sum bigint NOT NULL,
  kind text NOT NULL, header bytea NOT NULL, body bytea, blob text, link bytea NOT NULL, salt bytea NOT NULL,
  PRIMARY KEY (space, version)
);
CREATE INDEX record_stream ON record(space, stream, version);
CREATE TABLE snapshot(space bigint PRIMARY KEY, version bigint NOT NULL, hash bytea NOT NULL, bytes bytea NOT NULL);
CREATE TABLE blob(
  space bigint NOT NULL, name text COLLATE "C" NOT NULL, put timestamptz NOT NULL DEFAULT now(), content bytea NOT NULL,
  PRIMARY KEY (space, name)
);
ALTER TABLE blob ALTER content SET STORAGE EXTERNAL;
-- What ANALYZE keeps of a column is a copy that no erasing reaches.
ALTER TABLE space ALTER card SET STATISTICS 0;
ALTER TABLE record ALTER header SET STATISTICS 0, ALTER body SET STATISTICS 0, ALTER salt SET STATISTICS 0;
ALTER TABLE snapshot ALTER bytes SET STATISTICS 0;
ALTER TABLE blob ALTER content SET STATISTICS 0;

-- Appends batches to spaces, in one transaction; answers with the rows of those whose head is not as expected. Whoever calls
-- sorts spaces by name, so that rows are locked in one order.
CREATE FUNCTION commit_batches(
  tenants text[], kinds text[], names text[], projects text[], expected bigint[], hashes bytea[],
  heads bigint[], links bytea[], updates bigint[], cards bytea[], jobs int[], versions bigint[], streams bigint[],
  prevs bigint[], sums bigint[], rkinds text[], headers bytea[], bodies bytea[], blobs text[], rlinks bytea[], salts bytea[]
) RETURNS TABLE(o_job int, o_live smallint, o_head bigint, o_hash bytea, o_updated bigint, o_card bytea)
LANGUAGE plpgsql AS $$
DECLARE ids bigint[] := array_fill(NULL::bigint, ARRAY[cardinality(tenants)]); at bigint; job int;
BEGIN
  FOR job, at IN
    UPDATE space s SET head = j.head, hash = j.link, updated = coalesce(j.updated, s.updated), card = coalesce(j.card, s.card)
    FROM unnest(tenants, kinds, names, expected, hashes, heads, links, updates, cards)
      WITH ORDINALITY j(tenant, kind, name, expected, hash, head, link, updated, card, at)
    WHERE s.tenant = j.tenant AND s.kind = j.kind AND s.name = j.name AND s.head = j.expected AND s.hash = j.hash
    RETURNING j.at, s.id
  LOOP
    ids[job] := at;
  END LOOP;
  FOR i IN 1..cardinality(tenants) LOOP
    CONTINUE WHEN ids[i] IS NOT NULL;
    IF expected[i] = 0 THEN
      INSERT INTO space AS s (tenant, kind, name, project, live, head, hash, updated, card)
      VALUES (tenants[i], kinds[i], names[i], projects[i], 1, heads[i], links[i], coalesce(updates[i], -9223372036854775808), cards[i])
      ON CONFLICT (tenant, kind, name) DO UPDATE SET project = excluded.project, live = 1, head = excluded.head,
        hash = excluded.hash, updated = excluded.updated, card = excluded.card WHERE s.live = 0
      RETURNING s.id INTO at;
      ids[i] := at;
      CONTINUE WHEN FOUND;
    END IF;
    RETURN QUERY SELECT i, s.live, s.head, s.hash, s.updated, s.card FROM (SELECT 1) one
      LEFT JOIN space s ON s.tenant = tenants[i] AND s.kind = kinds[i] AND s.name = names[i];
  END LOOP;
  INSERT INTO record(space, version, stream, prev, sum, kind, header, body, blob, link, salt)
  SELECT ids[r.job], r.version, r.stream,
    coalesce(r.prev, (SELECT max(o.version) FROM record o WHERE o.space = ids[r.job] AND o.stream = r.stream), 0),
    r.sum, r.kind, r.header, r.body, r.blob, r.link, r.salt
  FROM unnest(jobs, versions, streams, prevs, sums, rkinds, headers, bodies, blobs, rlinks, salts)
    r(job, version, stream, prev, sum, kind, header, body, blob, link, salt)
  WHERE ids[r.job] IS NOT NULL;
END $$;

-- Leaves a tombstone if the head is as expected; otherwise answers with the row.
CREATE FUNCTION drop_space(t text, k text, n text, expected bigint, h bytea)
RETURNS TABLE(o_job int, o_live smallint, o_head bigint, o_hash bytea, o_updated bigint, o_card bytea) LANGUAGE plpgsql AS $$
DECLARE s space;
BEGIN
  IF expected = 0 THEN
    INSERT INTO space(tenant, kind, name, live, head, updated) VALUES (t, k, n, 2, 0, 0) ON CONFLICT DO NOTHING;
    IF FOUND THEN RETURN; END IF;
  END IF;
  SELECT * INTO s FROM space o WHERE o.tenant = t AND o.kind = k AND o.name = n FOR UPDATE;
  IF s.live = 2 THEN RETURN; END IF;
  IF s.live = 0 AND expected = 0 OR s.live = 1 AND s.head = expected AND s.hash = h THEN
    DELETE FROM record WHERE space = s.id;
    DELETE FROM snapshot WHERE space = s.id;
    DELETE FROM blob WHERE space = s.id;
    UPDATE space SET live = 2, head = 0, hash = NULL, card = NULL, project = NULL WHERE id = s.id;
  ELSE
    RETURN QUERY SELECT 1, s.live, s.head, s.hash, s.updated, s.card;
  END IF;
END $$;

-- Text as jsonb: what jsonb cannot hold is replaced, and what is no JSON is NULL.
CREATE FUNCTION as_json(content bytea) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  RETURN convert_from(content, 'UTF8')::jsonb;
EXCEPTION WHEN others THEN
  BEGIN
    RETURN regexp_replace(convert_from(content, 'UTF8'), '(?<!\\)((?:\\\\)*)\\u(?:0000|d[89a-f]..)', '\1\\ufffd', 'gi')::jsonb;
  EXCEPTION WHEN others THEN
    RETURN NULL;
  END;
END $$;
CREATE FUNCTION derived_id(prefix text, name text, version bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  WITH RECURSIVE digits(rest, text) AS (
    SELECT version, ''
    UNION ALL SELECT rest >> 5, substr('0123456789abcdefghjkmnpqrstvwxyz', (rest & 31)::int + 1, 1) || text FROM digits WHERE rest > 0
  ) SELECT prefix || '_' || name || '_' || to_hex(length(text)) || text FROM digits WHERE rest = 0
$$;
CREATE VIEW thread AS SELECT
  'thd_' || s.name AS id, s.tenant, 'prj_' || s.project AS project,
  (SELECT as_json(r.body) ->> 'external_id' FROM record r WHERE r.space = s.id AND r.version = 1) AS external_id,
  (SELECT as_json(r.body) ->> 'title' FROM record r WHERE r.space = s.id AND r.stream BETWEEN 0 AND 3
    AND r.kind IN ('thread_created', 'thread_updated') ORDER BY r.version DESC LIMIT 1) AS title,
  as_json(s.card) ->> 'status' AS status, s.head,
  to_timestamp((s.updated::numeric + 9223372036854775808) / 1000) AS updated_at, as_json(s.card) AS card
FROM space s WHERE s.kind = 'thread' AND s.live = 1;
CREATE VIEW session AS SELECT
  derived_id('ses', s.name, c.version) AS id, 'thd_' || s.name AS thread, s.tenant,
  as_json(c.body) ->> 'external_id' AS external_id,
  (SELECT as_json(r.body) ->> 'name' FROM record r WHERE r.space = s.id AND r.stream = 4 * c.version + 3
    AND r.kind IN ('session_created', 'session_updated') ORDER BY r.version DESC LIMIT 1) AS name,
  coalesce((SELECT CASE WHEN n.kind = 'session_reopened' THEN 'active' WHEN n.kind = 'handoff_locked' THEN 'locked'
      WHEN n.kind = 'broadcast_sent' THEN 'awaiting_merge' WHEN n.kind IN ('handoff_released', 'handed_off', 'broadcast_ended') THEN 'idle'
      ELSE as_json(n.header) #>> ARRAY['is', n.kind, 'then', 'session'] END
    FROM record n WHERE n.space = s.id AND n.stream BETWEEN 4 * c.version + 2 AND 4 * c.version + 3
      AND n.kind IN ('session_status_set', 'session_reopened', 'run_started', 'run_status_set', 'run_ended', 'summary_sealed',
        'handoff_locked', 'handoff_released', 'handed_off', 'broadcast_sent', 'broadcast_ended', 'session_archived', 'session_restored')
    ORDER BY n.version DESC LIMIT 1), 'idle') AS status,
  (SELECT count(*) FROM record e WHERE e.space = s.id AND e.stream = 4 * c.version) AS entries,
  to_timestamp((as_json(c.header) ->> 'at')::numeric / 1000) AS created_at, c.version
FROM space s JOIN record c ON c.space = s.id AND c.kind = 'session_created' WHERE s.kind = 'thread' AND s.live = 1
  AND (SELECT d.kind FROM record d WHERE d.space = s.id AND d.stream = 4 * c.version + 3 ORDER BY d.version DESC LIMIT 1) <> 'session_deleted';
CREATE VIEW message AS SELECT
  derived_id('msg', s.name, r.version) AS id, derived_id('ses', s.name, r.session) AS session, 'thd_' || s.name AS thread,
  s.tenant, r.version, to_timestamp(r.at / 1000) AS at, r.json #>> '{message,role}' AS role,
  (SELECT string_agg(coalesce(p #>> '{text,text}', '<' || coalesce(p #>> '{binary,media_type}', p #>> '{artifact,reference}') || '>',
      p #>> '{json,value}', p #>> '{tool_result,text}', (p #> '{tool_result,content}')::text), E'\n' ORDER BY n)
    FROM jsonb_array_elements(r.json #> '{message,parts}') WITH ORDINALITY e(p, n)) AS text, r.json AS body
FROM space s JOIN LATERAL (
  SELECT o.version, as_json(coalesce(o.body, b.content)) AS json,
    coalesce(h #>> '{is,entry,session}', h #>> '{is,collapsed,session}')::bigint AS session, coalesce(h ->> 't', h ->> 'at')::numeric AS at
  FROM record o LEFT JOIN blob b ON b.space = o.space AND b.name = o.blob, LATERAL as_json(o.header) h
  WHERE o.space = s.id AND o.kind IN ('entry', 'collapsed')
) r ON true WHERE s.kind = 'thread' AND s.live = 1
  AND (SELECT d.kind FROM record d WHERE d.space = s.id AND d.stream = 4 * r.session + 3 ORDER BY d.version DESC LIMIT 1) <> 'session_deleted';
