//! A journal in a schema of a PostgreSQL database.

mod commit;
mod error;
mod open;
mod options;
mod read;
mod scrub;
mod server;
mod tls;

use std::{collections::HashSet, ops::Range, sync::Arc, time::Duration};

use async_trait::async_trait;
use sessile_core::{
    error::{Error, Result, Subject},
    id::{Space, Version},
    journal::{
        Batch, BlobName, Blobs, Commit, Direction, Durability, Head, Journal, JournalInfo,
        ListQuery, ListRow, Position, ReadRange, Record, Scrub, Sharing, Snapshot,
    },
};
use sessile_driver::{
    check::{self, HeadMatch},
    clock, coop,
    notifier::{self, Notifier},
};

pub use self::options::{Options, Tls};
use self::{
    commit::{Committer, Outcome},
    error::Failure,
    read::Found,
    server::Server,
};

/// A journal in a schema of a PostgreSQL database, which any processes of any hosts may share.
///
/// Durability is [`Durability::PowerLoss`], sharing [`Sharing::ManyHosts`]. A person reads it with `psql`: the views `thread`,
/// `session` and `message` stand in the schema. A commit is one statement and one round trip; commits of one handle that come
/// while others are under way share a transaction.
///
/// # What it needs of the server
///
/// PostgreSQL 13 or newer, a database in UTF8, the right to make the schema or an empty one of one's own, and `fsync = on`: all
/// checked at [`open`](Self::open). `synchronous_commit` may be any but `off`, which is set to `on` in the sessions of this
/// journal; what stronger values promise of standbys holds. Isolation is `read committed` whatever the default is. The defaults
/// of a user or database cannot weaken a session later: it has fixed them. Sessions are direct: a pooler in between must give a
/// client its server for as long as it is connected (session mode).
///
/// # Connections
///
/// One thread of its own drives all connections of a handle, so a call works in any runtime and ends if its caller goes away.
/// Each call is one statement and one transaction. Statements of several callers follow each other on a connection; more of them are
/// made, up to [`Options::with_connections`], when all are in use.
///
/// # After a failure
///
/// What the server refuses is `Unavailable`, and nothing was written; so is a server that cannot be reached. A connection that is
/// lost after a commit was sent leaves it [`Commit::Indeterminate`]. The next call connects again.
///
/// # Not promised
///
/// - That what was erased or dropped leaves the tables before [`scrub`](Journal::scrub) is done. It copies every table
///   (`VACUUM FULL`): no call can use a table meanwhile, and the disk must have room for the copy. It is `Pending` while a transaction
///   that is older is open anywhere in the database, and `Unsupported` for a user that does not own the tables. The write-ahead log, replicas and backups are out of reach, and so are copies
///   that a file system or a device keeps.
/// - A quick `wait` for the commits of other processes: it asks, after 100 ms at the latest. (`NOTIFY` would make commits of all
///   spaces wait for each other.)
#[derive(Debug)]
pub struct Postgres {
    server: Arc<Server>,
    committer: Arc<Committer>,
    info: JournalInfo,
    notifier: Notifier,
}

impl Postgres {
    /// Opens a schema, or creates it and what is in it. Any number of processes may do so at once.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the server cannot be reached, is a standby, or does not give the right to create the schema; `Unsupported` if
    /// it is older than 13 or set to lose what it acknowledged; `CorruptFile` if the schema is another application's;
    /// `NewerFormat` if a newer release wrote it. None repeats a password.
    pub async fn open(options: Options) -> Result<Self> {
        let server = Server::start(options)?;
        let opening = Arc::clone(&server);
        let opened = server.call(async move { open::open(&opening).await }).await;
        let store = opened.unwrap_or_else(|| Err(check::closed()))?;
        let info = JournalInfo::new(
            "postgres",
            store,
            Durability::PowerLoss,
            Sharing::ManyHosts,
            open::FORMAT,
        );
        let committer = Committer::new(server.options.connections);
        Ok(Self { server, committer, info, notifier: Notifier::new() })
    }

    /// Carries out a call on the thread of the connections.
    async fn call<T, F>(&self, work: impl FnOnce(Arc<Server>) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        coop::yield_budget().await;
        self.server.check_open()?;
        let called = self.server.call(work(Arc::clone(&self.server))).await;
        called.unwrap_or_else(|| Err(check::closed()))
    }

    async fn found(&self, space: &Space) -> Result<Found> {
        let space = space.clone();
        self.call(|server| async move { read::space(&server, &space).await }).await
    }

    fn require_blob(&self, space: &Space, measure: &'static str, bytes: usize) -> Result<()> {
        self.server.check_open()?;
        check::require_within(space, measure, self.info.limits.blob_bytes, bytes)
    }

    /// The answer to a write of which this became.
    async fn answer(
        &self,
        space: &Space,
        expected: Option<Position>,
        outcome: Outcome,
    ) -> Result<Commit> {
        let head = match outcome {
            Outcome::Done => {
                self.notifier.notify(space);
                return Ok(Commit::Done);
            }
            Outcome::Doubt(source) => return Ok(Commit::Indeterminate { source: Some(source) }),
            Outcome::Refused(Found::Dropped) => {
                return Ok(Commit::HeadMoved { head: None, since: Vec::new(), reservation: None });
            }
            Outcome::Refused(Found::Nothing) => None,
            Outcome::Refused(Found::Live(head)) => Some(head),
        };
        let actual = head.as_ref().map(|head| head.position);
        match check::compare_heads(actual, expected) {
            HeadMatch::Moved => {
                let after = expected.map_or(0, |position| position.version);
                let upto = actual.map_or(0, |position| position.version);
                let direction = Direction::Forward;
                let limit = check::SINCE_RECORDS;
                let mut since = Vec::new();
                if upto.saturating_sub(after) <= limit as u64 {
                    // Damage of a missed record is reported to those who read it.
                    let range = ReadRange { stream: None, after, upto, direction, limit };
                    since = self.read(space, &range).await.unwrap_or_default();
                }
                let since = check::missed_records(since, upto.saturating_sub(after));
                Ok(Commit::HeadMoved { head, since, reservation: None })
            }
            // It became the expected one while the refusal was made: the next try finds it so.
            HeadMatch::Same => Err(Error::contended(space)),
            HeadMatch::Diverged => Ok(Commit::Diverged { head }),
        }
    }
}

#[async_trait]
impl Journal for Postgres {
    fn info(&self) -> &JournalInfo {
        &self.info
    }

    async fn head(&self, space: &Space) -> Result<Option<Head>> {
        match self.found(space).await? {
            Found::Live(head) => Ok(Some(head)),
            Found::Nothing | Found::Dropped => Ok(None),
        }
    }

    async fn commit(
        &self,
        space: &Space,
        expected: Option<Position>,
        batch: &Batch,
    ) -> Result<Commit> {
        coop::yield_budget().await;
        self.server.check_open()?;
        check::batch(&self.info.limits, space, expected, batch)?;
        let outcome = self.committer.submit(&self.server, space, expected, batch).await?;
        self.answer(space, expected, outcome).await
    }

    async fn read(&self, space: &Space, range: &ReadRange) -> Result<Vec<Record>> {
        let (space, range, bytes) = (space.clone(), *range, self.info.limits.batch_bytes);
        self.call(|server| async move { read::records(&server, &space, &range, bytes).await }).await
    }

    async fn save_snapshot(&self, space: &Space, snapshot: &Snapshot) -> Result<()> {
        self.require_blob(space, "bytes of a snapshot", snapshot.bytes.len())?;
        let (space, snapshot) = (space.clone(), snapshot.clone());
        let sql = "WITH s AS MATERIALIZED (SELECT id, head FROM space \
             WHERE tenant = $1 AND kind = $2 AND name = $3 AND head > 0 FOR SHARE) \
             INSERT INTO snapshot AS k SELECT id, $4, $5, $6 FROM s ON CONFLICT (space) DO UPDATE \
             SET version = excluded.version, hash = excluded.hash, bytes = excluded.bytes \
             WHERE k.version <= excluded.version OR k.version > (SELECT head FROM s)";
        self.call(|server| async move {
            let (tenant, kind, name) = read::key(&space);
            let version = read::version(snapshot.position.version);
            let hash = snapshot.position.hash.bytes().as_slice();
            let params: server::Params<'_> =
                &[&tenant, &kind, &name, &version, &hash, &snapshot.bytes];
            server.query(sql, params).await?;
            Ok(())
        })
        .await
    }

    async fn load_snapshot(&self, space: &Space) -> Result<Option<Snapshot>> {
        let space = space.clone();
        self.call(|server| async move { read::snapshot(&server, &space).await }).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<ListRow>> {
        let query = query.clone();
        self.call(|server| async move { read::list(&server, &query).await }).await
    }

    async fn wait(&self, space: &Space, after: Version, time: Duration) -> Result<bool> {
        let until = clock::deadline(time);
        let mut pause = Duration::from_millis(2);
        loop {
            let listener = self.notifier.listen(space);
            match self.found(space).await? {
                Found::Dropped => return Ok(true),
                Found::Live(head) if head.position.version > after => return Ok(true),
                Found::Live(_) | Found::Nothing => {}
            }
            let left = until.saturating_duration_since(clock::instant());
            if left.is_zero() {
                return Ok(false);
            }
            notifier::notified(listener, left.min(pause)).await;
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }

    async fn drop_space(&self, space: &Space, expected: Option<Position>) -> Result<Commit> {
        let of = space.clone();
        let outcome = self.call(|server| async move {
            let (tenant, kind, name) = read::key(&of);
            let version = read::expected(expected);
            let hash = expected.map(|position| position.hash.bytes().to_vec());
            let sql = "SELECT * FROM drop_space($1, $2, $3, $4, $5)";
            let params: server::Params<'_> = &[&tenant, &kind, &name, &version, &hash];
            match server.patient(sql, params).await {
                Ok(rows) => match rows.first() {
                    None => Ok(Outcome::Done),
                    Some(row) => read::found(&of, row, 1).map(Outcome::Refused),
                },
                Err(Failure::Doubt(source)) => Ok(Outcome::Doubt(source)),
                Err(Failure::Unsent(error) | Failure::Refused(error)) => Err(error),
                Err(Failure::Busy(_)) => Err(Error::contended(&of)),
            }
        });
        let outcome = outcome.await?;
        self.answer(space, expected, outcome).await
    }

    async fn erase(&self, space: &Space, versions: &[Version]) -> Result<()> {
        let space = space.clone();
        let versions: Vec<i64> = versions.iter().map(|version| read::version(*version)).collect();
        let sql = "WITH s AS (SELECT id FROM space WHERE tenant = $1 AND kind = $2 AND name = $3), \
             k AS (DELETE FROM snapshot USING s WHERE snapshot.space = s.id), \
             b AS (DELETE FROM blob USING s, record r WHERE r.space = s.id AND r.version = ANY($4) \
               AND blob.space = s.id AND blob.name = r.blob) \
             UPDATE record SET body = NULL, blob = NULL, salt = decode(repeat('00', 16), 'hex') FROM s \
             WHERE space = s.id AND version = ANY($4) AND (body IS NOT NULL OR blob IS NOT NULL)";
        self.call(|server| async move {
            let (tenant, kind, name) = read::key(&space);
            server.query(sql, &[&tenant, &kind, &name, &versions]).await?;
            Ok(())
        })
        .await
    }

    async fn scrub(&self) -> Result<Scrub> {
        self.call(|server| async move { scrub::scrub(&server).await }).await
    }

    async fn close(&self) -> Result<()> {
        self.server.close(|| self.notifier.notify_all()).await;
        self.committer.refuse_all();
        Ok(())
    }
}

#[async_trait]
impl Blobs for Postgres {
    async fn put_blob(&self, space: &Space, bytes: &[u8]) -> Result<BlobName> {
        self.require_blob(space, "bytes of one blob", bytes.len())?;
        let name = check::new_blob_name();
        let (space, blob, bytes) = (space.clone(), name.clone(), bytes.to_vec());
        let sql = "WITH s AS (INSERT INTO space AS o (tenant, kind, name, live, head, updated) \
               VALUES ($1, $2, $3, 0, 0, 0) ON CONFLICT (tenant, kind, name) DO UPDATE SET live = o.live RETURNING id, live) \
             INSERT INTO blob(space, name, content) SELECT id, $4, $5 FROM s WHERE live <> 2";
        self.call(|server| async move {
            let (tenant, kind, name) = read::key(&space);
            server.query(sql, &[&tenant, &kind, &name, &&*blob.0, &bytes]).await?;
            Ok(())
        })
        .await?;
        Ok(name)
    }

    async fn get_blob(
        &self,
        space: &Space,
        name: &BlobName,
        range: Option<Range<u64>>,
    ) -> Result<Vec<u8>> {
        let (of, blob) = (space.clone(), name.clone());
        // A blob is smaller; the server cuts at its end.
        let (start, length) = check::clamp_range(1 << 30, range);
        let sql = "SELECT substr(b.content, $5::int + 1, $6::int) FROM blob b JOIN space s ON s.id = b.space \
             WHERE s.tenant = $1 AND s.kind = $2 AND s.name = $3 AND b.name = $4";
        self.call(|server| async move {
            let (tenant, kind, name) = read::key(&of);
            let (start, length) = (start as i32, length as i32);
            let params: server::Params<'_> = &[&tenant, &kind, &name, &&*blob.0, &start, &length];
            let rows = server.query(sql, params).await?;
            let bytes = rows.first().map(|row| read::column(row, 0)).transpose()?;
            bytes.ok_or_else(|| Error::not_found(Subject::blob(&of, &blob)))
        })
        .await
    }

    async fn collect_blobs(
        &self,
        space: &Space,
        in_use: &HashSet<BlobName>,
        older_than: Duration,
    ) -> Result<u64> {
        let space = space.clone();
        let names: Vec<String> = in_use.iter().map(|name| name.0.to_string()).collect();
        // A thousand years are enough, and more than the server can subtract are not.
        let seconds = older_than.as_secs_f64().min(3.2e10);
        let sql = "WITH gone AS (DELETE FROM blob b USING space s WHERE s.tenant = $1 AND s.kind = $2 AND s.name = $3 \
               AND b.space = s.id AND b.put <= now() - make_interval(secs => $5) \
               AND NOT EXISTS (SELECT FROM unnest($4::text[]) u WHERE u = b.name) RETURNING 1) SELECT count(*) FROM gone";
        self.call(|server| async move {
            let (tenant, kind, name) = read::key(&space);
            let params: server::Params<'_> = &[&tenant, &kind, &name, &names, &seconds];
            let rows = server.query(sql, params).await?;
            let count = rows.first().map_or(Ok(0i64), |row| read::column(row, 0))?;
            Ok(count.cast_unsigned())
        })
        .await
    }
}
