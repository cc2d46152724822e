//! Connections, and the thread that drives them.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use sessile_core::error::{Error, Result};
use sessile_driver::{check, clock, lock};
use tokio::{
    runtime::{Builder, Handle},
    sync::{Mutex as AsyncMutex, RwLock, oneshot},
    task::AbortHandle,
    time::timeout,
};
use tokio_postgres::{Client, Row, Statement, types::ToSql};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{
    error::{self, Failure},
    options::Options,
    tls,
};

/// A statement takes no longer than this: what has no answer by then has lost its server.
const LIMIT: Duration = Duration::from_secs(60);

/// How long a write without a patience of its own waits for other writers.
const PATIENCE: Duration = Duration::from_secs(5);

/// How a session must be, whatever the defaults of the server, database or user are. What a plan costs is known here: each
/// statement is a range of an index. A statement waits for a row for 100 ms: the patience of one writer must not keep the others of
/// its group waiting. `synchronous_commit` is fixed, so that a later reload cannot weaken it.
const SESSION: &str = r#"
SET search_path = "SCHEMA"; SET default_transaction_isolation = 'read committed'; SET default_transaction_read_only = off;
SET statement_timeout = 0; SET lock_timeout = 100; SET plan_cache_mode = force_generic_plan; SET jit = off;
SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off; SET client_min_messages = error;
SELECT set_config('synchronous_commit', CASE s WHEN 'off' THEN 'on' ELSE s END, false) FROM current_setting('synchronous_commit') s"#;

/// The parameters of a statement.
pub(super) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// A connection. Statements of several callers follow each other on it without waiting for answers, so a caller that goes away
/// holds nothing: its statement ends by itself.
#[derive(Debug)]
pub(super) struct Connection {
    client: Client,
    statements: Mutex<HashMap<String, Statement>>,
    driven: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driven.abort();
    }
}

impl Connection {
    /// Runs a statement that is a transaction of its own; it is prepared once for each connection.
    pub(super) async fn run(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        let known = lock(&self.statements).get(sql).cloned();
        let statement = match known {
            Some(statement) => statement,
            None => {
                let prepared = self.limited(self.client.prepare(sql)).await;
                let statement = prepared.map_err(Failure::unsent)?;
                lock(&self.statements).insert(sql.to_owned(), statement.clone());
                statement
            }
        };
        self.limited(self.client.query(&statement, params)).await
    }

    /// A statement that reads, or that may be repeated.
    pub(super) async fn query(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>> {
        self.run(sql, params).await.map_err(Failure::repeatable)
    }

    /// Runs statements in the text of which are no parameters.
    pub(super) async fn script(&self, sql: &str) -> Result<(), Failure> {
        self.client.batch_execute(sql).await.map_err(Failure::of)
    }

    async fn limited<T>(
        &self,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Failure> {
        match timeout(LIMIT, answer).await {
            Ok(answer) => answer.map_err(Failure::of),
            Err(elapsed) => {
                self.driven.abort();
                Err(Failure::Doubt(Arc::new(elapsed)))
            }
        }
    }
}

/// A place for a connection, and how many calls use it.
#[derive(Debug, Default)]
struct Line {
    connection: AsyncMutex<Option<Arc<Connection>>>,
    calls: AtomicUsize,
}

/// A server, as one handle uses it.
pub(super) struct Server {
    pub(super) options: Options,
    tls: MakeRustlsConnect,
    lines: Vec<Line>,
    runtime: Handle,
    /// Held by each call under way: whoever closes waits for it.
    calls: Arc<RwLock<()>>,
    closed: AtomicBool,
    /// Ends the thread when it is dropped.
    thread: Mutex<Option<oneshot::Sender<()>>>,
}

impl Server {
    /// Starts the thread; connects when first asked. A runtime of its own, because that of a caller may end before the handle,
    /// or may not be polled while a statement is under way.
    pub(super) fn start(options: Options) -> Result<Arc<Self>> {
        let failed = |e| Error::unavailable("the thread of the connections does not start", e);
        let tls = tls::connector(&options)?;
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (thread, ended) = oneshot::channel::<()>();
        let server = Arc::new(Self {
            tls,
            lines: (0..options.connections).map(|_| Line::default()).collect(),
            runtime: runtime.handle().clone(),
            calls: Arc::default(),
            closed: AtomicBool::new(false),
            thread: Mutex::new(Some(thread)),
            options,
        });
        let drive = move || drop(runtime.block_on(ended));
        std::thread::Builder::new().name("sessile-postgres".into()).spawn(drive).map_err(failed)?;
        Ok(server)
    }

    pub(super) fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(check::closed()) } else { Ok(()) }
    }

    /// Carries out a call on the thread, to its end, also if nobody waits for it any more. `None` if the handle was dropped.
    pub(super) async fn call<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Option<Result<T>> {
        let server = Arc::clone(self);
        let call = async move {
            let _under_way = server.under_way().await;
            server.check_open()?;
            work.await
        };
        self.runtime.spawn(call).await.ok()
    }

    /// While it lives, [`close`](Self::close) waits.
    pub(super) async fn under_way(&self) -> impl Send + use<> {
        Arc::clone(&self.calls).read_owned().await
    }

    /// Starts work on the thread.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(work);
    }

    /// A statement on the connection that has the least to do, or on a line of its own choice.
    pub(super) async fn run(
        &self,
        line: Option<usize>,
        sql: &str,
        params: Params<'_>,
    ) -> Result<Vec<Row>, Failure> {
        let least = self.lines.iter().min_by_key(|line| line.calls.load(Ordering::Relaxed));
        let line = line.and_then(|at| self.lines.get(at)).or(least);
        let line = line.ok_or_else(|| Failure::Unsent(check::closed()))?;
        line.calls.fetch_add(1, Ordering::Relaxed);
        let _one_less = OneLess(&line.calls);
        let connection = self.connection(line).await.map_err(Failure::Unsent)?;
        connection.run(sql, params).await
    }

    /// A statement that reads, or that may be repeated. It waits for other writers.
    pub(super) async fn query(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>> {
        self.patient(sql, params).await.map_err(Failure::repeatable)
    }

    /// A statement that is tried again while other writers are in its way, for [`PATIENCE`].
    pub(super) async fn patient(&self, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Failure> {
        let until = clock::deadline(PATIENCE);
        loop {
            match self.run(None, sql, params).await {
                Err(Failure::Busy(_)) if clock::instant() < until => {}
                answer => return answer,
            }
        }
    }

    async fn connection(&self, line: &Line) -> Result<Arc<Connection>> {
        let mut slot = line.connection.lock().await;
        match &*slot {
            Some(connection) if !connection.client.is_closed() => Ok(Arc::clone(connection)),
            _ => Ok(Arc::clone(slot.insert(Arc::new(self.connect().await?)))),
        }
    }

    /// A new connection, set up.
    pub(super) async fn connect(&self) -> Result<Connection> {
        let connecting = self.options.config.connect(self.tls.clone());
        let (client, driver) = match timeout(LIMIT, connecting).await {
            Ok(connected) => connected.map_err(error::unreachable)?,
            Err(elapsed) => return Err(Error::unavailable("PostgreSQL does not answer", elapsed)),
        };
        let driven = tokio::spawn(async { drop(driver.await) }).abort_handle();
        let connection = Connection { client, statements: Mutex::default(), driven };
        let session = SESSION.replace("SCHEMA", &self.options.schema);
        let set_up = timeout(LIMIT, connection.script(&session)).await;
        set_up
            .map_err(|e| Error::unavailable("PostgreSQL does not answer", e))?
            .map_err(Failure::repeatable)?;
        Ok(connection)
    }

    /// Waits for the calls under way, then ends the connections. `wake` wakes those who wait, once their next call is refused.
    pub(super) async fn close(&self, wake: impl FnOnce()) {
        if !self.closed.swap(true, Ordering::AcqRel) {
            wake();
            let _all = self.calls.write().await;
            drop(self.thread.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("options", &self.options).finish_non_exhaustive()
    }
}

struct OneLess<'a>(&'a AtomicUsize);

impl Drop for OneLess<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
